// The revisions of a scene: who saved which when, and the way back to one.

import { why } from "./server.js";
import { day } from "./words.js";

export const History = {
  template: `
    <div class="mk-revisions">
      <p class="mk-hint">{{ texts.hint }}</p>
      <p v-if="failed" class="mk-refused" role="alert">{{ failed }}</p>
      <p v-if="list && !list.length" class="mk-hint">{{ texts.none }}</p>
      <ol class="mk-list"><li v-for="each in list || []" :key="each.revision" :data-revision="each.revision" :class="{ 'mk-selected': each.in_force }">
        <p><strong>{{ fill(texts.revision, { n: each.revision }) }}</strong> <span v-if="each.in_force" class="mk-badge">{{ texts.in_force }}</span> <span v-if="each.revision === number" class="mk-badge">{{ texts.watching }}</span></p>
        <p class="mk-hint"><time>{{ day(each.created) }}</time> <bdi>{{ each.by || texts.nobody }}</bdi></p>
        <p v-if="each.note" class="mk-long" dir="auto">{{ each.note }}</p>
        <p v-if="!locked && each.revision !== base" class="mk-acts"><button type="button" :disabled="loading" @click="load(each.revision)">{{ texts.restore }}</button></p>
      </li></ol>
      <p v-if="more" class="mk-acts"><button type="button" class="mk-older" @click="older">{{ texts.older }}</button></p>
    </div>`,

  props: {
    // the revision on which is drawn, and the one by which the camera's worker watches
    base: { type: Number, required: true },
    number: { type: Number, default: null },
    server: { type: Object, required: true },
    locked: Boolean,
    texts: { type: Object, required: true },
    fill: { type: Function, required: true },
  },
  emits: ["restore"],

  data() {
    return { list: null, more: false, failed: "", loading: false };
  },

  mounted() {
    this.read();
  },

  watch: {
    base() {
      this.read();
    },
    number() {
      this.read();
    },
  },

  methods: {
    day,

    read() {
      return this.take(null);
    },

    older() {
      return this.take(this.list.at(-1).revision);
    },

    async take(before) {
      const { status, body } = await this.server.revisions(before);
      this.failed = status === 200 ? "" : why(body.detail);
      if (status === 200) [this.list, this.more] = [[...(before === null ? [] : this.list), ...body.scenes], body.more];
    },

    async load(revision) {
      this.loading = true;
      const { status, body } = await this.server.scene(revision);
      this.loading = false;
      this.failed = status === 200 ? "" : why(body.detail);
      if (status === 200) this.$emit("restore", body.scene, this.fill(this.texts.note, { n: revision }));
    },
  },
};
