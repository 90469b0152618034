// A scene as the server keeps it, and what can be done to it. Every act gives a new scene and leaves
// the old one as it is; fields that are not known here stay. A view is null for the camera's own and
// the number of a preset for another.

import { box, corners, placed } from "./geometry.js";

// where each sort of shape is kept, and the points in it
const LISTS = { line: ["lines", "points"], zone: ["zones", "polygon"], mark: ["calibration", "px"] };
const FEWEST = { line: 2, zone: 3, mark: 1, region: 4 };
export const SMALLEST_REGION = 16;

export function copied(value) {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

// alike, in whatever order their fields stand
export function alike(a, b) {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const [one, other] = [Object.keys(a), Object.keys(b)];
  return Array.isArray(a) === Array.isArray(b) && one.length === other.length && one.every((key) => key in b && alike(a[key], b[key]));
}

export function at(scene, view) {
  return view === null ? scene : scene.presets[view];
}

// a scene in which something is done to one view; lists that are empty then are left out
export function changed(scene, view, act) {
  const next = copied(scene);
  const part = at(next, view);
  act(part, next);
  for (const list of ["lines", "zones", "calibration", "rules", "movements", "presets"]) {
    if (part[list] && !part[list].length) delete part[list];
  }
  return next;
}

// --- shapes

export function shapeId(type, index) {
  return `${type}-${index}`;
}

export function shapeOf(id) {
  const [type, index] = id.split("-");
  return { type, index: Number(index) };
}

// everything that is drawn on one view: what is below comes first
export function shapes(scene, view) {
  const part = at(scene, view);
  const found = [];
  const region = view === null ? part.region : null;
  if (Array.isArray(region)) found.push({ id: "region-0", type: "region", index: 0, name: "", points: corners(region), closed: true });
  (part.zones || []).forEach((zone, index) => found.push({ id: shapeId("zone", index), type: "zone", index, name: zone.name, points: zone.polygon, closed: true }));
  (part.lines || []).forEach((line, index) => found.push({ id: shapeId("line", index), type: "line", index, name: line.name, points: line.points, closed: false, forward: line.forward || "forward", backward: line.backward || "backward" }));
  (part.calibration || []).forEach((mark, index) => found.push({ id: shapeId("mark", index), type: "mark", index, name: String(index + 1), points: [mark.px], closed: false }));
  return found;
}

export function shape(scene, view, id) {
  return shapes(scene, view).find((each) => each.id === id) || null;
}

function reshaped(scene, view, id, points) {
  const { type, index } = shapeOf(id);
  return changed(scene, view, (part) => {
    if (type === "region") part.region = box(points[0], points[2]);
    else if (type === "mark") [part.calibration[index].px] = points;
    else part[LISTS[type][0]][index][LISTS[type][1]] = points;
  });
}

// a shape of these points, kept on the picture
export function added(scene, view, type, points, name) {
  const on = points.map((point) => placed(point, scene.frame_size));
  let id = "region-0";
  const next = changed(scene, view, (part) => {
    if (type === "region") {
      part.region = box(...on);
      return;
    }
    const list = (part[LISTS[type][0]] ||= []);
    id = shapeId(type, list.length);
    if (type === "line") list.push({ name, points: on });
    if (type === "zone") list.push({ name, polygon: on });
    if (type === "mark") list.push({ px: on[0], m: [0, 0] });
  });
  return { scene: next, id };
}

export function movedPoint(scene, view, id, i, to) {
  const { points, type } = shape(scene, view, id);
  const p = placed(to, scene.frame_size);
  if (type !== "region") return reshaped(scene, view, id, points.map((each, k) => (k === i ? p : each)));
  // the corner over against it stays
  const [x, y, w, h] = box(points[(i + 2) % 4], p);
  if (w < SMALLEST_REGION || h < SMALLEST_REGION) return scene;
  return reshaped(scene, view, id, corners([x, y, w, h]));
}

// the whole shape, as far as it stays on the picture
export function moved(scene, view, id, dx, dy) {
  const { points } = shape(scene, view, id);
  const [w, h] = scene.frame_size;
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const by = [
    Math.round(Math.min(Math.max(dx, -Math.min(...xs)), w - Math.max(...xs))),
    Math.round(Math.min(Math.max(dy, -Math.min(...ys)), h - Math.max(...ys))),
  ];
  return reshaped(scene, view, id, points.map(([x, y]) => [x + by[0], y + by[1]]));
}

// a corner more, behind the one of this number
export function inserted(scene, view, id, i, to) {
  const { points } = shape(scene, view, id);
  const p = placed(to, scene.frame_size);
  return reshaped(scene, view, id, [...points.slice(0, i + 1), p, ...points.slice(i + 1)]);
}

// a corner less; null where the shape would be none
export function withoutPoint(scene, view, id, i) {
  const { points, type } = shape(scene, view, id);
  if (type === "region" || points.length <= FEWEST[type]) return null;
  return reshaped(scene, view, id, points.filter((_, k) => k !== i));
}

// the rules and movements that cannot be without a shape
export function dependents(scene, view, id) {
  const { type, index } = shapeOf(id);
  if (type !== "line" && type !== "zone") return [];
  const part = at(scene, view);
  const { name } = part[LISTS[type][0]][index];
  const rules = (part.rules || []).filter((rule) => rule[type] === name);
  return type === "zone" ? [...rules, ...(part.movements || []).filter((each) => !stillMoves(each, name))] : rules;
}

// what a rule or movement is called to people, by the names of the kinds
export function called(each, kinds) {
  const found = kinds.find((one) => one.kind === each.kind);
  return each.name || (found ? found.name : each.kind);
}

function stillMoves({ entries, exits }, gone) {
  const [from, to] = [entries, exits].map((names) => names.filter((name) => name !== gone));
  return from.length && to.length && new Set([...from, ...to]).size > 1;
}

// without a shape, and what cannot be without it
export function without(scene, view, id) {
  const { type, index } = shapeOf(id);
  return changed(scene, view, (part) => {
    if (type === "region") {
      delete part.region;
      return;
    }
    const [gone] = part[LISTS[type][0]].splice(index, 1);
    if (type === "mark") return;
    part.rules = (part.rules || []).filter((rule) => rule[type] !== gone.name);
    if (type !== "zone") return;
    part.movements = (part.movements || []).filter((each) => stillMoves(each, gone.name));
    for (const movement of part.movements) {
      for (const side of ["entries", "exits"]) movement[side] = movement[side].filter((name) => name !== gone.name);
    }
  });
}

// the other way round: what was forward is backward
export function turned(scene, view, id) {
  const { points } = shape(scene, view, id);
  return reshaped(scene, view, id, [points[1], points[0]]);
}

// --- names, which are unique over all views

function parts(scene) {
  return [scene, ...(scene.presets || [])];
}

export function names(scene, list) {
  return parts(scene).flatMap((part) => (part[list] || []).map((each) => (list === "rules" ? ruleName(each) : each.name)));
}

export function freeName(scene, list, base) {
  const used = new Set(list === "presets" ? (scene.presets || []).map((each) => each.name) : names(scene, list));
  let n = 1;
  while (used.has(`${base} ${n}`)) n += 1;
  return `${base} ${n}`;
}

// a shape of another name, for whatever names it
export function renamed(scene, view, id, name) {
  const { type, index } = shapeOf(id);
  return changed(scene, view, (part) => {
    const own = part[LISTS[type][0]][index];
    for (const rule of part.rules || []) if (rule[type] === own.name) rule[type] = name;
    if (type === "zone") {
      for (const movement of part.movements || []) {
        for (const side of ["entries", "exits"]) movement[side] = movement[side].map((each) => (each === own.name ? name : each));
      }
    }
    own.name = name;
  });
}

// a direction of a line by another name, for the rules that name it too; "" for its usual one
export function redirected(scene, view, index, way, name) {
  return changed(scene, view, (part) => {
    const line = part.lines[index];
    const before = line[way] || way;
    if (name) line[way] = name;
    else delete line[way];
    for (const rule of part.rules || []) if (rule.line === line.name && rule.direction === before) rule.direction = line[way] || way;
  });
}

export function ruleName(rule) {
  const place = rule.zone || rule.line;
  return rule.name || (place ? `${rule.kind}@${place}` : rule.kind);
}

// one field of something in a list of a view; undefined takes it away
export function withField(scene, view, list, index, field, value) {
  return changed(scene, view, (part) => {
    const own = list === null ? part : part[list][index];
    if (value === undefined) delete own[field];
    else own[field] = copied(value);
  });
}

export function withEntry(scene, view, list, entry) {
  return changed(scene, view, (part) => (part[list] ||= []).push(copied(entry)));
}

export function withoutEntry(scene, view, list, index) {
  return changed(scene, view, (part) => part[list].splice(index, 1));
}

// --- what a check found

// the view, the list, the number in it and the field that a place in the document leads to
export function located(where) {
  let [view, rest] = [null, where];
  if (where[0] === "presets" && typeof where[1] === "number") [view, rest] = [where[1], where.slice(2)];
  const [list, index, ...field] = rest;
  if (typeof index === "number") return { view, list, index, field: field.length ? field[0] : null };
  return { view, list: null, index: null, field: list === undefined ? null : list };
}
