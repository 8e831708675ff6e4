"use strict";
/* The closed curve of least cost, exactly: what ivsqa/domain/geometry/closed_surfaces.py does for one curve, step by step, so that
   both give the same. costs[column * rows + row]. */

const Surfaces = (() => {
  const CLOSED = 1e9;

  /** Return the row in each column of the closed curve whose summed cost is least; it moves by `maxStep` rows at most. */
  function closedCurve(costs, columns, rows, maxStep) {
    const start = clearest(costs, columns, rows);
    const turned = new Float64Array(costs.length);
    for (let column = 0; column < columns; column++) {
      const from = ((column + start) % columns) * rows;
      turned.set(costs.subarray(from, from + rows), column * rows);
    }
    const waiting = [openPath(turned, columns, rows, maxStep, [0, rows])];
    for (;;) {
      // Of equal bounds the older comes first: what was pushed later stands behind.
      const best = waiting.reduce((least, one, at) => (one.bound < waiting[least].bound ? at : least), 0);
      const { bound, box, path } = waiting.splice(best, 1)[0];
      if (!Number.isFinite(bound)) throw new Error("no border can pass all these points: take one away");
      const [first, last] = [path[0], path[columns - 1]];
      const end = last + Math.min(Math.max(first - last, -maxStep), maxStep);
      if (end === first) return path.map((_, column) => path[(column - start + columns) % columns]);
      // No path from `first` to `end` fits either half.
      const middle = Math.floor((first + end + 1) / 2);
      for (const half of [[box[0], middle], [middle, box[1]]]) waiting.push(openPath(turned, columns, rows, maxStep, half));
    }
  }

  /** Return the column whose best row stands out most: a path that is cut there mostly closes at once. */
  function clearest(costs, columns, rows) {
    let [best, most] = [0, -Infinity];
    for (let column = 0; column < columns; column++) {
      const cells = costs.subarray(column * rows, (column + 1) * rows);
      const least = Math.min(...cells);
      let beyond = 0;
      for (const cost of cells) beyond += (Number.isFinite(cost) ? cost : CLOSED) - (Number.isFinite(least) ? least : CLOSED);
      if (beyond > most) [best, most] = [column, beyond];
    }
    return best;
  }

  /** Return the least path from a box of first rows through all columns and a step back into it. */
  function openPath(costs, columns, rows, maxStep, box) {
    const reached = new Float64Array(columns * rows);
    let least = Float64Array.from({ length: rows }, (_, row) => (row >= box[0] && row < box[1] ? 0 : Infinity));
    for (let column = 0; column < columns; column++) {
      const value = reached.subarray(column * rows, (column + 1) * rows);
      for (let row = 0; row < rows; row++) value[row] = least[row] + costs[column * rows + row];
      least = leastWithin(value, maxStep);
    }
    let landing = box[0];
    for (let row = box[0]; row < box[1]; row++) if (least[row] < least[landing]) landing = row;
    const bound = box[0] < box[1] ? least[landing] : Infinity;
    return { bound, box, path: Number.isFinite(bound) ? traced(reached, columns, rows, maxStep, landing) : [] };
  }

  /** Return the least value within a step of each. */
  function leastWithin(values, step) {
    return values.map((_, at) => {
      let least = Infinity;
      for (let near = Math.max(at - step, 0); near <= Math.min(at + step, values.length - 1); near++)
        if (values[near] < least) least = values[near];
      return least;
    });
  }

  /** Return the rows of the path that ends a step from `last`, from the least costs of reaching each cell. */
  function traced(reached, columns, rows, maxStep, last) {
    const path = new Array(columns);
    for (let column = columns - 1; column >= 0; column--) {
      let best = Math.max(last - maxStep, 0);
      for (let row = best; row <= Math.min(last + maxStep, rows - 1); row++)
        if (reached[column * rows + row] < reached[column * rows + best]) best = row;
      path[column] = last = best;
    }
    return path;
  }

  return { closedCurve };
})();
