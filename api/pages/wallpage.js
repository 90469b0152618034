// The wall: as many cameras as fit, those with an open alert in front. How it is arranged is in the
// address, so that it can be shared, and is the same after the page was loaded anew.
import { fill, join, spoken } from "live";
import Tile from "tile";
import Chooser from "chooser";
import { LAYOUTS, Tour, addressOf, arrangementOf, isNewer, moreUrgent } from "tour";

const FRESH_MS = 15000;
const WRITTEN_IN = ["INPUT", "SELECT", "TEXTAREA"];
// the next page of a tour is asked for so long before, so that it comes with its pictures
const AHEAD_S = 2.5;

export default {
  components: { "mk-tile": Tile, "mk-chooser": Chooser },

  template: `
    <section class="mk-screen" :class="{ 'mk-bare': bare }">
      <div v-if="!bare" class="mk-tools">
        <div class="mk-group" role="group" :aria-label="texts.layout">
          <button v-for="(key, n) in layouts" :key="n" type="button" :data-layout="n" :title="fill(texts.layout_of, { n, key })"
                  :aria-pressed="layout === +n ? 'true' : 'false'" @click="arrange(+n)">{{ n }}</button>
        </div>
        <button v-if="alone" type="button" class="mk-back" @click="one = null">{{ texts.back }}</button>
        <div v-else-if="pages > 1" class="mk-group mk-turn">
          <button type="button" :title="texts.before" :aria-label="texts.before" @click="turn(-1)">‹</button>
          <span>{{ fill(texts.page, { page: page + 1, pages }) }}</span>
          <button type="button" :title="texts.after" :aria-label="texts.after" @click="turn(1)">›</button>
        </div>
        <div class="mk-group mk-tour">
          <button type="button" :title="texts.tour_of" :aria-pressed="tour.on ? 'true' : 'false'" @click="tour.toggle()">{{ texts.tour }}</button>
          <select :value="tour.every" :aria-label="texts.every" :title="texts.every" @change="tour.pace(+$event.target.value)">
            <option v-for="n in tour.paces" :key="n" :value="n">{{ fill(texts.seconds, { n }) }}</option>
          </select>
          <span v-if="tour.on" class="mk-hint">{{ touring }}</span>
        </div>
        <span v-if="absent" class="mk-absent">{{ fill(texts.absent, { n: absent }) }}</span>
        <div class="mk-group mk-last">
          <button type="button" class="mk-choose" @click="$refs.chooser.open()">{{ chosen ? fill(texts.chosen, { n: order.length, all: ids.length }) : texts.choose }}</button>
          <button type="button" class="mk-full" :title="texts.full_of" @click="fill_screen(true)">{{ texts.full }}</button>
          <button type="button" class="mk-keys" :title="texts.keys" :aria-label="texts.keys" @click="$refs.keys.showModal()">?</button>
        </div>
      </div>
      <div v-if="!live.state.linked" class="mk-cut" role="alert">{{ fill(texts.cut, { age: spoken(texts, live.state.cut) }) }}</div>
      <div v-if="elsewhere.length" class="mk-elsewhere" :class="'mk-' + worst.alarm.severity" role="status">
        <a :href="to(worst.alarm)">
          <span class="mk-shape" :title="texts.severities[worst.alarm.severity]">{{ shapes[worst.alarm.severity] }}</span>
          <span class="mk-line">{{ texts.elsewhere }} <bdi>{{ worst.alarm.title }}</bdi>, <bdi>{{ worst.name }}</bdi>, {{ worst.alarm.time }}</span>
          <span v-if="elsewhere.length > 1" class="mk-rest">{{ fill(texts.elsewhere_more, { n: elsewhere.length - 1 }) }}</span>
        </a>
      </div>
      <p v-if="!shown.length" class="mk-empty">{{ ids.length ? texts.none_chosen : texts.empty }}</p>
      <div class="mk-grid" ref="grid" :data-layout="layout" :style="{ '--columns': columns, '--rows': rows }" @pointermove="moved">
        <div v-for="id in shown" :key="id" class="mk-cell" :class="framed(id)" :data-cell="id">
          <mk-tile :camera="cameras_by_id[id]" :live="live" :texts="texts">
            <button type="button" class="mk-enlarge" :aria-label="alone ? texts.back : fill(texts.enlarge, { camera: cameras_by_id[id].name })" @click="one = alone ? null : id"></button>
            <a v-if="cameras_by_id[id].alarm" class="mk-alarmed" :href="to(cameras_by_id[id].alarm)" :aria-label="fill(texts.to_alert, { title: cameras_by_id[id].alarm.title, camera: cameras_by_id[id].name })">
              <span class="mk-shape" :title="texts.severities[cameras_by_id[id].alarm.severity]">{{ shapes[cameras_by_id[id].alarm.severity] }}</span>
              <span class="mk-line"><strong><bdi>{{ cameras_by_id[id].alarm.title }}</bdi></strong><template v-if="cameras_by_id[id].alarm.place"> · <bdi>{{ cameras_by_id[id].alarm.place }}</bdi></template></span>
              <span class="mk-since">{{ since(cameras_by_id[id].alarm) }}</span>
              <span v-if="cameras_by_id[id].alarm.more" class="mk-rest">{{ fill(texts.more, { n: cameras_by_id[id].alarm.more }) }}</span>
            </a>
          </mk-tile>
        </div>
      </div>
      <p v-if="bare && pages > 1 && !alone" class="mk-where-now">{{ fill(texts.page, { page: page + 1, pages }) }} {{ tour.on ? "▸" : "" }}</p>
      <mk-chooser ref="chooser" :cameras="sorted" :chosen="chosen" :texts="texts" @choose="choose"></mk-chooser>
      <dialog ref="keys" class="mk-dialog">
        <h2>{{ texts.keys }}</h2>
        <dl class="mk-keys-of"><template v-for="[key, what] in texts.keys_of" :key="key"><dt><kbd>{{ key }}</kbd></dt><dd>{{ what }}</dd></template></dl>
        <form method="dialog"><button class="mk-go-on">{{ texts.done }}</button></form>
      </dialog>
    </section>`,

  props: {
    cameras: { type: Array, default: () => [] },
    path: String,
    // the server's time, by which alerts began, seconds
    now: { type: Number, default: 0 },
    texts: { type: Object, required: true },
  },

  data() {
    const arrangement = arrangementOf(location.search, this.cameras.length, innerWidth);
    return {
      cameras_by_id: {},
      layout: arrangement.layout,
      page: arrangement.page,
      // ids, null for every camera
      chosen: arrangement.chosen,
      // the id of the camera that is shown alone
      one: arrangement.one,
      bare: arrangement.bare,
      tour: new Tour(arrangement.every),
      // ids whose alert came just now
      fresh: {},
      layouts: LAYOUTS,
      shapes: { critical: "■", high: "▲", medium: "◆", low: "●" },
    };
  },

  created() {
    this.viewer = join(this.path);
    this.live = this.viewer.live;
    this.clock = this.now - performance.now() / 1000;
    for (const camera of this.cameras) this.cameras_by_id[camera.id] = camera;
    this.page = Math.min(this.page, this.pages - 1);
  },

  mounted() {
    this.$watch(() => [...this.shown, ...this.ahead], (ids) => this.viewer.wish(ids), { immediate: true });
    this.$watch("address", this.keep, { immediate: true });
    this.$watch(() => this.live.state.now, this.step);
    document.addEventListener("keydown", this.pressed);
    document.addEventListener("focusin", this.touched);
    document.addEventListener("fullscreenchange", this.left_full);
  },

  unmounted() {
    this.viewer.leave();
    document.removeEventListener("keydown", this.pressed);
    document.removeEventListener("focusin", this.touched);
    document.removeEventListener("fullscreenchange", this.left_full);
    document.body.classList.remove("mk-bare");
  },

  computed: {
    ids() {
      return Object.keys(this.cameras_by_id).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    },
    sorted() {
      return this.ids.map((id) => this.cameras_by_id[id]);
    },
    alarmed() {
      return this.sorted.filter((camera) => camera.alarm).sort((a, b) => moreUrgent(b.alarm, a.alarm));
    },
    // those that are chosen, the most urgent ones first
    order() {
      const wanted = this.chosen && new Set(this.chosen);
      const alarmed = this.alarmed.map((camera) => camera.id);
      return [...new Set([...alarmed, ...this.ids])].filter((id) => !wanted || wanted.has(id));
    },
    absent() {
      return (this.chosen || []).filter((id) => !this.cameras_by_id[id]).length;
    },
    pages() {
      return Math.max(1, Math.ceil(this.order.length / this.layout));
    },
    // it may have been taken away
    alone() {
      return this.cameras_by_id[this.one] ? this.one : null;
    },
    shown() {
      return this.alone ? [this.alone] : this.on_page(this.page);
    },
    ahead() {
      const soon = this.tour.on && !this.alone && this.tour.left <= AHEAD_S;
      return soon ? this.on_page((this.page + 1) % this.pages) : [];
    },
    elsewhere() {
      return this.alarmed.filter((camera) => !this.shown.includes(camera.id));
    },
    worst() {
      return this.elsewhere[0];
    },
    columns() {
      return Math.ceil(Math.sqrt(this.shown.length)) || 1;
    },
    rows() {
      return Math.ceil(this.shown.length / this.columns) || 1;
    },
    touring() {
      if (this.pages < 2) return this.texts.tour_one;
      if (this.alone || this.tour.why === "held") return this.texts.tour_held;
      if (this.tour.why === "alarm") return fill(this.texts.tour_alarm, { n: this.tour.wait });
      return fill(this.texts.tour_next, { n: Math.ceil(this.tour.left) });
    },
    address() {
      return addressOf(this);
    },
  },

  watch: {
    // cameras may become fewer
    pages(count) {
      this.page = Math.min(this.page, count - 1);
    },
    bare: {
      immediate: true,
      handler(bare) {
        document.body.classList.toggle("mk-bare", bare);
      },
    },
  },

  methods: {
    fill,
    spoken,

    // from the server: cameras that are new or changed, and ids of those that are gone
    change(changed, gone, now) {
      this.clock = now - performance.now() / 1000;
      for (const id of gone) delete this.cameras_by_id[id];
      let came = false;
      for (const camera of changed) {
        const before = this.cameras_by_id[camera.id];
        this.cameras_by_id[camera.id] = camera;
        if (!camera.alarm || (before?.alarm && !isNewer(camera.alarm, before.alarm))) continue;
        this.fresh[camera.id] = camera.alarm.id;
        setTimeout(() => this.fresh[camera.id] === camera.alarm.id && delete this.fresh[camera.id], FRESH_MS);
        came ||= !this.chosen || this.chosen.includes(camera.id);
      }
      if (came && this.tour.on) {
        this.page = 0;
        this.tour.interrupt();
      }
    },

    // --- how it is arranged

    on_page(page) {
      return this.order.slice(page * this.layout, (page + 1) * this.layout);
    },

    arrange(layout) {
      this.one = null;
      this.page = 0;
      this.layout = layout;
    },

    turn(by) {
      this.one = null;
      this.page = (this.page + by + this.pages) % this.pages;
      this.tour.begin();
    },

    choose(ids) {
      this.chosen = ids;
      this.one = null;
      this.page = 0;
    },

    async fill_screen(bare) {
      this.bare = bare;
      try {
        if (bare) await document.documentElement.requestFullscreen();
        else if (document.fullscreenElement) await document.exitFullscreen();
      } catch {
        // where a browser does not do it, the cameras still have the whole window
      }
    },

    left_full() {
      if (!document.fullscreenElement) this.bare = false;
    },

    keep() {
      history.replaceState(history.state, "", location.pathname + this.address);
      const form = document.querySelector(".mk-language");
      if (form) form.elements.back.value = location.pathname + this.address;
    },

    // --- the tour

    step() {
      if (this.tour.step(this.alone || this.pages < 2)) this.page = (this.page + 1) % this.pages;
    },

    touched() {
      this.tour.hold();
    },

    moved(event) {
      const place = `${event.clientX} ${event.clientY}`;
      // browsers say so too when the page moves below a pointer that rests
      if (place !== this.place) this.tour.hold();
      this.place = place;
    },

    pressed(event) {
      if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
      const { key, target } = event;
      if (WRITTEN_IN.includes(target.tagName) || (key === " " && target.tagName === "BUTTON")) return;
      const layout = Object.keys(LAYOUTS).find((n) => LAYOUTS[n] === key);
      if (layout) this.arrange(+layout);
      else if (key === " ") this.tour.toggle();
      else if (key === "ArrowLeft") this.turn(-1);
      else if (key === "ArrowRight") this.turn(1);
      else if (key === "f") this.fill_screen(!this.bare);
      else if (key === "?") this.$refs.keys.showModal();
      else if (key === "Escape" && this.alone) this.one = null;
      else if (key === "Escape" && this.bare) this.fill_screen(false);
      else {
        this.tour.hold();
        return;
      }
      if (key.startsWith("Arrow")) this.tour.hold();
      event.preventDefault();
    },

    // --- what is said of an alert

    framed(id) {
      const { alarm } = this.cameras_by_id[id];
      return alarm ? ["mk-alarming", `mk-${alarm.severity}`, { "mk-fresh": this.fresh[id] === alarm.id, "mk-lasts": alarm.lasts }] : [];
    },

    to(alarm) {
      return `/room/#${encodeURIComponent(alarm.id)}`;
    },

    since(alarm) {
      if (!alarm.lasts) return fill(this.texts.over, { time: alarm.time });
      const seconds = Math.max(0, this.live.state.now / 1000 + this.clock - alarm.start);
      return fill(this.texts.since, { time: alarm.time, age: spoken(this.texts, seconds) });
    },
  },
};
