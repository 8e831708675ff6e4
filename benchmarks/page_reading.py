"""A reader at the page: what it takes to put 20 frames of the demo right, by mouse and keys in headless Chromium.

Phantoms as the demo has them are drawn by the starter model, 20 frames are chosen by predicted error, and their packet is read by
somebody who knows the truth: where a border is worst, it is corrected, until every border is within 0.1 mm of the truth on
average or ten gestures are spent on the frame.

    drags, points, strokes   how a border is corrected: dragged, laid through points, drawn from border to border
    arcs                     led by `n`, the reader looks only at what is marked, and corrects only there
    neighbours               before judging, the reader rolls once through the frames before and after

Gestures are those sent to the browser: clicks, drags, strokes, keys, notches of the wheel. Seconds are those of a hand by the
keystroke-level model (Card, Moran and Newell, Commun ACM 1980;23:396: pointing 1.1 s, a button or key 0.1 and 0.2 s, making up
one's mind 1.35 s, drawing 0.9 s a stroke and 0.16 s a cm); beside them what the machine took, browser, pipe and simulation
included. What neighbours teach an eye no simulation says: here they only cost.

    python benchmarks/page_reading.py [--frames 20]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import print_table, write_json

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.contour import Contour, Contours
from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.project.new_project import create_project
from ivsqa.phantom.files import write_phantom
from ivsqa.workflow.demo.demo import SUBJECT_PATTERN
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.scoring.score import score_frames

sys.path.insert(0, str(Path(__file__).parents[1]))  # the browser is that of the tests
from tests.chromium import chromium, find_chromium
from tests.page_reader import Reader

TOLERANCE_MM, MOST_GESTURES = 0.1, 10
PLACES = 128
BESIDE_MARK_MM = 0.5
"""So near to a mark a border counts as marked."""
POINT_S, BUTTON_S, KEY_S, MIND_S, STROKE_S, STROKE_S_CM, PX_A_CM = 1.1, 0.1, 0.2, 1.35, 0.9, 0.16, 38.0
Points = NDArray[np.float64]


@dataclass
class Hand:
    """A hand on mouse and keys that counts what it does.

    Attributes:
        reader: The page it works in.
        gestures: Clicks, drags, strokes, keys and notches so far.
        seconds: What they take a person.
    """

    reader: Reader
    gestures: int = 0
    seconds: float = 0.0
    _tool: str = field(default="drag")

    def key(self, key: str) -> None:
        """Press a key."""
        self.reader.tab.press(key)
        self._did(KEY_S)

    def roll(self) -> None:
        """Roll once through the neighbours and back, a notch a frame."""
        offsets = self.reader.tab.evaluate("Cine.neighbours?.offsets ?? [0]")
        to_start, through = -min(offsets), max(offsets) - min(offsets)
        for down, notches in ((-120.0, to_start), (120.0, through), (-120.0, max(offsets))):
            for _ in range(notches):
                self.reader.tab.wheel(*self.reader.seen(0.0, 0.0), down=down)
                self._did(KEY_S)

    def drag(self, name: str, start: Points, end: Points) -> None:
        """Drag a border from one place to another."""
        self._choose(name, "drag")
        self.reader.tab.drag(self.reader.seen(*start), self.reader.seen(*end))
        self._did(MIND_S + 2.0 * (POINT_S + BUTTON_S))

    def point(self, name: str, place: Points) -> None:
        """Set a point that a border is to pass."""
        self._choose(name, "drag")
        self.reader.tab.click(*self.reader.seen(*place), shift=True)
        self._did(MIND_S + POINT_S + 2.0 * BUTTON_S)

    def stroke(self, name: str, way: Points) -> None:
        """Draw along a way."""
        self._choose(name, "draw")
        places = [self.reader.seen(*place) for place in way]
        self.reader.tab.stroke(places)
        length_px = float(np.hypot(*np.diff(np.array(places), axis=0).T).sum())
        self._did(MIND_S + POINT_S + 2.0 * BUTTON_S + STROKE_S + STROKE_S_CM * length_px / PX_A_CM)

    def _choose(self, name: str, tool: str) -> None:
        if self.reader.tab.evaluate("Tools.active") != name:
            self.key(str(1 + self.reader.tab.evaluate(f"Tools.names.indexOf('{name}')")))
        if self.reader.tab.evaluate("Tools.tool") != tool:
            self.key({"drag": "v", "draw": "d"}[tool])

    def _did(self, seconds: float) -> None:
        self.gestures += 1
        self.seconds += seconds


@dataclass(frozen=True)
class Case:
    """A frame of the packet: what is true, and its spacing."""

    truth: Contours
    spacing_mm: float


@dataclass(frozen=True)
class Way:
    """How a reader works."""

    name: str
    correct: Callable[[Hand, str, Contour, Contour, Points], None]
    by_arcs: bool = False
    neighbours: bool = False


def by_drag(hand: Hand, name: str, now: Contour, _wanted: Contour, worst: Points) -> None:
    start = now.points_px[np.hypot(*(now.points_px - worst).T).argmin()]
    hand.drag(name, start, worst)


def by_point(hand: Hand, name: str, _now: Contour, _wanted: Contour, worst: Points) -> None:
    hand.point(name, worst)


def by_stroke(hand: Hand, name: str, now: Contour, wanted: Contour, worst: Points) -> None:
    """Draw the truth from where it leaves the border to where it meets it again; all of it where it never does."""
    places = wanted.resampled(PLACES).points_px
    middle = int(np.hypot(*(places - worst).T).argmin())
    is_on = np.roll(now.distances_of(places) < 0.5, -middle)
    first, last = (int(side.argmax()) for side in (is_on[1:], is_on[:0:-1]))
    if first + last > PLACES or not is_on.any():
        first, last = PLACES // 2 - 1, PLACES // 2
    hand.stroke(name, places[(middle + np.arange(-last - 1, first + 2, 2)) % PLACES])


WAYS = (
    Way("drags", by_drag),
    Way("strokes", by_stroke),
    Way("points", by_point),
    Way("points, neighbours", by_point, neighbours=True),
    Way("points, arcs", by_point, by_arcs=True),
    Way("points, arcs, neighbours", by_point, by_arcs=True, neighbours=True),
)


def demo_packet(folder: Path, n_frames: int) -> tuple[Path, dict[str, Case]]:
    """Write the packet of a study like the demo's; return its page, and each frame by name."""
    phantoms = folder / "phantoms"
    files = write_phantom(phantoms, n_pullbacks=8, n_frames=40, frame_step_mm=0.5, seed=7, size_px=256)
    truth = {
        pullback_id: dict(frames)
        for file in files
        for pullback_id, frames in read_contours_csv(file.truth_path).items()
    }
    project = create_project(folder / "study", template="coronary-ivus", name="reading")
    import_pullbacks(project, [phantoms], ImportOptions(subject_from=SUBJECT_PATTERN))
    score_frames(project)
    select_frames(project, n=n_frames)
    packet = export_for_annotation(project, formats=["page"])
    cases = {}
    for frame in packet.round.frames:
        spacing = project.pullback(frame.pullback_id).spacing_mm
        assert spacing is not None
        cases[f"{frame.pullback_id}_f{frame.frame_index:05d}"] = Case(
            truth[frame.pullback_id][frame.frame_index], spacing[0]
        )
    return packet.folder / "index.html", cases


def read_frame(hand: Hand, way: Way, case: Case) -> tuple[float, bool]:
    """Correct the frame that is shown; return the mean distance left, mm, and whether all borders are right."""
    reader, tolerance_px = hand.reader, TOLERANCE_MM / case.spacing_mm
    hand.seconds += MIND_S * len(case.truth)  # a look at each border
    if way.neighbours:
        hand.roll()
    marks = np.array(
        reader.tab.evaluate(
            f"Packet.open({index_of(reader)}).then(({{ marks }}) => marks.flatMap(({{ line }}) => line))"
        )
    ).reshape(-1, 2)
    if way.by_arcs:
        for _ in range(reader.tab.evaluate(f"Packet.open({index_of(reader)}).then(({{ marks }}) => marks.length)")):
            hand.key("n")
        hand.key("0")
    spent = hand.gestures
    while hand.gestures - spent < MOST_GESTURES:
        wrong = {
            name: (now, place)
            for name, now, place in borders_to_correct(reader, case, tolerance_px)
            if not way.by_arcs or near(place, marks, BESIDE_MARK_MM / case.spacing_mm)
        }
        if not wrong:
            break
        name = max(wrong, key=lambda one: wrong[one][0].distances_of(wrong[one][1][None])[0])
        now, worst = wrong[name]
        way.correct(hand, name, now, case.truth[name], worst)
    if reader.tab.evaluate("Tools.tool") != "drag":
        hand.key("v")
    left_px = [
        contour_agreement(Contour.from_points(reader.shown(name)), truth).assd_px for name, truth in case.truth.items()
    ]
    return float(np.mean(left_px)) * case.spacing_mm, max(left_px) <= tolerance_px


def index_of(reader: Reader) -> int:
    return int(reader.tab.evaluate("Session.index"))


def borders_to_correct(reader: Reader, case: Case, tolerance_px: float) -> Iterator[tuple[str, Contour, Points]]:
    """Yield each border that is not right yet, and the place of the truth that lies farthest from it."""
    for name, truth in case.truth.items():
        now = Contour.from_points(reader.shown(name))
        if contour_agreement(now, truth).assd_px > tolerance_px:
            places = truth.resampled(PLACES).points_px
            yield name, now, places[now.distances_of(places).argmax()]


def near(place: Points, marks: Points, distance_px: float) -> bool:
    return bool(len(marks) and np.hypot(*(marks - place).T).min() < distance_px)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20)
    options = parser.parse_args()
    if find_chromium() is None:
        sys.exit("there is no Chromium on this machine")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        page, cases = demo_packet(Path(temporary) / "demo", options.frames)
        for number, way in enumerate(WAYS):
            folder = Path(temporary) / f"browser-{number}"
            with chromium(folder) as tab:  # each way with a browser that knows nothing of the others
                hand = Hand(Reader(tab, page, folder / "downloads"))
                found, started = [], time.perf_counter()
                for index, name in enumerate(tab.evaluate("Packet.contents.frames.map(({ name }) => name)")):
                    hand.reader.at_frame(index)
                    found.append(read_frame(hand, way, cases[name]))
                    hand.key(" ")
                machine_s = (time.perf_counter() - started) / len(found)
            n = len(found)
            rows.append(
                {
                    "way": way.name,
                    "gestures": hand.gestures / n,
                    "seconds": hand.seconds / n,
                    "machine_s": machine_s,
                    "left_mm": float(np.mean([left for left, _ in found])),
                    "right": sum(done for _, done in found),
                    "frames": n,
                }
            )
            print(rows[-1], flush=True)
    print_table(
        ["way", "gestures a frame", "seconds a frame", "machine s a frame", "left mm", "frames right"],
        [
            [
                str(row["way"]),
                *(f"{row[key]:.2f}" for key in ("gestures", "seconds", "machine_s", "left_mm")),
                f"{row['right']} of {row['frames']}",
            ]
            for row in rows
        ],
    )
    write_json("page_reading", {"ways": rows})


if __name__ == "__main__":
    main()
