"use strict";
/* The hand on the frame, with mouse, pen or finger: drag a border, set a point, draw anew, move the view. */

const Tools = (() => {
  const HIT_PX = { mouse: 10, pen: 14, touch: 22 };
  const LONGEST_EDGE_PX = 3;
  const names = Packet.contents.structures.map(({ name }) => name);
  const colorOf = (name) => Packet.contents.structures.find((one) => one.name === name).color;
  const hands = new Map(); // pointers that are down, by id
  let tool = "drag";
  let active = names[0];
  let reach = 0.1; // of the border, to each side
  let frame = null;
  let action = null;
  let grip = null;
  let draft = [];
  let told = () => {};

  const state = () => Session.record(frame).state;
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
      draft: tool === "draw" ? { clicked: draft, line: Geometry.splineThrough(draft, 3), color: colorOf(active) } : null,
      grip: action ? null : grip,
      before: gaveWay().map(({ name, line }) => ({ line, color: colorOf(name) })),
    };
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

  function work(newFrame) {
    [frame, action, grip, draft] = [newFrame, null, null, []];
    Session.look(frame);
    if (tool === "draw") tool = "drag";
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
    View.draw();
  }

  function begun(screen, event) {
    const kind = event.pointerType in HIT_PX ? event.pointerType : "mouse";
    if (tool === "draw") return { kind: "click", screen };
    const point = pointAt(screen, kind);
    if (point) return { kind: "point", screen, point };
    if (tool === "point" || event.shiftKey) return { kind: "point", screen, point: null };
    const found = borderAt(screen, kind);
    if (!found) return { kind: "pan" };
    if (found.name !== active) choose({ active: found.name });
    const from = View.toFrame(screen);
    return { kind: "drag", from, grip: gripOn(found) };
  }

  function move(event) {
    if (!frame) return;
    const [screen, before] = [at(event), hands.get(event.pointerId)];
    if (!before) return void hover(event);
    hands.set(event.pointerId, screen);
    const [dx, dy] = [screen[0] - before[0], screen[1] - before[1]];
    if (action?.kind === "pinch") pinch(event.pointerId, before, screen);
    else if (action?.kind === "pan") View.pan(dx, dy);
    else if (action?.kind === "drag") drag(View.toFrame(screen));
    else if (action?.kind === "point" && (action.preview || Geometry.distance(screen, action.screen) > 3)) setPoint(screen);
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
    const contours = { ...state().contours, [held.name]: line };
    action.preview = { contours, base: contours, points: [] }; // a border that a hand has moved has no points any more
    View.draw();
    told();
  }

  function setPoint(screen) {
    const [x_px, y_px] = Geometry.rounded([View.toFrame(screen)])[0];
    const inside = x_px >= -0.5 && y_px >= -0.5 && x_px <= frame.width_px - 0.5 && y_px <= frame.height_px - 0.5;
    if (!inside) return void told("A point has to lie in the image.");
    const structure = action.point?.structure ?? active;
    const others = state().points.filter((point) => point !== action.point);
    action.preview = throughPoints([...others, { structure, x_px, y_px }]) ?? action.preview;
    View.draw();
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
    const { kind, preview, point, screen } = action;
    let after = preview;
    if (kind === "point" && !preview && event.type === "pointerup") {
      if (!frame.field) told("This packet has no points: drag the border instead.");
      else if (point) after = throughPoints(state().points.filter((one) => one !== point));
      else {
        setPoint(screen);
        after = action.preview;
      }
    }
    if (kind === "click" && event.type === "pointerup") clicked(screen);
    action = null;
    grip = null;
    if (after) Session.change(frame, after);
    View.draw();
    told();
  }

  function clicked(screen) {
    const closes = draft.length > 2 && Geometry.distance(View.toScreen(draft[0]), screen) < HIT_PX.touch;
    if (closes) return finishDraft();
    draft = [...draft, View.toFrame(screen)];
  }

  /** Take what was clicked as the active border. */
  function finishDraft() {
    if (draft.length < 3) return;
    const line = Geometry.rounded(Geometry.splineThrough(draft, LONGEST_EDGE_PX));
    const contours = { ...state().contours, [active]: line };
    Session.change(frame, { contours, base: contours, points: [] });
    choose({ tool: "drag" });
    told();
  }

  function removeBorder() {
    const { [active]: gone, ...contours } = state().contours;
    if (!gone) return;
    Session.change(frame, { contours, base: contours, points: [] });
    View.draw();
    told();
  }

  function cancel() {
    if (draft.length) draft = draft.slice(0, -1);
    else if (tool !== "drag") choose({ tool: "drag" });
    action = null;
    View.draw();
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
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      View.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), at(event));
    }, { passive: false });
  }

  return {
    cancel, choose, finishDraft, gaveWay, listen, names, removeBorder, scene, work,
    get tool() { return tool; },
    get active() { return active; },
    get reach() { return reach; },
  };
})();
