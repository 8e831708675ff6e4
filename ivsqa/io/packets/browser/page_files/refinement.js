"use strict";
/* Refinement of borders through points: ivsqa/domain/refinement.py and polar.py step by step. Coordinates are pixels of the
   working grid. The numbers come from there too, in `settings`, so that they stand in one place. */

const Refinement = (() => {
  const TURN = 2 * Math.PI;
  const ROUNDING = 1e-9; // of the length of an edge: a ray that passes it by less meets it

  /**
   * Return the most likely closed nested borders through points, by structure, as arrays of [x, y].
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
    const costs = regionCosts(grid, found, size, settings);
    let radii;
    if (points.length) {
      radii = shown.map((contour) => crossings(grid, contour));
      if (radii.some((line) => line.some(Number.isNaN))) throw new Error("the borders enclose no common centre");
      const moved = withPoints(grid, costs, radii, bySurface(points, found, centre, settings), settings);
      radii = laid(grid, moved.costs, found.length, moved.fixed, settings);
    } else {
      radii = laid(grid, costs, found.length, [], settings);
    }
    return Object.fromEntries(found.map(({ name }, k) => [name, Array.from(radii[k], (r, ray) => place(grid, ray, r))]));
  }

  function place(grid, ray, radius) {
    return [grid.centre[0] + radius * grid.directions[ray][0], grid.centre[1] + radius * grid.directions[ray][1]];
  }

  function polarPlace([x, y], centre) {
    const angle = Math.atan2(y - centre[1], x - centre[0]);
    const turned = angle < 0 ? angle + TURN : angle;
    return [turned < TURN ? turned : 0, Math.hypot(x - centre[0], y - centre[1])];
  }

  /** Return rays that reach beyond all structures, contours and points, one through each point. */
  function gridOver(found, size, shown, centre, points, settings) {
    let farthest = 0;
    const reach = (x, y) => (farthest = Math.max(farthest, Math.hypot(x - centre[0], y - centre[1])));
    for (const { p } of found)
      for (let at = 0; at < p.length; at++) if (p[at] > 0.5) reach(at % size, Math.floor(at / size));
    for (const { x, y } of points) reach(x, y);
    for (const contour of shown) for (const [x, y] of contour) reach(x, y);
    const even = Array.from({ length: settings.n_angles }, (_, ray) => ray * (TURN / settings.n_angles));
    const through = points.map(({ x, y }) => polarPlace([x, y], centre)[0]);
    const angles = [...new Set([...even, ...through])].sort((a, b) => a - b);
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

  /** Return what borders cost in each cell: the log odds against all that lies inside, summed over the sector. */
  function regionCosts(grid, found, size, settings) {
    const [A, R] = [grid.angles.length, grid.radii.length];
    const costs = new Float64Array(found.length * A * R);
    found.forEach(({ p }, k) => {
      const cells = sampled(grid, p, size);
      for (let ray = 0; ray < A; ray++) {
        const weight = grid.cell * grid.sectors[ray];
        let [sum, before] = [0, 0];
        for (let at = 0; at < R; at++) {
          const likely = Math.min(Math.max(cells[ray * R + at], settings.certainty), 1 - settings.certainty);
          const against = Math.log(1 / likely - 1) * grid.radii[at] * weight;
          if (at > 0) sum += 0.5 * (against + before);
          costs[(k * A + ray) * R + at] = sum;
          before = against;
        }
      }
    });
    return costs;
  }

  /** Return the radius of each border on each ray, from the best cells to a fraction of a cell. */
  function laid(grid, costs, count, fixed, settings) {
    const [A, R] = [grid.angles.length, grid.radii.length];
    const wall = Math.ceil(settings.min_wall_px / grid.cell) + 1;
    const rows = Surfaces.closedSurfaces(costs, count, A, R, settings.max_step - 1, wall);
    const radii = rows.map((line, k) =>
      Float64Array.from(line, (row, ray) => {
        let offset = 0;
        if (row >= 1 && row <= R - 2) {
          const at = (k * A + ray) * R + row;
          const [before, here, after] = [costs[at - 1], costs[at], costs[at + 1]];
          offset = (0.5 * (before - after)) / (before - 2 * here + after);
          offset = Number.isFinite(offset) ? Math.min(Math.max(offset, -0.5), 0.5) : 0;
        }
        return grid.radii[row] + offset * grid.cell;
      }),
    );
    for (const { surface, ray, radius } of fixed) radii[surface][ray] = radius;
    return radii;
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

  /** Return the costs with the points in them, and the radius where a border has no choice. */
  function withPoints(grid, original, radii, surfaces, settings) {
    const [A, R] = [grid.angles.length, grid.radii.length];
    const [costs, fixed] = [original.slice(), []];
    surfaces.forEach((mine, surface) => {
      if (!mine.length) return;
      const rays = mine.map(({ angle }) => grid.angles.indexOf(angle));
      const offsets = mine.map(({ radius }, n) => radius - radii[surface][rays[n]]);
      const { displacement, known } = displaced(grid.angles, mine, offsets, settings);
      for (let ray = 0; ray < A; ray++) {
        const target = Math.max(radii[surface][ray] + displacement[ray], settings.least_radius_px);
        const length = grid.sectors[ray] * target;
        for (let at = 0; at < R; at++) {
          const cell = (surface * A + ray) * R + at;
          const pull = (grid.radii[at] - target) ** 2 * length;
          costs[cell] = (1 - known[ray]) * costs[cell] + settings.stiffness * pull;
        }
      }
      mine.forEach(({ radius }, n) => {
        const gaps = grid.radii.map((one) => Math.abs(one - radius));
        const nearest = gaps.indexOf(Math.min(...gaps));
        for (let at = 0; at < R; at++) if (at !== nearest) costs[(surface * A + rays[n]) * R + at] = Infinity;
        fixed.push({ surface, ray: rays[n], radius });
      });
    });
    return { costs, fixed };
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
