"use strict";
/* What a hand draws, as contours: strokes simplified, stretches replaced, rubbed out and bridged, lines made smooth. */

const Strokes = (() => {
  const { distance, nearest, perimeter } = Geometry;
  const SMOOTH_ORDERS = 9; // of Fourier; what is finer than this is the hand, not the vessel
  const SMOOTH_VERTICES = 128;
  const BRIDGE_STEP_PX = 3;
  const EASING = 5; // a stroke that begins beside the border comes to it within so many times the distance

  const length = (line) => line.reduce((sum, point, i) => sum + (i ? distance(line[i - 1], point) : 0), 0);

  /** Return the points of an open line that are needed to stay within a tolerance of it (Douglas and Peucker 1973). */
  function simplified(line, tolerance) {
    if (line.length < 3) return line;
    const [first, last] = [line[0], line.at(-1)];
    let [farthest, most] = [0, tolerance];
    for (let i = 1; i + 1 < line.length; i++) {
      const away = openNearest([first, last], line[i]);
      if (away > most) [farthest, most] = [i, away];
    }
    if (!farthest) return [first, last];
    return [...simplified(line.slice(0, farthest + 1), tolerance).slice(0, -1), ...simplified(line.slice(farthest), tolerance)];
  }

  /** Return the vertices from one place of a contour on to another, both places with them. */
  function stretch(contour, from, to) {
    const n = contour.length;
    const points = [from.point];
    const steps = from.edge === to.edge && from.share <= to.share ? 0 : ((to.edge - from.edge + n - 1) % n) + 1;
    for (let step = 1; step <= steps; step++) points.push(contour[(from.edge + step) % n]);
    return [...points, to.point];
  }

  /** Return a contour with the stretch beside a hand's way replaced by it; the way begins and ends near the contour. */
  function spliced(contour, way, tolerance) {
    const [from, to] = [nearest(contour, way[0]), nearest(contour, way.at(-1))];
    const stroke = simplified(eased(way, from, to), tolerance);
    const [on, back] = [stretch(contour, from, to), stretch(contour, to, from)];
    const away = (points) => points.reduce((sum, point) => sum + openNearest(stroke, point), 0) / points.length;
    // Of the two ways around, the one that runs beside the stroke is what the hand meant to replace.
    return away(on) < away(back) ? [...stroke, ...back.slice(1, -1)] : [...stroke, ...[...on].reverse().slice(1, -1)];
  }

  /** Return a way that meets the contour at both ends: what it misses it by there fades along it, so that no step is left. */
  function eased(way, from, to) {
    const total = length(way);
    const miss = (place, point) => [0, 1].map((axis) => place.point[axis] - point[axis]);
    const [first, last] = [miss(from, way[0]), miss(to, way.at(-1))];
    const share = (walked, { distance: away }) => Math.max(1 - walked / Math.max(EASING * away, 1e-9), 0);
    let walked = 0;
    return way.map((point, i) => {
      walked += i ? distance(way[i - 1], point) : 0;
      const [near, far] = [share(walked, from), share(total - walked, to)];
      return [0, 1].map((axis) => point[axis] + near * first[axis] + far * last[axis]);
    });
  }

  const openNearest = (line, point) => nearest(line, point, true).distance;

  /** Return a contour without the vertices within a radius of a rubber's way; gaps are bridged smoothly. */
  function rubbed(contour, way, radius) {
    const fine = contour.flatMap((point, i) => {
      const end = contour[(i + 1) % contour.length];
      const pieces = Math.max(Math.ceil(distance(point, end) / (0.5 * radius)), 1);
      return Array.from({ length: pieces }, (_, k) => point.map((value, axis) => value + ((end[axis] - value) * k) / pieces));
    });
    const path = simplified(way, 0.2 * radius);
    const reached = (point) => (path.length > 1 ? openNearest(path, point) : distance(path[0], point)) < radius;
    const gone = fine.map(reached);
    if (!gone.includes(true) || gone.filter((one) => !one).length < 4) return contour;
    const start = gone.findIndex((one, i) => !one && gone[(i + gone.length - 1) % gone.length]);
    const turned = [...fine.keys()].map((i) => (i + start) % fine.length);
    const left = turned.filter((i) => !gone[i]);
    return left.flatMap((i, at) => {
      const end = left[(at + 1) % left.length];
      if (!gone[(i + 1) % fine.length]) return [fine[i]];
      const [before, after] = [left[(at + left.length - 1) % left.length], left[(at + 2) % left.length]];
      return [fine[i], ...bridge(fine[before], fine[i], fine[end], fine[after])];
    });
  }

  /** Return points between b and c of a curve that leaves b as it came from a, and arrives at c as it goes on to d (Hermite). */
  function bridge(a, b, c, d) {
    const wide = distance(b, c);
    const towards = (p, q) => [0, 1].map((axis) => ((q[axis] - p[axis]) * wide) / Math.max(distance(p, q), 1e-9));
    const [leave, arrive] = [towards(a, b), towards(c, d)];
    const pieces = Math.max(Math.ceil(wide / BRIDGE_STEP_PX), 1);
    return Array.from({ length: pieces - 1 }, (_, k) => {
      const t = (k + 1) / pieces;
      const [h, g] = [2 * t ** 3 - 3 * t ** 2 + 1, t ** 3 - 2 * t ** 2 + t];
      return [0, 1].map((axis) => h * b[axis] + g * leave[axis] + (1 - h) * c[axis] + (t ** 3 - t ** 2) * arrive[axis]);
    });
  }

  /** Return a closed line without what is finer than a vessel's shape, by its Fourier descriptors; no smaller for it. */
  function smooth(contour) {
    const n = SMOOTH_VERTICES;
    const points = resampled(contour, n);
    const turn = (2 * Math.PI) / n;
    const smoothed = Array.from({ length: n }, () => [0, 0]);
    for (let order = -SMOOTH_ORDERS; order <= SMOOTH_ORDERS; order++) {
      let [re, im] = [0, 0];
      points.forEach(([x, y], i) => {
        const [c, s] = [Math.cos(turn * order * i), Math.sin(turn * order * i)];
        re += (x * c + y * s) / n;
        im += (y * c - x * s) / n;
      });
      smoothed.forEach((point, i) => {
        const [c, s] = [Math.cos(turn * order * i), Math.sin(turn * order * i)];
        point[0] += re * c - im * s;
        point[1] += re * s + im * c;
      });
    }
    return smoothed;
  }

  /** Return points evenly spaced along a closed line, from its first vertex on. */
  function resampled(contour, n) {
    const step = perimeter(contour) / n;
    const points = [];
    let walked = 0;
    contour.forEach((point, i) => {
      const end = contour[(i + 1) % contour.length];
      const long = distance(point, end);
      while (points.length < n && points.length * step < walked + long) {
        const share = (points.length * step - walked) / long;
        points.push(point.map((value, axis) => value + (end[axis] - value) * share));
      }
      walked += long;
    });
    return points;
  }

  return { length, rubbed, simplified, smooth, spliced };
})();
