// The picture with what is drawn on it, and all that mouse, finger and keyboard do there. It keeps no
// scene: it says what the scene would be, and is given it back.

import { anchor, along, arrow, box, corners, edges, hit, length, middle, placed } from "./geometry.js";
import { inserted, moved, movedPoint, shapes } from "./scene.js";

const REACH_PX = 10;
const FINGER_PX = 18;
const FEW_PX = 5;
const LETTERS = 26;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ENOUGH = { line: 2, zone: 3, region: 2, mark: 1 };

export const Canvas = {
  template: `
    <svg ref="svg" class="mk-canvas" :class="['mk-tool-' + tool, { 'mk-held': held, 'mk-chosen': one && !locked }]" :viewBox="'0 0 ' + w + ' ' + h" :style="{ aspectRatio: w + ' / ' + h, '--u': unit + 'px' }"
         :tabindex="tool === 'select' ? -1 : 0" role="application" :aria-label="tool === 'select' ? texts.picture : texts.drawing[tool]"
         @pointerdown="pressed" @pointermove="dragged" @pointerup="released" @pointercancel="released" @dblclick="doubled" @keydown="typed" @contextmenu.prevent>
      <rect class="mk-nothing" :width="w" :height="h" />
      <image v-if="picture" :href="picture" :width="w" :height="h" preserveAspectRatio="none" />
      <g v-for="each in shown" :key="each.id" class="mk-shape" :class="['mk-' + each.type, { 'mk-selected': each.id === selected, 'mk-lit': lit.includes(each.type + ' ' + each.name), 'mk-wrong': wrong.includes(each.id) }]"
         tabindex="0" role="button" :aria-pressed="each.id === selected ? 'true' : 'false'" :aria-label="said(each)" :data-shape="each.id" @focus="chosen(each.id, null)">
        <polygon v-if="each.closed" class="mk-area" :points="flat(each.points)" />
        <template v-if="each.type === 'line'">
          <polyline class="mk-under" :points="flat(each.points)" /><polyline class="mk-stroke" :points="flat(each.points)" />
          <g v-if="each.arrow" class="mk-arrow">
            <polyline class="mk-under" :points="flat([each.arrow.from, each.arrow.shaft])" /><polyline class="mk-stroke" :points="flat([each.arrow.from, each.arrow.shaft])" />
            <polygon :points="flat(each.arrow.head)" :data-forward="each.arrow.way.join(' ')" />
            <text class="mk-way-name" v-bind="text(each.arrow.forward, each.arrow.way)">{{ short(each.forward) }}</text>
            <text class="mk-way-name mk-back" v-bind="text(each.arrow.backward, [-each.arrow.way[0], -each.arrow.way[1]])">{{ short(each.backward) }}</text>
          </g>
        </template>
        <g v-if="each.type === 'mark'"><circle class="mk-under" :cx="each.points[0][0]" :cy="each.points[0][1]" :r="7 * unit" /><path class="mk-stroke" :d="cross(each.points[0], 7)" /></g>
        <text v-if="each.name" class="mk-name" v-bind="text(each.at, each.lean)">{{ short(each.name) }}</text>
      </g>
      <template v-if="!locked && one">
        <circle v-for="edge in halves" :key="'half' + edge.i" class="mk-half" :cx="edge.at[0]" :cy="edge.at[1]" :r="4 * unit" />
        <circle v-for="(p, i) in one.points" :key="'point' + i" class="mk-handle" :class="{ 'mk-held': i === point }" :cx="p[0]" :cy="p[1]" :r="7 * unit"
                tabindex="0" role="button" :data-point="i" :aria-label="fill(texts.corner, { n: i + 1, x: p[0], y: p[1] })" @focus="chosen(one.id, i)" />
        <template v-if="one.type === 'line'"><text v-for="(p, i) in one.points" :key="'end' + i" class="mk-end" :x="p[0]" :y="p[1]" :dy="4 * unit" text-anchor="middle">{{ i + 1 }}</text></template>
      </template>
      <g v-if="tool !== 'select'" class="mk-sketch">
        <polygon v-if="tool !== 'line' && sketch.length > 2" class="mk-area" :points="flat(sketch)" />
        <polyline :points="flat(sketch)" class="mk-under" /><polyline :points="flat(sketch)" class="mk-stroke" />
        <polygon v-if="ahead" class="mk-ahead" :points="flat(ahead.head)" />
        <circle v-for="(p, i) in draft" :key="i" class="mk-dot" :cx="p[0]" :cy="p[1]" :r="5 * unit" />
        <path v-if="cursor" class="mk-cursor" :d="cross(cursor, 12)" />
      </g>
    </svg>`,

  props: {
    scene: { type: Object, required: true },
    view: { type: Number, default: null },
    // "select", or the sort of what is drawn next
    tool: { type: String, required: true },
    selected: { type: String, default: null },
    point: { type: Number, default: null },
    picture: { type: String, default: "" },
    locked: Boolean,
    // "zone yard" of those that a trial speaks of, and ids of those in which a mistake is
    lit: { type: Array, default: () => [] },
    wrong: { type: Array, default: () => [] },
    texts: { type: Object, required: true },
    fill: { type: Function, required: true },
  },
  emits: ["choose", "done", "edit", "made", "remove", "seal"],

  data() {
    return { unit: 1, draft: [], cursor: null, held: false };
  },

  created() {
    this.drag = null;
  },

  mounted() {
    this.sizes = new ResizeObserver(this.measure);
    this.sizes.observe(this.$refs.svg);
    this.measure();
  },

  unmounted() {
    this.sizes.disconnect();
  },

  watch: {
    tool(tool) {
      this.draft = [];
      this.cursor = null;
      if (tool === "select") return;
      this.cursor = [Math.round(this.w / 2), Math.round(this.h / 2)];
      this.$nextTick(() => this.$refs.svg.focus());
    },
    w() {
      this.measure();
    },
  },

  computed: {
    w() {
      return this.scene.frame_size[0];
    },
    h() {
      return this.scene.frame_size[1];
    },
    shown() {
      return shapes(this.scene, this.view).map((each) => {
        if (each.type === "line") {
          const [a, b] = each.points;
          const out = length(a, b) ? [(b[0] - a[0]) / length(a, b), (b[1] - a[1]) / length(a, b)] : [1, 0];
          return { ...each, arrow: arrow(each.points, this.unit), at: along(b, out, 14 * this.unit), lean: out };
        }
        const top = each.points.reduce((best, p) => (p[1] < best[1] ? p : best));
        return { ...each, at: each.type === "mark" ? along(top, [1, -1], 9 * this.unit) : along(top, [0, 1], 16 * this.unit), lean: [each.type === "mark" ? 1 : 0, 0] };
      });
    },
    one() {
      return this.shown.find((each) => each.id === this.selected) || null;
    },
    // where a corner more can be pulled out
    halves() {
      if (!this.one || this.one.type !== "zone") return [];
      return edges(this.one).map(({ i, a, b }) => ({ i, at: middle(a, b) }));
    },
    // what is being drawn, with the point under the cursor
    sketch() {
      if (!this.draft.length || !this.cursor) return this.draft;
      if (this.tool === "region") return [...corners(box(this.draft[0], this.cursor)), this.draft[0]];
      return [...this.draft, this.cursor];
    },
    ahead() {
      return this.tool === "line" && this.sketch.length === 2 ? arrow(this.sketch, this.unit) : null;
    },
  },

  methods: {
    measure() {
      const width = this.$refs.svg.getBoundingClientRect().width;
      // what is larger where letters are
      const letters = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
      if (width) this.unit = (this.w / width) * letters;
    },

    flat(points) {
      return points.map((p) => p.join(",")).join(" ");
    },

    cross([x, y], px) {
      const far = px * this.unit;
      return `M${x - far} ${y}H${x + far}M${x} ${y - far}V${y + far}`;
    },

    text([x, y], lean) {
      const inside = (value, most) => Math.min(Math.max(value, 6 * this.unit), most - 6 * this.unit);
      const side = x < 40 * this.unit ? "start" : x > this.w - 40 * this.unit ? "end" : anchor(lean);
      return { x: inside(x, this.w), y: inside(y + 4 * this.unit, this.h), "text-anchor": side };
    },

    short(name) {
      const letters = [...name];
      return letters.length > LETTERS ? letters.slice(0, LETTERS - 1).join("") + "…" : name;
    },

    said(each) {
      const { type, name, points } = each;
      return this.fill(this.texts.shapes[type], { name, n: points.length, forward: each.forward, backward: each.backward });
    },

    // --- choosing

    chosen(id, point) {
      if (this.tool === "select" && (id !== this.selected || point !== this.point)) this.$emit("choose", id, point);
    },

    // what is chosen gets the keys
    focus(id, point = null) {
      this.$nextTick(() => {
        const found = point === null ? this.$refs.svg.querySelector(`[data-shape="${id}"]`) : this.$refs.svg.querySelector(`[data-point="${point}"]`);
        if (found) found.focus({ preventScroll: true });
      });
    },

    where(event) {
      const rect = this.$refs.svg.getBoundingClientRect();
      return [((event.clientX - rect.left) / rect.width) * this.w, ((event.clientY - rect.top) / rect.height) * this.h];
    },

    // --- mouse and finger

    pressed(event) {
      if (event.button) return;
      event.preventDefault();
      const p = this.where(event);
      this.$refs.svg.setPointerCapture(event.pointerId);
      if (this.tool !== "select") {
        this.$refs.svg.focus({ preventScroll: true });
        this.put(p, event);
        return;
      }
      const reach = (event.pointerType === "touch" ? FINGER_PX : REACH_PX) * this.unit;
      const half = this.locked ? null : this.halves.find((each) => length(p, each.at) <= reach);
      const found = hit(this.shown, p, reach, this.selected);
      if (half && (!found || found.id !== this.selected || found.point === undefined)) {
        this.$emit("edit", inserted(this.scene, this.view, this.selected, half.i, half.at), "pull");
        this.$emit("choose", this.selected, half.i + 1);
        this.begin(this.selected, half.i + 1, p, "pull");
        return;
      }
      if (!found) {
        this.$emit("choose", null, null);
        return;
      }
      const point = found.id === this.selected && found.point !== undefined ? found.point : null;
      this.$emit("choose", found.id, point);
      this.focus(found.id, point);
      if (!this.locked) this.begin(found.id, point, p, "drag");
    },

    begin(id, point, from, key) {
      this.drag = { id, point, from, key, base: null };
    },

    dragged(event) {
      const p = this.where(event);
      if (this.tool !== "select") {
        this.cursor = placed(p, this.scene.frame_size);
        return;
      }
      const drag = this.drag;
      if (!drag) return;
      // a click that trembles moves nothing
      if (!drag.base && length(p, drag.from) < FEW_PX * this.unit && drag.key === "drag") return;
      drag.base ||= this.scene;
      this.held = true;
      const next = drag.point === null ? moved(drag.base, this.view, drag.id, p[0] - drag.from[0], p[1] - drag.from[1]) : movedPoint(drag.base, this.view, drag.id, drag.point, p);
      this.$emit("edit", next, drag.key);
    },

    released(event) {
      if (this.tool !== "select") {
        this.lifted(this.where(event));
        return;
      }
      if (this.drag) this.$emit("seal");
      if (this.drag && this.drag.point !== null) this.focus(this.drag.id, this.drag.point);
      this.drag = null;
      this.held = false;
    },

    doubled() {
      if (this.tool === "zone") this.finish();
    },

    // a point more of what is drawn
    put(p, event = null) {
      const at = placed(p, this.scene.frame_size);
      const reach = (event && event.pointerType === "touch" ? FINGER_PX : REACH_PX) * this.unit;
      this.cursor = at;
      if (this.tool === "zone" && this.draft.length > 2 && length(at, this.draft[0]) <= reach) {
        this.finish();
        return;
      }
      const last = this.draft.at(-1);
      // the second click of a double one is no corner
      if (!last || length(at, last) > (this.tool === "zone" ? 2 * this.unit : 0)) this.draft = [...this.draft, at];
      if (this.tool !== "zone" && this.draft.length === ENOUGH[this.tool]) this.finish();
    },

    // a line or a region is drawn in one go too, from where the button was pressed to where it is let go
    lifted(p) {
      if (this.draft.length === 1 && ["line", "region"].includes(this.tool) && length(p, this.draft[0]) > 2 * FEW_PX * this.unit) this.put(p);
    },

    finish() {
      if (this.draft.length < ENOUGH[this.tool]) return;
      const points = this.draft;
      this.draft = [];
      this.$emit("made", this.tool, points);
    },

    // --- keys

    typed(event) {
      if (event.altKey || event.metaKey) return;
      const step = STEPS[event.key];
      const far = event.shiftKey ? 10 : event.ctrlKey ? 100 : 1;
      const act = this.tool === "select" ? this.chosenKey(event.key, step, far, event.target) : this.drawingKey(event.key, step, far);
      if (act) {
        event.preventDefault();
        event.stopPropagation();
      }
    },

    drawingKey(key, step, far) {
      if (step) this.cursor = placed([this.cursor[0] + step[0] * far, this.cursor[1] + step[1] * far], this.scene.frame_size);
      else if (key === " ") this.put(this.cursor);
      else if (key === "Enter") this.draft.length < ENOUGH[this.tool] || this.tool === "mark" ? this.put(this.cursor) : this.finish();
      else if (key === "Backspace" || key === "Delete") this.draft = this.draft.slice(0, -1);
      else if (key === "Escape" && this.draft.length) this.draft = [];
      else if (key === "Escape") this.$emit("done");
      else return false;
      return true;
    },

    chosenKey(key, step, far, target) {
      if (!this.one) return false;
      const on = target.dataset.point === undefined ? null : Number(target.dataset.point);
      if (key === "Escape") {
        if (on === null) this.$emit("choose", null, null);
        else this.focus(this.one.id);
        return true;
      }
      if (key === "Enter" && !this.locked) this.focus(this.one.id, on === null ? 0 : (on + 1) % this.one.points.length);
      else if (this.locked) return false;
      else if (step && on === null) this.nudge(moved(this.scene, this.view, this.one.id, step[0] * far, step[1] * far), "all");
      else if (step) this.nudge(movedPoint(this.scene, this.view, this.one.id, on, along(this.one.points[on], step, far)), on);
      else if (key === "Delete" || key === "Backspace") this.$emit("remove", this.one.id, on);
      else if (key === "Insert" && this.one.type === "zone") this.insert(on || 0);
      else return false;
      return true;
    },

    nudge(next, what) {
      this.$emit("edit", next, `nudge ${this.one.id} ${what}`);
    },

    insert(i) {
      const { points, id } = this.one;
      this.$emit("edit", inserted(this.scene, this.view, id, i, middle(points[i], points[(i + 1) % points.length])), null);
      this.focus(id, i + 1);
    },
  },
};
