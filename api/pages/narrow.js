// What is looked for among the alerts: words, severities, a camera, an incident, a time.
import { SHAPES } from "desk";

const SOON_MS = 300;
const NOTHING = { text: "", severities: [], camera: "", kind: "", from_time: "", to_time: "" };

export function isNarrow(wish) {
  return Object.keys(NOTHING).some((name) => wish[name]?.length > 0);
}

export default {
  template: `
    <form class="mk-narrow" role="search" @submit.prevent="now">
      <input ref="text" type="search" name="search" v-model="wish.text" maxlength="200" dir="auto" autocomplete="off" spellcheck="false"
             :placeholder="texts.search" :aria-label="texts.search" :title="texts.searched" aria-keyshortcuts="/" @input="soon" @keydown.escape.prevent.stop="leave">
      <div class="mk-severities" role="group" :aria-label="texts.severity">
        <button v-for="(shape, severity) in shapes" :key="severity" type="button" :data-severity="severity" :class="'mk-' + severity"
                :aria-pressed="wish.severities.includes(severity) ? 'true' : 'false'" :title="severities[severity]" :aria-label="severities[severity]"
                @click="toggle(severity)"><span class="mk-shape">{{ shape }}</span></button>
      </div>
      <button type="button" class="mk-more" :aria-expanded="open ? 'true' : 'false'" @click="open = !open">{{ texts.more }}<template v-if="others"> ({{ others }})</template></button>
      <div v-if="open" class="mk-narrow-fields">
        <label>{{ texts.camera }}<select name="narrow-camera" v-model="wish.camera" @change="now"><option value="">{{ texts.every }}</option><option v-for="each in cameras" :key="each.id" :value="each.id">{{ each.name }}</option></select></label>
        <label>{{ texts.kind }}<select name="narrow-kind" v-model="wish.kind" @change="now"><option value="">{{ texts.any }}</option><option v-for="each in kinds" :key="each.id" :value="each.id">{{ each.name }}</option></select></label>
        <label>{{ texts.from }}<input type="datetime-local" name="narrow-from" v-model="wish.from_time" @change="now"></label>
        <label>{{ texts.to }}<input type="datetime-local" name="narrow-to" v-model="wish.to_time" @change="now"></label>
      </div>
    </form>`,

  props: {
    cameras: { type: Array, default: () => [] },
    kinds: { type: Array, default: () => [] },
    severities: { type: Object, required: true },
    texts: { type: Object, required: true },
    // what it begins with
    begin: { type: Object, default: () => ({}) },
  },
  emits: ["wish", "leave"],

  data() {
    return { wish: { ...NOTHING, ...this.begin }, open: false, shapes: SHAPES };
  },

  computed: {
    // those that are not to be seen where the fields are closed
    others() {
      return ["camera", "kind", "from_time", "to_time"].filter((name) => this.wish[name]).length;
    },
  },

  unmounted() {
    clearTimeout(this.timer);
  },

  methods: {
    soon() {
      clearTimeout(this.timer);
      this.timer = setTimeout(this.now, SOON_MS);
    },

    now() {
      clearTimeout(this.timer);
      this.$emit("wish", { ...this.wish, text: this.wish.text.trim(), severities: [...this.wish.severities] });
    },

    toggle(severity) {
      const chosen = this.wish.severities;
      this.wish.severities = chosen.includes(severity) ? chosen.filter((each) => each !== severity) : [...chosen, severity];
      this.now();
    },

    clear() {
      Object.assign(this.wish, NOTHING);
      this.now();
      this.focus();
    },

    focus() {
      this.$refs.text.focus();
      this.$refs.text.select();
    },

    // what was written goes first, then the field is left
    leave() {
      if (this.wish.text) {
        this.wish.text = "";
        this.now();
      } else this.$emit("leave");
    },
  },
};
