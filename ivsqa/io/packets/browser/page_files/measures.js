"use strict";
/* Areas and diameters while a hand draws: ivsqa/domain/measures/frame_measures.py step by step; a test runs both. */

const Measures = (() => {
  const N_DIRECTIONS = 360;

  /** Return area, shortest and longest diameter of each border, and plaque burden, in mm where spacing is known, else in px. */
  function measured(contours, spacing) {
    const [sx, sy] = spacing ?? [1, 1];
    const found = {};
    for (const [name, contour] of Object.entries(contours)) {
      const scaled = contour.map(([x, y]) => [x * sx, y * sy]);
      const area = Math.abs(Geometry.signedArea(scaled));
      if (area > 0) found[name] = { area, ...diameters(scaled) };
    }
    const burden = found.lumen && found.eem ? 1 - found.lumen.area / found.eem.area : null;
    return { borders: found, burden };
  }

  /** Return the shortest and longest diameter through the centroid; each ends at the outermost crossing on either side. */
  function diameters(contour) {
    const [cx, cy] = Geometry.centroid(contour);
    const points = contour.map(([x, y]) => [x - cx, y - cy]);
    let [shortest, longest] = [Infinity, 0];
    for (let direction = 0; direction < N_DIRECTIONS; direction++) {
      const angle = (direction * Math.PI) / N_DIRECTIONS;
      const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
      let [ahead, behind] = [-Infinity, -Infinity];
      let [px, py] = points.at(-1);
      let before = dx * py - dy * px;
      for (const [x, y] of points) {
        const after = dx * y - dy * x;
        if (before > 0 !== after > 0) {
          const reach = (px * y - x * py) / (after - before);
          if (reach > ahead) ahead = reach;
          if (-reach > behind) behind = -reach;
        }
        [px, py, before] = [x, y, after];
      }
      [shortest, longest] = [Math.min(shortest, ahead + behind), Math.max(longest, ahead + behind)];
    }
    return { shortest, longest };
  }

  return { measured };
})();
