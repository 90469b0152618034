// The traffic of one day at one place: what passed in each quarter hour, and how much of that was
// watched. What is looked at stands in the page's address, so that it can be sent to somebody.

import { Chart } from "charts/chart.js";
import { flow, speed, worth } from "charts/quarters.js";
import { Quarters } from "charts/table.js";
import { number, percent } from "charts/tip.js";
import { Turning } from "charts/turning.js";

const SIGNS = { number: number, percent };

export default {
  components: { Chart, Quarters, Turning },

  template: `
    <section class="mk-traffic" :aria-label="texts.title" :aria-busy="asking ? 'true' : 'false'">
      <form class="mk-asked" @submit.prevent>
        <label class="mk-place">{{ texts.place }}<select name="place" :value="place" @change="choosePlace($event.target.value)">
          <option v-if="!place" value="" disabled>{{ texts.choose }}</option>
          <optgroup v-if="junctions.length" :label="texts.junctions"><option v-for="name in junctions" :key="name" :value="'junction ' + name" dir="auto">{{ name }}</option></optgroup>
          <optgroup :label="texts.cameras"><option v-for="each in cameras" :key="each.id" :value="'camera ' + each.id" dir="auto">{{ each.name }}</option></optgroup>
        </select></label>
        <label v-if="lines.length">{{ texts.line }}<select name="line" :value="asked.line" @change="ask({ line: $event.target.value, direction: '', other: '' })">
          <option v-for="name in lines" :key="name" :value="name" dir="auto">{{ name }}</option>
        </select></label>
        <label v-if="directions.length > 1">{{ texts.direction }}<select name="direction" :value="asked.direction" @change="ask({ direction: $event.target.value })">
          <option value="">{{ texts.all_directions }}</option><option v-for="name in directions" :key="name" :value="name" dir="auto">{{ name }}</option>
        </select></label>
        <div class="mk-days" role="group" :aria-label="texts.day">
          <button type="button" :disabled="!days.before" :aria-label="texts.day_before" :title="texts.day_before" @click="ask({ day: days.before })">‹</button>
          <label>{{ texts.day }}<input type="date" name="day" required :value="asked.day" :max="days.last" @change="$event.target.value && ask({ day: $event.target.value })"></label>
          <button type="button" :disabled="!days.after" :aria-label="texts.day_after" :title="texts.day_after" @click="ask({ day: days.after })">›</button>
        </div>
        <label>{{ texts.against }}<select name="against" :value="against" @change="compare($event.target.value)">
          <option value="">{{ texts.nothing }}</option><option value="yesterday">{{ texts.yesterday }}</option><option value="week">{{ texts.week }}</option>
          <optgroup v-if="others.length" :label="texts.another"><option v-for="name in others" :key="name" :value="'line ' + name" dir="auto">{{ name }}</option></optgroup>
        </select></label>
      </form>

      <p v-if="shown.problem" class="mk-refused" role="status">{{ shown.problem }}</p>
      <template v-if="shown.bins">
        <header class="mk-traffic-head">
          <h2><bdi>{{ shown.title }}</bdi><small>{{ shown.day }}</small></h2>
          <p class="mk-marks"><span v-if="shown.holiday" class="mk-badge">{{ shown.holiday }}</span><span v-if="shown.synthetic" class="mk-badge">{{ texts.synthetic }}</span></p>
          <nav class="mk-exports" :aria-label="texts.exports"><span>{{ texts.exports }}</span><a v-for="each in shown.exports" :key="each.name" :href="each.href" download>{{ each.name }}</a></nav>
        </header>
        <dl class="mk-facts"><div v-for="fact in shown.facts" :key="fact.name" :data-fact="fact.id"><dt>{{ fact.name }}</dt><dd><bdi>{{ valued(fact) }}</bdi><small v-if="fact.note" dir="auto">{{ fact.note }}</small></dd></div></dl>

        <div class="mk-charts">
          <section class="mk-figure mk-figure-flow" data-chart="flow"><h3>{{ texts.flow }}<small>{{ texts.flow_unit }}</small></h3>
            <ul class="mk-legend">
              <li v-for="each in shown.bins.classes" :key="each.id"><i class="mk-swatch" :style="{ background: 'var(--class-' + each.id + ')' }"></i>{{ texts.classes[each.id] }} <b>{{ said(sum(each.counts)) }}</b></li>
              <li v-if="shown.other"><i class="mk-swatch mk-dashed"></i><bdi>{{ shown.other.name }}</bdi> <b>{{ said(sum(shown.other.totals)) }}</b></li>
              <li v-if="shown.bins.peak"><i class="mk-swatch mk-peak"></i>{{ texts.peak }}</li>
              <li><i class="mk-swatch mk-watched"></i>{{ texts.watched }}</li><li><i class="mk-swatch mk-blind"></i>{{ texts.blind }}</li><li><i class="mk-swatch mk-missing"></i>{{ texts.missing }}</li>
            </ul>
            <Chart :draw="draws.flow" :values="shown" :texts="texts" :label="texts.flow + ' ' + texts.see_table" /></section>
          <section class="mk-figure" data-chart="worth"><h3>{{ texts.worth }}<small>{{ texts.worth_unit }}</small></h3>
            <p v-if="shown.worthless || !worth" class="mk-hint">{{ shown.worthless || texts.no_worth }}</p>
            <Chart v-if="worth" :draw="draws.worth" :values="shown" :texts="texts" :label="texts.worth + ' ' + texts.see_table" /></section>
          <section class="mk-figure" data-chart="speed"><h3>{{ texts.speed }}<small v-if="shown.bins.kmh">{{ texts.speed_unit }}</small></h3>
            <p v-if="!shown.bins.kmh" class="mk-hint">{{ texts.no_speed }}</p>
            <Chart v-else :draw="draws.speed" :values="shown" :texts="texts" :label="texts.speed + ' ' + texts.see_table" /></section>
        </div>
        <Turning v-if="shown.turning" :turning="shown.turning" :texts="texts" />
        <section class="mk-notes"><h3>{{ texts.notes }}</h3><ul><li v-for="note in shown.notes" :key="note" dir="auto">{{ note }}</li></ul></section>
        <Quarters :shown="shown" :texts="texts" />
      </template>
    </section>`,

  props: {
    cameras: { type: Array, default: () => [] },
    junctions: { type: Array, default: () => [] },
    first: { type: Object, required: true },
    texts: { type: Object, required: true },
  },
  emits: ["ask"],

  data() {
    return { shown: this.first, asking: false };
  },

  created() {
    // what need not be watched: functions, how often something was asked for, whether it was by going back
    this.draws = { flow, worth, speed };
    this.turn = 0;
    this.returning = false;
  },

  mounted() {
    this.keep("replaceState");
    window.addEventListener("popstate", this.again);
  },

  unmounted() {
    window.removeEventListener("popstate", this.again);
  },

  computed: {
    asked() {
      return this.shown.asked;
    },
    place() {
      const { camera, junction } = this.asked;
      return junction ? `junction ${junction}` : camera ? `camera ${camera}` : "";
    },
    lines() {
      return this.shown.lines;
    },
    directions() {
      return this.shown.directions;
    },
    others() {
      return this.lines.filter((name) => name !== this.asked.line);
    },
    days() {
      return this.shown.days;
    },
    // whether anything has a sum in passenger-car units
    worth() {
      return this.shown.bins.smp.some((each) => each !== null);
    },
    against() {
      return this.asked.other ? `line ${this.asked.other}` : this.asked.against;
    },
  },

  methods: {
    // from the server
    show(shown) {
      // what was asked for since is still to come
      if (shown.turn !== this.turn) return;
      this.asking = false;
      this.shown = shown;
      this.keep(this.returning || shown.address === location.search ? "replaceState" : "pushState");
    },

    ask(changes) {
      const wanted = { ...this.asked, ...changes };
      const query = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));
      this.send(`?${query}`);
    },

    send(query, returning = false) {
      this.turn++;
      this.returning = returning;
      this.asking = true;
      this.$emit("ask", query, this.turn);
    },

    // back or forward in the browser
    again() {
      this.send(location.search || "?", true);
    },

    choosePlace(value) {
      const cut = value.indexOf(" ");
      this.ask({ camera: "", junction: "", line: "", direction: "", other: "", [value.slice(0, cut)]: value.slice(cut + 1) });
    },

    compare(value) {
      this.ask(value.startsWith("line ") ? { against: "", other: value.slice(5) } : { against: value, other: "" });
    },

    // another language leads back to the same
    keep(how) {
      const address = location.pathname + this.shown.address;
      history[how](history.state, "", address);
      for (const back of document.querySelectorAll('input[name="back"]')) back.value = address;
    },

    said(value, digits = 0) {
      return number(value, this.texts, digits);
    },

    sum(counts) {
      const known = counts.filter((count) => count !== null);
      return known.length ? known.reduce((all, count) => all + count, 0) : null;
    },

    valued({ kind, value, digits, unit }) {
      const said = SIGNS[kind] ? SIGNS[kind](value, this.texts, digits ?? 0) : value;
      return unit && value !== null ? `${said} ${unit}` : said;
    },
  },
};
