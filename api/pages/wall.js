// The cameras: one connection brings the pictures of those that can be seen on the screen.
// A picture never looks live when it is not: its age is counted here, whatever the server does.

const OLD_S = 5;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;
const TICK_MS = 500;

// a text with %(name)s in it
function fill(text, values) {
  return text.replace(/%\((\w+)\)[sd]/g, (_, name) => values[name]);
}

export default {
  template: `
    <div class="mk-wall">
      <div v-if="!linked" class="mk-cut" role="alert">{{ fill(texts.cut, { age: cut }) }}</div>
      <div v-if="!order.length" class="mk-empty">{{ texts.empty }}</div>
      <article v-for="id in order" :key="id" class="mk-tile" :class="'mk-' + tiles[id].look" :data-camera="id" ref="boxes">
        <header>
          <span class="mk-dot" :title="texts.states[tiles[id].state]"></span>
          <h2 :title="tiles[id].name + ' (' + id + ')'">{{ tiles[id].name }}</h2>
          <span v-if="tiles[id].synthetic" class="mk-badge" :title="texts.unreal">{{ texts.synthetic }}</span>
          <span class="mk-state">{{ texts.states[tiles[id].word] }}</span>
        </header>
        <div v-if="path" class="mk-picture" :style="{ aspectRatio: tiles[id].ratio }">
          <img v-show="tiles[id].url" :src="tiles[id].url || undefined" :alt="fill(texts.picture, { camera: tiles[id].name })">
          <div v-if="tiles[id].age" class="mk-age" role="status">
            <strong>{{ tiles[id].age }}</strong>
            <span>{{ tiles[id].why }}</span>
          </div>
        </div>
        <p v-if="tiles[id].said && !tiles[id].age" class="mk-warning">{{ tiles[id].said }}</p>
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
      </article>
    </div>`,

  props: {
    cameras: { type: Array, default: () => [] },
    // of the socket that brings pictures; none for whoever sees none
    path: String,
    texts: { type: Object, required: true },
  },

  data() {
    return { tiles: {}, order: [], linked: true, cut: "", dead: false };
  },

  created() {
    // what changes with each picture and is not shown itself
    this.pictures = new Map();
    this.seen = new Set();
    this.retryMs = FIRST_RETRY_MS;
    this.cutSince = performance.now();
    this.change(this.cameras, []);
  },

  mounted() {
    this.observer = new IntersectionObserver(this.look, { rootMargin: "200px" });
    this.watchBoxes();
    if (this.path) this.connect();
    else this.followPage();
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
    window.socket?.off("connect", this.pageLinked);
    window.socket?.off("disconnect", this.pageCut);
    document.body.classList.remove("mk-unlinked");
    for (const id of [...this.pictures.keys()]) this.drop(id);
  },

  methods: {
    fill,

    // from the server: cameras that are new or changed, and ids of those that are gone
    change(changed, gone) {
      for (const id of gone) {
        delete this.tiles[id];
        this.seen.delete(id);
        this.drop(id);
      }
      for (const camera of changed) {
        const before = this.tiles[camera.id] || { url: "", ratio: "16 / 9", age: "", why: "", said: "" };
        this.tiles[camera.id] = { ...before, ...camera, look: "", word: "" };
      }
      this.order = Object.keys(this.tiles).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      this.tick();
      if (gone.length) this.wish();
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

    // without pictures there is only the socket by which the page itself changes
    followPage() {
      this.cutSince = null;
      window.socket?.on("connect", this.pageLinked);
      window.socket?.on("disconnect", this.pageCut);
    },

    pageLinked() {
      this.cutSince = null;
      this.tick();
    },

    pageCut() {
      this.cutSince = performance.now();
      this.leaveIfOver();
      this.tick();
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
        if (!this.tiles[id]) continue;
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

    spoken(seconds) {
      const units = [[100, 1], [6000, 60], [360000, 3600], [Infinity, 86400]];
      const i = units.findIndex(([end]) => seconds < end);
      return fill(this.texts.ages[i], { n: Math.floor(seconds / units[i][1]) });
    },

    // what a camera's worker says of it, in the language of the page
    sentence(status) {
      if (status.code && this.texts.codes[status.code]) return this.texts.codes[status.code];
      if (status.state !== "unknown") return status.message;
      return status.unheard === null ? this.texts.nobody : fill(this.texts.unheard, { age: status.unheard });
    },

    tick() {
      const now = performance.now();
      this.linked = this.cutSince === null || now - this.cutSince < 2000;
      document.body.classList.toggle("mk-unlinked", !this.linked);
      this.cut = this.linked ? "" : this.spoken((now - this.cutSince) / 1000);
      for (const id of this.order) {
        const tile = this.tiles[id];
        const picture = this.picture(id);
        const status = picture.status;
        const state = status ? status.state : tile.state;
        const message = status ? this.sentence(status) : tile.message;
        let age = null;
        if (picture.url) age = picture.age + (now - picture.at) / 1000;
        else if (status && status.age !== null) age = status.age + (now - picture.statusAt) / 1000;
        const waits = !picture.url && state === "live" && (age === null || age <= OLD_S);
        const old = age !== null && age > OLD_S;
        tile.age = "";
        if (this.path && !picture.url && old) tile.age = fill(this.texts.none_for, { age: this.spoken(age) });
        else if (this.path && old) tile.age = fill(this.texts.old, { age: this.spoken(age) });
        else if (this.path && !picture.url && !waits) tile.age = this.texts.none;
        tile.why = message || (waits ? "" : this.texts.no_newer);
        tile.said = message;
        tile.look = old || (state !== "live" && !picture.url) ? "old" : message ? "warned" : "live";
        tile.word = tile.look === "old" && state === "live" ? "old" : state;
      }
    },
  },
};
