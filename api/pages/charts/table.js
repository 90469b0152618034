// The quarter hours of a day as a table, for whoever reads rather than looks: every number of the charts,
// and in words why one is missing.

import { isGap } from "charts/quarters.js";
import { coverage, number } from "charts/tip.js";

export const Quarters = {
  template: `
    <details class="mk-quarters">
      <summary>{{ texts.as_table }}</summary>
      <div class="mk-scroll" tabindex="0" role="region" :aria-label="texts.as_table">
        <table>
          <thead><tr>
            <th scope="col">{{ texts.time }}</th><th v-for="each in bins.classes" :key="each.id" scope="col" :title="texts.classes[each.id]">{{ texts.short[each.id] }}</th><th scope="col">{{ texts.total }}</th>
            <th v-if="other" scope="col"><bdi>{{ other.name }}</bdi></th><th scope="col">{{ texts.smp }}</th><th v-if="bins.kmh" scope="col">{{ texts.kmh }}</th><th scope="col">{{ texts.light }}</th><th scope="col">{{ texts.scene }}</th><th scope="col" class="mk-why">{{ texts.coverage }}</th>
          </tr></thead>
          <tbody><tr v-for="i in rows" :key="i" :class="{ 'mk-gap': gap(i) }" :data-start="bins.starts[i]">
            <th scope="row">{{ bins.starts[i] }}–{{ bins.ends[i] }}</th><td v-for="each in bins.classes" :key="each.id">{{ said(each.counts[i]) }}</td><td class="mk-sum">{{ said(bins.totals[i]) }}</td>
            <td v-if="other">{{ said(other.totals[i]) }}</td><td>{{ said(bins.smp[i], 1) }}</td><td v-if="bins.kmh">{{ said(bins.kmh[i], 1) }}</td><td>{{ texts.lights[bins.light[i]] }}</td><td>{{ bins.revisions[i] }}</td><td class="mk-why">{{ covered(i) }}</td>
          </tr></tbody>
        </table>
      </div>
    </details>`,

  props: {
    shown: { type: Object, required: true },
    texts: { type: Object, required: true },
  },

  computed: {
    bins() {
      return this.shown.bins;
    },
    other() {
      return this.shown.other;
    },
    // those that have begun
    rows() {
      return this.bins.starts.map((_, i) => i).filter((i) => this.bins.missing[i] !== null);
    },
  },

  methods: {
    gap(i) {
      return isGap(this.bins, i);
    },
    said(value, digits = 0) {
      return number(value, this.texts, digits);
    },
    covered(i) {
      return coverage(this.bins, i, this.texts);
    },
  },
};
