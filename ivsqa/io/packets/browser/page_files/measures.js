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
    const n = contour.length;
    const [cx, cy] = Geometry.centroid(contour);
    const xs = Float64Array.from(contour, ([x]) => x - cx);
    const ys = Float64Array.from(contour, ([, y]) => y - cy);
    let shortest = Infinity;
    let longest = 0;
    for (let direction = 0; direction < N_DIRECTIONS; direction++) {
      const dx = Math.cos((direction * Math.PI) / N_DIRECTIONS);
      const dy = Math.sin((direction * Math.PI) / N_DIRECTIONS);
      let ahead = -Infinity;
      let behind = -Infinity;
      let before = dx * ys[n - 1] - dy * xs[n - 1];
      for (let i = 0, last = n - 1; i < n; last = i++) {
        const after = dx * ys[i] - dy * xs[i];
        if (before > 0 !== after > 0) {
          const reach = (xs[last] * ys[i] - xs[i] * ys[last]) / (after - before);
          if (reach > ahead) ahead = reach;
          if (-reach > behind) behind = -reach;
        }
        before = after;
      }
      if (ahead + behind < shortest) shortest = ahead + behind;
      if (ahead + behind > longest) longest = ahead + behind;
    }
    return { shortest, longest };
  }

  return { measured };
})();
