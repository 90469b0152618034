// Which cameras the wall shows: all of them, or those that are ticked.
import { fill } from "live";

export default {
  template: `
    <dialog ref="dialog" class="mk-dialog mk-chooser">
      <h2>{{ texts.choose }}</h2>
      <input type="search" v-model="asked" :placeholder="texts.search" :aria-label="texts.search">
      <div class="mk-group">
        <button type="button" @click="$emit('choose', null)">{{ texts.all }}</button>
        <button type="button" @click="$emit('choose', [])">{{ texts.none_of }}</button>
        <span class="mk-hint">{{ fill(texts.chosen, { n: count, all: cameras.length }) }}</span>
      </div>
      <ul>
        <li v-for="camera in found" :key="camera.id">
          <label><input type="checkbox" :value="camera.id" :checked="is_chosen(camera.id)" @change="tick(camera.id, $event.target.checked)">
            <span dir="auto">{{ camera.name }}</span></label>
        </li>
        <li v-if="!found.length" class="mk-hint">{{ texts.nobody_here }}</li>
      </ul>
      <form method="dialog"><button class="mk-go-on">{{ texts.done }}</button></form>
    </dialog>`,

  props: {
    cameras: { type: Array, required: true },
    // ids, null for every camera
    chosen: { type: Array, default: null },
    texts: { type: Object, required: true },
  },
  emits: ["choose"],

  data() {
    return { asked: "" };
  },

  computed: {
    found() {
      const words = this.asked.toLowerCase().split(/\s+/).filter(Boolean);
      return this.cameras.filter((camera) => {
        const said = `${camera.name} ${camera.id}`.toLowerCase();
        return words.every((word) => said.includes(word));
      });
    },
    count() {
      return this.cameras.filter((camera) => this.is_chosen(camera.id)).length;
    },
  },

  methods: {
    fill,

    open() {
      this.asked = "";
      this.$refs.dialog.showModal();
    },

    is_chosen(id) {
      return !this.chosen || this.chosen.includes(id);
    },

    tick(id, ticked) {
      const wanted = this.cameras.map((camera) => camera.id).filter((each) => (each === id ? ticked : this.is_chosen(each)));
      this.$emit("choose", wanted.length === this.cameras.length ? null : wanted);
    },
  },
};
