// How the wall is arranged, in its address, and its tour: one page after the other, until somebody
// does something or an alert comes.

// how many cameras at once, and the key for it
export const LAYOUTS = { 1: "1", 4: "4", 9: "9", 16: "6" };
const PACES = [5, 10, 15, 20, 30, 60];
const PACE_S = 15;
const HELD_MS = 15000;
const ALARM_MS = 30000;
const NARROW_PX = 700;

// the arrangement that an address asks for, whatever stands in it
export function arrangementOf(search, count, width) {
  const asked = new URLSearchParams(search);
  const n = Number(asked.get("n"));
  const fits = [1, 4, 9].find((each) => each >= count) || 9;
  const every = Number(asked.get("tour"));
  const chosen = asked.getAll("camera");
  return {
    layout: n in LAYOUTS ? n : width < NARROW_PX ? Math.min(fits, 4) : fits,
    page: Math.max(0, Math.floor(Number(asked.get("page")) || 1) - 1),
    chosen: chosen.length ? chosen : null,
    one: asked.get("alone"),
    bare: asked.has("bare"),
    every: PACES.includes(every) ? every : 0,
  };
}

export function addressOf({ layout, page, chosen, one, bare, tour }) {
  const said = new URLSearchParams({ n: layout });
  // a tour is on another page all the time
  if (page && !tour.on) said.set("page", page + 1);
  if (tour.on) said.set("tour", tour.every);
  if (one) said.set("alone", one);
  if (bare) said.set("bare", "1");
  for (const id of chosen || []) said.append("camera", id);
  return `?${said}`;
}

// above 0 where the first of two alerts is the more urgent one
export function moreUrgent(first, second) {
  const i = first.urgency.findIndex((each, at) => each !== second.urgency[at]);
  return i < 0 ? 0 : first.urgency[i] > second.urgency[i] ? 1 : -1;
}

// whether a camera has an alert that it had not before: a more urgent one, or one that began later
export function isNewer(now, before) {
  if (moreUrgent(now, before) > 0) return true;
  const [[start, id], [start_before, id_before]] = [now.newest, before.newest];
  return start > start_before || (start === start_before && id > id_before);
}

export class Tour {
  constructor(every) {
    this.paces = PACES;
    this.every = every || PACE_S;
    this.on = every > 0;
    this.left = this.every;
    // why it does not go on: "held" by somebody, by an "alarm", or not at all
    this.why = "";
    // seconds until it goes on after an alert
    this.wait = 0;
    this.heldUntil = 0;
    this.alarmUntil = 0;
    this.last = performance.now();
  }

  toggle() {
    this.on = !this.on;
    this.heldUntil = this.alarmUntil = 0;
    this.begin();
  }

  pace(every) {
    this.every = every;
    this.begin();
  }

  // the page that is shown now has its whole time
  begin() {
    this.left = this.every;
    this.last = performance.now();
  }

  hold() {
    this.heldUntil = performance.now() + HELD_MS;
  }

  interrupt() {
    this.alarmUntil = performance.now() + ALARM_MS;
    this.begin();
  }

  // whether the next page is to come now
  step(still) {
    const now = performance.now();
    const passed = (now - this.last) / 1000;
    this.last = now;
    this.wait = Math.ceil((this.alarmUntil - now) / 1000);
    this.why = now < this.alarmUntil ? "alarm" : now < this.heldUntil ? "held" : "";
    if (!this.on || still || this.why) return false;
    this.left -= passed;
    if (this.left > 0) return false;
    this.begin();
    return true;
  }
}
