"use strict";
/* What the page holds: a small table of contents at once, each frame's pixels only when it is looked at. */

const Packet = (() => {
  const KEPT_FRAMES = 8;
  const contents = JSON.parse(document.getElementById("packet").textContent);
  const opened = new Map();
  const cuts = new Map();

  const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

  async function inflated(base64) {
    const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /** Return a frame with its pixels; the same promise while it is kept. */
  function open(index) {
    if (!opened.has(index)) {
      opened.set(index, load(index));
      for (const old of opened.keys()) {
        if (opened.size <= KEPT_FRAMES) break;
        opened.delete(old);
      }
    }
    return opened.get(index);
  }

  const storedAt = (index) => JSON.parse(document.getElementById(`frame-${index}`).textContent);

  async function load(index) {
    const stored = storedAt(index);
    return {
      ...contents.frames[index],
      image: await picture(stored.image, "png"),
      sent: stored.contours,
      marks: stored.marks,
      heat: stored.heat && (await picture(stored.heat, "png")),
      field: stored.probabilities && (await probabilityField(stored.probabilities)),
      neighbours: stored.neighbours && { ...stored.neighbours, image: await picture(stored.neighbours.image, "jpeg") },
    };
  }

  /** Return the cut of a frame's pullback; null where the packet has none. */
  function cut({ pullback }) {
    if (!cuts.has(pullback)) cuts.set(pullback, pullback in contents.cuts ? picture(contents.cuts[pullback], "jpeg") : null);
    return cuts.get(pullback);
  }

  async function picture(base64, kind) {
    const image = new Image();
    image.src = `data:image/${kind};base64,${base64}`;
    await image.decode();
    return image;
  }

  async function probabilityField({ size, scale, origin, data }) {
    const bytes = await inflated(data);
    const fields = contents.structures.map(({ name }, k) => ({
      name,
      p: Float64Array.from(bytes.subarray(k * size * size, (k + 1) * size * size), (byte) => byte / 255),
    }));
    return { size, scale, origin, fields };
  }

  /** Return borders laid through points, in frame px; one that does not move is the very array in `drawn`. */
  function refined(frame, drawn, points) {
    const { size, scale, origin, fields } = frame.field;
    const toGrid = ([x, y]) => [(x - origin[0]) / scale[0], (y - origin[1]) / scale[1]];
    const toFrame = ([x, y]) => [x * scale[0] + origin[0], y * scale[1] + origin[1]];
    const onGrid = points.map(({ structure, x_px, y_px }) => {
      const [x, y] = toGrid([x_px, y_px]);
      return { structure, x, y };
    });
    const shown = Object.fromEntries(Object.entries(drawn).map(([name, contour]) => [name, contour.map(toGrid)]));
    const lines = Refinement.refined(fields, size, onGrid, shown, contents.refinement);
    const kept = (name, line) => (line === shown[name] ? drawn[name] : Geometry.rounded(line.map(toFrame)));
    return Object.fromEntries(Object.entries(lines).map(([name, line]) => [name, kept(name, line)]));
  }

  return { contents, cut, open, refined, sent: (index) => storedAt(index).contours };
})();
