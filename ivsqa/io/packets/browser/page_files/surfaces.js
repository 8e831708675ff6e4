"use strict";
/* Closed nested curves of least cost, exactly: ivsqa/domain/closed_surfaces.py step by step, so that both give the same curves.
   Arrays of K surfaces are flat, the last axis running fastest: costs[(k * columns + column) * rows + row]. */

const Surfaces = (() => {
  const MOST_STATES = 1 << 19;
  const CLOSED = 1e9;

  /** Return the rows of the surfaces whose summed cost is least, an array of `columns` rows for each of `count`. */
  function closedSurfaces(costs, count, columns, rows, maxStep, minGap) {
    const part = (group) => costs.subarray(group[0] * columns * rows, (group.at(-1) + 1) * columns * rows);
    const lay = (group) => jointly(part(group), group.length, columns, rows, maxStep, minGap);
    const groups = Array.from({ length: count }, (_, index) => [index]);
    const laid = groups.map(lay);
    for (let at; (at = conflict(laid, minGap)) >= 0; ) {
      groups.splice(at, 2, [...groups[at], ...groups[at + 1]]);
      laid.splice(at, 2, lay(groups[at]));
    }
    return laid.flat();
  }

  /** Return the first group that comes too near the next, -1 where all keep their gaps. */
  function conflict(laid, minGap) {
    return laid.findIndex(
      (inner, at) => at + 1 < laid.length && laid[at + 1][0].some((row, column) => row - inner.at(-1)[column] < minGap),
    );
  }

  function jointly(costs, count, columns, rows, maxStep, minGap) {
    if (rows ** count > MOST_STATES) throw new Error("too many borders are in each other's way");
    const start = clearest(costs, count, columns, rows);
    const turned = new Float64Array(costs.length);
    for (let k = 0; k < count; k++)
      for (let column = 0; column < columns; column++) {
        const from = (k * columns + ((column + start) % columns)) * rows;
        turned.set(costs.subarray(from, from + rows), (k * columns + column) * rows);
      }
    const problem = prepared(turned, count, columns, rows, maxStep, minGap);
    const waiting = [openPath(problem, Array.from({ length: count }, () => [0, rows]))];
    for (;;) {
      // Of equal bounds the older comes first: what was pushed later stands behind.
      const best = waiting.reduce((least, one, at) => (one.bound < waiting[least].bound ? at : least), 0);
      const { bound, box, path } = waiting.splice(best, 1)[0];
      if (!Number.isFinite(bound)) throw new Error("no border can pass all these points: take one away");
      const first = path.map((line) => line[0]);
      const end = path.map((line, k) => line.at(-1) + clip(first[k] - line.at(-1), -maxStep, maxStep));
      if (end.every((row, k) => row === first[k]))
        return path.map((line) => line.map((_, column) => line[(column - start + columns) % columns]));
      for (const half of halves(box, first, end)) waiting.push(openPath(problem, half));
    }
  }

  /** Return the column whose best row stands out most: a path that is cut there mostly closes at once. */
  function clearest(costs, count, columns, rows) {
    let best = 0;
    let most = -Infinity;
    for (let column = 0; column < columns; column++) {
      let beyond = 0;
      for (let k = 0; k < count; k++) {
        const cells = costs.subarray((k * columns + column) * rows, (k * columns + column + 1) * rows);
        const least = Math.min(...cells);
        for (const cost of cells) beyond += (Number.isFinite(cost) ? cost : CLOSED) - (Number.isFinite(least) ? least : CLOSED);
      }
      if (beyond > most) [best, most] = [column, beyond];
    }
    return best;
  }

  /** Return a problem with what all its paths need: buffers too, since most of the time would go into making them. */
  function prepared(costs, count, columns, rows, maxStep, minGap) {
    const states = rows ** count;
    const rowOf = Array.from({ length: count }, (_, k) => {
      const stride = rows ** (count - 1 - k);
      return Uint16Array.from({ length: states }, (_, state) => Math.floor(state / stride) % rows);
    });
    const forbidden = new Float64Array(states);
    for (let k = 0; k + 1 < count; k++)
      for (let state = 0; state < states; state++)
        if (rowOf[k + 1][state] - rowOf[k][state] < minGap) forbidden[state] = Infinity;
    const reached = new Float64Array(columns * states);
    return { costs, count, columns, rows, maxStep, states, rowOf, forbidden, reached, step: windowMinimum(count, rows, maxStep) };
  }

  /** Return two boxes that share out a box so that a path from `first` to `end` fits neither. */
  function halves(box, first, end) {
    const gaps = first.map((row, k) => Math.abs(row - end[k]));
    const axis = gaps.indexOf(Math.max(...gaps));
    const middle = Math.floor((first[axis] + end[axis] + 1) / 2);
    return [[box[axis][0], middle], [middle, box[axis][1]]].map((ends) => box.map((one, k) => (k === axis ? ends : one)));
  }

  /** Return the least path from a box of first rows through all columns and a step back into it. */
  function openPath(problem, box) {
    const { costs, count, columns, rows, states, rowOf, forbidden, reached, step } = problem;
    const outside = new Float64Array(states);
    for (let k = 0; k < count; k++)
      for (let state = 0; state < states; state++)
        if (rowOf[k][state] < box[k][0] || rowOf[k][state] >= box[k][1]) outside[state] = Infinity;
    let least = outside;
    for (let column = 0; column < columns; column++) {
      const value = reached.subarray(column * states, (column + 1) * states);
      value.set(least);
      for (let k = 0; k < count; k++) addCosts(value, costs, (k * columns + column) * rows, rowOf[k]);
      if (count > 1) for (let state = 0; state < states; state++) value[state] += forbidden[state];
      least = step(value);
    }
    let landing = 0;
    for (let state = 1; state < states; state++)
      if (least[state] + outside[state] < least[landing] + outside[landing]) landing = state;
    const bound = least[landing] + outside[landing];
    const last = rowOf.map((row) => row[landing]);
    return { bound, box, path: Number.isFinite(bound) ? traced(problem, last) : [] };
  }

  function addCosts(value, costs, from, row) {
    for (let state = 0; state < value.length; state++) value[state] += costs[from + row[state]];
  }

  /** Return a function from the cost of each state to the least within reach of it, axis by axis; the next call overwrites it. */
  function windowMinimum(count, rows, reach) {
    const wide = rows + 2 * reach;
    const axes = Array.from({ length: count }, (_, axis) => {
      const [inner, outer] = [rows ** (count - 1 - axis), rows ** axis];
      const steps = [];
      // Windows double; the last two may overlap, since the least of a value and itself is that value.
      for (let width = 1, length = wide; width < 2 * reach + 1; ) {
        const shift = Math.min(width, 2 * reach + 1 - width);
        length -= shift;
        steps.push({ shift: shift * inner, size: length * inner, out: new Float64Array(outer * length * inner) });
        width += shift;
      }
      return { inner, outer, steps, padded: new Float64Array(outer * wide * inner).fill(Infinity) };
    });
    return (values) => {
      let window = values;
      for (const { inner, outer, steps, padded } of axes) {
        for (let o = 0; o < outer; o++)
          padded.set(window.subarray(o * rows * inner, (o + 1) * rows * inner), (o * wide + reach) * inner);
        window = padded;
        for (const { shift, size, out } of steps) {
          for (let o = 0; o < outer; o++)
            lesser(window, o * (size + shift), shift, out, o * size, size);
          window = out;
        }
      }
      return window;
    };
  }

  /** Write the lesser of each value and the one `shift` after it. */
  function lesser(values, from, shift, out, to, size) {
    for (const end = to + size; to < end; from++, to++) {
      const a = values[from];
      const b = values[from + shift];
      out[to] = a < b ? a : b;
    }
  }

  /** Return the rows of the path that ends a step from `last`, from the least costs of reaching each state. */
  function traced({ reached, count, columns, rows, maxStep, states }, last) {
    const path = Array.from({ length: count }, () => new Array(columns));
    for (let column = columns - 1; column >= 0; column--) {
      const low = last.map((row) => Math.max(row - maxStep, 0));
      const high = last.map((row) => Math.min(row + maxStep + 1, rows));
      let best = null;
      const at = [...low];
      for (;;) {
        const cost = reached[column * states + at.reduce((state, row) => state * rows + row, 0)];
        if (best === null || cost < best.cost) best = { cost, at: [...at] };
        let axis = count - 1;
        while (axis >= 0 && ++at[axis] === high[axis]) {
          at[axis] = low[axis];
          axis--;
        }
        if (axis < 0) break;
      }
      last = best.at;
      last.forEach((row, k) => (path[k][column] = row));
    }
    return path;
  }

  function clip(value, low, high) {
    return Math.min(Math.max(value, low), high);
  }

  return { closedSurfaces };
})();
