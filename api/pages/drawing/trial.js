// What would have been: the kept tracks of the last minutes through the rules as they are drawn now.

import { why } from "./server.js";
import { clock } from "./words.js";

export const Trial = {
  template: `
    <div class="mk-trial">
      <p class="mk-hint">{{ texts.hint }}</p>
      <form class="mk-card" @submit.prevent="run"><label>{{ texts.minutes }}<input name="minutes" type="number" min="1" max="60" step="1" required v-model.number="minutes"></label>
        <p class="mk-acts"><button type="submit" :disabled="running">{{ running ? texts.running : fill(texts.run, { n: minutes || 0 }) }}</button></p></form>
      <p v-if="failed" class="mk-refused" role="alert">{{ failed }}</p>
      <div v-if="found" class="mk-found" role="status" :data-pictures="found.pictures">
        <p v-for="each in found.said" :key="each">{{ each }}</p>
        <p v-if="stale" class="mk-hint mk-stale-line">{{ texts.stale }}</p>
        <h3>{{ fill(texts.fired, { n: found.events.length }) }}</h3>
        <p v-if="!found.events.length" class="mk-hint">{{ texts.none }}</p>
        <ul class="mk-list"><li v-for="(each, i) in found.events" :key="i" class="mk-event" :data-event="each.rule" tabindex="0" @focus="light(each)" @mouseenter="light(each)">
          <span class="mk-shape" :class="'mk-' + each.severity">{{ marks[each.severity] }}</span> <span class="mk-rule-title">{{ name(each.kind) }}<bdi v-if="each.place"> · {{ each.place }}</bdi></span> <time>{{ clock(each.start) }}{{ each.end ? " – " + clock(each.end) : "" }}</time></li></ul>
        <p v-if="found.more" class="mk-hint">{{ texts.more }}</p>
        <template v-if="found.why_not.length"><h3>{{ texts.why_not }}</h3>
          <details v-for="each in found.why_not" :key="each.rule" class="mk-card" :data-why-not="each.rule" @toggle="light(each)">
            <summary>{{ name(each.kind) }}<bdi v-if="each.place"> · {{ each.place }}</bdi></summary>
            <p>{{ each.said }}</p>
            <table v-if="each.conditions.length" class="mk-conditions"><thead><tr><th></th><th scope="col">{{ texts.what }}</th><th scope="col">{{ texts.was }}</th><th scope="col">{{ texts.needed }}</th></tr></thead>
              <tbody><tr v-for="one in each.conditions" :key="one.what" :class="{ 'mk-unmet': !one.met }"><td>{{ one.met ? "✓" : "✗" }}</td><th scope="row">{{ one.what }}</th><td>{{ one.found }}</td><td>{{ one.needed }}</td></tr></tbody></table>
          </details></template>
        <template v-if="found.left_out.length"><h3>{{ texts.left_out }}</h3><ul class="mk-list"><li v-for="(each, i) in found.left_out" :key="i"><bdi v-if="each.rule">{{ each.rule }}: </bdi>{{ each.why }}</li></ul></template>
        <template v-if="ways.length"><h3>{{ texts.counted }}</h3>
          <table class="mk-conditions mk-counted"><thead><tr><th scope="col">{{ texts.line }}</th><th scope="col">{{ texts.direction }}</th><th scope="col">{{ texts.number }}</th></tr></thead>
            <tbody><tr v-for="each in ways" :key="each.line + ' ' + each.direction" :data-line="each.line" :data-direction="each.direction"><th scope="row" dir="auto">{{ each.line }}</th><td dir="auto">{{ each.direction }}</td><td class="mk-number">{{ each.count }}</td></tr></tbody></table></template>
      </div>
    </div>`,

  props: {
    scene: { type: Object, required: true },
    server: { type: Object, required: true },
    kinds: { type: Array, required: true },
    texts: { type: Object, required: true },
    fill: { type: Function, required: true },
  },
  emits: ["light"],

  data() {
    return { minutes: 10, running: false, failed: "", found: null, tried: null, marks: { critical: "■", high: "▲", medium: "◆", low: "●" } };
  },

  unmounted() {
    this.$emit("light", []);
  },

  computed: {
    // something was drawn since
    stale() {
      return this.tried !== this.scene;
    },
    // both ways of each line, over all classes; nobody is a number too
    ways() {
      const sums = new Map();
      const add = (line, direction, count) => {
        const key = JSON.stringify([line, direction]);
        sums.set(key, { line, direction, count: count + (sums.has(key) ? sums.get(key).count : 0) });
      };
      for (const part of [this.tried, ...(this.tried.presets || [])]) {
        for (const line of part.lines || []) for (const way of ["forward", "backward"]) add(line.name, line[way] || way, 0);
      }
      for (const each of this.found.counts) add(each.line, each.direction, each.count);
      return [...sums.values()];
    },
  },

  methods: {
    clock,

    name(kind) {
      const found = this.kinds.find((each) => each.kind === kind);
      return found ? found.name : kind;
    },

    light(each) {
      this.$emit("light", each.place ? [`zone ${each.place}`, `line ${each.place}`] : []);
    },

    async run() {
      if (this.running) return;
      const scene = this.scene;
      [this.running, this.failed] = [true, ""];
      const { status, body } = await this.server.replay(scene, this.minutes);
      this.running = false;
      if (status !== 200) this.failed = why(body.detail);
      else if (!body.ok) this.failed = body.said.join(" ") || this.texts.nothing;
      else [this.found, this.tried] = [body, scene];
    },
  },
};
