// Live pictures: one connection for all that shows cameras on a page, and how old each picture is.
// A picture never looks live when it is not: its age is counted here, whatever the server does.
import { shallowReactive } from "vue";

export const OLD_S = 5;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8000;
const TICK_MS = 500;
const LATE_MS = 2000;
const MOST = 64;

// a text with %(name)s in it
export function fill(text, values) {
  return text.replace(/%\((\w+)\)[sd]/g, (_, name) => values[name]);
}

// how long, in words; the texts are of seconds, minutes, hours and days
export function spoken(texts, seconds) {
  const units = [[100, 1], [6000, 60], [360000, 3600], [Infinity, 86400]];
  const i = units.findIndex(([end]) => seconds < end);
  return fill(texts.ages[i], { n: Math.floor(seconds / units[i][1]) });
}

// by path; without a path there are no pictures, and only the page's own socket is followed
const connections = new Map();

// The connection by a path, for as long as a viewer has it. A viewer says with wish() which cameras
// it shows now, and gives it back with leave().
export function join(path) {
  const key = path || "";
  if (!connections.has(key)) connections.set(key, new Live(path));
  const live = connections.get(key);
  const viewer = {
    live,
    wish(cameras) {
      live.wishes.set(viewer, cameras);
      live.wish();
    },
    leave() {
      if (!live.wishes.delete(viewer)) return;
      live.wish();
      if (live.wishes.size) return;
      connections.delete(key);
      live.end();
    },
  };
  live.wishes.set(viewer, []);
  return viewer;
}

class Live {
  constructor(path) {
    this.path = path;
    this.wishes = new Map();
    this.socket = null;
    this.dead = false;
    this.retryMs = FIRST_RETRY_MS;
    this.cutSince = performance.now();
    // what a viewer sees: "now" moves with each tick, pictures are by camera
    this.state = shallowReactive({ now: performance.now(), linked: true, cut: 0 });
    this.pictures = shallowReactive({});
    this.wish = this.wish.bind(this);
    this.pageLinked = this.pageLinked.bind(this);
    this.pageCut = this.pageCut.bind(this);
    this.timer = setInterval(() => this.tick(), TICK_MS);
    document.addEventListener("visibilitychange", this.wish);
    if (path) this.connect();
    else this.followPage();
  }

  end() {
    this.dead = true;
    clearInterval(this.timer);
    clearTimeout(this.retry);
    document.removeEventListener("visibilitychange", this.wish);
    if (this.socket) this.socket.close();
    window.socket?.off("connect", this.pageLinked);
    window.socket?.off("disconnect", this.pageCut);
    document.body.classList.remove("mk-unlinked");
    for (const id of Object.keys(this.pictures)) this.drop(id);
  }

  // --- which cameras are wanted

  wish() {
    const all = document.hidden ? [] : [...this.wishes.values()].flat();
    const cameras = [...new Set(all)].slice(0, MOST);
    // what is wanted again is new: one that was not looked at for a while shows no picture of then
    for (const id of Object.keys(this.pictures)) if (!cameras.includes(id)) this.drop(id);
    for (const id of cameras) {
      this.pictures[id] ||= shallowReactive({ url: "", ratio: "16 / 9", age: 0, at: 0, status: null, statusAt: 0, since: performance.now() });
    }
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return;
    const text = JSON.stringify({ cameras });
    if (text !== this.wished) this.socket.send(text);
    this.wished = text;
  }

  drop(id) {
    if (this.pictures[id].url) URL.revokeObjectURL(this.pictures[id].url);
    delete this.pictures[id];
  }

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
      this.retry = setTimeout(() => this.connect(), this.retryMs * (0.5 + Math.random() / 2));
      this.retryMs = Math.min(2 * this.retryMs, LAST_RETRY_MS);
      this.tick();
    };
    this.socket = socket;
  }

  followPage() {
    this.cutSince = null;
    window.socket?.on("connect", this.pageLinked);
    window.socket?.on("disconnect", this.pageCut);
  }

  pageLinked() {
    this.cutSince = null;
    this.tick();
  }

  pageCut() {
    this.cutSince = performance.now();
    this.leaveIfOver();
    this.tick();
  }

  // a socket that is refused says not why, other answers do
  async leaveIfOver() {
    try {
      const answer = await fetch("/", { redirect: "manual", cache: "no-store" });
      // the session is over, and the page that comes says what to do
      if (answer.status === 401) location.reload();
    } catch {
      // the server is gone, and may come back
    }
  }

  told(message) {
    const now = performance.now();
    for (const [id, status] of Object.entries(message.cameras)) {
      if (this.pictures[id]) Object.assign(this.pictures[id], { status, statusAt: now });
    }
  }

  shown(data) {
    const length = new DataView(data).getUint32(0);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const picture = this.pictures[head.camera];
    if (!picture) return;
    const old = picture.url;
    const url = URL.createObjectURL(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
    Object.assign(picture, { url, age: head.age, at: performance.now(), ratio: `${head.width} / ${head.height}` });
    // the picture before is on the screen until this one is decoded
    if (old) setTimeout(() => URL.revokeObjectURL(old), LATE_MS);
  }

  tick() {
    const now = performance.now();
    const linked = this.cutSince === null || now - this.cutSince < LATE_MS;
    document.body.classList.toggle("mk-unlinked", !linked);
    Object.assign(this.state, { now, linked, cut: linked ? 0 : (now - this.cutSince) / 1000 });
  }
}
