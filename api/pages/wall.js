// The cameras with what they counted; only those that can be seen on the screen are viewed.
import { fill, join, spoken } from "live";
import Tile from "tile";

export default {
  components: { "mk-tile": Tile },

  template: `
    <div class="mk-wall">
      <div v-if="!live.state.linked" class="mk-cut" role="alert">{{ fill(texts.cut, { age: spoken(texts, live.state.cut) }) }}</div>
      <div v-if="!order.length" class="mk-empty">{{ texts.empty }}</div>
      <mk-tile v-for="id in order" :key="id" :camera="tiles[id]" :live="live" :texts="texts" ref="boxes">
        <table v-if="tiles[id].lines.length" class="mk-counts">
          <caption>{{ texts.counted }}</caption>
          <tbody v-for="line in tiles[id].lines" :key="line.name">
            <tr v-for="(way, i) in line.directions" :key="way.name">
              <th v-if="i === 0" :rowspan="line.directions.length">{{ line.name }}</th>
              <td>{{ way.name }}</td>
              <td class="mk-number" :data-line="line.name" :data-direction="way.name">{{ total(way) }}</td>
              <td class="mk-classes">{{ parts(way) }}</td>
            </tr>
          </tbody>
        </table>
      </mk-tile>
    </div>`,

  props: {
    cameras: { type: Array, default: () => [] },
    // of the socket that brings pictures; none for whoever sees none
    path: String,
    texts: { type: Object, required: true },
  },

  data() {
    return { tiles: {}, order: [] };
  },

  created() {
    this.seen = new Set();
    this.viewer = join(this.path);
    this.live = this.viewer.live;
    this.change(this.cameras, []);
  },

  mounted() {
    this.observer = new IntersectionObserver(this.look, { rootMargin: "200px" });
    this.watchBoxes();
  },

  updated() {
    this.watchBoxes();
  },

  unmounted() {
    this.observer.disconnect();
    this.viewer.leave();
  },

  methods: {
    fill,
    spoken,

    // from the server: cameras that are new or changed, and ids of those that are gone
    change(changed, gone) {
      for (const id of gone) {
        delete this.tiles[id];
        this.seen.delete(id);
      }
      for (const camera of changed) this.tiles[camera.id] = camera;
      this.order = Object.keys(this.tiles).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      if (gone.length) this.wish();
    },

    total(way) {
      return way.classes.reduce((sum, [, count]) => sum + count, 0);
    },

    parts(way) {
      return way.classes.filter(([, count]) => count).map(([name, count]) => `${count} ${name}`).join(", ");
    },

    watchBoxes() {
      for (const box of this.$refs.boxes || []) this.observer.observe(box.$el);
    },

    look(entries) {
      for (const entry of entries) {
        const id = entry.target.dataset.camera;
        if (entry.isIntersecting) this.seen.add(id);
        else this.seen.delete(id);
      }
      this.wish();
    },

    wish() {
      this.viewer.wish(this.order.filter((id) => this.seen.has(id)));
    },
  },
};
