// Who came from where and went where to: a drawing of the ways through a junction, and the table of the
// same numbers.

import { number } from "charts/tip.js";

const MIDDLE = 160;
const RADIUS = 118;
// of an arm, in each direction; what is narrower than the thinnest is drawn as that
const WIDEST = 40;
const THINNEST = 1.5;
const APART = 3;
const NAME_CHARS = 16;

function at(angle, radius, aside = 0) {
  return [MIDDLE + radius * Math.sin(angle) + aside * Math.cos(angle), MIDDLE - radius * Math.cos(angle) + aside * Math.sin(angle)];
}

// how far one turns, clockwise from who turns round
function turned(a, b) {
  return (b - a + 2 * Math.PI - 1e-6) % (2 * Math.PI);
}

// the ways of each arm side by side, in one direction: one keeps left, and who turns left is outermost
function abreast(ways, arm, side) {
  const angles = new Map();
  for (const way of ways) angles.set(way[arm], [...(angles.get(way[arm]) || []), way]);
  for (const beside of angles.values()) {
    let aside = APART;
    for (const way of beside.sort((one, other) => turned(other.a, other.b) - turned(one.a, one.b))) {
      way[side] = aside + way.width / 2;
      aside += way.width;
    }
  }
}

// Of an approach of which nobody knows where the others lie: it comes from below, and one drives on the
// left.
const ASIDE = { left: 1.5 * Math.PI, straight: 0, right: 0.5 * Math.PI, u_turn: Math.PI };

function short(name) {
  const letters = [...name];
  return letters.length > NAME_CHARS ? `${letters.slice(0, NAME_CHARS - 1).join("")}…` : name;
}

export const Turning = {
  template: `
    <section class="mk-turning" :aria-label="texts.turning">
      <h3>{{ texts.turning }}</h3>
      <p v-for="note in turning.notes" :key="note" class="mk-hint">{{ note }}</p>
      <div v-if="drawings.length" class="mk-drawings" aria-hidden="true"><svg v-for="each in drawings" :key="each.name" viewBox="-60 -6 440 332">
        <path v-for="way in each.ways" :key="way.key" :d="way.path" :class="'mk-way mk-way-' + way.from % 8" :stroke-width="way.width"><title>{{ way.said }}</title></path>
        <g v-for="arm in each.arms" :key="arm.name"><text :x="arm.label[0]" :y="arm.label[1]" :text-anchor="arm.anchor" dominant-baseline="middle"><title>{{ arm.name }}</title>{{ arm.short }}</text></g>
      </svg></div>
      <div v-if="ways.length" class="mk-scroll" tabindex="0" role="region" :aria-label="texts.turning">
        <table class="mk-matrix">
          <thead><tr><th scope="col">{{ texts.from_to }}</th><th v-for="name in turning.destinations" :key="name" scope="col"><bdi>{{ called(name) }}</bdi></th><th scope="col">{{ texts.total }}</th></tr></thead>
          <tbody><tr v-for="(origin, i) in turning.origins" :key="origin">
            <th scope="row"><i :class="'mk-swatch mk-way-' + i % 8"></i><bdi>{{ called(origin) }}</bdi></th>
            <td v-for="(name, j) in turning.destinations" :key="name" :class="{ 'mk-none': turning.cells[i][j] === 0 }">{{ said(turning.cells[i][j], turning.partly[i][j]) }}</td><td class="mk-sum">{{ said(turning.sums.rows[i], turning.partly[i].includes(true)) }}</td>
          </tr></tbody>
          <tfoot><tr><th scope="row">{{ texts.total }}</th><td v-for="(name, j) in turning.destinations" :key="name" class="mk-sum">{{ said(turning.sums.columns[j], turning.partly.some((row) => row[j])) }}</td><td class="mk-sum">{{ said(turning.sums.all, turning.partly.flat().includes(true)) }}</td></tr></tfoot>
        </table>
      </div>
    </section>`,

  props: {
    // origins, destinations, cells (null where nobody knows, or where there is no such way) and their
    // sums, which of them are of a part of the time, and what to know about them; the angles of arms,
    // none where the destinations are ways to turn
    turning: { type: Object, required: true },
    texts: { type: Object, required: true },
  },

  computed: {
    ways() {
      return this.turning.cells.flatMap((row, from) => row.map((count, to) => ({ from, to, count }))).filter(({ count }) => count);
    },

    // as wide as the fullest arm is wide
    scale() {
      const arms = [...this.turning.cells, ...this.turning.destinations.map((_, j) => this.turning.cells.map((row) => row[j]))];
      return WIDEST / Math.max(1, ...arms.map((counts) => counts.reduce((sum, count) => sum + (count ?? 0), 0)));
    },

    drawings() {
      const { angles, origins } = this.turning;
      const named = angles ? origins.filter((name) => name in angles) : origins;
      if (!this.ways.length || !named.length) return [];
      if (angles) return [this.drawing("", angles, angles, origins)];
      return origins.map((name) => this.drawing(name, { [name]: Math.PI }, ASIDE, [name]));
    },
  },

  methods: {
    // the ways from these origins, with an arm at each of their angles
    drawing(name, starts, ends, origins) {
      const ways = [];
      for (const { from, to, count } of this.ways) {
        const [origin, destination] = [this.turning.origins[from], this.turning.destinations[to]];
        if (!origins.includes(origin) || !Object.hasOwn(starts, origin) || !Object.hasOwn(ends, destination)) continue;
        const [a, b] = [starts[origin], ends[destination]];
        ways.push({ key: `${from} ${to}`, from, a, b, width: Math.max(THINNEST, this.scale * count), said: `${this.called(origin)} → ${this.called(destination)}: ${this.said(count)}` });
      }
      abreast(ways, "a", "in");
      abreast(ways, "b", "out");
      for (const way of ways) {
        const [start, end] = [at(way.a, RADIUS, way.in), at(way.b, RADIUS, -way.out)];
        // straight in and straight out, and round in between
        const bend = 0.35 * RADIUS;
        way.path = `M${start}C${at(way.a, way.a === way.b ? 0 : bend, way.in)} ${at(way.b, way.a === way.b ? 0 : bend, -way.out)} ${end}`;
      }
      const arms = Object.entries({ ...ends, ...starts }).filter(([arm]) => arm !== "u_turn" || this.turning.angles);
      return { name, ways, arms: arms.map(([arm, angle]) => this.arm(arm, angle)) };
    },

    arm(name, angle) {
      const side = Math.sin(angle);
      return { name, short: short(this.called(name)), label: at(angle, RADIUS + 16), anchor: Math.abs(side) < 0.35 ? "middle" : side > 0 ? "start" : "end" };
    },

    called(name) {
      if (this.turning.junction) return Object.hasOwn(this.texts.turns, name) ? this.texts.turns[name] : name;
      return name === this.texts.unknown.name ? this.texts.unknown.said : name;
    },

    said(count, partly = false) {
      return number(count, this.texts) + (partly && count !== null ? "*" : "");
    },
  },
};
