"use strict";
/* The hand on the frame, with mouse, pen or finger: drag a border, set a point, draw, rub out, move the view. */

const Tools = (() => {
  const HIT_PX = { mouse: 10, pen: 14, touch: 22 };
  const LONGEST_EDGE_PX = 3;
  const CLICK_PX = 4; // a hand that moves less has clicked
  const RUBBER_PX = 12;
  const STROKE_PX = 1.2; // how far a simplified stroke may be from the hand's, on the screen
  const WHEEL_STEP = 50;
  const names = Packet.contents.structures.map(({ name }) => name);
  const colorOf = (name) => Packet.contents.structures.find((one) => one.name === name).color;
  const hands = new Map(); // pointers that are down, by id
  let tool = "drag";
  let active = names[0];
  let reach = 0.1; // of the border, to each side
  let frame = null;
  let action = null;
  let grip = null;
  let draft = []; // of a border drawn anew: places clicked, and strokes between them
  let rolled = 0;
  let isTelling = false;
  let told = () => {};

  const state = () => Session.record(frame).state;
  const plain = (contours) => ({ contours, base: contours, points: [] }); // a hand has moved it: no points any more
  const at = (event) => {
    const box = View.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  function scene() {
    const { contours, points } = action?.preview ?? state();
    return {
      contours,
      active,
      points: points.map((point) => ({ ...point, color: colorOf(point.structure) })),
      stroke: stroke(),
      rubber: action?.kind === "rub" ? { at: action.way.at(-1), radius: RUBBER_PX / View.scale } : null,
      grip: action ? null : grip,
      before: gaveWay().map(({ name, line }) => ({ line, color: colorOf(name) })),
    };
  }

  /** Return what is being drawn, until it is a border. */
  function stroke() {
    if (tool !== "draw") return null;
    const drawn = action?.kind === "stroke" && !action.preview ? action.way : [];
    const clicked = [...draft, ...drawn];
    const line = drawn.length || draft.length < 3 ? clicked : Geometry.splineThrough(draft, 3);
    return clicked.length ? { clicked: draft, line, color: colorOf(active), isClosed: !drawn.length && draft.length > 2 } : null;
  }

  /** Return borders without a point that moved since they were in the way: name, hours, and the line as it was. */
  function gaveWay() {
    const { contours, points, base } = action?.preview ?? state();
    if (!points.length) return [];
    const pointed = new Set(points.map(({ structure }) => structure));
    return names
      .filter((name) => contours[name] && base[name] && contours[name] !== base[name] && !pointed.has(name))
      .map((name) => ({ name, line: base[name], ...Geometry.movedFrom(base[name], contours[name]) }))
      .filter(({ points: moved }) => moved.length);
  }

  /** Return what to take up in a packet without borders: the pen for the first that is missing; once all are there, to drag. */
  function toTakeUp() {
    if (Packet.contents.is_drawn) return {};
    const missing = names.find((name) => !state().contours[name]);
    return missing ? { tool: "draw", active: missing } : { tool: "drag" };
  }

  function work(newFrame) {
    [frame, action, grip, draft] = [newFrame, null, null, []];
    Session.judge(frame);
    ({ tool = tool, active = active } = toTakeUp());
    View.show(frame, scene);
  }

  function choose({ tool: newTool = tool, active: newActive = active, reach: newReach = reach }) {
    [tool, active, reach, grip, draft] = [newTool, newActive, newReach, null, newTool === tool && newActive === active ? draft : []];
    View.draw();
    told();
  }

  /** Return the border under the hand; the active one wins where two are near. */
  function borderAt(screen, kind) {
    const place = View.toFrame(screen);
    const near = Object.entries(state().contours)
      .map(([name, contour]) => ({ name, ...Geometry.nearest(contour, place) }))
      .map((one) => ({ ...one, away: one.distance * View.scale * (one.name === active ? 0.6 : 1) }))
      .sort((a, b) => a.away - b.away)[0];
    return near && near.away < HIT_PX[kind] ? near : null;
  }

  function pointAt(screen, kind) {
    const away = ({ x_px, y_px }) => Geometry.distance(View.toScreen([x_px, y_px]), screen);
    return state().points.find((point) => away(point) < HIT_PX[kind]);
  }

  function gripOn(found) {
    const contour = state().contours[found.name];
    const length = Math.max(reach * Geometry.perimeter(contour), 1e-6);
    return { ...Geometry.grabbed(contour, found, length, LONGEST_EDGE_PX), anchor: found.point, color: colorOf(found.name), name: found.name };
  }

  function down(event) {
    if (!frame) return;
    View.stage.focus({ preventScroll: true });
    View.stage.setPointerCapture(event.pointerId);
    told("");
    hands.set(event.pointerId, at(event));
    if (hands.size === 2) return void (action = { kind: "pinch" });
    action = event.button === 0 ? begun(at(event), event) : { kind: "pan" };
    if (action.kind !== "pan") Cine.home(); // borders are of the frame itself
    View.draw();
  }

  function begun(screen, event) {
    const kind = event.pointerType in HIT_PX ? event.pointerType : "mouse";
    const from = View.toFrame(screen);
    if (tool === "draw") return { kind: "stroke", screen, way: [from], hit: HIT_PX[kind] };
    if (tool === "erase") return { kind: "rub", way: [from] };
    const point = pointAt(screen, kind);
    if (point) return { kind: "point", screen, point };
    if (tool === "point" || event.shiftKey) return { kind: "point", screen, point: null };
    const found = borderAt(screen, kind);
    if (!found) return { kind: "pan" };
    if (found.name !== active) choose({ active: found.name });
    return { kind: "drag", from, grip: gripOn(found) };
  }

  const MOVES = {
    pan: (screen, dx, dy) => View.pan(dx, dy),
    drag: (screen) => drag(View.toFrame(screen)),
    point: (screen) => { if (action.preview || Geometry.distance(screen, action.screen) > CLICK_PX) setPoint(screen); },
    stroke: (screen) => draw(View.toFrame(screen)),
    rub: (screen) => rub(View.toFrame(screen)),
  };

  function move(event) {
    if (!frame) return;
    const [screen, before] = [at(event), hands.get(event.pointerId)];
    if (!before) return void hover(event);
    hands.set(event.pointerId, screen);
    if (action?.kind === "pinch") pinch(event.pointerId, before, screen);
    else MOVES[action?.kind]?.(screen, screen[0] - before[0], screen[1] - before[1]);
  }

  function hover(event) {
    const found = tool === "drag" && !event.shiftKey ? borderAt(at(event), "mouse") : null;
    grip = found && gripOn(found);
    View.stage.dataset.cursor = tool !== "drag" || event.shiftKey ? "cross" : found ? "grab" : "";
    View.draw();
  }

  function pinch(id, before, screen) {
    const other = [...hands].find(([key]) => key !== id)?.[1];
    if (!other) return;
    View.zoom(Geometry.distance(screen, other) / Math.max(Geometry.distance(before, other), 1), other);
  }

  function drag([x, y]) {
    const { from, grip: held } = action;
    const line = Geometry.rounded(Geometry.dragged(held, [x - from[0], y - from[1]]));
    preview(plain({ ...state().contours, [held.name]: line }));
  }

  /** Show what a hand is making; numbers and findings follow once a picture, not once a step. */
  function preview(next) {
    action.preview = next;
    View.draw();
    if (isTelling) return;
    isTelling = true;
    requestAnimationFrame(() => {
      isTelling = false;
      told();
    });
  }

  /** Follow a hand that draws: where it began on the active border and is on it again, it replaces the stretch beside it. */
  function draw(place) {
    action.way.push(place);
    const contour = state().contours[active];
    const near = (point) => contour && Geometry.nearest(contour, point).distance * View.scale < 2 * action.hit;
    const tolerance = STROKE_PX / View.scale;
    const [first, length] = [action.way[0], Strokes.length(action.way)];
    const isClosed = Geometry.distance(first, place) < 0.25 * length && length * View.scale > 60;
    let drawn = null;
    if (!draft.length && isClosed && !(near(first) && length < 0.6 * Geometry.perimeter(contour))) drawn = Strokes.simplified(action.way, tolerance);
    else if (!draft.length && near(first) && near(place)) drawn = Strokes.spliced(contour, action.way, tolerance);
    preview(drawn && drawn.length > 2 ? plain({ ...state().contours, [active]: Geometry.rounded(drawn) }) : null);
  }

  function rub(place) {
    action.way.push(place);
    const contour = state().contours[active];
    const line = contour && Strokes.rubbed(contour, action.way, RUBBER_PX / View.scale);
    preview(line && line !== contour ? plain({ ...state().contours, [active]: Geometry.rounded(line) }) : null);
  }

  function setPoint(screen) {
    const [x_px, y_px] = Geometry.rounded([View.toFrame(screen)])[0];
    const inside = x_px >= -0.5 && y_px >= -0.5 && x_px <= frame.width_px - 0.5 && y_px <= frame.height_px - 0.5;
    if (!inside) return void told("A point has to lie in the image.");
    const structure = action.point?.structure ?? active;
    const others = state().points.filter((point) => point !== action.point);
    preview(throughPoints([...others, { structure, x_px, y_px }]) ?? action.preview);
  }

  /** Return the state with borders laid through points, null where that cannot be. */
  function throughPoints(points) {
    const { base } = state();
    try {
      return { base, points, contours: points.length ? Packet.refined(frame, base, points) : base };
    } catch (error) {
      told(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
      return null;
    }
  }

  function up(event) {
    if (!hands.delete(event.pointerId) || !action) return;
    const { kind, point, screen } = action;
    if (event.type === "pointerup") {
      if (kind === "point" && !action.preview) setOrTakePoint(point, screen);
      if (kind === "stroke" && !action.preview) addToDraft();
    }
    const after = event.type === "pointerup" ? action?.preview : null;
    [action, grip] = [null, null];
    const isNew = after && names.some((name) => after.contours[name] && !state().contours[name]);
    if (after) Session.change(frame, after);
    if (isNew) ({ tool = tool, active = active } = toTakeUp());
    View.draw();
    told();
  }

  function setOrTakePoint(point, screen) {
    if (!frame.field) told("This packet has no points: drag the border instead.");
    else if (point) action.preview = throughPoints(state().points.filter((one) => one !== point));
    else setPoint(screen);
  }

  /** Take a click, or a stroke that is no border yet, into the border that is drawn anew. */
  function addToDraft() {
    const { way } = action;
    const isClick = Strokes.length(way) * View.scale < CLICK_PX;
    const toFirst = draft.length > 2 && Geometry.distance(View.toScreen(draft[0]), View.toScreen(way.at(-1))) < HIT_PX.touch;
    if (!isClick) draft = [...draft, ...Strokes.simplified(way, STROKE_PX / View.scale)];
    if (toFirst) finishDraft();
    else if (isClick) draft = [...draft, way[0]];
  }

  /** Take what was clicked as the active border. */
  function finishDraft() {
    if (draft.length < 3) return;
    const line = Geometry.rounded(Geometry.splineThrough(draft, LONGEST_EDGE_PX));
    const isNew = !state().contours[active];
    take({ ...state().contours, [active]: line });
    choose({ tool: "drag", ...(isNew && toTakeUp()) });
  }

  /** Make borders the present ones; they have no points any more. */
  function take(contours) {
    Session.change(frame, plain(contours));
    View.draw();
    told("");
  }

  function smooth() {
    const contour = state().contours[active];
    if (contour) take({ ...state().contours, [active]: Geometry.rounded(Strokes.smooth(contour)) });
  }

  function removeBorder() {
    const { [active]: gone, ...contours } = state().contours;
    if (gone) take(contours);
  }

  function cancel() {
    if (draft.length) draft = draft.slice(0, -1);
    else if (tool !== "drag") choose({ tool: "drag" });
    action = null;
    Cine.home();
    View.draw();
  }

  /** Roll through the neighbours; with Ctrl, as two fingers on a pad send it, or without neighbours, zoom. */
  function wheel(event) {
    event.preventDefault();
    const turned = event.deltaY * (event.deltaMode ? 33 : 1);
    if (event.ctrlKey || !Cine.neighbours) return View.zoom(Math.exp(-turned * (event.ctrlKey ? 0.004 : 0.0015)), at(event));
    rolled += turned;
    const steps = Math.trunc(rolled / WHEEL_STEP);
    rolled -= steps * WHEEL_STEP;
    if (steps) Cine.step(Math.sign(steps));
  }

  function listen(tell) {
    told = tell;
    const { stage } = View;
    stage.addEventListener("pointerdown", down);
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", up);
    stage.addEventListener("pointercancel", up);
    stage.addEventListener("pointerleave", () => ((grip = null), View.draw()));
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("wheel", wheel, { passive: false });
  }

  return {
    cancel, choose, finishDraft, gaveWay, listen, names, removeBorder, scene, smooth, work,
    get tool() { return tool; },
    get active() { return active; },
    get reach() { return reach; },
  };
})();
