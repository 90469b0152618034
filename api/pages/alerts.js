// The alerts, newest on top. What the server sends again replaces what is shown; the one that is
// opened is in an element of its own, so that nothing here can move it.

import { SHAPES, keep, kept, plans, unplan } from "desk";
import { fill } from "live";
import Calls from "calls";
import Keys, { keyed } from "keys";
import Narrow, { isNarrow } from "narrow";

const KEPT = 300;
// of those that nobody acknowledged so many more, the worst first, however old
const KEPT_NEW = 500;
const NEW_MS = 4000;
const MOST = 100;
// where this tab keeps what is wished for, for when the page is loaded anew
const WISH = "wish";

const WORST = Object.keys(SHAPES);

function worse(a, b) {
  return WORST.indexOf(a.severity) - WORST.indexOf(b.severity) || newer(a, b);
}

function newer(a, b) {
  return b.start - a.start || (a.id < b.id ? 1 : -1);
}

// the id of the alert that an address names
function named() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function wished(me) {
  try {
    const wish = JSON.parse(kept(WISH, "sessionStorage"));
    return wish && wish.me === me ? wish.wish : {};
  } catch {
    return {};
  }
}

export default {
  template: `
    <section class="mk-alerts" :aria-label="texts.title">
      <header>
        <h2>{{ texts.title }}</h2>
        <span class="mk-waiting" :title="fill(texts.waiting, { n: waiting, all: list.length })"><b>{{ waiting }}</b> <span>{{ fill(texts.waiting, { n: "", all: list.length }).trim() }}</span></span>
        <span class="mk-tools">
          <calls ref="calls" :alarms="acts ? alarms : 0" :texts="texts.calls" @look="look"></calls>
          <keys ref="keys" :texts="texts.keys"></keys>
        </span>
        <div class="mk-filters" role="group" :aria-label="texts.filter">
          <button v-for="name in names" ref="filters" :key="name" type="button" :data-filter="name"
                  :aria-pressed="filter === name ? 'true' : 'false'" @click="choose(name)">{{ texts.filters[name] }}</button>
        </div>
        <button v-if="acts" type="button" class="mk-by-hand" @click="$emit('compose')">{{ texts.by_hand }}</button>
        <narrow ref="narrow" :begin="wish" :cameras="places" :kinds="kinds" :severities="texts.severities" :texts="texts.narrow" @wish="narrow" @leave="move(0)"></narrow>
        <div v-if="acts && fresh_ones.length" class="mk-several">
          <label><input type="checkbox" :checked="chosen.length === choosable.length" @change="all($event.target.checked)"> {{ texts.all }}</label>
          <button v-if="chosen.length" type="button" @click="acknowledge_chosen()">{{ fill(texts.several, { n: chosen.length }) }}</button>
        </div>
      </header>
      <p v-if="narrows || hidden" class="mk-hidden" :class="{ 'mk-some': hidden }" role="status">{{ fill(texts.hidden, { n: hidden }) }} <button type="button" @click="show_all">{{ texts.show_all }}</button></p>
      <p v-if="!shown.length" class="mk-empty">{{ list.length || narrowed ? texts.nothing : texts.empty }}</p>
      <ol aria-live="polite" :aria-busy="number === answered ? 'false' : 'true'">
        <template v-for="(alert, i) in shown" :key="alert.id">
        <li v-if="!i || shown[i - 1].day !== alert.day" class="mk-day">{{ alert.day }}</li>
        <li class="mk-alert" :data-alert="alert.id" :data-camera="alert.camera" :data-status="alert.status"
            :class="['mk-' + alert.severity, { 'mk-new': fresh[alert.id], 'mk-done': alert.status !== 'new', 'mk-open': alert.state === 'open', 'mk-opened': alert.id === opened }]">
          <span class="mk-mark">
            <span class="mk-shape" :title="texts.severities[alert.severity]">{{ shapes[alert.severity] }}</span>
            <input v-if="acts && alert.status === 'new'" type="checkbox" v-model="picked[alert.id]" :aria-label="fill(texts.choose, { title: alert.title, where: alert.where })">
          </span>
          <div class="mk-what">
            <div class="mk-line">
            <a class="mk-title" dir="auto" :href="'#' + encodeURIComponent(alert.id)" :aria-expanded="alert.id === opened ? 'true' : 'false'" @click.exact.prevent="look(alert.id)">{{ alert.title }}</a>
            <strong v-if="alert.severity === 'critical'" class="mk-alarm">{{ texts.severities.critical }}</strong>
            <bdi class="mk-where">{{ alert.where }}</bdi>
            <span v-if="alert.synthetic" class="mk-badge">{{ texts.synthetic }}</span>
            </div>
            <p dir="auto" :lang="alert.why_lang">{{ alert.why }}</p>
          </div>
          <div class="mk-when">
            <time :title="alert.date">{{ alert.time }}</time>
            <span>{{ texts[alert.state] }}</span>
            <span v-if="alert.said" class="mk-by" :class="{ 'mk-mine': mine(alert) }">{{ alert.said }}</span>
            <button v-else-if="acts" type="button" @click="acknowledge(alert, $event)">{{ texts.acknowledge }}</button>
          </div>
        </li>
        </template>
      </ol>
      <button v-if="more" type="button" class="mk-older" @click="$emit('older', bottom)">{{ texts.older }}</button>
    </section>`,

  components: { Calls, Keys, Narrow },
  mixins: [keyed],

  props: {
    cameras: { type: Array, default: () => [] },
    first: { type: Array, default: () => [] },
    // those that nobody acknowledged, however old
    unseen: { type: Array, default: () => [] },
    // when the page was made, by the server's clock
    since: { type: Number, default: 0 },
    kinds: { type: Array, default: () => [] },
    older: Boolean,
    acts: Boolean,
    me: { type: String, default: "" },
    texts: { type: Object, required: true },
  },
  emits: ["acknowledge", "compose", "filter", "look", "older"],

  data() {
    const { show = "all", ...wish } = wished(this.me);
    return {
      list: [],
      fresh: {},
      filter: show,
      // what else is wished for, how many wishes there were, and which one the server answered last
      wish,
      number: 0,
      answered: 0,
      narrows: false,
      // by id, to which wish an alert fits
      hits: {},
      // the cameras that can be chosen
      places: this.cameras,
      // ids that are ticked
      picked: {},
      // the id of the one that is opened
      opened: null,
      // the id of the one that is asked for, until the server shows it or does not
      aimed: null,
      more: this.older,
      // start and id of the alert below which the list has gaps
      bottom: null,
      // before anything is counted into it
      title: document.title,
      shapes: SHAPES,
    };
  },

  created() {
    // the id of the row that had the focus last, while nothing else has it
    this.held = null;
    this.append(this.first, this.older);
    this.merge(this.unseen);
  },

  mounted() {
    window.addEventListener("hashchange", this.moved);
    if (this.narrowed || Object.keys(this.wish).length) this.say();
    if (named()) this.look(named());
    // those that came while the page was away
    const heard = Number(kept("heard") || Infinity);
    this.$refs.calls.arrived(this.list.filter((alert) => alert.status === "new" && alert.position > heard));
    this.hear(this.list);
  },

  computed: {
    names() {
      return this.acts ? ["all", "open", "new", "mine"] : ["all", "open", "new"];
    },
    narrowed() {
      return this.narrows || this.filter !== "all";
    },
    shown() {
      return this.list.filter((alert) => this.fits(alert));
    },
    fresh_ones() {
      return this.shown.filter((alert) => alert.status === "new");
    },
    choosable() {
      return this.fresh_ones.slice(0, MOST);
    },
    chosen() {
      return this.fresh_ones.filter((alert) => this.picked[alert.id]).slice(0, MOST);
    },
    waiting() {
      return this.list.filter((alert) => alert.status === "new").length;
    },
    // those to acknowledge that a search or a filter keeps from being seen
    hidden() {
      return this.list.filter((alert) => alert.status === "new" && !this.fits(alert)).length;
    },
    alarms() {
      return this.list.filter((alert) => alert.status === "new" && alert.severity === "critical").length;
    },
  },

  watch: {
    waiting: {
      immediate: true,
      handler(count) {
        document.title = count ? `(${count}) ${this.title}` : this.title;
      },
    },
  },

  unmounted() {
    window.removeEventListener("hashchange", this.moved);
    document.title = this.title;
  },

  methods: {
    fill,

    mine(alert) {
      return alert.status === "assigned" && alert.assigned === this.me;
    },

    hit(alert) {
      return !this.narrows || this.hits[alert.id] === this.answered;
    },

    fits(alert) {
      if (!this.hit(alert)) return false;
      if (this.filter === "open") return alert.status !== "resolved";
      if (this.filter === "new") return alert.status === "new";
      return this.filter === "all" || this.mine(alert);
    },

    choose(name) {
      this.filter = name;
      this.say();
    },

    narrow(wish) {
      this.wish = wish;
      this.say();
    },

    show_all() {
      this.filter = "all";
      this.$refs.narrow.clear();
    },

    // the server answers with the newest ones that fit
    say() {
      this.picked = {};
      this.number += 1;
      const wish = { show: this.filter, ...this.wish };
      keep(WISH, JSON.stringify({ me: this.me, wish }), "sessionStorage");
      this.$emit("filter", { number: this.number, ...wish });
    },

    look(id) {
      unplan();
      this.aimed = id;
      this.let_go();
      this.$emit("look", id);
    },

    // from the server: one that was asked for is not shown
    missed(id) {
      if (this.aimed !== id) return;
      this.aimed = null;
      unplan();
    },

    all(wanted) {
      this.picked = wanted ? Object.fromEntries(this.choosable.map((alert) => [alert.id, true])) : {};
    },

    acknowledge(alert, event) {
      // the button goes away, and the focus is not to go with it
      event.target.closest(".mk-alert").querySelector(".mk-title").focus();
      this.$emit("acknowledge", [alert.id]);
    },

    acknowledge_chosen() {
      this.$refs.filters[0].focus();
      this.$emit("acknowledge", this.chosen.map((alert) => alert.id));
      this.picked = {};
    },

    // from the server: which one is opened, null for none; what opened it gets the focus back
    show_opened(id) {
      const before = this.opened;
      this.opened = id;
      if (id === null || id === this.aimed) this.aimed = null;
      this.address(before, id);
      const row = this.row(id === null ? before : id);
      if (id !== null) row?.scrollIntoView({ block: "nearest" });
      else if (before !== null) (row ? row.querySelector(".mk-title") : this.$refs.filters[0]).focus();
    },

    // the address names the one that is opened, and the way back closes it
    address(before, id) {
      const here = location.pathname + location.search;
      if (id !== null) {
        const there = `${here}#${encodeURIComponent(id)}`;
        if (before === null && !location.hash) {
          history.pushState(history.state, "", there);
          this.pushed = true;
        } else history.replaceState(history.state, "", there);
      } else if (this.pushed) {
        this.pushed = false;
        history.back();
      } else if (location.hash) history.replaceState(history.state, "", here);
    },

    moved() {
      const id = named();
      if (id === (this.opened || "")) return;
      if (id) this.look(id);
      else {
        this.pushed = false;
        plans("close", this.opened);
      }
    },

    // from the server: alerts that are new or changed; which of them fit to a wish, null for all
    add(alerts, number, fitting) {
      const arrived = alerts.filter((alert) => !this.list.some((known) => known.id === alert.id));
      for (const alert of arrived) {
        this.fresh[alert.id] = true;
        setTimeout(() => delete this.fresh[alert.id], NEW_MS);
      }
      // what was asked for since knows better which of them fit
      for (const { id } of number < this.answered ? [] : alerts) {
        if (fitting === null || fitting.includes(id)) this.hits[id] = number;
        else delete this.hits[id];
      }
      this.call(alerts, arrived);
      this.merge(alerts);
      const fit = this.shown;
      const others = this.list.filter((alert) => !this.fits(alert));
      if (Math.max(fit.length, others.length) <= KEPT) return;
      const over = [...fit.slice(KEPT), ...others.slice(KEPT)].filter((alert) => alert.status === "new").sort(worse);
      this.list = [...fit.slice(0, KEPT), ...others.slice(0, KEPT), ...over.slice(0, KEPT_NEW)].sort(newer);
      this.hits = Object.fromEntries(this.list.filter(({ id }) => id in this.hits).map(({ id }) => [id, this.hits[id]]));
      if (fit.length <= KEPT) return;
      const last = fit[KEPT - 1];
      if (!this.bottom || newer(last, { start: this.bottom[0], id: this.bottom[1] }) < 0) {
        this.bottom = [last.start, last.id];
      }
      this.more = true;
    },

    // old ones that change come for the first time too, and call nobody; one that began long ago
    // may be known only now
    call(alerts, arrived) {
      this.$refs.calls.arrived(arrived.filter((alert) => alert.status === "new" && alert.stored >= this.since));
      this.$refs.calls.settled(alerts.filter((alert) => alert.status !== "new").map((alert) => alert.id));
      this.hear(alerts);
    },

    hear(alerts) {
      const heard = Math.max(Number(kept("heard") || 0), ...alerts.map((alert) => alert.position));
      keep("heard", String(heard));
    },

    // from the server: the next older ones, and whether there are more
    append(alerts, more) {
      for (const { id } of alerts) this.hits[id] = this.answered;
      this.merge(alerts);
      const last = alerts[alerts.length - 1];
      if (last) this.bottom = [last.start, last.id];
      this.more = more;
    },

    // from the server: the newest ones that fit what was chosen
    refill(number, alerts, more) {
      if (number !== this.number) return;
      this.answered = number;
      this.narrows = isNarrow(this.wish);
      this.hits = Object.fromEntries(Object.entries(this.hits).filter(([, to]) => to === number));
      this.bottom = null;
      this.append(alerts, more);
    },

    // from the server: the cameras that can be chosen
    offer(cameras) {
      this.places = cameras;
    },

    // from the server: the cameras whose alerts are to be seen, null for all
    limit(cameras) {
      if (cameras) this.list = this.list.filter((alert) => cameras.includes(alert.camera));
    },

    merge(alerts) {
      const known = new Map(this.list.map((alert) => [alert.id, alert]));
      for (const alert of alerts) {
        // what was read before a change may come after it
        const before = known.get(alert.id);
        if (!before || before.position <= alert.position) known.set(alert.id, alert);
      }
      this.list = [...known.values()].sort(newer);
    },
  },
};
