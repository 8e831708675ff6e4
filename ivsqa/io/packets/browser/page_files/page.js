"use strict";
/* The page around the frame: list, words, buttons and keys. */

(() => {
  const { contents } = Packet;
  const $ = (id) => document.getElementById(id);
  const seconds = (s) => (s < 60 ? `${Math.round(s)} s` : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`);
  const clock = (hours) => `${hours.join(", ").replace(/, (\d+)$/, " and $1")} o’clock`;
  let frame = null;
  let message = "";
  let wanted = -1;

  const marks = (record) => {
    if (!record) return "";
    if (record.unreadable) return "–";
    if (record.findings.length) return "!";
    return record.checked ? "✓" : record.moved ? "●" : "";
  };
  const spoken = { "": "", "–": "unreadable", "!": "needs mending", "✓": "right", "●": "changed, not ticked" };

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  function listFrames() {
    contents.frames.forEach(({ name, rank, quality }, index) => {
      const button = element("button", { title: name, onclick: () => goTo(index) });
      const shown = quality === null ? "" : quality.toFixed(2);
      button.append(...[rank, `\u200e${name}`, shown, ""].map((text) => element("span", { textContent: text })));
      $("frames").append(element("li", {}, button));
    });
    contents.frames.forEach((_, index) => markInList(index));
  }

  function markInList(index) {
    const { name, rank } = contents.frames[index];
    const button = $("frames").children[index].firstChild;
    const mark = marks(Session.known(name));
    button.dataset.mark = button.lastChild.textContent = mark;
    button.setAttribute("aria-label", `${rank}, ${name}${mark && `, ${spoken[mark]}`}`);
  }

  /** Show a frame once its pixels are there; the last wish counts. The one after it is made ready meanwhile. */
  async function goTo(index) {
    if (index < 0 || index >= contents.frames.length) return;
    Session.tick(frame);
    wanted = index;
    const opened = await Packet.open(index).catch(() => null);
    if (wanted !== index) return;
    if (!opened) return tell("This frame cannot be opened: the file is damaged, or the browser is too old.");
    const before = Session.index;
    Session.goTo(index, frame);
    [frame, message] = [opened, ""];
    Tools.work(frame);
    $("frames").children[before].firstChild.setAttribute("aria-current", "false");
    const current = $("frames").children[index].firstChild;
    current.setAttribute("aria-current", "true");
    current.scrollIntoView({ block: "nearest", inline: "center" });
    $("name").textContent = `${frame.rank}. ${frame.name}`;
    $("facts").textContent = frame.reason;
    const doubt = frame.doubt.length ? [element("b", { textContent: "Look first at: " }), frame.doubt.join(", ")] : [];
    $("doubt").replaceChildren(...doubt);
    tell();
    if (index + 1 < contents.frames.length) Packet.open(index + 1).catch(() => null);
  }

  /** Bring all words and buttons up to date; a message stays until another takes its place. */
  function tell(said) {
    if (said !== undefined) message = said;
    if (!frame) return void ($("words").textContent = message);
    const record = Session.record(frame);
    const names = Tools.names;
    const { contours } = Tools.scene();
    const findings = Geometry.findings(contours, names, frame.width_px, frame.height_px);
    const absent = names.filter((name) => !contours[name]);
    const drawing = Tools.tool === "draw" && `Click around the ${Tools.active} border; the first dot, or Enter, closes it.`;
    const pointing = Tools.tool === "point" && `Click where the ${Tools.active} border should be.`;
    const pushed = Tools.gaveWay().map(({ name, hours }) => `The ${name} border was in the way and moved, at ${clock(hours)}.`).join(" ");
    const unkept = Session.isKept ? "" : "This browser keeps nothing: save before you close the page.";
    const missing = absent.map((name) => `No ${name} is drawn: ${names.indexOf(name) + 1}, then D, draws it.`).join(" ");
    $("words").textContent = message || findings.join(" ") || pushed || drawing || pointing || unkept || missing || "";
    $("words").className = message || findings.length || (!drawing && !pointing && unkept) ? "warn" : "";
    $("stamp").textContent = record.unreadable ? "unreadable" : record.checked ? "✓ right" : "";
    $("stamp").dataset.kind = record.unreadable ? "unreadable" : "checked";
    $("undo").disabled = !record.past.length;
    $("redo").disabled = !record.future.length;
    $("reach").value = Tools.reach;
    press("tool", (tool) => tool === Tools.tool);
    press("structure", (name) => name === Tools.active);
    press("show", (what) => View.shows[what]);
    markInList(Session.index);
    tally();
  }

  function press(kind, isOn) {
    for (const button of document.querySelectorAll(`[data-${kind}]`)) button.setAttribute("aria-pressed", isOn(button.dataset[kind]));
  }

  function tally() {
    const records = contents.frames.map(({ name }) => Session.known(name)).filter(Boolean);
    const done = records.filter(({ checked, unreadable }) => checked || unreadable);
    const time = records.reduce((sum, { active_s }) => sum + active_s, 0);
    const each = done.length ? ` · ${seconds(time / done.length)} each` : "";
    $("tally").textContent = `${done.length} of ${contents.frames.length} done${each}`;
    $("done").setAttribute("aria-valuenow", done.length);
    $("done").firstChild.style.width = `${(100 * done.length) / contents.frames.length}%`;
    $("save").textContent = Session.isChanged ? "Save •" : "Save";
  }

  function tickAsRight() {
    const { findings, checked, state } = Session.record(frame);
    if (checked) {
      Session.mark(frame, { checked: false });
      return tell("");
    }
    if (findings.length) return tell(`${findings[0]} Mend it first.`);
    if (!Object.keys(state.contours).length) return tell("Nothing is drawn: draw a border (D), or mark the frame as unreadable (U).");
    Session.mark(frame, { checked: true, unreadable: false });
    onward();
  }

  function markUnreadable() {
    const { unreadable } = Session.record(frame);
    Session.mark(frame, { unreadable: !unreadable, checked: false });
    if (unreadable) tell("");
    else onward();
  }

  function onward() {
    tell("");
    if (Session.index + 1 < contents.frames.length) goTo(Session.index + 1);
    else tell("That was the last frame. Save, and send back contours.json.");
  }

  function save() {
    Session.tick(frame);
    const text = `${JSON.stringify(Session.returned())}\n`;
    const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "contours.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    Session.saved(frame);
    tell("");
    $("words").textContent = "contours.json is in your downloads: that is the file to send back.";
  }

  function toggle(what) {
    View.shows[what] = !View.shows[what];
    if (what === "closeUp") View.fit();
    View.draw();
    tell();
  }

  function step(undoOrRedo) {
    if (!undoOrRedo(frame)) return;
    View.draw();
    tell("");
  }

  const useTool = (tool) => {
    if (tool === "point" && !frame.field) return tell("This packet has no points: drag the border instead.");
    message = "";
    Tools.choose({ tool });
  };
  const setReach = (reach) => Tools.choose({ reach: Math.min(Math.max(Math.round(reach * 100) / 100, 0), 0.3) });

  const KEYS = {
    ArrowRight: () => goTo(Session.index + 1), ArrowDown: () => goTo(Session.index + 1),
    ArrowLeft: () => goTo(Session.index - 1), ArrowUp: () => goTo(Session.index - 1),
    Home: () => goTo(0), End: () => goTo(contents.frames.length - 1),
    " ": tickAsRight, u: markUnreadable, s: save,
    h: () => toggle("heat"), c: () => toggle("contours"), m: () => toggle("marks"), f: () => toggle("closeUp"),
    0: () => { View.shows.closeUp = false; View.fit(); tell(); },
    v: () => useTool("drag"), n: () => useTool("point"), d: () => useTool("draw"),
    Delete: Tools.removeBorder, Backspace: Tools.removeBorder, Enter: Tools.finishDraft,
    Escape: () => { Tools.cancel(); tell(""); },
    "[": () => setReach(Tools.reach - 0.02), "]": () => setReach(Tools.reach + 0.02),
    "?": () => $("help").showModal(),
  };

  function key(event) {
    if ($("help").open || !frame || event.altKey) return;
    const { key: pressed, target } = event;
    const isPress = target.tagName === "BUTTON" && [" ", "Enter"].includes(pressed);
    const isSlider = target.tagName === "INPUT" && pressed.startsWith("Arrow");
    if (isPress || isSlider) return;
    let act = KEYS[pressed.length === 1 ? pressed.toLowerCase() : pressed];
    if (event.ctrlKey || event.metaKey) {
      const isRedo = pressed === "y" || (event.shiftKey && pressed.toLowerCase() === "z");
      act = isRedo ? () => step(Session.redo) : { z: () => step(Session.undo), s: save }[pressed.toLowerCase()];
    } else if (pressed >= "1" && pressed <= String(Tools.names.length)) {
      act = () => Tools.choose({ active: Tools.names[pressed - 1] });
    }
    if (!act) return;
    event.preventDefault();
    act();
  }

  function build() {
    const n = contents.frames.length;
    document.title = $("title").textContent = `${n} frame${n === 1 ? "" : "s"} to look at`;
    $("title").title = contents.packet_id;
    $("done").setAttribute("aria-valuemax", n);
    contents.structures.forEach(({ name, color, note }, at) => {
      const button = element("button", { onclick: () => Tools.choose({ active: name }), title: `The ${name} border (${at + 1})` });
      button.append(name, " ", element("kbd", { textContent: at + 1 }));
      button.dataset.structure = name;
      button.style.setProperty("--c", color);
      $("structures").append(button);
      $("notes").append(element("dt", { textContent: name }), element("dd", { textContent: note }));
    });
    const clicked = {
      checked: tickAsRight, unreadable: markUnreadable, undo: () => step(Session.undo), redo: () => step(Session.redo),
      back: KEYS.ArrowLeft, on: KEYS.ArrowRight, remove: Tools.removeBorder, save, "help-button": KEYS["?"],
    };
    for (const [id, act] of Object.entries(clicked)) $(id).onclick = act;
    for (const button of document.querySelectorAll("[data-tool]")) button.onclick = () => useTool(button.dataset.tool);
    for (const button of document.querySelectorAll("[data-show]")) button.onclick = () => toggle(button.dataset.show);
    $("reach").oninput = () => setReach(Number($("reach").value));
    for (const id of ["brightness", "contrast"]) $(id).oninput = () => View.expose($("brightness").value, $("contrast").value);
  }

  build();
  listFrames();
  Tools.listen(tell);
  document.addEventListener("keydown", key);
  document.addEventListener("click", ({ detail, target }) => {
    // A button under the mouse must not take Space from the frame; one under the keyboard keeps it.
    if (detail && target.closest("button") && !$("help").open) View.stage.focus({ preventScroll: true });
  });
  for (const sign of ["pointermove", "pointerdown", "keydown", "wheel"])
    document.addEventListener(sign, () => Session.tick(frame), { capture: true, passive: true });
  window.addEventListener("beforeunload", (event) => { if (Session.isChanged && !Session.isKept) event.preventDefault(); });
  window.addEventListener("pagehide", () => Session.goTo(Session.index, frame));
  if (contents.frames.length) goTo(Session.index).then(() => View.stage.focus({ preventScroll: true }));
})();
