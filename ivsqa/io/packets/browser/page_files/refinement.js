"use strict";
/* Refinement of borders through points: ivsqa/domain/geometry/refinement.py and polar.py step by step. Coordinates are pixels of the
   working grid. The numbers come from there too, in `settings`, so that they stand in one place. */

const Refinement = (() => {
  const TURN = 2 * Math.PI;
  const ROUNDING = 1e-9; // of an edge's length, or px: what differs by less is the same
  const NO_CHOICE = 2; // how strongly a border holds its place on the ray of a point: more than anywhere else

  /**
   * Return borders as points move them, by structure, as arrays of [x, y]; one that does not move is the very array in `drawn`.
   *
   * fields: [{ name, p }], innermost first; p is Float64Array (size * size), the structure with what it encloses.
   * points: [{ structure, x, y }]; drawn: { name: [[x, y], …] }, the borders that the points were set beside.
   */
  function refined(fields, size, points, drawn, settings) {
    const found = fields.filter(({ name }) => name in drawn);
    for (const { structure } of points)
      if (!found.some(({ name }) => name === structure)) throw new Error(`there is no ${structure} to move`);
    const shown = found.map(({ name }) => drawn[name]);
    const centre = Geometry.centroid(shown[0]);
    const grid = gridOver(found, size, shown, centre, points, settings);
    const radii = shown.map((contour) => crossings(grid, contour));
    if (radii.some((line) => line.some(Number.isNaN))) throw new Error("the borders enclose no common centre");
    const moved = nudged(grid, found, size, radii, bySurface(points, found, centre, settings), settings);
    return Object.fromEntries(found.map(({ name }, k) => [name, carried(grid, shown[k], radii[k], moved[k])]));
  }

  function polarPlace([x, y], centre) {
    const angle = Math.atan2(y - centre[1], x - centre[0]);
    const turned = angle < 0 ? angle + TURN : angle;
    return [turned < TURN ? turned : 0, Math.hypot(x - centre[0], y - centre[1])];
  }

  const angleBetween = (a, b) => Math.abs(((((a - b + Math.PI) % TURN) + TURN) % TURN) - Math.PI);

  /** Return rays that reach beyond all structures, contours and points, one through each point. */
  function gridOver(found, size, shown, centre, points, settings) {
    let farthest = 0;
    const reach = (x, y) => (farthest = Math.max(farthest, Math.hypot(x - centre[0], y - centre[1])));
    for (const { p } of found)
      for (let at = 0; at < p.length; at++) if (p[at] > 0.5) reach(at % size, Math.floor(at / size));
    for (const { x, y } of points) reach(x, y);
    for (const contour of shown) for (const [x, y] of contour) reach(x, y);
    const through = points.map(({ x, y }) => polarPlace([x, y], centre)[0]);
    const even = Array.from({ length: settings.n_angles }, (_, ray) => ray * (TURN / settings.n_angles));
    const apart = even.filter((angle) => through.every((own) => angleBetween(angle, own) > ROUNDING));
    const angles = [...new Set([...apart, ...through])].sort((a, b) => a - b);
    const [least, most] = [settings.least_radius_px, farthest + settings.margin_px];
    const step = (most - least) / (settings.n_radii - 1);
    const radii = Array.from({ length: settings.n_radii }, (_, at) => at * step + least);
    radii[radii.length - 1] = most;
    const gaps = angles.map((angle, ray) => (ray + 1 < angles.length ? angles[ray + 1] : angles[0] + TURN) - angle);
    return {
      centre,
      angles,
      radii,
      directions: angles.map((angle) => [Math.cos(angle), Math.sin(angle)]),
      cell: radii[1] - radii[0],
      sectors: gaps.map((gap, ray) => 0.5 * (gap + gaps.at(ray - 1))),
    };
  }

  /** Return a field along each ray, bilinear between pixel centres, zero outside. */
  function sampled(grid, p, size) {
    const [A, R] = [grid.angles.length, grid.radii.length];
    const side = size + 2; // a rim of zeros
    const padded = new Float64Array(side * side);
    for (let row = 0; row < size; row++) padded.set(p.subarray(row * size, (row + 1) * size), (row + 1) * side + 1);
    const last = size + 1 - 2 ** -40 * size;
    const inside = (value) => Math.min(Math.max(value, 0), last);
    const cells = new Float64Array(A * R);
    for (let ray = 0; ray < A; ray++)
      for (let at = 0; at < R; at++) {
        const x = inside(grid.centre[0] + 1 + grid.directions[ray][0] * grid.radii[at]);
        const y = inside(grid.centre[1] + 1 + grid.directions[ray][1] * grid.radii[at]);
        const [column, row] = [Math.floor(x), Math.floor(y)];
        const [right, below] = [x - column, y - row];
        const first = row * side + column;
        const upper = (1 - right) * padded[first] + right * padded[first + 1];
        const lower = (1 - right) * padded[first + side] + right * padded[first + side + 1];
        cells[ray * R + at] = upper + below * (lower - upper);
      }
    return cells;
  }

  /** Return the radius of the last point where each ray crosses a contour; NaN where it does not. */
  function crossings(grid, contour) {
    return Float64Array.from(grid.directions, ([x, y]) => {
      let farthest = -Infinity;
      for (let i = 0; i < contour.length; i++) {
        const [ax, ay] = [contour[i][0] - grid.centre[0], contour[i][1] - grid.centre[1]];
        const end = contour[(i + 1) % contour.length];
        const [dx, dy] = [end[0] - grid.centre[0] - ax, end[1] - grid.centre[1] - ay];
        const across = x * dy - y * dx;
        const radius = (ax * dy - ay * dx) / across;
        const share = (ax * y - ay * x) / across;
        if (share >= -ROUNDING && share <= 1 + ROUNDING && radius > 0 && radius > farthest) farthest = radius;
      }
      return Number.isFinite(farthest) ? farthest : NaN;
    });
  }

  /** Return what a border costs in each cell: the log odds against all that lies inside, summed over the sector. */
  function regionCosts(grid, p, size, settings) {
    const [A, R] = [grid.angles.length, grid.radii.length];
    const [costs, cells] = [new Float64Array(A * R), sampled(grid, p, size)];
    for (let ray = 0; ray < A; ray++) {
      const weight = grid.cell * grid.sectors[ray];
      let [sum, before] = [0, 0];
      for (let at = 0; at < R; at++) {
        const likely = Math.min(Math.max(cells[ray * R + at], settings.certainty), 1 - settings.certainty);
        const against = Math.log(1 / likely - 1) * grid.radii[at] * weight;
        if (at > 0) sum += 0.5 * (against + before);
        costs[ray * R + at] = sum;
        before = against;
      }
    }
    return costs;
  }

  /** Return the radius of a border on each ray, from the best cells to a fraction of a cell. */
  function laid(grid, costs, settings) {
    const [A, R] = [grid.angles.length, grid.radii.length];
    const rows = Surfaces.closedCurve(costs, A, R, settings.max_step - 1);
    return Float64Array.from(rows, (row, ray) => {
      let offset = 0;
      if (row >= 1 && row <= R - 2) {
        const at = ray * R + row;
        const [before, here, after] = [costs[at - 1], costs[at], costs[at + 1]];
        offset = (0.5 * (before - after)) / (before - 2 * here + after);
        offset = Number.isFinite(offset) ? Math.min(Math.max(offset, -0.5), 0.5) : 0;
      }
      return grid.radii[row] + offset * grid.cell;
    });
  }

  function bySurface(points, found, centre, settings) {
    return found.map(({ name }) =>
      points
        .filter(({ structure }) => structure === name)
        .map(({ x, y }) => {
          const [angle, radius] = polarPlace([x, y], centre);
          if (radius < settings.least_radius_px) throw new Error(`a point of ${name} lies in its very centre`);
          return { angle, radius };
        }),
    );
  }

  /** Return the radius of each border on each ray as its points move it; where none reaches, as it was. */
  function nudged(grid, found, size, radii, surfaces, settings) {
    const [moved, hold] = [radii.map((line) => line.slice()), radii.map((line) => new Float64Array(line.length))];
    const reach = (settings.reach_deg * Math.PI) / 180;
    surfaces.forEach((mine, k) => {
      if (!mine.length) return;
      const rays = mine.map(({ angle }) => grid.angles.indexOf(angle));
      const line = laidThrough(grid, regionCosts(grid, found[k].p, size, settings), radii[k], mine, rays, settings);
      grid.angles.forEach((angle, ray) => {
        const away = Math.min(...mine.map((one) => angleBetween(angle, one.angle)));
        const share = Math.min(Math.max(2 - (2 * away) / reach, 0), 1);
        hold[k][ray] = 0.5 - 0.5 * Math.cos(Math.PI * share);
        moved[k][ray] += hold[k][ray] * (line[ray] - radii[k][ray]);
      });
      for (const ray of rays) hold[k][ray] = NO_CHOICE;
    });
    for (let ray = 0; ray < grid.angles.length; ray++) makeRoom(moved, radii, hold, ray, settings);
    return moved;
  }

  /** Return the radius of one border on each ray, laid through its points. */
  function laidThrough(grid, costs, radii, mine, rays, settings) {
    const [A, R] = [grid.angles.length, grid.radii.length];
    const { displacement, known } = displaced(grid.angles, mine, mine.map(({ radius }, n) => radius - radii[rays[n]]), settings);
    for (let ray = 0; ray < A; ray++) {
      const target = Math.max(radii[ray] + displacement[ray], settings.least_radius_px);
      const length = grid.sectors[ray] * target;
      for (let at = 0; at < R; at++) {
        const pull = (grid.radii[at] - target) ** 2 * length;
        costs[ray * R + at] = (1 - known[ray]) * costs[ray * R + at] + settings.stiffness * pull;
      }
    }
    mine.forEach(({ radius }, n) => {
      const gaps = grid.radii.map((one) => Math.abs(one - radius));
      const nearest = gaps.indexOf(Math.min(...gaps));
      for (let at = 0; at < R; at++) if (at !== nearest) costs[rays[n] * R + at] = Infinity;
    });
    const line = laid(grid, costs, settings);
    mine.forEach(({ radius }, n) => (line[rays[n]] = radius));
    return line;
  }

  /** Make room for the wall on a ray that a point reaches: the border that holds its place less gives way. */
  function makeRoom(moved, before, hold, ray, settings) {
    if (hold.every((line) => line[ray] === 0)) return;
    const walls = [0];
    for (let k = 1; k < moved.length; k++)
      walls.push(walls[k - 1] + Math.min(Math.max(before[k][ray] - before[k - 1][ray], 0), settings.min_wall_px));
    const order = moved.map((_, k) => k).sort((a, b) => hold[b][ray] - hold[a][ray]); // a stable sort: of equals the inner first
    const placed = new Map();
    for (const k of order) {
      const free = moved[k][ray] - walls[k];
      let place = free;
      for (const [other, there] of placed) if (other < k) place = Math.max(place, there);
      for (const [other, there] of placed) if (other > k) place = Math.min(place, there);
      placed.set(k, place);
      if (Math.abs(place - free) <= ROUNDING) continue;
      moved[k][ray] = place + walls[k];
      if (hold[k][ray] === NO_CHOICE || moved[k][ray] <= 0) throw new Error("no borders can pass all these points: take one away");
    }
  }

  /** Return a contour with its radius on each ray changed, and in between in proportion; itself where nothing changes. */
  function carried(grid, contour, before, after) {
    const ratio = Array.from(after, (radius, ray) => radius / before[ray]);
    if (ratio.every((one) => one === 1)) return contour;
    const count = ratio.length;
    const wanted = [...ratio.keys()].filter((ray) => [ray, (ray + 1) % count, (ray + count - 1) % count].some((one) => ratio[one] !== 1));
    return split(grid, contour, wanted).map((point) => {
      const factor = between(grid.angles, ratio, polarPlace(point, grid.centre)[0]);
      return factor === 1 ? point : point.map((value, axis) => grid.centre[axis] + (value - grid.centre[axis]) * factor);
    });
  }

  /** Return a value at an angle from those on the rays, linear in between. */
  function between(angles, values, angle) {
    const after = angles.findIndex((one) => one > angle);
    const end = after < 0 ? 0 : after;
    const start = (end + angles.length - 1) % angles.length;
    const [from, to] = [angles[start] - (start > end && after >= 0 ? TURN : 0), angles[end] + (after < 0 ? TURN : 0)];
    return values[start] + ((values[end] - values[start]) / (to - from)) * (angle - from);
  }

  /** Return a contour with one more vertex wherever a wanted ray crosses an edge. */
  function split(grid, contour, wanted) {
    return contour.flatMap((point, i) => {
      const [ax, ay] = [point[0] - grid.centre[0], point[1] - grid.centre[1]];
      const end = contour[(i + 1) % contour.length];
      const [dx, dy] = [end[0] - point[0], end[1] - point[1]];
      const crossed = [];
      for (const ray of wanted) {
        const [x, y] = grid.directions[ray];
        const across = x * dy - y * dx;
        const [share, radius] = [(ax * y - ay * x) / across, (ax * dy - ay * dx) / across];
        if (share > ROUNDING && share < 1 - ROUNDING && radius > 0)
          crossed.push({ share, point: [grid.centre[0] + radius * x, grid.centre[1] + radius * y] });
      }
      return [point, ...crossed.sort((a, b) => a.share - b.share).map((one) => one.point)];
    });
  }

  /** Return how far a border is off on each ray, and what share of that is known: a Gaussian process over the angle. */
  function displaced(angles, mine, offsets, settings) {
    const total = settings.error_spread.reduce((sum, one) => sum + one, 0);
    const spread = settings.error_spread.map((one) => one / total);
    const likeness = (a, b) => spread.reduce((sum, share, order) => sum + Math.cos((a - b) * order) * share, 0);
    const among = mine.map((a, i) => mine.map((b, j) => likeness(a.angle, b.angle) + (i === j ? settings.residue : 0)));
    const solve = solver(among);
    const [displacement, known] = [new Float64Array(angles.length), new Float64Array(angles.length)];
    angles.forEach((angle, ray) => {
      const along = mine.map((one) => likeness(angle, one.angle));
      const share = solve(along);
      displacement[ray] = share.reduce((sum, one, n) => sum + one * offsets[n], 0);
      known[ray] = Math.min(Math.max(share.reduce((sum, one, n) => sum + one * along[n], 0), 0), 1);
    });
    return { displacement, known };
  }

  /** Return a function that solves for a right-hand side, by Cholesky's decomposition: likenesses are positive definite. */
  function solver(matrix) {
    const n = matrix.length;
    const lower = matrix.map((row) => row.map(() => 0));
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let sum = matrix[i][j];
        for (let k = 0; k < j; k++) sum -= lower[i][k] * lower[j][k];
        lower[i][j] = i === j ? Math.sqrt(sum) : sum / lower[j][j];
      }
    return (side) => {
      const x = [...side];
      for (let i = 0; i < n; i++) {
        for (let k = 0; k < i; k++) x[i] -= lower[i][k] * x[k];
        x[i] /= lower[i][i];
      }
      for (let i = n - 1; i >= 0; i--) {
        for (let k = i + 1; k < n; k++) x[i] -= lower[k][i] * x[k];
        x[i] /= lower[i][i];
      }
      return x;
    };
  }

  return { refined };
})();
