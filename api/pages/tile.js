// One camera: its picture, how it is, and in large letters how old the picture is when it is old.
import { OLD_S, fill, spoken } from "live";

export default {
  template: `
    <article class="mk-tile" :class="'mk-' + look" :data-camera="camera.id">
      <header>
        <span class="mk-dot" :title="texts.states[state]"></span>
        <h2 dir="auto" :title="camera.name + ' (' + camera.id + ')'">{{ camera.name }}</h2>
        <span v-if="camera.synthetic" class="mk-badge" :title="texts.unreal">{{ texts.synthetic }}</span>
        <span class="mk-state">{{ texts.states[word] }}</span>
      </header>
      <div v-if="live.path" class="mk-picture" :style="{ aspectRatio: ratio }">
        <img v-show="url" :src="url || undefined" :alt="picture_of">
        <div v-if="age" class="mk-age" role="status">
          <strong>{{ age }}</strong>
          <span>{{ why }}</span>
        </div>
      </div>
      <p v-if="said && !age" class="mk-warning">{{ said }}</p>
      <slot></slot>
    </article>`,

  props: {
    camera: { type: Object, required: true },
    // what join() of live.js gives
    live: { type: Object, required: true },
    texts: { type: Object, required: true },
  },

  computed: {
    picture() {
      return this.live.pictures[this.camera.id];
    },
    url() {
      return this.picture ? this.picture.url : "";
    },
    ratio() {
      return this.picture ? this.picture.ratio : "16 / 9";
    },
    picture_of() {
      return fill(this.texts.picture, { camera: this.camera.name });
    },
    status() {
      return this.picture ? this.picture.status : null;
    },
    state() {
      return this.status ? this.status.state : this.camera.state;
    },

    // what its worker says of it, in the language of the page
    said() {
      const status = this.status;
      if (!status) return this.camera.message;
      if (status.code && this.texts.codes[status.code]) return this.texts.codes[status.code];
      if (status.state !== "unknown") return status.message;
      return status.unheard === null ? this.texts.nobody : fill(this.texts.unheard, { age: status.unheard });
    },

    // of the picture, or of the last one that was analysed where none came, seconds; null for none
    seconds() {
      const { picture, status } = this;
      if (!picture) return null;
      const now = this.live.state.now;
      if (picture.url) return picture.age + (now - picture.at) / 1000;
      return status && status.age !== null ? status.age + (now - picture.statusAt) / 1000 : null;
    },
    old() {
      return this.seconds !== null && this.seconds > OLD_S;
    },
    // one that was asked for just now is not missing
    waits() {
      if (this.url || this.old || this.state !== "live") return false;
      return !this.picture || this.live.state.now - this.picture.since <= 2000 * OLD_S;
    },
    age() {
      if (!this.live.path || this.waits) return "";
      if (this.old) return fill(this.url ? this.texts.old : this.texts.none_for, { age: spoken(this.texts, this.seconds) });
      return this.url ? "" : this.texts.none;
    },
    why() {
      return this.said || this.texts.no_newer;
    },
    look() {
      if (this.old || (this.state !== "live" && !this.url)) return "old";
      return this.said ? "warned" : "live";
    },
    word() {
      return this.look === "old" && this.state === "live" ? "old" : this.state;
    },
  },
};
