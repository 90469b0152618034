// Movements: from which zones and into which zones one goes.

import { Field } from "./fields.js";
import { at, freeName, names, withEntry, withField, withoutEntry } from "./scene.js";

export const Movements = {
  components: { Field },

  template: `
    <details v-if="zones.length > 1 || list.length" class="mk-card mk-movements" :open="list.length > 0">
      <summary>{{ texts.movements.title }}</summary>
      <p class="mk-hint">{{ texts.movements.hint }}</p>
      <fieldset v-for="(each, i) in list" :key="i" class="mk-card" :disabled="locked" :data-movement="i">
        <p v-if="wrong(i)" class="mk-refused">{{ fault.text }}</p>
        <label>{{ texts.name }}<Field dir="auto" maxlength="80" :value="each.name" @change="rename(i, $event)" /></label>
        <table class="mk-ways-table"><thead><tr><th></th><th scope="col">{{ texts.movements.entries }}</th><th scope="col">{{ texts.movements.exits }}</th></tr></thead>
          <tbody><tr v-for="zone in zones" :key="zone"><th scope="row" dir="auto">{{ zone }}</th>
            <td v-for="side in ['entries', 'exits']" :key="side"><input type="checkbox" :checked="each[side].includes(zone)" :aria-label="texts.movements[side] + ': ' + zone" @change="toggle(i, side, zone, $event.target.checked)"></td></tr></tbody></table>
        <p class="mk-acts"><button type="button" @click="drop(i)">{{ texts.remove }}</button></p>
      </fieldset>
      <p v-if="!locked && zones.length > 1" class="mk-acts"><button type="button" class="mk-add-movement" @click="add">+ {{ texts.movements.add }}</button></p>
    </details>`,

  props: {
    scene: { type: Object, required: true },
    view: { type: Number, default: null },
    locked: Boolean,
    fault: { type: Object, default: null },
    texts: { type: Object, required: true },
  },
  emits: ["edit"],

  computed: {
    list() {
      return at(this.scene, this.view).movements || [];
    },
    zones() {
      return (at(this.scene, this.view).zones || []).map((zone) => zone.name);
    },
  },

  methods: {
    wrong(i) {
      const found = this.fault && this.fault.at;
      return Boolean(found) && found.view === this.view && found.list === "movements" && found.index === i;
    },

    add() {
      const name = freeName(this.scene, "movements", this.texts.movements.one);
      this.$emit("edit", withEntry(this.scene, this.view, "movements", { name, entries: this.zones, exits: this.zones }));
    },

    rename(i, event) {
      const name = event.target.value.trim();
      const before = this.list[i].name;
      if (!name || (name !== before && names(this.scene, "movements").includes(name))) event.target.value = before;
      else if (name !== before) this.$emit("edit", withField(this.scene, this.view, "movements", i, "name", name));
    },

    toggle(i, side, zone, on) {
      const chosen = this.zones.filter((name) => (name === zone ? on : this.list[i][side].includes(name)));
      this.$emit("edit", withField(this.scene, this.view, "movements", i, side, chosen));
    },

    drop(i) {
      this.$emit("edit", withoutEntry(this.scene, this.view, "movements", i));
    },
  },
};
