"use strict";
/* What the reader did: borders, ticks and time of each frame, undo, and a copy in the browser after every change.

   A state is never changed, only followed by another; borders that nobody moved stay the very arrays that were sent. `base` is
   what the points were set beside: each new point is laid anew from there, so that their order does not matter. */

const Session = (() => {
  const IDLE_MS = 30_000; // longer without a hand on the page is no work
  const { contents } = Packet;
  const KEY = `ivsqa ${contents.packet_id}`;
  const records = new Map(); // by frame name
  let about = { session_id: Math.random().toString(36).slice(2, 12), save: 0, changed: false, index: 0 };
  let kept = true;
  let lastSign = performance.now();

  function restore() {
    try {
      const stored = JSON.parse(localStorage.getItem(KEY));
      if (!stored) return;
      about = stored.about;
      for (const [name, record] of Object.entries(stored.records)) records.set(name, { ...record, past: [], future: [] });
    } catch {
      kept = false;
    }
  }

  function keep() {
    const plain = {};
    for (const [name, { past, future, ...record }] of records) plain[name] = record; // undo lasts as long as the page
    try {
      localStorage.setItem(KEY, JSON.stringify({ about, records: plain }));
      kept = true;
    } catch {
      kept = false;
    }
  }

  /** Return what is known of a frame that is being looked at. */
  function record(frame) {
    if (!records.has(frame.name)) {
      const state = { contours: frame.sent, base: frame.sent, points: [] };
      const marks = { checked: false, unreadable: false, moved: false, active_s: 0, findings: [] };
      records.set(frame.name, { state, ...marks, past: [], future: [] });
    }
    return records.get(frame.name);
  }

  const known = (name) => records.get(name);

  /** Make a state the present one. A tick was for what was drawn before. */
  function change(frame, state) {
    const one = record(frame);
    one.past.push(one.state);
    one.future = [];
    become(frame, one, state);
  }

  function become(frame, one, state) {
    one.state = state;
    one.checked = false;
    look(frame);
    touch();
  }

  function look(frame) {
    const one = record(frame);
    const names = contents.structures.map(({ name }) => name);
    one.findings = Geometry.findings(one.state.contours, names, frame.width_px, frame.height_px);
    one.moved = JSON.stringify(one.state.contours) !== JSON.stringify(frame.sent);
  }

  function undo(frame) {
    const one = record(frame);
    if (!one.past.length) return false;
    one.future.push(one.state);
    become(frame, one, one.past.pop());
    return true;
  }

  function redo(frame) {
    const one = record(frame);
    if (!one.future.length) return false;
    one.past.push(one.state);
    become(frame, one, one.future.pop());
    return true;
  }

  function mark(frame, marks) {
    Object.assign(record(frame), marks);
    touch();
  }

  function touch() {
    about.changed = true;
    keep();
  }

  function goTo(index) {
    about.index = index;
    keep();
  }

  /** Count the time since the last sign of a hand, unless it was too long to be work. */
  function tick(frame) {
    const now = performance.now();
    if (frame && now - lastSign < IDLE_MS) record(frame).active_s += (now - lastSign) / 1000;
    lastSign = now;
  }

  /** Return what import-annotations reads. */
  function returned() {
    about.save += 1;
    const frames = contents.frames.filter(({ name }) => records.has(name)).map(({ name, image_sha256 }) => {
      const { state, checked, unreadable, active_s } = records.get(name);
      const time = Math.round(active_s * 10) / 10;
      return { name, image_sha256, checked, unreadable, active_s: time, contours: state.contours, points: state.points };
    });
    const { packet_id, round_id } = contents;
    const { session_id, save } = about;
    const head = { kind: contents.kind, schema_version: contents.schema_version, packet_id, round_id, session_id, save };
    return { ...head, pixel_origin: "center", frames };
  }

  function saved() {
    about.changed = false;
    keep();
  }

  restore();
  return {
    change, goTo, known, look, mark, record, redo, returned, saved, tick, undo,
    get index() { return Math.min(about.index, contents.frames.length - 1); },
    get isKept() { return kept; },
    get isChanged() { return about.changed; },
  };
})();
