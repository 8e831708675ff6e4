"""The page to annotate in, at size: how large its file is, how soon it opens, how soon a border follows a point.

A packet of 512 × 512 phantom frames with error maps, probabilities and ten neighbours each is written as one page and opened
from disk in headless Chromium. Then a point is set in each frame: a little beside the lumen, and beyond the EEM, which has to
give way. Python lays the same borders for comparison. Last, a hand moves in small steps: how long each keeps a processor, all
numbers and findings brought up to date and everything drawn.

python benchmarks/page.py [--frames 200] [--different 20]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from phantoms import BOTH
from report import print_table, write_json
from scipy.ndimage import gaussian_filter

from ivsqa.domain.geometry.arcs import DoubtfulArc
from ivsqa.domain.geometry.refinement import Nudge, refined
from ivsqa.domain.grid import working_grid
from ivsqa.io.packets import FrameProbabilities, PacketFrame, Surroundings, get_adapter
from ivsqa.io.packets.packet import PacketOrigin
from ivsqa.phantom import iter_frames, phantom_pullback

sys.path.insert(0, str(Path(__file__).parents[1]))  # the browser is that of the tests
from tests.chromium import Tab, chromium, find_chromium

SIZE_PX, GRID_PX, BLUR_PX = 512, 128, 1.5
REPEATS = 5
POINTS = {"beside the lumen": 0.97, "beyond the EEM": 1.03}
"""Where the point lies: as a share of the way from the centre to the lumen, or to the EEM."""


def phantom_frames(n_different: int) -> list[PacketFrame]:
    """Return frames with what a network might think of them: their own borders, blurred."""
    pullback = phantom_pullback(seed=7, index=0, n_frames=n_different, size_px=SIZE_PX)
    grid = working_grid((SIZE_PX, SIZE_PX), size_px=GRID_PX)
    found = []
    images = list(iter_frames(pullback))
    for number, (image, contours) in enumerate(zip(images, pullback.contours, strict=True)):
        fields = np.stack(
            [grid_field(grid.contour_to_grid(contours[name]).mask((GRID_PX, GRID_PX))) for name in BOTH.names]
        )
        found.append(
            PacketFrame(
                name=f"P0_f{number:05d}",
                pullback_id="P0",
                frame_index=number,
                image=image,
                contours=contours,
                error_maps={
                    name: grid.to_frame(4.0 * field * (1.0 - field))
                    for name, field in zip(BOTH.names, fields, strict=True)
                },
                arcs=(DoubtfulArc("eem", 30.0, 90.0),),
                probabilities=FrameProbabilities(grid, np.round(255.0 * fields).astype(np.uint8)),
                surroundings=Surroundings(
                    neighbours={step: images[(number + step) % n_different] for step in range(-5, 6) if step},
                    step_mm=0.02,
                    cut=np.stack([one[SIZE_PX // 2] for one in images], axis=1),
                    place=number / max(n_different - 1, 1),
                ),
            )
        )
    return found


def grid_field(mask: np.ndarray) -> np.ndarray:
    return np.asarray(gaussian_filter(mask.astype(np.float32), BLUR_PX))


def repeated(frames: list[PacketFrame], n_frames: int) -> Iterator[PacketFrame]:
    """Yield as many frames as asked for, each under a name of its own."""
    for number in range(n_frames):
        yield replace(frames[number % len(frames)], name=f"P0_f{number:05d}", rank=number + 1)


def point_of(frame: PacketFrame, share: float) -> Nudge:
    """Return a point on the way to the right of the lumen's or the EEM's border, in px of the grid."""
    assert frame.probabilities is not None
    grid = frame.probabilities.grid
    centre = grid.contour_to_grid(frame.contours["lumen"]).centroid_px
    border = grid.contour_to_grid(frame.contours["lumen" if share < 1.0 else "eem"]).points_px
    place = centre + share * (border[np.argmax(border[:, 0])] - centre)
    return Nudge("lumen", float(place[0]), float(place[1]))


def python_ms(frame: PacketFrame, point: Nudge) -> float:
    """Return how long Python takes, the least of some runs."""
    assert frame.probabilities is not None
    grid = frame.probabilities.grid
    fields = dict(zip(BOTH.names, frame.probabilities.levels / 255.0, strict=True))
    drawn = {name: grid.contour_to_grid(contour) for name, contour in frame.contours.items()}
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        refined(fields, [point], drawn=drawn)
        taken.append(1000.0 * (time.perf_counter() - started))
    return min(taken)


def page_ms(tab: Tab, index: int, frame: PacketFrame, point: Nudge) -> float:
    """Return how long the page takes, the least of some runs."""
    assert frame.probabilities is not None
    grid = frame.probabilities.grid
    x_px, y_px = np.array([point.x_px, point.y_px]) * grid.scale + grid.origin_px
    asked = json.dumps([{"structure": point.structure, "x_px": x_px, "y_px": y_px}])
    return float(
        tab.evaluate(
            f"""Packet.open({index}).then((frame) => Math.min(...Array.from({{ length: {REPEATS} }}, () => {{
              const started = performance.now();
              Packet.refined(frame, frame.sent, {asked});
              return performance.now() - started; }})))"""
        )
    )


HANDS = {
    "drag": ("v", "{}"),
    "stroke": ("d", "{}"),
    "rub": ("e", "{}"),
    "drag a point": ("v", "{ shiftKey: true }"),
}
"""Tools that follow a hand: the key that takes each, and what is held meanwhile."""
STEPS = 60


def hand_ms(tab: Tab, tool: str, held: str) -> float:
    """Return the processor's time that a step of a hand takes the page: along the EEM and a little out of it."""
    tab.press(tool)
    before = busy_ms(tab)
    tab.evaluate(
        f"""(async () => {{
          const {{ stage }} = View;
          stage.setPointerCapture = () => {{}};
          const border = Tools.scene().contours.eem;
          const box = stage.getBoundingClientRect();
          const send = (kind, step) => new Promise((done) => {{
            const [x, y] = View.toScreen(border[step % border.length]).map((value) => value + step * 0.3);
            const where = {{ clientX: x + box.left, clientY: y + box.top, pointerId: 7, pointerType: "mouse", button: 0 }};
            stage.dispatchEvent(new PointerEvent(kind, {{ ...where, ...{held} }}));
            requestAnimationFrame(() => setTimeout(done));
          }});
          await send("pointerdown", 0);
          for (let step = 1; step <= {STEPS}; step++) await send("pointermove", step);
          await send("pointercancel", {STEPS});
        }})()"""
    )
    return (busy_ms(tab) - before) / STEPS


def busy_ms(tab: Tab) -> float:
    """Return how long the page has kept a processor so far: other programs on the machine do not count."""
    metrics = {one["name"]: one["value"] for one in tab.send("Performance.getMetrics")["metrics"]}
    return 1000.0 * float(metrics["ThreadTime"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--different", type=int, default=20)
    options = parser.parse_args()
    if find_chromium() is None:
        sys.exit("there is no Chromium on this machine")
    frames = phantom_frames(options.different)
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder)) as tab:
        tab.send("Performance.setTimeDomain", timeDomain="threadTicks")
        tab.send("Performance.enable")
        page = Path(folder) / "index.html"
        list(get_adapter("page").write(page.parent, repeated(frames, options.frames), BOTH, PacketOrigin("r001", "p1")))
        started = time.perf_counter()
        tab.open(page, until="document.body.dataset.ready")
        opened_s = time.perf_counter() - started
        tab.evaluate("document.getElementById('guide').close()")
        changed = time.perf_counter()
        for index in range(1, 11):
            tab.press("ArrowRight")
            tab.wait_for(f"document.getElementById('name').textContent.startsWith('{index + 1}. ')")
        result: dict[str, object] = {
            "frames": options.frames,
            "size_mb": page.stat().st_size / 1e6,
            "opened_s": opened_s,
            "next_frame_ms": 100.0 * (time.perf_counter() - changed),
        }
        print_table(["frames", "MB", "open s", "next frame ms"], [[f"{value:.4g}" for value in result.values()]])
        rows = []
        for said, share in POINTS.items():
            points = [point_of(frame, share) for frame in frames]
            in_page = [page_ms(tab, index, *both) for index, both in enumerate(zip(frames, points, strict=True))]
            in_python = [python_ms(*both) for both in zip(frames, points, strict=True)]
            result[said] = {
                "page_ms": float(np.median(in_page)),
                "most_page_ms": max(in_page),
                "python_ms": float(np.median(in_python)),
            }
            rows.append([said, *(f"{value:.1f}" for value in (np.median(in_page), max(in_page), np.median(in_python)))])
        print_table(["point", "page ms", "at most", "Python ms"], rows)
        hand_ms(tab, *HANDS["drag"])  # a page that has just been opened is not compiled yet
        moves = {said: hand_ms(tab, *how) for said, how in HANDS.items()}
        result["hand_ms"] = moves
        print_table(["hand", "ms a step"], [[said, f"{value:.1f}"] for said, value in moves.items()])
    write_json("page", result)


if __name__ == "__main__":
    main()
