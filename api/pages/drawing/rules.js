// The rules of a view: which kind watches which place, with its settings explained, and when.

import { Classes, Field, Setting } from "./fields.js";
import { at, names, ruleName, withEntry, withField, withoutEntry } from "./scene.js";
import { Hours } from "./hours.js";

const PLACES = { zone: "zones", line: "lines" };

export const Rules = {
  components: { Classes, Field, Hours, Setting },

  template: `
    <div class="mk-rules">
      <form v-if="!locked" class="mk-card mk-add-rule" @submit.prevent="add">
        <label>{{ texts.kind }}<select name="kind" v-model="kind"><optgroup v-for="place in places" :key="place" :label="texts.places[place]"><option v-for="each in sorted.filter((one) => one.place === place)" :key="each.kind" :value="each.kind">{{ each.name }}</option></optgroup></select></label>
        <label v-if="chosen && chosen.place !== 'camera'">{{ texts.on[chosen.place] }}<select name="place" v-model="place"><option v-for="name in drawn(chosen.place)" :key="name" :value="name">{{ name }}</option></select></label>
        <p v-if="chosen && !able" class="mk-hint">{{ chosen.place === "camera" ? texts.own_only : texts.draw_first[chosen.place] }}</p>
        <p class="mk-acts"><button type="submit" :disabled="!able">+ {{ texts.add }}</button></p>
      </form>
      <p v-if="!rules.length" class="mk-hint">{{ texts.empty }}</p>
      <ul class="mk-list">
        <li v-for="(rule, i) in rules" :key="i" :data-rule="i" :class="{ 'mk-selected': i === open, 'mk-off': rule.enabled === false }">
          <button type="button" class="mk-row" :aria-expanded="i === open ? 'true' : 'false'" @click="show(i === open ? null : i)">
            <span class="mk-shape" :class="'mk-' + severity(rule)" :title="texts.severities[severity(rule)]">{{ marks[severity(rule)] }}</span>
            <span class="mk-rule-title">{{ kindOf(rule).name }}<bdi v-if="placeOf(rule)"> · {{ placeOf(rule) }}</bdi><bdi v-if="rule.name" class="mk-hint"> {{ rule.name }}</bdi></span>
            <span v-if="rule.enabled === false" class="mk-badge">{{ texts.off }}</span><span v-else-if="rule.schedule" class="mk-badge">{{ texts.timed }}</span>
            <span v-if="wrong(i)" class="mk-flag" :title="fault.text">!</span>
          </button>
          <fieldset v-if="i === open" class="mk-card" :disabled="locked">
            <p v-if="wrong(i)" class="mk-refused" role="alert" lang="en">{{ fault.text }}</p>
            <label class="mk-choice"><input type="checkbox" name="enabled" :checked="rule.enabled !== false" @change="set(i, 'enabled', $event.target.checked ? undefined : false)"> {{ texts.enabled }}</label>
            <label>{{ texts.name }}<Field name="rule" dir="auto" maxlength="80" :value="rule.name || ''" :placeholder="usualName(rule)" @change="rename(i, $event)" /></label>
            <p v-if="taken" class="mk-refused" role="alert">{{ taken }}</p>
            <label v-if="kindOf(rule).place !== 'camera'">{{ texts.on[kindOf(rule).place] }}<select :value="placeOf(rule)" @change="set(i, kindOf(rule).place, $event.target.value)"><option v-for="name in drawn(kindOf(rule).place)" :key="name" :value="name">{{ name }}</option></select></label>
            <label>{{ texts.severity }}<select name="severity" :value="rule.severity || ''" @change="set(i, 'severity', $event.target.value || undefined)"><option value="">{{ fill(texts.usual, { value: texts.severities[kindOf(rule).severity] }) }}</option><option v-for="(text, each) in texts.severities" :key="each" :value="each">{{ marks[each] }} {{ text }}</option></select></label>
            <Classes v-if="kindOf(rule).place !== 'camera'" :label="texts.classes" :hint="fill(texts.classes_hint, { names: usualClasses(rule) })" :known="classes(rule)" :value="rule.classes || []" :texts="texts" @change="set(i, 'classes', $event.length ? $event : undefined)" />
            <Setting v-for="each in kindOf(rule).settings" :key="each.name" :setting="each" :value="rule[each.name]" :offered="offered(rule, each)" :hint="'mk-setting-' + i + '-' + each.name" :texts="texts" :fill="fill" @change="set(i, each.name, $event)" />
            <label>{{ texts.cooldown }}<span class="mk-with-unit"><Field type="number" min="0" step="any" :value="rule.cooldown_s" :placeholder="fill(texts.usual, { value: kindOf(rule).cooldown_s })" @change="set(i, 'cooldown_s', $event.target.value === '' ? undefined : Number($event.target.value))" /><span class="mk-unit">s</span></span></label>
            <p class="mk-hint">{{ texts.cooldown_hint }}</p>
            <Hours :schedule="rule.schedule" :texts="texts.hours" :locked="locked" @change="set(i, 'schedule', $event)" />
            <p class="mk-acts"><button type="button" class="mk-remove" @click="drop(i)">{{ texts.remove }}</button></p>
          </fieldset>
        </li>
      </ul>
    </div>`,

  props: {
    scene: { type: Object, required: true },
    view: { type: Number, default: null },
    locked: Boolean,
    fault: { type: Object, default: null },
    kinds: { type: Array, required: true },
    texts: { type: Object, required: true },
    fill: { type: Function, required: true },
  },
  emits: ["edit", "light", "seal"],

  data() {
    return {
      open: null, kind: "intrusion", place: null, taken: "",
      places: ["zone", "line", "camera"],
      marks: { critical: "■", high: "▲", medium: "◆", low: "●" },
    };
  },

  mounted() {
    this.place = this.drawn(this.chosen ? this.chosen.place : "zone")[0] || null;
    const found = this.fault && this.fault.at;
    if (found && found.view === this.view && found.list === "rules") this.open = found.index;
  },

  unmounted() {
    this.$emit("light", []);
  },

  watch: {
    chosen(kind) {
      if (kind) this.place = this.drawn(kind.place)[0] || null;
    },
    view() {
      this.show(null);
    },
  },

  computed: {
    rules() {
      return at(this.scene, this.view).rules || [];
    },
    sorted() {
      return [...this.kinds].sort((a, b) => a.name.localeCompare(b.name));
    },
    chosen() {
      return this.kinds.find((each) => each.kind === this.kind) || null;
    },
    able() {
      if (!this.chosen) return false;
      return this.chosen.place === "camera" ? this.view === null : this.drawn(this.chosen.place).includes(this.place);
    },
  },

  methods: {
    // what is not known here is shown by its own name
    kindOf(rule) {
      return this.kinds.find((each) => each.kind === rule.kind) || { kind: rule.kind, name: rule.kind, place: rule.zone ? "zone" : rule.line ? "line" : "camera", severity: "medium", classes: [], settings: [] };
    },

    placeOf(rule) {
      return rule.zone || rule.line || "";
    },

    usualName(rule) {
      return ruleName({ ...rule, name: undefined });
    },

    severity(rule) {
      return rule.severity || this.kindOf(rule).severity;
    },

    drawn(place) {
      return PLACES[place] ? (at(this.scene, this.view)[PLACES[place]] || []).map((each) => each.name) : [];
    },

    // a direction is one of its line
    offered(rule, setting) {
      if (setting.name !== "direction" || !rule.line) return null;
      const line = (at(this.scene, this.view).lines || []).find((each) => each.name === rule.line);
      return line ? [line.forward || "forward", line.backward || "backward"] : null;
    },

    usualClasses(rule) {
      const own = this.kindOf(rule).classes || [];
      return own.map((each) => this.texts.class_names[each] || each).join(", ");
    },

    classes(rule) {
      return [...new Set([...(this.scene.classes || this.kinds.flatMap((each) => each.classes || [])), "moving", ...(rule.classes || [])])];
    },

    wrong(i) {
      const found = this.fault && this.fault.at;
      return Boolean(found) && found.view === this.view && found.list === "rules" && found.index === i;
    },

    show(i) {
      [this.open, this.taken] = [i, ""];
      const rule = i === null ? null : this.rules[i];
      this.$emit("light", rule && this.placeOf(rule) ? [`${rule.zone ? "zone" : "line"} ${this.placeOf(rule)}`] : []);
    },

    // --- what is done

    add() {
      const { kind, place } = this.chosen;
      const rule = place === "camera" ? { kind } : { kind, [place]: this.place };
      // two of a kind at a place are told apart by a name
      const usual = ruleName(rule);
      for (let n = 2; names(this.scene, "rules").includes(ruleName(rule)); n += 1) rule.name = `${usual} ${n}`;
      this.$emit("edit", withEntry(this.scene, this.view, "rules", rule));
      this.$nextTick(() => this.show(this.rules.length - 1));
    },

    set(i, field, value) {
      this.$emit("edit", withField(this.scene, this.view, "rules", i, field, value));
    },

    rename(i, event) {
      const name = event.target.value.trim();
      const others = names(this.scene, "rules").filter((each) => each !== ruleName(this.rules[i]));
      this.taken = name && others.includes(name) ? this.texts.taken : "";
      if (this.taken) event.target.value = this.rules[i].name || "";
      else this.set(i, "name", name || undefined);
    },

    drop(i) {
      this.show(null);
      this.$emit("edit", withoutEntry(this.scene, this.view, "rules", i));
    },
  },
};
