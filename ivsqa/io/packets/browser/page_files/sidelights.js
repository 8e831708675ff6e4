"use strict";
/* Around the stage: numbers of what is drawn, the row of neighbours, the cut along the pullback, and how bright it all is. */

const Sidelights = (() => {
  const $ = (id) => document.getElementById(id);
  const { contents } = Packet;
  const mm = (value) => value.toFixed(2);
  let frame = null;
  let [frameOf, goTo, standing] = [new Map(), () => {}, () => ""];

  function show(newFrame) {
    frame = newFrame;
    Cine.show(frame.neighbours);
    listNeighbours();
    showCut();
  }

  /** Bring numbers up to date with what is drawn. */
  function measure(contours) {
    const { borders, burden } = Measures.measured(contours, frame.spacing_mm);
    const [area, length] = frame.spacing_mm ? ["mm²", "mm"] : ["px²", "px"];
    const lines = Object.entries(borders).map(([name, found]) => [
      name,
      `${mm(found.area)} ${area}`,
      `${mm(found.shortest)} to ${mm(found.longest)} ${length}`,
    ]);
    if (burden !== null) lines.push(["plaque burden", `${(100 * burden).toFixed(0)} %`, ""]);
    $("numbers").replaceChildren(...lines.map((cells) => {
      const row = document.createElement("tr");
      row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      return row;
    }));
  }

  /** Make a button for each neighbour: the one that is seen is pressed. */
  function listNeighbours() {
    const offsets = Cine.neighbours?.offsets ?? [];
    $("cine").hidden = !offsets.length;
    $("offsets").replaceChildren(...offsets.map((offset, at) => {
      const button = document.createElement("button");
      button.ariaLabel = offset ? `${Math.abs(offset)} frames ${offset < 0 ? "before" : "after"}` : "this frame";
      button.textContent = offset > 0 ? `+${offset}` : String(offset).replace("-", "−");
      button.onclick = () => Cine.goTo(at);
      return button;
    }));
    showNeighbour();
  }

  function showNeighbour() {
    if (!Cine.neighbours) return;
    [...$("offsets").children].forEach((button, at) => button.setAttribute("aria-pressed", at === Cine.at));
    $("play").setAttribute("aria-pressed", Cine.isPlaying);
    $("play").firstChild.textContent = Cine.isPlaying ? "❚❚" : "▶";
    const { offset, neighbours } = Cine;
    const away = neighbours.step_mm ? `, ${mm(Math.abs(offset) * neighbours.step_mm)} mm` : "";
    const frames = Math.abs(offset) === 1 ? "1 frame" : `${Math.abs(offset)} frames`;
    $("away").textContent = offset ? `${frames} ${offset < 0 ? "before" : "after"}${away}` : "";
    View.draw();
  }

  async function showCut() {
    const shown = frame;
    $("cut").hidden = shown.place === null; // before anything is waited for, so that the stage keeps its size
    const picture = await Packet.cut(shown);
    if (shown !== frame || !picture) return;
    const canvas = $("cut");
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(Look.seen(picture), 0, 0);
    const line = (place, color, width) => {
      context.fillStyle = color;
      context.fillRect(Math.round(place * (canvas.width - width)), 0, width, canvas.height);
    };
    frameOf = new Map(contents.frames.flatMap(({ pullback, place }, index) => (pullback === frame.pullback ? [[place, index]] : [])));
    for (const [place, index] of frameOf) line(place, standing(index) ? "#63d08d" : "#9aa7b5", 1);
    line(frame.place, "#fff", 3);
  }

  /** Go to the frame of the packet that is nearest to where the cut was clicked. */
  function clickCut(event) {
    const box = $("cut").getBoundingClientRect();
    const wanted = (event.clientX - box.left) / box.width;
    const nearest = [...frameOf.keys()].sort((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted))[0];
    goTo(frameOf.get(nearest));
  }

  function expose(changes) {
    Look.set(changes);
    for (const what of Object.keys(Look.PLAIN)) $(what).value = Look.now[what];
    Session.remember({ look: Look.now });
    View.draw();
    if (frame) showCut();
  }

  function listen(acts) {
    [goTo, standing] = [acts.goTo, acts.standing];
    Cine.onChange(showNeighbour);
    $("play").onclick = Cine.play;
    $("cut").onclick = clickCut;
    for (const what of Object.keys(Look.PLAIN)) $(what).oninput = () => expose({ [what]: Number($(what).value) });
    $("plain").onclick = () => expose(Look.PLAIN);
    if (Session.kept.look) expose(Session.kept.look);
  }

  return { listen, measure, show, showCut };
})();
