// The alerts, newest on top. What the server sends again replaces what is shown; the one that is
// opened is in an element of its own, so that nothing here can move it.

const KEPT = 300;
const NEW_MS = 4000;
const MOST = 100;

function newer(a, b) {
  return b.start - a.start || (a.id < b.id ? 1 : -1);
}

// a text with %(name)s in it
function fill(text, values) {
  return text.replace(/%\((\w+)\)[sd]/g, (_, name) => values[name]);
}

export default {
  template: `
    <section class="mk-alerts" :aria-label="texts.title">
      <header>
        <h2>{{ texts.title }}</h2>
        <span class="mk-waiting">{{ fill(texts.waiting, { n: waiting, all: list.length }) }}</span>
        <button v-if="acts" type="button" class="mk-by-hand" @click="$emit('compose')">{{ texts.by_hand }}</button>
        <div class="mk-filters" role="group" :aria-label="texts.filter">
          <button v-for="name in names" ref="filters" :key="name" type="button" :data-filter="name"
                  :aria-pressed="filter === name ? 'true' : 'false'" @click="choose(name)">{{ texts.filters[name] }}</button>
        </div>
        <div v-if="acts && fresh_ones.length" class="mk-several">
          <label><input type="checkbox" :checked="chosen.length === choosable.length" @change="all($event.target.checked)"> {{ texts.all }}</label>
          <button v-if="chosen.length" type="button" @click="acknowledge_chosen()">{{ fill(texts.several, { n: chosen.length }) }}</button>
        </div>
      </header>
      <p v-if="!shown.length" class="mk-empty">{{ list.length || narrowed ? texts.nothing : texts.empty }}</p>
      <ol aria-live="polite">
        <template v-for="(alert, i) in shown" :key="alert.id">
        <li v-if="!i || shown[i - 1].day !== alert.day" class="mk-day">{{ alert.day }}</li>
        <li class="mk-alert" :data-alert="alert.id" :data-camera="alert.camera" :data-status="alert.status"
            :class="['mk-' + alert.severity, { 'mk-new': fresh[alert.id], 'mk-done': alert.status !== 'new', 'mk-open': alert.state === 'open', 'mk-opened': alert.id === opened }]">
          <span class="mk-mark">
            <span class="mk-shape" :title="texts.severities[alert.severity]">{{ shapes[alert.severity] }}</span>
            <input v-if="acts && alert.status === 'new'" type="checkbox" v-model="picked[alert.id]" :aria-label="fill(texts.choose, { title: alert.title, where: alert.where })">
          </span>
          <div class="mk-what">
            <a class="mk-title" :href="'#' + alert.id" :aria-expanded="alert.id === opened ? 'true' : 'false'" @click.prevent="$emit('look', alert.id)">{{ alert.title }}</a>
            <strong v-if="alert.severity === 'critical'" class="mk-alarm">{{ texts.severities.critical }}</strong>
            <span class="mk-where">{{ alert.where }}</span>
            <span v-if="alert.synthetic" class="mk-badge">{{ texts.synthetic }}</span>
            <p :lang="alert.why_lang">{{ alert.why }}</p>
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

  props: {
    first: { type: Array, default: () => [] },
    older: Boolean,
    acts: Boolean,
    me: { type: String, default: "" },
    texts: { type: Object, required: true },
  },
  emits: ["acknowledge", "compose", "filter", "look", "older"],

  data() {
    return {
      list: [],
      fresh: {},
      filter: "all",
      // ids that are ticked
      picked: {},
      // the id of the one that is opened
      opened: null,
      more: this.older,
      // start and id of the alert below which the list has gaps
      bottom: null,
      // before anything is counted into it
      title: document.title,
      shapes: { critical: "■", high: "▲", medium: "◆", low: "●" },
    };
  },

  created() {
    this.append(this.first, this.older);
  },

  computed: {
    names() {
      return this.acts ? ["all", "open", "new", "mine"] : ["all", "open", "new"];
    },
    narrowed() {
      return this.filter !== "all";
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
    document.title = this.title;
  },

  methods: {
    fill,

    mine(alert) {
      return alert.status === "assigned" && alert.assigned === this.me;
    },

    fits(alert) {
      if (this.filter === "open") return alert.status !== "resolved";
      if (this.filter === "new") return alert.status === "new";
      return this.filter === "all" || this.mine(alert);
    },

    // the server answers with the newest ones that fit
    choose(name) {
      this.filter = name;
      this.picked = {};
      this.$emit("filter", name);
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
      if (id !== null || before === null) return;
      const row = [...this.$el.querySelectorAll(".mk-alert")].find((each) => each.dataset.alert === before);
      (row ? row.querySelector(".mk-title") : this.$refs.filters[0]).focus();
    },

    // from the server: alerts that are new or changed
    add(alerts) {
      for (const alert of alerts) {
        if (this.list.some((known) => known.id === alert.id)) continue;
        this.fresh[alert.id] = true;
        setTimeout(() => delete this.fresh[alert.id], NEW_MS);
      }
      this.merge(alerts);
      const fit = this.shown;
      const others = this.list.filter((alert) => !this.fits(alert));
      if (Math.max(fit.length, others.length) <= KEPT) return;
      this.list = [...fit.slice(0, KEPT), ...others.slice(0, KEPT)].sort(newer);
      if (fit.length <= KEPT) return;
      const last = fit[KEPT - 1];
      if (!this.bottom || newer(last, { start: this.bottom[0], id: this.bottom[1] }) < 0) {
        this.bottom = [last.start, last.id];
      }
      this.more = true;
    },

    // from the server: the next older ones, and whether there are more
    append(alerts, more) {
      this.merge(alerts);
      const last = alerts[alerts.length - 1];
      if (last) this.bottom = [last.start, last.id];
      this.more = more;
    },

    // from the server: the newest ones that fit what was chosen
    refill(name, alerts, more) {
      if (name !== this.filter) return;
      this.bottom = null;
      this.append(alerts, more);
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
