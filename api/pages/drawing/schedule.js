// When a rule watches: as it stands in a scene, and as it is filled in.

export const WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
export const ZONE = "Asia/Makassar";

// the days that are named, in order: "mon-fri", ["sat", "sun"], nothing for every day
export function daysOf(value) {
  if (value === undefined) return [...WEEK];
  const found = new Set();
  for (const entry of Array.isArray(value) ? value : [value]) {
    const [first, last = first] = String(entry).split("-").map((name) => WEEK.indexOf(name));
    if (first < 0 || last < 0) continue;
    for (let i = 0; i <= (last - first + 7) % 7; i += 1) found.add(WEEK[(first + i) % 7]);
  }
  return WEEK.filter((name) => found.has(name));
}

// the shortest way to write them; undefined for every day
export function writtenDays(days) {
  const chosen = WEEK.filter((name) => days.includes(name));
  if (!chosen.length || chosen.length === 7) return undefined;
  const runs = [];
  for (const name of chosen) {
    const run = runs.at(-1);
    if (run && WEEK.indexOf(run.at(-1)) + 1 === WEEK.indexOf(name)) run.push(name);
    else runs.push([name]);
  }
  const parts = runs.flatMap((run) => (run.length > 2 ? [`${run[0]}-${run.at(-1)}`] : run));
  return parts.length === 1 ? parts[0] : parts;
}

// what a form shows of a schedule; null where there is none
export function filledIn(schedule) {
  if (!schedule) return null;
  const spans = schedule.spans || [schedule];
  return {
    spans: spans.map((span) => ({ days: daysOf(span.days), from: span.from || "", to: span.to || "" })),
    zone: schedule.time_zone || "",
    holidays: [schedule.holidays || []].flat().join(", "),
    on_holidays: schedule.on_holidays || "same",
  };
}

function writtenSpan({ days, from, to }) {
  const span = {};
  const written = writtenDays(days);
  if (written !== undefined) span.days = written;
  if (from) span.from = from;
  if (to) span.to = to;
  return span;
}

// and back: as a scene holds it
export function writtenSchedule(form) {
  if (!form) return undefined;
  const spans = form.spans.map(writtenSpan);
  const holidays = form.holidays.split(/[\s,;]+/).filter(Boolean);
  return {
    ...(spans.length === 1 ? spans[0] : { spans }),
    ...(form.zone && form.zone !== ZONE ? { time_zone: form.zone } : {}),
    ...(holidays.length ? { holidays } : {}),
    // without holidays nothing is to be said of them
    ...(holidays.length && form.on_holidays !== "same" ? { on_holidays: form.on_holidays } : {}),
  };
}
