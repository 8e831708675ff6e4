"use strict";
/* Where to look first. A mark fades as the border beside it is edited: it has done its work. */

const Marks = (() => {
  const MOVED_PX = 0.3;
  const FADED = 0.15;
  const beside = new WeakMap(); // of each mark, the places on the border as it was sent
  const alphas = new WeakMap(); // by border and mark
  let visited = -1;

  /** Return how strongly a mark is drawn, from 1 down to faint, by the share of the border beside it that was moved. */
  function strength(frame, mark, contours) {
    const contour = contours[mark.structure];
    const sent = frame.sent[mark.structure];
    if (!mark.structure || contour === sent) return 1;
    if (!contour) return FADED;
    if (!alphas.has(contour)) alphas.set(contour, new Map());
    const known = alphas.get(contour);
    if (!known.has(mark)) {
      if (!beside.has(mark)) beside.set(mark, mark.line.map((point) => Geometry.nearest(sent, point).point));
      const places = beside.get(mark);
      const moved = places.filter((place) => Geometry.nearest(contour, place).distance > MOVED_PX).length / places.length;
      known.set(mark, 1 - (1 - FADED) * Math.min(2 * moved, 1));
    }
    return known.get(mark);
  }

  /** Return the next mark of a frame, null after the last. */
  function next(frame) {
    visited += 1;
    if (visited >= frame.marks.length) visited = -1;
    return frame.marks[visited] ?? null;
  }

  return { next, strength, forget: () => { visited = -1; }, get visited() { return visited; } };
})();
