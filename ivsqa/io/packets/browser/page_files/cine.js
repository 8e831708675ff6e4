"use strict";
/* The frames before and after: a step at a time, or to and fro without end. Borders stay those of the frame itself, so that a
   wall that moves and blood that swirls stand out from speckle. */

const Cine = (() => {
  const STEP_MS = 110;
  let held = null; // { offsets, tile, left, top, side, step_mm, image } of the frame that is looked at
  let at = 0; // which of the offsets is shown
  let [timer, way] = [null, 1];
  let changed = () => {};

  const here = () => held?.offsets.indexOf(0) ?? 0;

  function show(neighbours) {
    stop();
    held = neighbours && neighbours.offsets.length > 1 ? neighbours : null;
    at = here();
  }

  /** Go some frames on or back, no farther than there are; false where this frame has no neighbours. */
  function step(by) {
    if (!held) return false;
    stop();
    goTo(at + by);
    return true;
  }

  function goTo(index) {
    at = Math.min(Math.max(index, 0), held.offsets.length - 1);
    changed();
  }

  /** Play to and fro, or stop and return to the frame itself. */
  function play() {
    if (!held) return;
    if (timer) return home();
    timer = setInterval(() => {
      if (at + way < 0 || at + way >= held.offsets.length) way = -way;
      goTo(at + way);
    }, STEP_MS);
    changed();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
  }

  /** Show the frame itself again. */
  function home() {
    if (!held || (!timer && held.offsets[at] === 0)) return;
    stop();
    goTo(here());
  }

  return {
    home, play, show, step,
    goTo: (index) => { stop(); goTo(index); },
    onChange: (act) => { changed = act; },
    get neighbours() { return held; },
    get at() { return at; },
    get offset() { return held ? held.offsets[at] : 0; },
    get isPlaying() { return timer !== null; },
    /** Whether something else than the frame itself is seen. */
    get isAway() { return held !== null && (timer !== null || held.offsets[at] !== 0); },
  };
})();
