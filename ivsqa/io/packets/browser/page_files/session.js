"use strict";
/* What the reader did: borders, ticks and time of each frame, undo, and a copy in the browser after every change.

   A state is never changed, only followed by another. `base` is what the points were set beside: with each point all are laid
   anew from there, so that their order does not matter. */

const Session = (() => {
  const IDLE_MS = 30_000; // longer without a hand on the page is no work
  const { contents } = Packet;
  const KEY = `ivsqa ${contents.packet_id} ${contents.sent_sha256}`; // ids repeat where a project is made anew
  const NEW = { checked: false, unreadable: false, moved: false, active_s: 0, findings: [], state: null };
  const records = new Map(); // by frame name; a record without a state is of a frame as it was sent
  let about = { session_id: Math.random().toString(36).slice(2, 12), save: 0, changed: false, index: 0 };
  let kept = true;
  let lastSign = performance.now();

  function restore() {
    try {
      about = JSON.parse(localStorage.getItem(KEY)) ?? about;
      for (const { name } of contents.frames) {
        const stored = JSON.parse(localStorage.getItem(`${KEY} ${name}`));
        if (!stored) continue;
        const state = stored.state && { base: stored.state.contours, ...stored.state };
        records.set(name, { ...stored, state, past: [], future: [] });
      }
    } catch {
      kept = false;
    }
  }

  /** Keep a copy of what is known of a frame; undo lasts as long as the page. */
  function keep(frame) {
    try {
      localStorage.setItem(KEY, JSON.stringify(about));
      if (!frame) return;
      const { past, future, state, ...plain } = record(frame);
      const { contours, points, base } = state;
      const compact = plain.moved || points.length ? { contours, points, ...(points.length && { base }) } : null;
      localStorage.setItem(`${KEY} ${frame.name}`, JSON.stringify({ ...plain, state: compact }));
      kept = true;
    } catch {
      kept = false;
    }
  }

  /** Return what is known of a frame that is being looked at. */
  function record(frame) {
    if (!records.has(frame.name)) records.set(frame.name, { ...NEW, past: [], future: [] });
    const found = records.get(frame.name);
    found.state ??= { contours: frame.sent, base: frame.sent, points: [] };
    return found;
  }

  /** Make a state the present one. */
  function change(frame, state) {
    const one = record(frame);
    one.past.push(one.state);
    one.future = [];
    become(frame, one, state);
  }

  function become(frame, one, state) {
    one.state = state;
    one.checked = false; // a tick was for what was drawn before
    look(frame);
    touch(frame);
  }

  function look(frame) {
    const one = record(frame);
    const names = contents.structures.map(({ name }) => name);
    one.findings = Geometry.findings(one.state.contours, names, frame.width_px, frame.height_px);
    one.moved = JSON.stringify(one.state.contours) !== JSON.stringify(frame.sent);
  }

  /** Go back along one list of states, remembering the present one in the other; false where there is nothing. */
  function turn(frame, from, to) {
    const one = record(frame);
    if (!one[from].length) return false;
    one[to].push(one.state);
    become(frame, one, one[from].pop());
    return true;
  }

  function mark(frame, marks) {
    Object.assign(record(frame), marks);
    touch(frame);
  }

  function touch(frame) {
    about.changed = true;
    keep(frame);
  }

  function goTo(index, leaving) {
    about.index = index;
    keep(leaving);
  }

  /** Count the time since the last sign of a hand, unless it was too long to be work. */
  function tick(frame) {
    const now = performance.now();
    if (frame && now - lastSign < IDLE_MS) record(frame).active_s += (now - lastSign) / 1000;
    lastSign = now;
  }

  /** Return what import-annotations reads: every frame that was looked at. */
  function returned() {
    about.save += 1;
    const frames = contents.frames.flatMap(({ name, image_sha256 }, index) => {
      if (!records.has(name)) return [];
      const { state, checked, unreadable, active_s } = records.get(name);
      const { contours, points } = state ?? { contours: Packet.sent(index), points: [] };
      return [{ name, image_sha256, checked, unreadable, active_s: Math.round(active_s * 10) / 10, contours, points }];
    });
    const { packet_id, round_id, kind, schema_version } = contents;
    const { session_id, save } = about;
    return { kind, schema_version, packet_id, round_id, session_id, save, pixel_origin: "center", frames };
  }

  function saved(frame) {
    about.changed = false;
    keep(frame);
  }

  restore();
  return {
    change, goTo, look, mark, record, returned, saved, tick,
    known: (name) => records.get(name),
    undo: (frame) => turn(frame, "past", "future"),
    redo: (frame) => turn(frame, "future", "past"),
    get index() { return Math.min(about.index, contents.frames.length - 1); },
    get isKept() { return kept; },
    get isChanged() { return about.changed; },
  };
})();
