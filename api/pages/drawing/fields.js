// Fields that several forms have: a text, which classes, and the settings of a kind.

// A text that somebody writes: whatever else changes on the page meanwhile, it stays as it is written.
export const Field = {
  template: `<input :value="text" @input="text = $event.target.value" @change="given">`,

  props: { value: { default: "" } },
  emits: ["change"],

  data() {
    return { text: this.value };
  },

  watch: {
    value(value) {
      this.text = value;
    },
  },

  methods: {
    // whoever is told may write another text into it
    given(event) {
      this.$emit("change", event);
      this.text = event.target.value;
    },
  },
};

export const Classes = {
  template: `
    <fieldset class="mk-classes-field">
      <legend>{{ label }}</legend>
      <label v-for="each in known" :key="each" class="mk-choice"><input type="checkbox" :value="each" :checked="value.includes(each)" @change="toggle(each, $event.target.checked)"> <bdi>{{ texts.class_names[each] || each }}</bdi></label>
      <p class="mk-hint">{{ hint }}</p>
    </fieldset>`,

  props: {
    label: { type: String, required: true },
    hint: { type: String, required: true },
    known: { type: Array, required: true },
    value: { type: Array, required: true },
    texts: { type: Object, required: true },
  },
  emits: ["change"],

  methods: {
    // in the order in which they stand, so that the same choice is the same scene
    toggle(name, on) {
      this.$emit("change", this.known.filter((each) => (each === name ? on : this.value.includes(each))));
    },
  },
};

// one setting of a kind, called by what it means; what is left out has its usual value
export const Setting = {
  components: { Field },

  template: `
    <div class="mk-setting" :data-setting="setting.name">
      <label v-if="setting.type === 'bool'" class="mk-choice"><input type="checkbox" :checked="value === undefined ? setting.default : value" :aria-describedby="hint" @change="give($event.target.checked)"> {{ setting.explained }}</label>
      <label v-else>{{ setting.explained }}
        <select v-if="choices" :value="value === undefined ? '' : value" :aria-describedby="hint" @change="give($event.target.value || undefined)"><option value="">{{ usual }}</option><option v-for="each in choices" :key="each" :value="each">{{ each }}</option></select>
        <span v-else class="mk-with-unit"><Field :type="numeric ? 'number' : 'text'" :step="setting.type === 'int' ? 1 : 'any'" :min="setting.minimum" :max="setting.maximum" :placeholder="usual" :value="shown" dir="auto" :aria-describedby="hint" @change="read($event)" /><span v-if="setting.unit" class="mk-unit">{{ setting.unit }}</span></span>
      </label>
      <p :id="hint" class="mk-hint"><code>{{ setting.name }}</code></p>
      <p v-if="wrong" class="mk-refused" role="alert">{{ wrong }}</p>
    </div>`,

  props: {
    setting: { type: Object, required: true },
    // as the scene has it; left out where it has none
    value: { default: undefined },
    // names that it can be, where they are those of something that is drawn
    offered: { type: Array, default: null },
    wrong: { type: String, default: "" },
    hint: { type: String, required: true },
    texts: { type: Object, required: true },
    fill: { type: Function, required: true },
  },
  emits: ["change"],

  computed: {
    numeric() {
      return this.setting.type === "int" || this.setting.type === "float";
    },
    choices() {
      return this.offered || this.setting.choices || null;
    },
    usual() {
      const { default: usual } = this.setting;
      const none = usual === null || usual === undefined;
      return none ? this.texts.left_out : this.fill(this.texts.usual, { value: Array.isArray(usual) ? usual.join(", ") : usual });
    },
    shown() {
      if (this.value === undefined || this.value === null) return "";
      return Array.isArray(this.value) ? this.value.join(", ") : this.value;
    },
  },

  methods: {
    read(event) {
      const text = event.target.value.trim();
      if (!text && event.target.validity.badInput) {
        event.target.value = this.shown;
        return;
      }
      if (!text) this.give(undefined);
      else if (this.numeric) this.give(Number(text));
      else this.give(this.setting.type === "list" ? text.split(/\s*,\s*/).filter(Boolean) : text);
    },

    give(value) {
      this.$emit("change", value === this.setting.default ? undefined : value);
    },
  },
};
