/* Counting by hand: keys and buttons fill in the numbers of the form, which works without this too.
   What was counted is on this page alone until the form is sent. */
"use strict";

(() => {
  const STEP_S = 5;
  const form = document.getElementById("counting");
  const film = document.getElementById("film");
  const by = (id) => document.getElementById(id);
  const [play, back, speed, at, clock, undo] = ["play", "back", "speed", "at", "clock", "undo"].map(by);
  const ways = [...form.querySelectorAll('input[name="way"]')];
  const rows = new Map([...form.querySelectorAll("tr[data-key]")].map((row) => [row.dataset.key, row]));
  const done = [];
  let sent = false;

  film.controls = false;
  film.classList.add("ours");
  for (const each of [form.querySelector(".player"), by("ways"), by("keys"), undo]) each.hidden = false;
  for (const each of form.querySelectorAll(".more")) each.hidden = false;

  const filled = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
  const minutes = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
  const tell = (text) => { by("told").textContent = text; };
  const nameOf = (input) => {
    const way = ways[Number(input.dataset.way)].closest("label").querySelector("bdi").textContent;
    return { name: input.dataset.name, way };
  };

  const chosen = () => ways.findIndex((each) => each.checked);
  const choose = (way) => {
    ways[way].checked = true;
    for (const each of form.querySelectorAll(".way")) {
      each.classList.toggle("chosen", Number(each.dataset.way) === way);
    }
  };

  const mark = (input) => {
    for (const each of form.querySelectorAll(".count.last")) each.classList.remove("last");
    if (input) input.closest(".count").classList.add("last");
  };
  const change = (input, by_) => {
    const before = Number.parseInt(input.value, 10) || 0;
    input.value = String(Math.min(Math.max(before + by_, 0), 9999));
  };
  const count = (input) => {
    change(input, 1);
    done.push({ input, at_s: film.currentTime });
    undo.disabled = false;
    mark(input);
    tell(filled(form.dataset.added, { ...nameOf(input), n: input.value }));
  };
  const takeBack = () => {
    const last = done.pop();
    undo.disabled = done.length === 0;
    if (!last) return;
    change(last.input, -1);
    mark(done.length ? done[done.length - 1].input : null);
    tell(filled(form.dataset.undone, nameOf(last.input)));
  };
  const countKey = (key, other) => {
    const row = rows.get(key);
    if (!row) return false;
    const way = other ? 1 - chosen() : chosen();
    count(row.querySelector(`input[data-way="${way}"]`));
    return true;
  };

  const toggle = () => { if (film.paused) film.play().catch(() => {}); else film.pause(); };
  const go = (s) => { film.currentTime = Math.min(Math.max(film.currentTime + s, 0), film.duration || 0); };
  const faster = (steps) => {
    speed.selectedIndex = Math.min(Math.max(speed.selectedIndex + steps, 0), speed.options.length - 1);
    film.playbackRate = Number(speed.value);
  };

  const length = () => (Number.isFinite(film.duration) ? film.duration : Number(at.max));
  const unseen = () => {
    let seen_s = 0;
    for (let i = 0; i < film.played.length; i += 1) seen_s += film.played.end(i) - film.played.start(i);
    const left_s = length() - seen_s;
    by("unseen").textContent = left_s > 1 ? filled(form.dataset.unseen, { time: minutes(left_s) }) : "";
  };
  const show = () => {
    at.value = String(Math.round(film.currentTime));
    const said = `${minutes(film.currentTime)} / ${minutes(length())}`;
    if (clock.textContent !== said) {
      clock.textContent = said;
      at.setAttribute("aria-valuetext", said);
      unseen();
    }
  };
  const paused = () => { play.textContent = film.paused ? play.dataset.play : play.dataset.pause; };

  const KEYS = {
    Space: toggle, Backspace: takeBack, ArrowLeft: () => go(-STEP_S), ArrowRight: () => go(STEP_S),
    ArrowUp: () => choose(0), ArrowDown: () => choose(1),
    Minus: () => faster(-1), NumpadSubtract: () => faster(-1),
    Equal: () => faster(1), NumpadAdd: () => faster(1),
  };
  const SET_BY = /^(?:Arrow|Page|Home|End|Space|Enter|Escape)/;
  const own = (target, code) => {
    // who writes in a field, or presses what is focused, means that
    if (target.matches("input[inputmode]")) return true;
    if (target.matches('select, input[type="range"]')) return SET_BY.test(code);
    return code === "Space" && target.closest("button, a, summary, input") !== null;
  };
  let pointed = false;
  document.addEventListener("pointerdown", () => { pointed = true; });
  for (const each of [speed, at]) {
    // set by a pointer, it keeps no keys: all of them are the page's again
    each.addEventListener("change", () => { if (pointed) each.blur(); });
  }
  document.addEventListener("keydown", (event) => {
    pointed = false;
    if (event.ctrlKey || event.altKey || event.metaKey || own(event.target, event.code)) return;
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
    let taken = false;
    if (digit && !event.repeat) taken = countKey(digit[1], event.shiftKey);
    const act = digit ? null : KEYS[event.code];
    if (act) {
      act();
      taken = true;
    }
    if (taken) event.preventDefault();
  });

  play.addEventListener("click", toggle);
  film.addEventListener("click", toggle);
  back.addEventListener("click", () => go(-STEP_S));
  undo.addEventListener("click", takeBack);
  speed.addEventListener("change", () => faster(0));
  at.addEventListener("input", () => { film.currentTime = Number(at.value); });
  for (const way of ways) way.addEventListener("change", () => choose(chosen()));
  for (const each of form.querySelectorAll(".more")) {
    each.addEventListener("click", () => count(each.closest(".count").querySelector("input")));
  }
  for (const name of ["play", "pause", "ended"]) film.addEventListener(name, paused);
  for (const name of ["timeupdate", "seeked", "loadedmetadata", "durationchange"]) {
    film.addEventListener(name, show);
  }
  film.addEventListener("ended", () => { tell(form.dataset.over); unseen(); });
  form.addEventListener("submit", () => { sent = true; });
  // an hour of looking is not lost by a slip
  window.addEventListener("beforeunload", (event) => { if (done.length && !sent) event.preventDefault(); });

  choose(0);
  paused();
  show();
  unseen();
})();
