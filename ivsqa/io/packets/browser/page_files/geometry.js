"use strict";
/* Contours as arrays of [x, y] in px, closed without repeating the first vertex. Nothing here changes what it is given. */

const Geometry = (() => {
  const TOLERANCE_PX = 0.5; // as in ivsqa/domain/geometry/topology.py: an inner border may lie this far outside the outer one
  const LEAST_AREA_PX2 = 9;
  const LEAST_MOVE_PX = 0.05;
  const SAME_PX = 0.3; // a hand that is this near to a vertex means the vertex

  const next = (contour, i) => contour[(i + 1) % contour.length];
  const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

  /** Return a line as it is sent and returned: three decimals, no vertex twice in a row. */
  function rounded(contour) {
    const points = contour.map(([x, y]) => [Math.round(x * 1000) / 1000, Math.round(y * 1000) / 1000]);
    return points.filter(([x, y], i) => points.length === 1 || x !== next(points, i)[0] || y !== next(points, i)[1]);
  }

  function signedArea(contour) {
    const [ox, oy] = contour[0];
    return contour.reduce((sum, [x, y], i) => {
      const [nx, ny] = next(contour, i);
      return sum + 0.5 * ((x - ox) * (ny - oy) - (nx - ox) * (y - oy));
    }, 0);
  }

  function centroid(contour) {
    const [ox, oy] = contour[0];
    let [cross, mx, my] = [0, 0, 0];
    contour.forEach(([ax, ay], i) => {
      const [x, y] = [ax - ox, ay - oy];
      const [nx, ny] = [next(contour, i)[0] - ox, next(contour, i)[1] - oy];
      const one = x * ny - nx * y;
      cross += one;
      mx += (x + nx) * one;
      my += (y + ny) * one;
    });
    if (Math.abs(cross) < 1e-12) {
      const n = contour.length;
      return [contour.reduce((sum, [x]) => sum + x, 0) / n, contour.reduce((sum, [, y]) => sum + y, 0) / n];
    }
    return [ox + mx / (3 * cross), oy + my / (3 * cross)];
  }

  /** Return how far along an edge, 0 to 1, a point comes nearest to it. Numbers, not arrays: this runs a million times a second. */
  function shareAlong(ax, ay, bx, by, px, py) {
    const dx = bx - ax;
    const dy = by - ay;
    const share = ((px - ax) * dx + (py - ay) * dy) / (dx * dx + dy * dy || 1);
    return share < 0 ? 0 : share > 1 ? 1 : share;
  }

  /** Return the nearest place on the line: distance, edge index, share along the edge, and the point itself. */
  function nearest(contour, point, isOpen = false) {
    const [px, py] = point;
    let [best, least] = [0, Infinity];
    const edges = contour.length - (isOpen ? 1 : 0);
    for (let edge = 0; edge < edges; edge++) {
      const a = contour[edge];
      const b = contour[edge + 1 === contour.length ? 0 : edge + 1];
      const share = shareAlong(a[0], a[1], b[0], b[1], px, py);
      const x = a[0] + share * (b[0] - a[0]) - px;
      const y = a[1] + share * (b[1] - a[1]) - py;
      const away = x * x + y * y;
      if (away < least) {
        best = edge;
        least = away;
      }
    }
    const [a, b] = [contour[best], next(contour, best)];
    const share = shareAlong(a[0], a[1], b[0], b[1], px, py);
    const place = [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])];
    return { distance: Math.sqrt(least), edge: best, share, point: place };
  }

  function contains(contour, point) {
    const [px, py] = point;
    let inside = false;
    let b = contour[contour.length - 1];
    for (let i = 0; i < contour.length; i++) {
      const a = b;
      b = contour[i];
      if (a[1] > py !== b[1] > py && px < ((b[0] - a[0]) * (py - a[1])) / (b[1] - a[1]) + a[0]) inside = !inside;
    }
    return inside;
  }

  /** Return the point of `inner` that lies farthest beyond `outer`, or of `outer` farthest within `inner`; null if it nests. */
  function farthestBeyond(inner, outer) {
    let worst = null;
    const look = (points, other, wrongSide) => {
      for (const point of points)
        if (contains(other, point) === wrongSide) {
          const away = nearest(other, point).distance;
          if (away > TOLERANCE_PX && (!worst || away > worst.distance)) worst = { point, distance: away };
        }
    };
    look(inner, outer, false);
    look(outer, inner, true);
    return worst;
  }

  const side = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);

  /** Return where a line crosses itself, null where it does not: edges by their left ends, each against those it overlaps in x. */
  function selfCrossing(contour) {
    const n = contour.length;
    const left = Float64Array.from(contour, (point, i) => Math.min(point[0], next(contour, i)[0]));
    const right = Float64Array.from(contour, (point, i) => Math.max(point[0], next(contour, i)[0]));
    const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => left[i] - left[j]);
    for (let at = 0; at < n; at++) {
      const i = order[at];
      const [a, b] = [contour[i], next(contour, i)];
      for (let later = at + 1; later < n && left[order[later]] <= right[i]; later++) {
        const j = order[later];
        const apart = Math.abs(i - j);
        if (apart < 2 || apart === n - 1) continue; // neighbours share a vertex
        const c = contour[j];
        const d = contour[j + 1 === n ? 0 : j + 1];
        if (side(a, b, c) * side(a, b, d) <= 0 && side(c, d, a) * side(c, d, b) <= 0) return a;
      }
    }
    return null;
  }

  /** Return in words what import-annotations would refuse, for names innermost first. */
  function findings(contours, names, { width_px: width, height_px: height, spacing_mm: spacing }) {
    const said = [];
    const drawn = names.filter((name) => contours[name]);
    drawn.forEach((name, at) => {
      const contour = contours[name];
      if (selfCrossing(contour)) said.push(`The ${name} border crosses itself.`);
      if (Math.abs(signedArea(contour)) < LEAST_AREA_PX2) said.push(`The ${name} border encloses almost nothing.`);
      const edge = 0.5 + TOLERANCE_PX;
      if (contour.some(([x, y]) => x < -edge || y < -edge || x > width - 1 + edge || y > height - 1 + edge))
        said.push(`The ${name} border leaves the image.`);
      const outer = drawn[at + 1];
      const worst = outer && farthestBeyond(contour, contours[outer]);
      if (worst) {
        const hour = clockHour(worst.point, centroid(contours[outer]));
        said.push(`The ${name} border lies ${inWords(worst.distance, spacing)} beyond the ${outer} border at ${hour} o’clock.`);
      }
    });
    return said;
  }

  const inWords = (px, spacing) => (spacing ? `${(0.5 * px * (spacing[0] + spacing[1])).toFixed(2)} mm` : `${px.toFixed(1)} px`);

  /** Return the vertices of a border, as it is now, that lie beside the line it was; their hours of the clock in `hours`. */
  function movedFrom(before, after) {
    const known = new Set(before.map(String));
    const points = after.filter((point) => !known.has(String(point)) && nearest(before, point).distance > LEAST_MOVE_PX);
    const centre = centroid(before);
    return { points, hours: [...new Set(points.map((point) => clockHour(point, centre)))].sort((a, b) => a - b) };
  }

  function clockHour([x, y], [cx, cy]) {
    const degrees = (Math.atan2(y - cy, x - cx) * 180) / Math.PI;
    return ((Math.round(degrees / 30) + 14) % 12) + 1;
  }

  /** Return the border ready to be dragged at a place on it: a vertex there, and short edges within reach, with each vertex's share. */
  function grabbed(contour, place, reach, longestEdge) {
    const near = [place.edge, (place.edge + 1) % contour.length].find((i) => distance(contour[i], place.point) < SAME_PX);
    const withVertex = near === undefined ? [...contour.slice(0, place.edge + 1), place.point, ...contour.slice(place.edge + 1)] : contour;
    let anchor = near ?? place.edge + 1;
    const points = [];
    const away = alongFrom(withVertex, anchor);
    const held = withVertex[anchor];
    withVertex.forEach((point, i) => {
      if (point === held) anchor = points.length;
      points.push(point);
      const end = next(withVertex, i);
      const bends = Math.min(away[i], away[(i + 1) % withVertex.length]) < reach;
      const pieces = bends ? Math.ceil(distance(point, end) / longestEdge) : 1;
      for (let piece = 1; piece < pieces; piece++)
        points.push([0, 1].map((axis) => point[axis] + ((end[axis] - point[axis]) * piece) / pieces));
    });
    const shares = alongFrom(points, anchor).map((far) => (far < reach ? 0.5 * (1 + Math.cos((Math.PI * far) / reach)) : 0));
    shares[anchor] = 1;
    return { points, shares };
  }

  /** Return the distance of each vertex from one of them, along the line, the shorter way. */
  function alongFrom(contour, start) {
    const n = contour.length;
    const forward = new Array(n).fill(0);
    let length = 0;
    for (let step = 0; step < n; step++) {
      const i = (start + step) % n;
      forward[i] = length;
      length += distance(contour[i], next(contour, i));
    }
    return forward.map((far) => Math.min(far, length - far));
  }

  const dragged = ({ points, shares }, [dx, dy]) =>
    points.map((point, i) => (shares[i] ? [point[0] + dx * shares[i], point[1] + dy * shares[i]] : point));

  const perimeter = (contour) => contour.reduce((sum, point, i) => sum + distance(point, next(contour, i)), 0);

  /** Return a smooth closed line through points that were clicked: Catmull and Rom's spline. */
  function splineThrough(points, step) {
    const n = points.length;
    if (n < 3) return points;
    return points.flatMap((p1, i) => {
      const [p0, p2, p3] = [points[(i + n - 1) % n], points[(i + 1) % n], points[(i + 2) % n]];
      const pieces = Math.max(1, Math.round(distance(p1, p2) / step));
      return Array.from({ length: pieces }, (_, piece) => {
        const t = piece / pieces;
        return [0, 1].map(
          (axis) =>
            0.5 *
            (2 * p1[axis] +
              (p2[axis] - p0[axis]) * t +
              (2 * p0[axis] - 5 * p1[axis] + 4 * p2[axis] - p3[axis]) * t * t +
              (3 * p1[axis] - p0[axis] - 3 * p2[axis] + p3[axis]) * t * t * t),
        );
      });
    });
  }

  return { centroid, distance, dragged, farthestBeyond, findings, grabbed, movedFrom, nearest, perimeter, rounded, signedArea, splineThrough };
})();
