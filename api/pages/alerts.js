// The alerts, newest on top. What the server sends again replaces what is shown.

const KEPT = 300;
const NEW_MS = 4000;

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
      </header>
      <p v-if="!list.length" class="mk-empty">{{ texts.empty }}</p>
      <ol aria-live="polite">
        <template v-for="(alert, i) in list" :key="alert.id">
        <li v-if="!i || list[i - 1].day !== alert.day" class="mk-day">{{ alert.day }}</li>
        <li class="mk-alert" :data-alert="alert.id" :data-camera="alert.camera"
            :class="['mk-' + alert.severity, { 'mk-new': fresh[alert.id], 'mk-done': alert.by, 'mk-open': alert.state === 'open' }]">
          <span class="mk-shape" :title="texts.severities[alert.severity]">{{ shapes[alert.severity] }}</span>
          <div class="mk-what">
            <strong>{{ alert.title }}</strong>
            <span class="mk-where">{{ alert.where }}</span>
            <span v-if="alert.synthetic" class="mk-badge">{{ texts.synthetic }}</span>
            <p lang="en">{{ alert.why }}</p>
          </div>
          <div class="mk-when">
            <time :title="alert.date">{{ alert.time }}</time>
            <span>{{ texts[alert.state] }}</span>
            <span v-if="alert.by" class="mk-by">{{ fill(texts.seen, { name: alert.by }) }}</span>
            <button v-else-if="acts" type="button" @click="$emit('acknowledge', alert.id)">{{ texts.acknowledge }}</button>
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
    texts: { type: Object, required: true },
  },
  emits: ["acknowledge", "older"],

  data() {
    return {
      list: [],
      fresh: {},
      more: this.older,
      // start and id of the alert below which the list has gaps
      bottom: null,
      // before anything is counted into it
      title: document.title,
      shapes: { high: "▲", medium: "◆", low: "●" },
    };
  },

  created() {
    this.append(this.first, this.older);
  },

  computed: {
    waiting() {
      return this.list.filter((alert) => !alert.by).length;
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

    // from the server: alerts that are new or changed
    add(alerts) {
      for (const alert of alerts) {
        if (this.list.some((known) => known.id === alert.id)) continue;
        this.fresh[alert.id] = true;
        setTimeout(() => delete this.fresh[alert.id], NEW_MS);
      }
      this.merge(alerts);
      if (this.list.length > KEPT) {
        this.list = this.list.slice(0, KEPT);
        const last = this.list[KEPT - 1];
        if (!this.bottom || newer(last, { start: this.bottom[0], id: this.bottom[1] }) < 0) {
          this.bottom = [last.start, last.id];
        }
        this.more = true;
      }
    },

    // from the server: the next older ones, and whether there are more
    append(alerts, more) {
      this.merge(alerts);
      const last = alerts[alerts.length - 1];
      if (last) this.bottom = [last.start, last.id];
      this.more = more;
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
