// When a rule watches, as a form.

import { Field } from "./fields.js";
import { WEEK, ZONE, filledIn, writtenSchedule } from "./schedule.js";

const NEW = { days: WEEK.slice(0, 5), from: "18:00", to: "06:00" };

export const Hours = {
  components: { Field },

  template: `
    <fieldset class="mk-hours">
      <legend>{{ texts.title }}</legend>
      <label class="mk-choice"><input type="radio" :name="'hours' + $.uid" :checked="!form" @change="give(null)"> {{ texts.always }}</label>
      <label class="mk-choice"><input type="radio" :name="'hours' + $.uid" value="timed" :checked="Boolean(form)" @change="begin"> {{ texts.timed }}</label>
      <template v-if="form">
        <div v-for="(span, i) in form.spans" :key="i" class="mk-span-form" :data-span="i">
          <div role="group" :aria-label="texts.days" class="mk-days"><button v-for="name in week" :key="name" type="button" :data-day="name" :aria-pressed="span.days.includes(name) ? 'true' : 'false'" @click="toggle(i, name)">{{ texts.names[name] }}</button></div>
          <div class="mk-pair"><label>{{ texts.from }}<Field name="from" maxlength="5" placeholder="00:00" :value="span.from" @change="clock(i, 'from', $event)" /></label>
            <label>{{ texts.to }}<Field name="to" maxlength="5" placeholder="24:00" :value="span.to" @change="clock(i, 'to', $event)" /></label>
            <button v-if="form.spans.length > 1" type="button" :aria-label="texts.drop" :title="texts.drop" @click="drop(i)">×</button></div>
        </div>
        <p class="mk-hint">{{ texts.hint }}</p>
        <p class="mk-acts"><button type="button" class="mk-add-span" @click="more">+ {{ texts.more }}</button></p>
        <label>{{ texts.holidays }}<Field name="holidays" :value="form.holidays" placeholder="ID/government, 2026-12-31" @change="put({ holidays: $event.target.value })" /></label>
        <label>{{ texts.on_holidays }}<select :value="form.on_holidays" @change="put({ on_holidays: $event.target.value })"><option v-for="(text, each) in texts.holiday_ways" :key="each" :value="each">{{ text }}</option></select></label>
        <label>{{ texts.zone }}<Field name="zone" :value="form.zone" :placeholder="usual" @change="put({ zone: $event.target.value.trim() })" /></label>
      </template>
    </fieldset>`,

  props: {
    schedule: { type: Object, default: undefined },
    locked: Boolean,
    texts: { type: Object, required: true },
  },
  emits: ["change"],

  data() {
    return { week: WEEK, usual: ZONE };
  },

  computed: {
    form() {
      return filledIn(this.schedule);
    },
  },

  methods: {
    give(form) {
      this.$emit("change", writtenSchedule(form));
    },

    begin() {
      if (!this.form) this.give({ spans: [{ ...NEW }], zone: "", holidays: "", on_holidays: "same" });
    },

    put(what) {
      this.give({ ...this.form, ...what });
    },

    span(i, what) {
      this.put({ spans: this.form.spans.map((each, k) => (k === i ? { ...each, ...what } : each)) });
    },

    // a span without a day is none: the last one stays
    toggle(i, name) {
      const { days } = this.form.spans[i];
      const next = WEEK.filter((each) => (each === name ? !days.includes(each) : days.includes(each)));
      if (next.length) this.span(i, { days: next });
    },

    // 6, 600 and 6.00 are six o'clock too
    clock(i, side, event) {
      const [, hours, minutes] = /^(\d{1,2})[:.]?(\d{2})?$/.exec(event.target.value.trim()) || [];
      const text = hours === undefined ? event.target.value.trim() : `${hours.padStart(2, "0")}:${minutes || "00"}`;
      event.target.value = text;
      this.span(i, { [side]: text });
    },

    more() {
      this.put({ spans: [...this.form.spans, { ...NEW, days: ["sat", "sun"] }] });
    },

    drop(i) {
      this.put({ spans: this.form.spans.filter((_, k) => k !== i) });
    },
  },
};
