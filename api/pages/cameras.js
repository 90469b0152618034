// The cameras and what is drawn on each, as a table with a search.

export default {
  template: `
    <section class="mk-cameras" :aria-label="texts.title">
      <header><h2>{{ texts.title }}</h2><label class="mk-search"><span>{{ texts.search }}</span><input type="search" v-model="wanted" autocomplete="off" dir="auto"></label></header>
      <p v-if="!rows.length" class="mk-empty">{{ texts.empty }}</p>
      <p v-else-if="!shown.length" class="mk-empty">{{ texts.nothing }}</p>
      <table v-if="shown.length">
        <thead><tr><th scope="col">{{ texts.camera }}</th><th scope="col">{{ texts.state }}</th><th v-for="each in ['lines', 'zones', 'rules']" :key="each" scope="col" class="mk-number">{{ texts.drawn[each] }}</th><th scope="col" class="mk-number">{{ texts.revision }}</th></tr></thead>
        <tbody><tr v-for="row in shown" :key="row.id" :data-camera="row.id">
          <th scope="row"><a :href="'/room/cameras/' + encodeURIComponent(row.id)"><bdi>{{ row.name }}</bdi></a> <span v-if="row.name !== row.id" class="mk-hint">{{ row.id }}</span> <span v-if="row.synthetic" class="mk-badge">{{ texts.synthetic }}</span></th>
          <td><span class="mk-dot" :class="'mk-dot-' + look(row)"></span> {{ texts.states[row.state] }} <span v-if="row.picture" class="mk-hint" data-picture>{{ row.picture }}</span><p v-if="row.message" class="mk-hint">{{ row.message }}</p></td>
          <td v-for="each in ['lines', 'zones', 'rules']" :key="each" class="mk-number" :data-drawn="each" :data-label="texts.drawn[each]">{{ row.drawn[each] }}</td>
          <td class="mk-number" data-drawn="revision" :data-label="texts.revision">{{ row.revision || "–" }}</td>
        </tr></tbody>
      </table>
    </section>`,

  props: {
    first: { type: Array, default: () => [] },
    texts: { type: Object, required: true },
  },

  data() {
    return { rows: [], wanted: "" };
  },

  created() {
    this.change(this.first);
  },

  computed: {
    shown() {
      const wanted = this.wanted.trim().toLocaleLowerCase();
      return this.rows.filter((row) => !wanted || `${row.name} ${row.id}`.toLocaleLowerCase().includes(wanted));
    },
  },

  methods: {
    // from the server: how some of them are now, and which are not to be seen any more
    change(changed) {
      const rows = new Map([...this.rows, ...changed].map((row) => [row.id, row]));
      this.rows = [...rows.values()].sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));
    },

    drop(gone) {
      this.rows = this.rows.filter((row) => !gone.includes(row.id));
    },

    // by shape as well as by colour
    look(row) {
      if (row.state === "live") return row.message ? "warned" : "live";
      return row.state === "starting" ? "warned" : "old";
    },
  },
};
