"use strict";
/* What is seen: the frame below, lines above, moved and scaled together. A frame's pixel (x, y) has its centre there, so the
   image begins half a pixel before 0. */

const View = (() => {
  const stage = document.getElementById("stage");
  const [below, above] = [document.getElementById("image"), document.getElementById("lines")];
  const MARK = getComputedStyle(document.documentElement).getPropertyValue("--mark").trim();
  const MOST_SCALE = 40;
  const BARS_MM = [10, 5, 2, 1, 0.5, 0.2, 0.1];
  const shows = { contours: true, marks: true, heat: false, closeUp: false };
  let place = { scale: 1, left: 0, top: 0 };
  let [wide, high] = [0, 0];
  let isFitted = true;
  let frame = null;
  let scene = null; // what is drawn: a function that returns { contours, active, points, stroke, rubber, grip, before }
  let asked = false;
  let drawnPixels = "";

  const toScreen = ([x, y]) => [(x + 0.5) * place.scale + place.left, (y + 0.5) * place.scale + place.top];
  const toFrame = ([x, y]) => [(x - place.left) / place.scale - 0.5, (y - place.top) / place.scale - 0.5];

  /** Show a frame; what was zoomed in stays so, as long as frames are of one size. */
  function show(newFrame, describe) {
    const sameSize = frame && frame.width_px === newFrame.width_px && frame.height_px === newFrame.height_px;
    [frame, scene] = [newFrame, describe];
    if (!sameSize || (shows.closeUp && isFitted)) fit();
    draw();
  }

  /** Fit the whole frame, or in close-up what is drawn, into the stage. */
  function fit() {
    if (!frame) return;
    const drawn = shows.closeUp ? Object.values(scene().contours).flat() : [];
    if (drawn.length) focus(drawn, 0.15);
    else fill([-0.5, -0.5, frame.width_px - 0.5, frame.height_px - 0.5]);
    isFitted = true;
  }

  /** Fit points into the stage, with room around them as a share of their extent. */
  function focus(points, room) {
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    const margin = room * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
    fill([Math.min(...xs) - margin, Math.min(...ys) - margin, Math.max(...xs) + margin, Math.max(...ys) + margin]);
    isFitted = false;
  }

  function fill([left, top, right, bottom]) {
    [wide, high] = [stage.clientWidth, stage.clientHeight];
    const scale = Math.min(wide / (right - left), high / (bottom - top));
    place = { scale, left: (wide - (left + right + 1) * scale) / 2, top: (high - (top + bottom + 1) * scale) / 2 };
    draw();
  }

  /** Keep what is in the middle there when the stage changes its size. */
  function resize() {
    if (isFitted || !wide) return fit();
    place = { ...place, left: place.left + (stage.clientWidth - wide) / 2, top: place.top + (stage.clientHeight - high) / 2 };
    [wide, high] = [stage.clientWidth, stage.clientHeight];
    draw();
  }

  /** Scale about a point of the screen, which stays where it is. */
  function zoom(factor, [x, y] = [wide / 2, high / 2]) {
    const scale = Math.min(Math.max(place.scale * factor, 0.2), MOST_SCALE);
    const by = scale / place.scale;
    place = { scale, left: x - (x - place.left) * by, top: y - (y - place.top) * by };
    isFitted = false;
    draw();
  }

  function pan(dx, dy) {
    place = { ...place, left: place.left + dx, top: place.top + dy };
    isFitted = false;
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

  /** Return a canvas to draw on, empty and as large as the stage. */
  function emptied(canvas) {
    const dense = window.devicePixelRatio;
    const [w, h] = [Math.round(stage.clientWidth * dense), Math.round(stage.clientHeight * dense)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const context = canvas.getContext("2d");
    context.setTransform(dense, 0, 0, dense, 0, 0);
    context.clearRect(0, 0, stage.clientWidth, stage.clientHeight);
    return context;
  }

  function drawNow() {
    const lines = emptied(above);
    const shown = scene();
    // Pixels take the most time, and a hand that moves a border moves none of them.
    const wanted = JSON.stringify([frame.name, place, Look.now, Cine.isAway, Cine.at, stage.clientWidth, stage.clientHeight, shows.heat]);
    if (wanted !== drawnPixels) drawPixels(emptied(below));
    drawnPixels = wanted;
    if (shows.heat && frame.heat) lines.drawImage(frame.heat, ...frameBox());
    if (shows.marks && !Cine.isPlaying) frame.marks.forEach((mark) => drawMark(lines, mark, shown.contours));
    if (shows.contours) drawBorders(lines, shown);
    if (shown.stroke) drawStroke(lines, shown.stroke);
    if (shown.rubber) ring(lines, shown.rubber.at, shown.rubber.radius);
    for (const point of shown.points) drawPoint(lines, point);
    if (frame.spacing_mm) drawScale(lines);
  }

  /** Draw the frame, or a neighbour within the square it was kept of, the rest of the frame being dimmed. */
  function drawPixels(image) {
    const box = frameBox();
    image.imageSmoothingQuality = "high";
    image.drawImage(Look.seen(frame.image), ...box);
    if (Cine.isAway) {
      const { left, top, side, tile, image: tiles } = Cine.neighbours;
      image.fillStyle = "rgb(0 0 0 / 65%)";
      image.fillRect(...box);
      const corner = [left * place.scale + place.left, top * place.scale + place.top];
      image.drawImage(Look.seen(tiles), 0, Cine.at * tile, tile, tile, ...corner, side * place.scale, side * place.scale);
    }
    below.style.opacity = shows.heat && frame.heat ? 0.62 : 1; // so that bright tissue is not taken for error
  }

  const frameBox = () => [place.left, place.top, frame.width_px * place.scale, frame.height_px * place.scale];

  function drawBorders(lines, { contours, active, grip, before }) {
    for (const { line, color } of before) stroke(lines, line, { color, width: 1, dash: [3, 5] });
    for (const { name, color } of Packet.contents.structures)
      if (contours[name]) stroke(lines, contours[name], { color, width: name === active ? 2.2 : 1.4 });
    if (grip) drawGrip(lines, grip);
  }

  function drawMark(lines, mark, contours) {
    lines.globalAlpha = Marks.strength(frame, mark, contours);
    stroke(lines, mark.line, { color: MARK, width: mark === frame.marks[Marks.visited] ? 3.6 : 2.4, open: true });
    lines.globalAlpha = 1;
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

  function drawStroke(context, { clicked, line, color, isClosed }) {
    if (line.length > 1) stroke(context, line, { color, width: 2, open: !isClosed, dash: [6, 5] });
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

  function ring(context, point, radius) {
    context.beginPath();
    context.arc(...toScreen(point), radius * place.scale, 0, 2 * Math.PI);
    [context.strokeStyle, context.lineWidth] = ["rgb(255 255 255 / 80%)", 1.2];
    context.stroke();
  }

  /** Draw the longest bar of a round number of mm that takes a quarter of the stage at most. */
  function drawScale(context) {
    const px = (mm) => (mm / frame.spacing_mm[0]) * place.scale;
    const mm = BARS_MM.find((one) => px(one) < 0.25 * stage.clientWidth) ?? BARS_MM.at(-1);
    const [right, bottom] = [stage.clientWidth - 14, stage.clientHeight - 14];
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "right";
    for (const [style, width] of [["rgb(0 0 0 / 70%)", 5], ["#fff", 2]]) {
      [context.strokeStyle, context.lineWidth] = [style, width];
      context.beginPath();
      context.moveTo(right - px(mm), bottom);
      context.lineTo(right, bottom);
      context.stroke();
    }
    [context.strokeStyle, context.fillStyle, context.lineWidth] = ["rgb(0 0 0 / 70%)", "#fff", 3];
    context.strokeText(`${mm} mm`, right, bottom - 7);
    context.fillText(`${mm} mm`, right, bottom - 7);
  }

  new ResizeObserver(resize).observe(stage);
  return { draw, fit, focus, pan, show, shows, stage, toFrame, toScreen, zoom, get scale() { return place.scale; } };
})();
