// What the parts of the page of alerts share: what this browser keeps, and keys.

export const SHAPES = { critical: "■", high: "▲", medium: "◆", low: "●" };

// what was kept under a name, in this browser or in this tab alone; browsers may keep nothing
export function kept(name, where = "localStorage") {
  try {
    return window[where].getItem(`matakota.${name}`);
  } catch {
    return null;
  }
}

export function keep(name, value, where = "localStorage") {
  try {
    window[where].setItem(`matakota.${name}`, value);
  } catch {
    // the next page begins without it
  }
}

// whether a key is for something else: a field, a menu, a shortcut of the browser's
export function isTyping(event) {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return true;
  if (document.querySelector("dialog[open]")) return true;
  const field = event.target.closest?.("input,select,textarea,[contenteditable]");
  return Boolean(field) && !["checkbox", "radio"].includes(field.type);
}

// What the list wants of the opened alert: an act and an alert's id. It waits until that alert is
// the one that is shown, but not for long: whoever did something else since wants it no more.
const PLAN = "mk-plan";
const PLAN_MS = 5000;
let plan = null;

export function plans(act, id) {
  plan = { act, id, until: performance.now() + PLAN_MS };
  document.dispatchEvent(new Event(PLAN));
}

export function planned(id) {
  if (!plan || plan.id !== id) return null;
  const { act, until } = plan;
  plan = null;
  return performance.now() < until ? act : null;
}

export function unplan() {
  plan = null;
}

export function onPlan(listener) {
  document.addEventListener(PLAN, listener);
  return () => document.removeEventListener(PLAN, listener);
}
