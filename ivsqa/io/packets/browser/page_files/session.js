"use strict";
/* What the reader did: borders, ticks and time of each frame, undo, and a copy in the browser after every change.

   A state is never changed, only followed by another. `base` is what the points were set beside: with each point all are laid
   anew from there, so that their order does not matter. The copy is on the disk before a second has passed, also where the
   browser ends right then; of two tabs with one packet the one that was opened last goes on, and the other says so. */

const Session = (() => {
  const IDLE_MS = 30_000; // longer without a hand on the page is no work
  const [STORE, GUIDED] = ["kept", "guided"];
  const { contents } = Packet;
  const KEY = `${contents.packet_id} ${contents.sent_sha256}`; // ids repeat where a project is made anew
  const [ABOUT, OWNER] = [`${KEY} /about`, `${KEY} /owner`]; // no frame's name has a slash
  const NEW = { checked: false, unreadable: false, moved: false, active_s: 0, findings: [], state: null };
  const records = new Map(); // by frame name; a record without a state is of a frame as it was sent
  const random = () => Math.random().toString(36).slice(2, 12);
  const tab = random();
  let about = { session_id: random(), save: 0, changed: false, index: 0, look: null };
  let database = null; // null where this browser keeps nothing
  let isNew = true;
  let writing = 0; // copies on their way to the disk
  let lastSign = performance.now();
  let [taken, keptChanged] = [() => {}, () => {}];

  const answer = (request) =>
    new Promise((done, fail) => { [request.onsuccess, request.onerror] = [() => done(request.result), () => fail(request.error)]; });

  /** Read what this browser kept of the packet, and make this tab the one that goes on with it. */
  async function restore() {
    try {
      const request = indexedDB.open("ivsqa", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      database = await answer(request);
      const store = database.transaction(STORE, "readwrite", { durability: "strict" }).objectStore(STORE);
      store.put(tab, OWNER);
      const range = IDBKeyRange.bound(`${KEY} `, `${KEY} \uffff`);
      const [keys, values] = await Promise.all([answer(store.getAllKeys(range)), answer(store.getAll(range))]);
      const kept = new Map(keys.map((key, at) => [key, values[at]]));
      isNew = !(await answer(store.get(GUIDED)));
      store.put(true, GUIDED);
      about = { ...about, ...kept.get(ABOUT) };
      for (const { name } of contents.frames) {
        const stored = kept.get(`${KEY} ${name}`);
        if (!stored) continue;
        records.set(name, stored);
      }
    } catch {
      database = null;
    }
  }

  /** Write with what must still hold: that no other tab has taken over. */
  async function keep(frame) {
    if (!database) return;
    const writes = [[ABOUT, { ...about }], ...(frame ? [[`${KEY} ${frame.name}`, compact(record(frame))]] : [])];
    writing += 1;
    try {
      const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
      const store = transaction.objectStore(STORE);
      if ((await answer(store.get(OWNER))) !== tab) return void taken();
      for (const [key, value] of writes) store.put(value, key);
      await new Promise((done, fail) => { [transaction.oncomplete, transaction.onabort] = [done, fail]; });
    } catch {
      database = null;
      keptChanged();
    } finally {
      writing -= 1;
    }
  }

  /** Say so where another tab has taken over meanwhile. */
  async function stillMine() {
    const store = database?.transaction(STORE).objectStore(STORE);
    if (store && (await answer(store.get(OWNER))) !== tab) taken();
  }

  /** Return a record without borders where the frame is as it was sent, and nothing can be undone. */
  function compact(one) {
    const { moved, past, future, state } = one;
    return moved || past.length || future.length || state?.points.length ? { ...one } : { ...one, state: null };
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
    judge(frame);
    touch(frame);
  }

  function judge(frame) {
    const one = record(frame);
    const names = contents.structures.map(({ name }) => name);
    one.findings = Geometry.findings(one.state.contours, names, frame);
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
    return keep(frame);
  }

  function goTo(index, leaving) {
    about.index = index;
    keep(leaving);
  }

  function remember(what) {
    Object.assign(about, what);
    keep();
  }

  /** Count the time since the last sign of a hand, unless it was too long to be work; without a frame, let it pass. */
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
    const { packet_id, round_id, reader, kind, schema_version } = contents;
    const { session_id, save } = about;
    return { kind, schema_version, packet_id, round_id, reader, session_id, save, pixel_origin: "center", frames };
  }

  function saved(frame) {
    about.changed = false;
    keep(frame);
  }

  return {
    change, goTo, judge, keep, mark, record, remember, returned, saved, stillMine, tick,
    ready: restore(),
    known: (name) => records.get(name),
    undo: (frame) => turn(frame, "past", "future"),
    redo: (frame) => turn(frame, "future", "past"),
    listen: (acts) => { [taken, keptChanged] = [acts.taken, acts.unkept]; },
    get index() { return Math.min(about.index, contents.frames.length - 1); },
    get kept() { return about; },
    get isKept() { return database !== null; },
    get isWriting() { return writing > 0; },
    get isNew() { return isNew; },
    get isChanged() { return about.changed; },
  };
})();
