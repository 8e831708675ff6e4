"use strict";
/* What is seen: the frame below, lines above, moved and scaled together. A frame's pixel (x, y) has its centre there, so the
   image begins half a pixel before 0. */

const View = (() => {
  const stage = document.getElementById("stage");
  const [below, above] = [document.getElementById("image"), document.getElementById("lines")];
  const MARK = getComputedStyle(document.documentElement).getPropertyValue("--mark").trim();
  const MOST_SCALE = 40;
  const shows = { contours: true, marks: true, heat: false, closeUp: false };
  let place = { scale: 1, left: 0, top: 0 };
  let frame = null;
  let scene = null; // what is drawn: a function that returns { contours, active, points, draft, grip, before }
  let asked = false;

  const toScreen = ([x, y]) => [(x + 0.5) * place.scale + place.left, (y + 0.5) * place.scale + place.top];
  const toFrame = ([x, y]) => [(x - place.left) / place.scale - 0.5, (y - place.top) / place.scale - 0.5];

  function show(newFrame, describe) {
    const sameSize = frame && frame.width_px === newFrame.width_px && frame.height_px === newFrame.height_px;
    [frame, scene] = [newFrame, describe];
    if (!sameSize || shows.closeUp) fit();
    draw();
  }

  /** Fit the whole frame, or in close-up what is drawn, into the stage. */
  function fit() {
    if (!frame) return;
    let [left, top, right, bottom] = [-0.5, -0.5, frame.width_px - 0.5, frame.height_px - 0.5];
    const drawn = shows.closeUp ? Object.values(scene().contours).flat() : [];
    if (drawn.length) {
      const [xs, ys] = [drawn.map(([x]) => x), drawn.map(([, y]) => y)];
      const margin = 0.15 * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
      [left, right] = [Math.min(...xs) - margin, Math.max(...xs) + margin];
      [top, bottom] = [Math.min(...ys) - margin, Math.max(...ys) + margin];
    }
    const scale = Math.min(stage.clientWidth / (right - left), stage.clientHeight / (bottom - top));
    place = {
      scale,
      left: (stage.clientWidth - (left + right + 1) * scale) / 2,
      top: (stage.clientHeight - (top + bottom + 1) * scale) / 2,
    };
    draw();
  }

  /** Scale about a point of the screen, which stays where it is. */
  function zoom(factor, [x, y]) {
    const scale = Math.min(Math.max(place.scale * factor, 0.2), MOST_SCALE);
    const by = scale / place.scale;
    place = { scale, left: x - (x - place.left) * by, top: y - (y - place.top) * by };
    draw();
  }

  function pan(dx, dy) {
    place = { ...place, left: place.left + dx, top: place.top + dy };
    draw();
  }

  /** Draw before the next picture; many wishes are one drawing. */
  function draw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      if (frame) drawNow();
    });
  }

  function drawNow() {
    const [wide, high, dense] = [stage.clientWidth, stage.clientHeight, window.devicePixelRatio];
    const [image, lines] = [below, above].map((canvas) => {
      const [w, h] = [Math.round(wide * dense), Math.round(high * dense)];
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
      const context = canvas.getContext("2d");
      context.setTransform(dense, 0, 0, dense, 0, 0);
      context.clearRect(0, 0, wide, high);
      return context;
    });
    const box = [place.left, place.top, frame.width_px * place.scale, frame.height_px * place.scale];
    image.imageSmoothingQuality = "high";
    image.drawImage(frame.image, ...box);
    below.style.opacity = shows.heat && frame.heat ? 0.62 : 1; // so that bright tissue is not taken for error
    if (shows.heat && frame.heat) lines.drawImage(frame.heat, ...box);
    const { contours, active, points, draft, grip, before } = scene();
    if (shows.marks) for (const arc of frame.arcs) stroke(lines, arc, { color: MARK, width: 2.4, open: true });
    if (shows.contours) {
      for (const { line, color } of before) stroke(lines, line, { color, width: 1, dash: [3, 5] });
      for (const { name, color } of Packet.contents.structures)
        if (contours[name]) stroke(lines, contours[name], { color, width: name === active ? 2.2 : 1.4 });
      if (grip) drawGrip(lines, grip);
    }
    if (draft) drawDraft(lines, draft);
    for (const point of points) drawPoint(lines, point);
  }

  function stroke(context, line, { color, width, open = false, dash = [] }) {
    context.beginPath();
    line.forEach((point, at) => context[at ? "lineTo" : "moveTo"](...toScreen(point)));
    if (!open) context.closePath();
    context.lineJoin = context.lineCap = "round";
    context.setLineDash(dash);
    for (const [style, w] of [["rgb(0 0 0 / 55%)", width + 1.6], [color, width]]) {
      [context.strokeStyle, context.lineWidth] = [style, w];
      context.stroke();
    }
    context.setLineDash([]);
  }

  /** Show what would move: a dot under the hand, and the stretch of border within reach. */
  function drawGrip(context, { points, shares, anchor, color }) {
    points.forEach((point, i) => {
      const end = (i + 1) % points.length;
      if (!shares[i] && !shares[end]) return;
      context.beginPath();
      context.moveTo(...toScreen(point));
      context.lineTo(...toScreen(points[end]));
      [context.strokeStyle, context.lineWidth] = [color, 2 + 3 * shares[i]];
      context.stroke();
    });
    disc(context, anchor, 5, color);
  }

  function drawDraft(context, { clicked, line, color }) {
    if (line.length > 1) stroke(context, line, { color, width: 2, open: clicked.length < 3, dash: [6, 5] });
    clicked.forEach((point, at) => disc(context, point, at ? 4 : 6, color));
  }

  function drawPoint(context, { x_px, y_px, color }) {
    disc(context, [x_px, y_px], 5.5, color);
    disc(context, [x_px, y_px], 1.8, "#000");
  }

  function disc(context, point, radius, color) {
    context.beginPath();
    context.arc(...toScreen(point), radius, 0, 2 * Math.PI);
    [context.fillStyle, context.strokeStyle, context.lineWidth] = [color, "rgb(0 0 0 / 70%)", 1.5];
    context.fill();
    context.stroke();
  }

  /** Set brightness and contrast, 1 being the frame as it is. */
  function expose(brightness, contrast) {
    below.style.filter = `brightness(${brightness}) contrast(${contrast})`;
  }

  new ResizeObserver(fit).observe(stage);
  return { draw, expose, fit, pan, show, shows, stage, toFrame, toScreen, zoom, get scale() { return place.scale; } };
})();
