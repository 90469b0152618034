// Points, lines and polygons in pixels of the scene's picture: x to the right and y down from its top
// left corner. Nothing here knows of the page.

export function length([ax, ay], [bx, by]) {
  return Math.hypot(bx - ax, by - ay);
}

export function middle([ax, ay], [bx, by]) {
  return [(ax + bx) / 2, (ay + by) / 2];
}

// where a point lies on the picture, in whole pixels
export function placed([x, y], [w, h]) {
  return [Math.round(Math.min(Math.max(x, 0), w)), Math.round(Math.min(Math.max(y, 0), h))];
}

// the unit vector to the right-hand side of a walk from the first point to the second, as seen in the
// picture: where 'forward' leads. Null where the points are the same.
export function forward([[ax, ay], [bx, by]]) {
  const far = Math.hypot(bx - ax, by - ay);
  return far ? [-(by - ay) / far, (bx - ax) / far] : null;
}

// from a point so far along a direction
export function along([x, y], [dx, dy], far) {
  return [x + dx * far, y + dy * far];
}

// what shows a line's direction: the shaft from the middle, the head at its end, and where the names
// of both directions stand. `unit` is a pixel of the screen in those of the picture.
export function arrow(points, unit) {
  const way = forward(points);
  if (!way) return null;
  const from = middle(...points);
  const [shaft, tip] = [along(from, way, 20 * unit), along(from, way, 34 * unit)];
  const across = [-way[1], way[0]];
  return {
    from,
    shaft,
    tip,
    head: [tip, along(shaft, across, 8 * unit), along(shaft, across, -8 * unit)],
    forward: along(from, way, 50 * unit),
    backward: along(from, way, -24 * unit),
    way,
  };
}

// how text is aligned that stands on this side of something
export function anchor([dx]) {
  if (dx > 0.5) return "start";
  return dx < -0.5 ? "end" : "middle";
}

// how far a point is from an edge, and where on it is the nearest place
export function nearest([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const square = dx * dx + dy * dy;
  const t = square ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / square)) : 0;
  const at = [ax + t * dx, ay + t * dy];
  return { at, far: length([x, y], at) };
}

// inside a polygon, by the even-odd rule
export function contains(polygon, [x, y]) {
  let inside = false;
  polygon.forEach(([ax, ay], i) => {
    const [bx, by] = polygon[(i + 1) % polygon.length];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  });
  return inside;
}

export function area(polygon) {
  const twice = polygon.reduce((sum, [ax, ay], i) => {
    const [bx, by] = polygon[(i + 1) % polygon.length];
    return sum + ax * by - bx * ay;
  }, 0);
  return Math.abs(twice) / 2;
}

// the edges of a shape, each with the number of the point at which it begins
export function edges({ points, closed }) {
  const count = closed && points.length > 2 ? points.length : points.length - 1;
  return Array.from({ length: Math.max(count, 0) }, (_, i) => ({ i, a: points[i], b: points[(i + 1) % points.length] }));
}

// the corners of a region [x, y, width, height], and back
export function corners([x, y, w, h]) {
  return [[x, y], [x + w, y], [x + w, y + h], [x, y + h]];
}

export function box([ax, ay], [bx, by]) {
  return [Math.min(ax, bx), Math.min(ay, by), Math.abs(bx - ax), Math.abs(by - ay)];
}

// what is under a point: a point of a shape within reach, those of the selected one first; an edge
// within reach; the smallest area around it. {id, point} or {id, edge} or {id}; null for nothing.
export function hit(shapes, p, reach, selected = null) {
  const order = [...shapes].sort((a, b) => (b.id === selected) - (a.id === selected));
  let best = null;
  for (const shape of order) {
    shape.points.forEach((point, i) => {
      const far = length(p, point);
      if (far <= reach && (!best || (far < best.far && shape.id === best.id))) best = { id: shape.id, point: i, far };
    });
  }
  if (best) return { id: best.id, point: best.point };
  for (const shape of order) {
    for (const { i, a, b } of edges(shape)) {
      const { far } = nearest(p, a, b);
      if (far <= reach && (!best || far < best.far)) best = { id: shape.id, edge: i, far };
    }
  }
  if (best) return { id: best.id, edge: best.edge };
  const around = order.filter((shape) => shape.closed && contains(shape.points, p));
  around.sort((a, b) => area(a.points) - area(b.points));
  return around.length ? { id: around[0].id } : null;
}
