// What a chart says of one quarter hour, and numbers as they are written in the page's language. Names
// are data: they are put in as text.

const NOTABLE = 0.005;

export function number(value, texts, digits = 0) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString(texts.locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(share, texts) {
  // what is not quite all of it is not all of it
  const rounded = share >= 1 ? 100 : Math.min(99, Math.round(100 * share));
  return share === null || share === undefined ? "–" : `${number(rounded, texts)} %`;
}

// why there is nothing, or less than all, in a quarter hour
export function coverage(bins, i, texts) {
  if (bins.missing[i] === null) return texts.to_come;
  const parts = [[bins.watched[i], texts.watched], [bins.blind[i], texts.blind], [bins.missing[i], texts.missing]];
  return parts.filter(([share]) => share >= NOTABLE).map(([share, said]) => `${percent(share, texts)} ${said}`).join(", ");
}

function line(into, name, value, colour = null) {
  const row = document.createElement("div");
  row.className = "mk-tip-row";
  const swatch = document.createElement("i");
  if (colour) swatch.style.background = colour;
  const [called, said] = [document.createElement("span"), document.createElement("b")];
  called.textContent = name;
  called.dir = "auto";
  said.textContent = value;
  row.append(swatch, called, said);
  into.append(row);
}

export function quarterTip(shown, i, look, texts) {
  const { bins, other } = shown;
  const tip = document.createElement("div");
  tip.className = "mk-tip";
  const head = document.createElement("strong");
  head.textContent = [`${bins.starts[i]}–${bins.ends[i]}`, texts.lights[bins.light[i]]].filter(Boolean).join(" · ");
  tip.append(head);
  if (bins.totals[i] !== null) {
    for (const { id, counts } of [...bins.classes].reverse()) {
      if (counts[i]) line(tip, texts.classes[id], number(counts[i], texts), look.classes[id]);
    }
    line(tip, texts.total, number(bins.totals[i], texts));
  }
  if (other) line(tip, other.name, number(other.totals[i], texts));
  if (bins.smp[i] !== null) line(tip, texts.smp, number(bins.smp[i], texts, 1));
  if (bins.kmh && bins.kmh[i] !== null) line(tip, texts.speed, `${number(bins.kmh[i], texts, 1)} ${texts.kmh}`);
  if (bins.late[i]) line(tip, texts.late, number(bins.late[i], texts));
  const foot = document.createElement("p");
  foot.textContent = coverage(bins, i, texts);
  tip.append(foot);
  return tip;
}
