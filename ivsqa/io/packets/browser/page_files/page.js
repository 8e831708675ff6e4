"use strict";
/* The page around the frame: list, words, buttons and keys. */

(() => {
  const { contents } = Packet;
  const $ = (id) => document.getElementById(id);
  const seconds = (s) => (s < 60 ? `${Math.round(s)} s` : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`);
  /** Return hours of the clock in words: from where they begin to where they end, where they follow each other. */
  function clock(hours) {
    const begins = hours.filter((hour) => !hours.includes(((hour + 10) % 12) + 1));
    const [first, last] = [begins[0], (((begins[0] ?? 1) + hours.length - 2) % 12) + 1];
    if (hours.length > 1 && begins.length === 1) return `from ${first} to ${last} o’clock`;
    return begins.length ? `at ${hours.join(", ").replace(/, (\d+)$/, " and $1")} o’clock` : "all around";
  }

  const fileName = (save) => `contours-${[contents.packet_id, contents.reader].filter(Boolean).join("-")}-${save}.json`;
  let frame = null;
  let message = "";
  let wanted = -1;

  const isDone = (record) => Boolean(record?.checked || record?.unreadable);
  const marks = (record) => {
    if (!record) return "";
    if (record.unreadable) return "–";
    if (record.findings.length) return "!";
    return record.checked ? "✓" : record.moved ? "●" : "";
  };
  const spoken = { "": "", "–": "unreadable", "!": "needs mending", "✓": "accepted", "●": "changed, not accepted yet" };

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
    if (button.dataset.mark === mark) return;
    button.dataset.mark = button.lastChild.textContent = mark;
    button.setAttribute("aria-label", `${rank}, ${name}${mark && `, ${spoken[mark]}`}`);
  }

  /** Show a frame once its pixels are there; the last wish counts. The one after it is made ready meanwhile. */
  async function goTo(index) {
    if (index === undefined || index < 0 || index >= contents.frames.length) return;
    Session.tick(frame);
    wanted = index;
    const opened = await Packet.open(index).catch(() => null);
    if (wanted !== index) return;
    if (!opened) return tell("This frame cannot be opened: the file is damaged, or the browser is too old.");
    const before = Session.index;
    Session.goTo(index, frame);
    [frame, message] = [opened, ""];
    Marks.forget();
    Sidelights.show(frame);
    Tools.work(frame);
    $("frames").children[before].firstChild.setAttribute("aria-current", "false");
    const current = $("frames").children[index].firstChild;
    current.setAttribute("aria-current", "true");
    current.scrollIntoView({ block: "nearest", inline: "center" });
    $("name").textContent = `${frame.rank}. ${frame.name}`;
    $("facts").textContent = frame.reason && `It was chosen for this: ${frame.reason}.`;
    $("where").textContent = `frame ${frame.frame_index} of ${frame.pullback}`;
    $("next-mark").disabled = !frame.marks.length;
    $("doubt").replaceChildren(...frame.marks.map(({ says }) => element("li", { textContent: says })));
    tell();
    if (index + 1 < contents.frames.length) Packet.open(index + 1).catch(() => null);
  }

  /** Bring all words and buttons up to date; a message stays until another takes its place. */
  function tell(said) {
    if (said !== undefined) message = said;
    if (!frame) return void ($("words").textContent = message);
    const record = Session.record(frame);
    const { contours } = Tools.scene();
    const findings = Geometry.findings(contours, Tools.names, frame);
    const unkept = Session.isKept ? "" : "This browser keeps nothing: save before you close the page.";
    $("words").textContent = message || findings.join(" ") || gaveWay() || hint() || unkept || absent(contours);
    $("words").className = message || findings.length || (!hint() && unkept) ? "warn" : "";
    $("stamp").textContent = record.unreadable ? "unreadable" : record.checked ? "✓ accepted" : "";
    $("stamp").dataset.kind = record.unreadable ? "unreadable" : "checked";
    $("undo").disabled = !record.past.length;
    $("redo").disabled = !record.future.length;
    $("reach").value = Tools.reach;
    Sidelights.measure(contours);
    press("tool", (tool) => tool === Tools.tool);
    press("structure", (name) => name === Tools.active);
    press("show", (what) => View.shows[what]);
    markInList(Session.index);
    tally();
  }

  function gaveWay() {
    return Tools.gaveWay().map(({ name, hours }) => `The ${name} border was in the way and moved ${clock(hours)}.`).join(" ");
  }

  function hint() {
    return {
      draw: Tools.scene().contours[Tools.active]
        ? `Draw along the ${Tools.active} border: from border to border replaces a stretch. Or click around it and press Enter.`
        : `Draw all around along the ${Tools.active} border. Or click around it and press Enter.`,
      erase: `Rub out what is wrong of the ${Tools.active} border: the gap is bridged.`,
      point: `Click where the ${Tools.active} border should be.`,
    }[Tools.tool];
  }

  function absent(contours) {
    const missing = Tools.names.filter((name) => !contours[name]);
    return missing.map((name) => `No ${name} is drawn: ${Tools.names.indexOf(name) + 1}, then D, draws it.`).join(" ");
  }

  function press(kind, isOn) {
    for (const button of document.querySelectorAll(`[data-${kind}]`)) button.setAttribute("aria-pressed", isOn(button.dataset[kind]));
  }

  function tally() {
    const records = contents.frames.map(({ name }) => Session.known(name)).filter(Boolean);
    const done = records.filter(isDone);
    const time = records.reduce((sum, { active_s }) => sum + active_s, 0);
    const each = done.length ? ` · ${seconds(time / done.length)} each` : "";
    $("tally").textContent = `${done.length} of ${contents.frames.length} done${each}`;
    $("done").setAttribute("aria-valuenow", done.length);
    $("done").firstChild.style.width = `${(100 * done.length) / contents.frames.length}%`;
    $("save").textContent = Session.isChanged ? "Save •" : "Save";
  }

  function accept() {
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
    else tell("That was the last frame. Save, and send back the file.");
  }

  /** Bring the next mark close and say why it is there; after the last, the whole frame again. */
  function nextMark() {
    if (!frame.marks.length) return tell("Nothing is marked in this frame.");
    const mark = Marks.next(frame);
    if (mark) View.focus(mark.line, 0.6);
    else View.fit();
    if (mark?.structure) Tools.choose({ active: mark.structure });
    tell(mark ? "" : "That was the last mark: Space accepts the frame.");
    if (mark) $("words").textContent = `${Marks.visited + 1} of ${frame.marks.length}: ${mark.says}`;
  }

  function save() {
    Session.tick(frame);
    const saved = Session.returned();
    const text = `${JSON.stringify(saved)}\n`;
    const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: fileName(saved.save) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    Session.saved(frame);
    tell("");
    $("words").textContent = `${link.download} is in your downloads: send back that file. It holds all frames so far.`;
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
  const roll = (by) => { if (!Cine.step(by)) tell("This frame came without its neighbours."); };

  function useTheme(theme) {
    document.documentElement.dataset.theme = theme;
    $("theme").textContent = theme === "dark" ? "Light" : "Dark";
    View.draw();
  }

  function changeTheme() {
    useTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    Session.remember({ theme: document.documentElement.dataset.theme });
  }

  const KEYS = {
    ArrowRight: () => goTo(Session.index + 1), ArrowDown: () => goTo(Session.index + 1),
    ArrowLeft: () => goTo(Session.index - 1), ArrowUp: () => goTo(Session.index - 1),
    Home: () => goTo(0), End: () => goTo(contents.frames.length - 1),
    " ": accept, u: markUnreadable, s: save, n: nextMark,
    ",": () => roll(-1), ".": () => roll(1), l: Cine.play,
    h: () => toggle("heat"), c: () => toggle("contours"), m: () => toggle("marks"), f: () => toggle("closeUp"),
    0: () => { View.shows.closeUp = false; View.fit(); tell(); },
    "+": () => View.zoom(1.25), "-": () => View.zoom(0.8),
    v: () => useTool("drag"), p: () => useTool("point"), d: () => useTool("draw"), e: () => useTool("erase"), g: Tools.smooth,
    Delete: Tools.removeBorder, Backspace: Tools.removeBorder, Enter: Tools.finishDraft,
    Escape: () => { Tools.cancel(); tell(""); },
    "[": () => setReach(Tools.reach - 0.02), "]": () => setReach(Tools.reach + 0.02),
    "?": () => $("help").showModal(),
  };

  function key(event) {
    if (document.querySelector("dialog[open]") || !frame || event.altKey) return;
    const { key: pressed, target } = event;
    const isPress = ["BUTTON", "SUMMARY"].includes(target.tagName) && [" ", "Enter"].includes(pressed);
    const isSlider = target.tagName === "INPUT" && /^(Arrow|Home|End|Page)/.test(pressed);
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
    $("title").title = `${contents.packet_id}, ${contents.size_mb} MB`;
    $("done").setAttribute("aria-valuemax", n);
    document.body.dataset.drawn = contents.is_drawn;
    contents.structures.forEach(({ name, color, note }, at) => {
      const button = element("button", { onclick: () => Tools.choose({ active: name }), title: `The ${name} border (${at + 1})` });
      button.append(name, " ", element("kbd", { textContent: at + 1 }));
      button.dataset.structure = name;
      button.style.setProperty("--c", color);
      $("structures").append(button);
      $("notes").append(element("dt", { textContent: name }), element("dd", { textContent: note }));
    });
    const clicked = {
      checked: accept, unreadable: markUnreadable, undo: () => step(Session.undo), redo: () => step(Session.redo),
      back: KEYS.ArrowLeft, on: KEYS.ArrowRight, remove: Tools.removeBorder, smooth: Tools.smooth, save, "next-mark": nextMark,
      "help-button": KEYS["?"], theme: changeTheme, nearer: KEYS["+"], farther: KEYS["-"], whole: KEYS[0],
      "go-on-here": () => location.reload(),
    };
    for (const [id, act] of Object.entries(clicked)) $(id).onclick = act;
    for (const button of document.querySelectorAll("[data-tool]")) button.onclick = () => useTool(button.dataset.tool);
    for (const button of document.querySelectorAll("[data-show]")) button.onclick = () => toggle(button.dataset.show);
    $("reach").oninput = () => setReach(Number($("reach").value));
  }

  function listen() {
    Tools.listen(tell);
    Sidelights.listen({ goTo, standing: (index) => isDone(Session.known(contents.frames[index].name)) });
    Session.listen({ taken: () => { if (!$("elsewhere").open) $("elsewhere").showModal(); }, unkept: () => tell() });
    document.addEventListener("keydown", key);
    document.addEventListener("click", ({ detail, target }) => {
      // A button or slider under the mouse must not take keys from the frame; one under the keyboard keeps them.
      if (detail && target.closest("button, input, summary") && !target.closest("dialog")) View.stage.focus({ preventScroll: true });
    });
    const worked = () => Session.tick(document.querySelector("dialog[open]") ? null : frame);
    for (const sign of ["pointermove", "pointerdown", "keydown", "wheel"])
      document.addEventListener(sign, worked, { capture: true, passive: true });
    document.addEventListener("visibilitychange", () => {
      Session.tick(document.hidden ? frame : null); // what passes behind another window is no work on the frame
      if (document.hidden && frame) Session.keep(frame);
      else Session.stillMine();
    });
    window.addEventListener("focus", Session.stillMine);
    window.addEventListener("beforeunload", (event) => { if (Session.isChanged && !Session.isKept) event.preventDefault(); });
  }

  async function start() {
    build();
    await Session.ready;
    useTheme(Session.kept.theme ?? "dark");
    listFrames();
    listen();
    if (contents.frames.length) await goTo(Session.index);
    View.stage.focus({ preventScroll: true });
    if (Session.isNew) {
      $("guide").showModal();
      $("guide").scrollTop = 0; // the button at its foot has the focus, and draws it there
    }
    document.body.dataset.ready = "yes";
  }

  start();
})();
