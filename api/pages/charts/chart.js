// One chart of the traffic page: drawn anew when its values, its size or the page's colours change,
// never by itself.

import { echarts } from "nicegui-echart";

const COLOURS = ["text", "soft", "edge", "panel", "accent", "warn"];

// a colour as the page has it now; what depends on the theme is told only by an element that has it
function colour(probe, name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

export const Chart = {
  template: `<div class="mk-chart" role="img" :aria-label="label"><span ref="probe" hidden></span><div ref="canvas"></div></div>`,

  props: {
    // (values, look, texts) => options of ECharts
    draw: { type: Function, required: true },
    values: { type: Object, required: true },
    texts: { type: Object, required: true },
    label: { type: String, required: true },
  },

  mounted() {
    this.chart = echarts.init(this.$refs.canvas, null, { renderer: "canvas" });
    this.sizes = new ResizeObserver(() => this.show());
    this.sizes.observe(this.$el);
    this.themes = new MutationObserver(() => this.show());
    this.themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.dark = matchMedia("(prefers-color-scheme:dark)");
    this.dark.addEventListener("change", this.show);
  },

  beforeUnmount() {
    this.sizes.disconnect();
    this.themes.disconnect();
    this.dark.removeEventListener("change", this.show);
    this.chart.dispose();
  },

  watch: {
    values() {
      this.show();
    },
  },

  methods: {
    show() {
      const probe = this.$refs.probe;
      const look = {
        rem: parseFloat(getComputedStyle(document.documentElement).fontSize),
        font: getComputedStyle(this.$el).fontFamily,
        narrow: this.$el.clientWidth < 560,
        classes: Object.fromEntries(Object.keys(this.texts.classes).map((id) => [id, colour(probe, `class-${id}`)])),
        ...Object.fromEntries(COLOURS.map((name) => [name, colour(probe, name)])),
      };
      this.chart.resize();
      this.chart.setOption(this.draw(this.values, look, this.texts), { notMerge: true });
    },
  },
};
