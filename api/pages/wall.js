// The cameras: one connection brings the pictures of those that can be seen on the screen.
// A picture never looks live when it is not: its age is counted here, whatever the server does.

const OLD_S = 5;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;
const TICK_MS = 500;

function spoken(seconds) {
  if (seconds < 100) return `${Math.floor(seconds)} s`;
  if (seconds < 6000) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 360000) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

export default {
  template: `
    <div class="mk-wall">
      <div v-if="!linked" class="mk-cut" role="alert">
        No connection to the server for {{ cut }}: all that is shown is old. It is tried again by itself.
      </div>
      <div v-if="!order.length" class="mk-empty">
        There are no cameras yet: write a city.yaml and run <code>matakota config apply city.yaml</code>.
      </div>
      <article v-for="id in order" :key="id" class="mk-tile" :class="'mk-' + tiles[id].look" :data-camera="id" ref="boxes">
        <header>
          <span class="mk-dot" :title="tiles[id].state"></span>
          <h2 :title="tiles[id].name + ' (' + id + ')'">{{ tiles[id].name }}</h2>
          <span v-if="tiles[id].synthetic" class="mk-badge" title="No real camera sees this">synthetic</span>
          <span class="mk-state">{{ tiles[id].word }}</span>
        </header>
        <div class="mk-picture" :style="{ aspectRatio: tiles[id].ratio }">
          <img v-show="tiles[id].url" :src="tiles[id].url || undefined" :alt="'Live picture of ' + tiles[id].name">
          <div v-if="tiles[id].age" class="mk-age" role="status">
            <strong>{{ tiles[id].age }}</strong>
            <span>{{ tiles[id].why }}</span>
          </div>
        </div>
        <p v-if="tiles[id].message && !tiles[id].age" class="mk-warning">{{ tiles[id].message }}</p>
        <table v-if="tiles[id].lines.length" class="mk-counts">
          <caption>Counted since midnight</caption>
          <tbody v-for="line in tiles[id].lines" :key="line.name">
            <tr v-for="(way, i) in line.directions" :key="way.name">
              <th v-if="i === 0" :rowspan="line.directions.length">{{ line.name }}</th>
              <td>{{ way.name }}</td>
              <td class="mk-number" :data-line="line.name" :data-direction="way.name">{{ total(way) }}</td>
              <td class="mk-classes">{{ parts(way) }}</td>
            </tr>
          </tbody>
        </table>
      </article>
    </div>`,

  props: { cameras: { type: Array, default: () => [] }, path: String },

  data() {
    return { tiles: {}, order: [], linked: true, cut: "", dead: false };
  },

  created() {
    // what changes with each picture and is not shown itself
    this.pictures = new Map();
    this.seen = new Set();
    this.retryMs = FIRST_RETRY_MS;
    this.change(this.cameras, []);
  },

  mounted() {
    this.observer = new IntersectionObserver(this.look, { rootMargin: "200px" });
    this.watchBoxes();
    this.cutSince = performance.now();
    this.connect();
    this.timer = setInterval(this.tick, TICK_MS);
    document.addEventListener("visibilitychange", this.wish);
  },

  updated() {
    this.watchBoxes();
  },

  unmounted() {
    this.dead = true;
    clearInterval(this.timer);
    clearTimeout(this.retry);
    document.removeEventListener("visibilitychange", this.wish);
    this.observer.disconnect();
    if (this.socket) this.socket.close();
    for (const id of [...this.pictures.keys()]) this.drop(id);
  },

  methods: {
    // from the server: cameras that are new or changed, and ids of those that are gone
    change(changed, gone) {
      for (const id of gone) {
        delete this.tiles[id];
        this.seen.delete(id);
        this.drop(id);
      }
      for (const camera of changed) {
        const before = this.tiles[camera.id] || { url: "", ratio: "16 / 9", age: "", why: "" };
        this.tiles[camera.id] = { ...before, ...camera, look: "", word: "" };
      }
      this.order = Object.keys(this.tiles).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      this.tick();
    },

    total(way) {
      return way.classes.reduce((sum, [, count]) => sum + count, 0);
    },

    parts(way) {
      return way.classes.filter(([, count]) => count).map(([name, count]) => `${count} ${name}`).join(", ");
    },

    // --- which cameras are wanted

    watchBoxes() {
      for (const box of this.$refs.boxes || []) this.observer.observe(box);
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
      if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return;
      const cameras = document.hidden ? [] : this.order.filter((id) => this.seen.has(id));
      const text = JSON.stringify({ cameras: cameras.slice(0, 64) });
      if (text !== this.wished) this.socket.send(text);
      this.wished = text;
    },

    // --- the connection

    connect() {
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      const socket = new WebSocket(`${scheme}://${location.host}${this.path}`);
      socket.binaryType = "arraybuffer";
      let refused = true;
      socket.onopen = () => {
        refused = false;
        this.retryMs = FIRST_RETRY_MS;
        this.cutSince = null;
        this.wished = null;
        this.wish();
        this.tick();
      };
      socket.onmessage = (message) => {
        if (typeof message.data === "string") this.told(JSON.parse(message.data));
        else this.shown(message.data);
      };
      socket.onclose = () => {
        this.socket = null;
        if (this.dead) return;
        if (refused) this.leaveIfOver();
        if (this.cutSince === null) this.cutSince = performance.now();
        this.retry = setTimeout(this.connect, this.retryMs * (0.5 + Math.random() / 2));
        this.retryMs = Math.min(2 * this.retryMs, LAST_RETRY_MS);
        this.tick();
      };
      this.socket = socket;
    },

    // a socket that is refused says not why, other answers do
    async leaveIfOver() {
      try {
        const answer = await fetch("/", { redirect: "manual", cache: "no-store" });
        // the session is over, and the page that comes says what to do
        if (answer.status === 401) location.reload();
      } catch {
        // the server is gone, and may come back
      }
    },

    told(message) {
      const now = performance.now();
      for (const [id, status] of Object.entries(message.cameras)) {
        const picture = this.picture(id);
        picture.status = status;
        picture.statusAt = now;
      }
      this.tick();
    },

    shown(data) {
      const length = new DataView(data).getUint32(0);
      const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
      const tile = this.tiles[head.camera];
      if (!tile) return;
      const picture = this.picture(head.camera);
      const old = picture.url;
      picture.url = URL.createObjectURL(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
      picture.age = head.age;
      picture.at = performance.now();
      tile.url = picture.url;
      tile.ratio = `${head.width} / ${head.height}`;
      // the picture before is on the screen until this one is decoded
      if (old) setTimeout(() => URL.revokeObjectURL(old), 2000);
      if (tile.age) this.tick();
    },

    picture(id) {
      if (!this.pictures.has(id)) this.pictures.set(id, { url: "", age: 0, at: 0, status: null, statusAt: 0 });
      return this.pictures.get(id);
    },

    drop(id) {
      const picture = this.pictures.get(id);
      if (picture && picture.url) URL.revokeObjectURL(picture.url);
      this.pictures.delete(id);
    },

    // --- what is said of each picture

    tick() {
      const now = performance.now();
      this.linked = this.cutSince === null || now - this.cutSince < 2000;
      document.body.classList.toggle("mk-unlinked", !this.linked);
      this.cut = this.linked ? "" : spoken((now - this.cutSince) / 1000);
      for (const id of this.order) {
        const tile = this.tiles[id];
        const picture = this.picture(id);
        const status = picture.status;
        const state = status ? status.state : tile.state;
        const message = status ? status.message : tile.message;
        let age = null;
        if (picture.url) age = picture.age + (now - picture.at) / 1000;
        else if (status && status.age !== null) age = status.age + (now - picture.statusAt) / 1000;
        const waits = !picture.url && state === "live" && (age === null || age <= OLD_S);
        const old = age !== null && age > OLD_S;
        tile.age = old ? `${spoken(age)} old` : !picture.url && !waits ? "no picture" : "";
        if (!picture.url && old) tile.age = `no picture for ${spoken(age)}`;
        tile.why = message || (waits ? "" : "no newer picture has arrived");
        tile.message = message;
        tile.look = old || (state !== "live" && !picture.url) ? "old" : message ? "warned" : "live";
        tile.word = tile.look === "old" && state === "live" ? "old picture" : state;
      }
    },
  },
};
