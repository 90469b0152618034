// What is drawn, as a list with the form of the one that is chosen; the camera's views, and what finds
// objects in its pictures.

import { Classes, Field } from "./fields.js";
import { Movements } from "./movements.js";
import { at, called, copied, dependents, freeName, names, redirected, renamed, shape, shapes, turned, withEntry, withField, withoutEntry } from "./scene.js";
import { why } from "./server.js";

const LISTS = { line: "lines", zone: "zones" };

export const Places = {
  components: { Classes, Field, Movements },

  template: `
    <div class="mk-places">
      <div v-if="scene.presets || !locked" class="mk-views" role="group" :aria-label="texts.views">
        <button type="button" :aria-pressed="view === null ? 'true' : 'false'" @click="$emit('view', null)">{{ texts.own }}</button>
        <button v-for="(each, i) in scene.presets || []" :key="i" type="button" dir="auto" :data-view="i" :aria-pressed="view === i ? 'true' : 'false'" @click="$emit('view', i)">{{ each.name }}</button>
        <button v-if="!locked" type="button" class="mk-add-view" @click="addView">+ {{ texts.preset }}</button>
      </div>
      <fieldset v-if="view !== null" class="mk-card" :disabled="locked">
        <legend>{{ texts.preset }}</legend>
        <label>{{ texts.name }}<Field dir="auto" maxlength="80" :value="preset.name" @change="nameView($event)" /></label>
        <p v-if="said('presets', view)" class="mk-refused" lang="en">{{ said("presets", view) }}</p>
        <p class="mk-hint">{{ preset.view ? texts.view_known : texts.view_unknown }}</p>
        <p v-if="troubled" class="mk-refused" role="alert">{{ troubled }}</p>
        <p class="mk-acts"><button type="button" class="mk-take-view" :disabled="taking" @click="takeView(view)">{{ taking ? texts.taking : texts.take }}</button> <button type="button" @click="dropView">{{ texts.drop_view }}</button></p>
      </fieldset>
      <p v-if="!listed.length" class="mk-hint">{{ locked ? texts.nothing : texts.empty }}</p>
      <ul class="mk-list">
        <li v-for="each in listed" :key="each.id" :class="{ 'mk-selected': each.id === selected }" :data-listed="each.id">
          <button type="button" class="mk-row" :aria-expanded="each.id === selected ? 'true' : 'false'" @click="$emit('pick', each.id === selected ? null : each.id)">
            <span class="mk-sort" :class="'mk-sort-' + each.type">{{ texts.sorts[each.type] }}</span> <bdi>{{ title(each) }}</bdi>
            <span v-if="wrongWith(each)" class="mk-flag" :title="fault.text">!</span>
          </button>
          <fieldset v-if="each.id === selected" class="mk-card" :disabled="locked">
            <p v-if="wrongWith(each)" class="mk-refused" lang="en">{{ fault.text }}</p>
            <template v-if="each.type === 'line' || each.type === 'zone'">
              <label>{{ texts.name }}<Field name="shape" dir="auto" maxlength="80" :value="each.name" @change="rename(each, $event)" /></label>
              <p v-if="taken" class="mk-refused" role="alert">{{ taken }}</p>
            </template>
            <template v-if="each.type === 'line'">
              <label>{{ texts.forward }}<Field name="forward" dir="auto" maxlength="80" placeholder="forward" :value="own(each).forward || ''" @change="redirect(each, 'forward', $event)" /></label>
              <label>{{ texts.backward }}<Field name="backward" dir="auto" maxlength="80" placeholder="backward" :value="own(each).backward || ''" @change="redirect(each, 'backward', $event)" /></label>
              <p class="mk-hint">{{ texts.arrow }}</p>
              <p class="mk-acts"><button type="button" class="mk-turn" @click="edit(turn(each))">⇄ {{ texts.turn }}</button></p>
            </template>
            <template v-if="each.type === 'mark'">
              <div class="mk-pair"><label v-for="(axis, k) in ['x', 'y']" :key="axis">{{ axis }} (m)<Field type="number" step="any" :name="'m' + axis" :value="own(each).m[k]" @change="measure(each, k, $event)" /></label></div>
              <p class="mk-hint">{{ texts.mark_hint }}</p>
            </template>
            <p class="mk-hint mk-at">{{ points(each) }}</p>
            <p v-if="rulesOf(each).length" class="mk-hint"><bdi>{{ fill(texts.used, { names: rulesOf(each).join(", ") }) }}</bdi></p>
            <p class="mk-acts"><button v-if="point !== null && each.type === 'zone' && each.points.length > 3" type="button" class="mk-remove-point" @click="$emit('remove', each.id, point)">{{ fill(texts.remove_point, { n: point + 1 }) }}</button>
              <button type="button" class="mk-remove" @click="$emit('remove', each.id)">{{ texts.remove }}</button></p>
          </fieldset>
        </li>
      </ul>
      <Movements :scene="scene" :view="view" :locked="locked" :fault="fault" :texts="texts" @edit="edit" />
      <details v-if="view === null" class="mk-card mk-finding">
        <summary>{{ texts.finding }}</summary>
        <fieldset :disabled="locked">
          <label>{{ texts.detector }}<select name="detector" :value="scene.detector || 'model'" @change="set('detector', $event.target.value, 'model')"><option v-for="(text, each) in texts.detectors" :key="each" :value="each">{{ text }}</option></select></label>
          <p v-if="said(null, null, 'detector')" class="mk-refused" lang="en">{{ said(null, null, "detector") }}</p>
          <label>{{ texts.detail }}<select name="detail" :value="scene.detail || 'usual'" @change="set('detail', $event.target.value, 'usual')"><option v-for="(text, each) in texts.details" :key="each" :value="each">{{ text }}</option></select></label>
          <p v-if="said(null, null, 'detail')" class="mk-refused" lang="en">{{ said(null, null, "detail") }}</p>
          <Classes :label="texts.classes" :hint="texts.classes_hint" :known="classes" :value="scene.classes || []" :texts="texts" @change="set('classes', $event)" />
          <p v-if="said(null, null, 'classes')" class="mk-refused" lang="en">{{ said(null, null, "classes") }}</p>
          <label>{{ texts.region }}<select name="region" :value="region" @change="setRegion($event)"><option value="">{{ texts.regions.whole }}</option><option value="auto">{{ texts.regions.auto }}</option><option v-if="region === 'drawn'" value="drawn">{{ texts.regions.drawn }}</option></select></label>
          <p class="mk-hint">{{ texts.region_hint }}</p>
          <p v-if="said(null, null, 'region')" class="mk-refused" lang="en">{{ said(null, null, "region") }}</p>
          <label v-if="scene.detector !== 'motion'" class="mk-choice"><input type="checkbox" name="gate" :checked="scene.gate !== false" @change="set('gate', $event.target.checked, true)"> {{ texts.gate }}</label>
          <label class="mk-choice"><input type="checkbox" :checked="scene.stretch === true" @change="set('stretch', $event.target.checked, false)"> {{ texts.stretch }}</label>
          <p class="mk-hint">{{ fill(texts.size, { w: scene.frame_size[0], h: scene.frame_size[1] }) }}</p>
        </fieldset>
      </details>
    </div>`,

  props: {
    scene: { type: Object, required: true },
    view: { type: Number, default: null },
    selected: { type: String, default: null },
    point: { type: Number, default: null },
    locked: Boolean,
    fault: { type: Object, default: null },
    kinds: { type: Array, required: true },
    server: { type: Object, required: true },
    texts: { type: Object, required: true },
    fill: { type: Function, required: true },
  },
  emits: ["edit", "pick", "remove", "view"],

  data() {
    return { taken: "", taking: false, troubled: "" };
  },

  computed: {
    listed() {
      return shapes(this.scene, this.view).reverse();
    },
    preset() {
      return at(this.scene, this.view);
    },
    region() {
      const { region } = this.scene;
      return Array.isArray(region) ? "drawn" : region || "";
    },
    // those that rules look at by themselves, and what finds them
    classes() {
      return [...new Set([...this.kinds.flatMap((each) => each.classes || []), "moving", ...(this.scene.classes || [])])];
    },
  },

  watch: {
    selected() {
      this.taken = "";
    },
    view() {
      this.troubled = "";
    },
  },

  methods: {
    edit(scene) {
      this.$emit("edit", scene);
    },

    own({ type, index }) {
      return at(this.scene, this.view)[type === "mark" ? "calibration" : LISTS[type]][index];
    },

    title(each) {
      if (each.type === "region") return this.texts.regions.drawn;
      return each.type === "mark" ? this.fill(this.texts.mark, { n: each.name, x: this.own(each).m[0], y: this.own(each).m[1] }) : each.name;
    },

    points(each) {
      return each.points.map(([x, y]) => `${x}, ${y}`).join(" · ");
    },

    turn(each) {
      return turned(this.scene, this.view, each.id);
    },

    rulesOf(each) {
      return dependents(this.scene, this.view, each.id).map((one) => called(one, this.kinds));
    },

    wrongWith(each) {
      const found = this.fault && this.fault.at;
      if (!found || found.view !== this.view) return false;
      if (each.type === "region") return found.list === null && found.field === "region";
      return found.index === each.index && found.list === (each.type === "mark" ? "calibration" : LISTS[each.type]);
    },

    // what is wrong in a field here, if anything
    said(list, index, field = null) {
      const found = this.fault && this.fault.at;
      if (!found) return "";
      // what is wrong with a preset itself is said of it, and not of something in it
      if (list === "presets") return found.view === index && found.list === null ? this.fault.text : "";
      return found.list === list && found.index === index && found.field === field ? this.fault.text : "";
    },

    // --- names

    // a name that is there is refused: what goes by it would go by both
    free(list, before, input) {
      const name = input.value.trim();
      const used = list === "presets" ? this.scene.presets.map((each) => each.name) : names(this.scene, list);
      const ok = name && (name === before || !used.includes(name));
      this.taken = ok ? "" : name ? this.texts.taken : this.texts.nameless;
      if (!ok) input.value = before;
      return ok && name !== before ? name : null;
    },

    rename(each, event) {
      const name = this.free(LISTS[each.type], each.name, event.target);
      if (name) this.edit(renamed(this.scene, this.view, each.id, name));
    },

    redirect(each, way, event) {
      this.edit(redirected(this.scene, this.view, each.index, way, event.target.value.trim()));
    },

    measure(each, k, event) {
      const value = Number(event.target.value);
      const m = [...this.own(each).m];
      if (event.target.value === "" || !Number.isFinite(value)) event.target.value = m[k];
      else m[k] = value;
      this.edit(withField(this.scene, this.view, "calibration", each.index, "m", m));
    },

    // --- the whole camera

    set(field, value, usual) {
      const gone = value === usual || (Array.isArray(value) && !value.length);
      this.edit(withField(this.scene, null, null, null, field, gone ? undefined : value));
    },

    setRegion(event) {
      if (event.target.value !== "drawn") this.edit(withField(this.scene, null, null, null, "region", event.target.value || undefined));
    },

    // --- other views

    addView() {
      const number = (this.scene.presets || []).length;
      this.edit(withEntry(this.scene, null, "presets", { name: freeName(this.scene, "presets", this.texts.preset), view: "" }));
      this.$nextTick(() => {
        this.$emit("view", number);
        this.takeView(number);
      });
    },

    nameView(event) {
      const name = this.free("presets", this.preset.name, event.target);
      if (name) this.edit(withField(this.scene, null, "presets", this.view, "name", name));
    },

    // the camera looks there now; what is chosen or removed until it answers changes no other preset
    async takeView(number) {
      const { name } = this.scene.presets[number];
      this.taking = true;
      this.troubled = "";
      const { status, body } = await this.server.view();
      this.taking = false;
      const found = (this.scene.presets || []).findIndex((each) => each.name === name);
      if (found < 0) return;
      if (status === 200) this.edit(withField(this.scene, null, "presets", found, "view", body.view));
      else if (this.view === found) this.troubled = why(body.detail);
    },

    dropView() {
      const next = withoutEntry(copied(this.scene), null, "presets", this.view);
      this.$emit("view", null);
      this.edit(next);
    },
  },
};
