// The charts of a day in quarter hours, as options of ECharts. Under each one lies a strip that says how
// much of every quarter hour was watched; where nothing was, the chart itself is hatched: a gap is no
// zero.

import { quarterTip } from "charts/tip.js";

const TURN = Math.PI / 4;
// so that a quarter hour that stands alone can be seen
const DOT = 4;

function hatch(colour, rotation, rem) {
  return { color: "transparent", decal: { symbol: "rect", symbolSize: 1, dashArrayX: [1, 0], dashArrayY: [0.14 * rem, 0.36 * rem], rotation, color: colour } };
}

// whether nothing is known of a quarter hour that has begun
export function isGap(bins, i) {
  return bins.totals[i] === null && bins.missing[i] !== null;
}

function backing(name, data, itemStyle) {
  return { name, type: "bar", xAxisIndex: 1, yAxisIndex: 1, stack: "behind", barWidth: "100%", data, itemStyle, silent: true, z: 0, emphasis: { disabled: true } };
}

function strip(name, data, itemStyle) {
  return { name, type: "bar", xAxisIndex: 2, yAxisIndex: 2, stack: "strip", barWidth: "100%", data, itemStyle, silent: true, emphasis: { disabled: true } };
}

function marks(bins, look, texts) {
  if (!bins.scenes.length) return undefined;
  return {
    silent: true,
    symbol: "none",
    animation: false,
    lineStyle: { color: look.text, type: [2, 3], width: 1 },
    label: { color: look.text, fontSize: 0.72 * look.rem, formatter: ({ data }) => `${texts.scene} ${data.revision}` },
    data: bins.scenes.map(({ at, revision }) => ({ xAxis: at, revision })),
  };
}

// what all charts of a day have in common; `series` are those of the one chart, and there is a gap too
// where one of the values that it `needs` is missing
function frame(shown, look, texts, series, needed = []) {
  const { bins } = shown;
  const indices = bins.starts.map((_, i) => i);
  const isEmpty = (i) => isGap(bins, i) || (bins.missing[i] !== null && needed[i] === null);
  const isBlind = (i) => bins.blind[i] > bins.missing[i];
  const size = 0.72 * look.rem;
  const every = look.narrow ? 16 : 8;
  const left = 3.4 * look.rem;
  const right = 0.8 * look.rem;
  const label = { color: look.soft, fontSize: size };
  const axis = { type: "category", data: bins.starts, axisTick: { show: false }, axisLine: { lineStyle: { color: look.edge } } };
  const hidden = { type: "value", min: 0, max: 1, show: false };
  const peak = bins.peak ? indices.map((i) => (i >= bins.peak[0] && i < bins.peak[1] ? 1 : null)) : [];
  return {
    animation: false,
    textStyle: { fontFamily: look.font },
    grid: [
      { left, right, top: 1.4 * look.rem, bottom: 2.9 * look.rem },
      { left, right, height: 0.75 * look.rem, bottom: 1.6 * look.rem },
    ],
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    tooltip: {
      trigger: "axis",
      confine: true,
      axisPointer: { type: "shadow" },
      backgroundColor: look.panel,
      borderColor: look.edge,
      textStyle: { color: look.text, fontSize: 0.82 * look.rem },
      formatter: (points) => quarterTip(shown, points[0].dataIndex, look, texts),
    },
    xAxis: [
      { ...axis, gridIndex: 0, axisLabel: { show: false } },
      { ...axis, gridIndex: 0, show: false },
      { ...axis, gridIndex: 1, axisLabel: { ...label, interval: (i) => i % every === 0 } },
    ],
    yAxis: [
      { type: "value", gridIndex: 0, min: 0, splitNumber: 4, boundaryGap: [0, "8%"], axisLabel: { ...label, formatter: (value) => value.toLocaleString(texts.locale) }, splitLine: { lineStyle: { color: look.edge } } },
      { ...hidden, gridIndex: 0 },
      { ...hidden, gridIndex: 1 },
    ],
    series: [
      backing("peak", peak, { color: look.accent, opacity: 0.25 }),
      backing("outage", indices.map((i) => (isEmpty(i) && !isBlind(i) ? 1 : null)), hatch(look.soft, -TURN, look.rem)),
      backing("unseen", indices.map((i) => (isEmpty(i) && isBlind(i) ? 1 : null)), hatch(look.warn, TURN, look.rem)),
      ...series.map((each, i) => (i ? each : { ...each, markLine: marks(bins, look, texts) })),
      strip("watched", bins.watched, { color: look.soft, borderColor: look.soft, borderWidth: 0.6 }),
      strip("blind", bins.blind, hatch(look.warn, TURN, look.rem)),
      strip("missing", bins.missing, hatch(look.soft, -TURN, look.rem)),
    ],
  };
}

// how many passed, by class
export function flow(shown, look, texts) {
  const { bins, other } = shown;
  const series = bins.classes.map(({ id, counts }) => ({
    name: texts.classes[id],
    type: "bar",
    stack: "flow",
    barCategoryGap: "14%",
    data: counts,
    itemStyle: { color: look.classes[id] },
    emphasis: { disabled: true },
  }));
  if (other) {
    series.push({
      name: other.name, type: "line", step: "middle", data: other.totals, symbol: "none",
      lineStyle: { color: look.text, type: [0.3 * look.rem, 0.2 * look.rem], width: 0.11 * look.rem }, itemStyle: { color: look.text }, z: 5,
    });
  }
  return frame(shown, look, texts, series);
}

// what they are worth in passenger cars
export function worth(shown, look, texts) {
  const series = { name: "smp", type: "bar", barCategoryGap: "14%", data: shown.bins.smp, itemStyle: { color: look.accent }, emphasis: { disabled: true } };
  return frame(shown, look, texts, [series], shown.bins.smp);
}

// how fast they were
export function speed(shown, look, texts) {
  const series = {
    name: texts.speed, type: "line", data: shown.bins.kmh, symbol: "circle", symbolSize: DOT, showAllSymbol: true,
    lineStyle: { color: look.accent, width: 0.13 * look.rem }, itemStyle: { color: look.accent },
  };
  return frame(shown, look, texts, [series]);
}
