"""Packets in the real editors: what they open, and whether one edit comes back as one edit and every mark as it was set.

Three phantom frames go out in the format of each editor, with hints beside doubtful arcs. In the editor itself, or in its own
reader and writer, one border of the first frame is moved, the second is ticked as checked, the third as unreadable, and all is
saved as the editor saves it. What comes back is read against what was sent: nothing else may differ.

python benchmarks/editors.py [--environments DIR]

Python editors are looked for in DIR (default: benchmarks/work/editors), each in an environment of its own:

    python -m venv DIR/labelme && DIR/labelme/bin/pip install labelme       # and labelme7, of Python 3.12
    python -m venv DIR/napari && DIR/napari/bin/pip install 'napari[pyqt5]'
    python -m venv DIR/label-studio && DIR/label-studio/bin/pip install label-studio-sdk
    python -m venv DIR/scour && DIR/scour/bin/pip install scour             # what Inkscape saves optimised SVG with

Inkscape, Chromium and Firefox are those on PATH. What is not there is left out, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from firefox import Window, find_firefox, firefox
from page import phantom_frames
from phantoms import BOTH
from report import WORK, print_table, write_json

from ivsqa.errors import IvsqaError
from ivsqa.io.packets import PacketFrame, read_return, write_packet

sys.path.insert(0, str(Path(__file__).parents[1]))  # the browser is that of the tests
from tests.chromium import Tab, chromium, find_chromium
from tests.page_reader import Reader

DRIVERS = Path(__file__).parent / "editor_drivers"
MOVED_PX = 3.0
LONGEST_S = 180.0
INKSCAPE_KINDS = {"SVG": "svg.inkscape", "plain SVG": "svg.plain"}
SCOUR_OPTIONS = ("--enable-id-stripping", "--protect-ids-noninkscape", "--create-groups", "--set-precision=5")
"""What Inkscape saves optimised SVG with, as it comes."""


@dataclass(frozen=True)
class Outcome:
    """One editor and one kind of file.

    Attributes:
        editor: Its name and version.
        saved_as: What it saved.
        opened: Of the frames.
        shown: Of the borders and hints that were sent, as the editor lists them; the page lists borders only.
        edits: Borders that came back otherwise than they were sent; one was moved.
        marks: Of two ticks and one frame without any, those that came back as they were set.
        refused: What was refused, in words.
    """

    editor: str
    saved_as: str
    opened: int
    shown: int
    edits: int
    marks: int
    refused: str = ""


class NotHereError(Exception):
    """An editor is not on this machine."""


@dataclass(frozen=True)
class Job:
    """A packet to work on: which frame is edited, and what the others are marked as."""

    frames: Sequence[PacketFrame]
    folder: Path

    @property
    def names(self) -> list[str]:
        return [frame.name for frame in self.frames]

    @property
    def words(self) -> dict[str, str]:
        return {self.names[1]: "checked", self.names[2]: "unreadable"}

    def write(self, name: str) -> Path:
        """Write a packet in one format; returns its folder."""
        folder = self.folder / name
        folder.mkdir()
        write_packet(folder, self.frames, structures=BOTH, formats=[name], round_id="r001", packet_id="r001-bench")
        return folder

    def drive(self, python: Path, script: str, folder: Path) -> dict[str, object]:
        """Let an editor's own Python work on a folder; returns what it says."""
        task = {"folder": str(folder), "moved_px": MOVED_PX, "words": self.words, "frames": self.names}
        command = [str(python), str(DRIVERS / script), json.dumps(task | {"edited": self.names[0]})]
        run = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
        if run.returncode:
            raise RuntimeError(f"{script}: {run.stderr[-2000:]}")
        answer: dict[str, object] = json.loads(run.stdout.strip().splitlines()[-1])
        return answer

    def outcome(self, editor: str, saved_as: str, path: Path, seen: dict[str, list[str]]) -> Outcome:
        """Read what an editor saved, against what was sent; `seen` is what it listed in each frame."""
        opened = sum(bool(labels) for labels in seen.values())
        shown = sum(map(len, seen.values()))
        try:
            packet = read_return(path, [frame.sent() for frame in self.frames], BOTH)
        except IvsqaError as error:
            return Outcome(editor, saved_as, opened, shown, 0, 0, error.message)
        edits, marks = 0, 0
        for frame in packet.frames:
            sent = frame.frame.contours
            edits += sum(frame.contours.get(name) is not contour for name, contour in sent.items())
            word = "unreadable" if frame.unreadable else "checked" if frame.checked else None
            marks += self.words.get(frame.frame.name) == word
        refused = "; ".join(error.message for error in packet.rejected)
        return Outcome(editor, saved_as, opened, shown, edits, marks, refused)


def labelme(environments: Path, name: str, job: Job) -> Iterator[Outcome]:
    """LabelMe through its window, without a screen."""
    folder = job.write("labelme")
    said = job.drive(python_of(environments, name), "drive_labelme.py", folder / "images")
    yield job.outcome(f"LabelMe {said['version']}", "JSON", folder, seen_in(said))


def napari(environments: Path, job: Job) -> Iterator[Outcome]:
    """napari's reader, layers and writer."""
    python = python_of(environments, "napari")
    folder = job.write("napari")
    said = job.drive(python, "drive_napari.py", folder / "napari")
    yield job.outcome(f"napari {said['version']}", "CSV", folder, seen_in(said))


def label_studio(environments: Path, job: Job) -> Iterator[Outcome]:
    """Label Studio's own exports of its tasks."""
    python = python_of(environments, "label-studio")
    folder = job.write("label-studio")
    said = job.drive(python, "drive_label_studio.py", folder)
    for kind, label in {"json": "JSON", "json-min": "JSON-MIN", "coco": "COCO", "csv": "CSV"}.items():
        (path,) = (folder / kind).glob("result.*")
        yield job.outcome(f"Label Studio SDK {said['version']}", label, path, seen_in(said))


def inkscape(environments: Path, job: Job) -> Iterator[Outcome]:
    """Inkscape by its actions, saving in every kind of SVG it has."""
    program = shutil.which("inkscape")
    if program is None:
        raise NotHereError("no inkscape on PATH")
    words = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    editor, folder = f"Inkscape {words[1]}", job.write("svg") / "svg"
    seen = {name: paths_seen(program, folder / f"{name}.svg") for name in job.names}
    for label, kind in INKSCAPE_KINDS.items():
        target = job.folder / kind
        target.mkdir()
        for name in job.names:
            actions = [f"select-by-class:lumen;transform-translate:{MOVED_PX:g},0"] if name == job.names[0] else []
            if name in job.words:
                actions.append(f"select-by-id:layer-{job.words[name]};object-set-property:display,inline")
            options = [f"--export-extension=org.inkscape.output.{kind}", f"--export-filename={target / name}.svg"]
            command = [program, f"--actions={';select-clear;'.join(actions)}", *options, str(folder / f"{name}.svg")]
            subprocess.run(command, capture_output=True, timeout=LONGEST_S, check=True)
        yield job.outcome(editor, label, target, seen)
    scour = environments / "scour" / "bin" / "scour"
    if scour.exists():
        target = job.folder / "optimised"
        target.mkdir()
        for path in (job.folder / INKSCAPE_KINDS["SVG"]).glob("*.svg"):
            command = [str(scour), "-q", "-i", str(path), "-o", str(target / path.name), *SCOUR_OPTIONS]
            subprocess.run(command, capture_output=True, timeout=LONGEST_S, check=True)
        yield job.outcome(editor, "optimised SVG", target, seen)


def paths_seen(program: str, path: Path) -> list[str]:
    """Return the paths that Inkscape finds in a file."""
    run = subprocess.run(
        [program, "--query-all", str(path)], capture_output=True, text=True, timeout=LONGEST_S, check=True
    )
    return [line.partition(",")[0] for line in run.stdout.splitlines() if line.startswith("path")]


def in_chromium(_environments: Path, job: Job) -> Iterator[Outcome]:
    """The page in headless Chromium, by mouse and keys."""
    program = find_chromium()
    if program is None:
        raise NotHereError("no chromium on PATH")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()
    with chromium(job.folder / "browser") as tab:
        yield page_read(f"Chromium {version[1].split('.')[0]}", tab, job)


def in_firefox(_environments: Path, job: Job) -> Iterator[Outcome]:
    """The page in headless Firefox, by mouse and keys."""
    if find_firefox() is None:
        raise NotHereError("no firefox on PATH")
    with firefox(job.folder / "browser") as window:
        yield page_read(f"Firefox {window.version.split('.')[0]}", window, job)


def page_read(editor: str, tab: Tab | Window, job: Job) -> Outcome:
    """Read the packet in a browser's window, and save."""
    # Both have what a reader needs here: to open, to evaluate, to drag and to press.
    reader = Reader(cast(Tab, tab), job.write("page") / "index.html", job.folder / "browser" / "downloads")
    seen = {job.names[0]: list(tab.evaluate("Object.keys(Tools.scene().contours)"))}
    eem = job.frames[0].contours["eem"].points_px
    right = eem[np.argmax(eem[:, 0])]
    tab.drag(reader.seen(*right), reader.seen(right[0] + MOVED_PX, right[1]))
    tab.press("ArrowRight")
    reader.at_frame(1)
    seen[job.names[1]] = list(tab.evaluate("Object.keys(Tools.scene().contours)"))
    tab.press(" ")
    reader.at_frame(2)
    seen[job.names[2]] = list(tab.evaluate("Object.keys(Tools.scene().contours)"))
    tab.press("u")
    return job.outcome(editor, "contours.json", reader.save(), seen)


def python_of(environments: Path, name: str) -> Path:
    """Return the Python of an editor's environment."""
    python = environments / name / "bin" / "python"
    if not python.exists():
        raise NotHereError(f"no environment {name}, see the head of this script")
    return python


def seen_in(said: dict[str, object]) -> dict[str, list[str]]:
    seen = said["seen"]
    assert isinstance(seen, dict)
    return seen


EDITORS: dict[str, Callable[[Path, Job], Iterator[Outcome]]] = {
    "LabelMe": partial(labelme, name="labelme"),
    "LabelMe 7": partial(labelme, name="labelme7"),
    "Inkscape": inkscape,
    "napari": napari,
    "Label Studio": label_studio,
    "Chromium": in_chromium,
    "Firefox": in_firefox,
}


def main() -> None:
    """Drive every editor that is here, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=Path, default=WORK / "editors")
    arguments = parser.parse_args()
    frames = [replace(frame, rank=rank) for rank, frame in enumerate(phantom_frames(3), start=1)]
    n_sent = sum(len(frame.contours) + 1 for frame in frames)
    outcomes: list[Outcome] = []
    skipped: dict[str, str] = {}
    for name, drive in EDITORS.items():
        with tempfile.TemporaryDirectory(prefix="ivsqa-editors-") as folder:
            try:
                outcomes += drive(arguments.environments.resolve(), job=Job(frames, Path(folder)))
            except NotHereError as error:
                skipped[name] = str(error)
    print(
        f"{len(frames)} frames, {n_sent} borders and hints sent; one border moved, three frames marked (one as neither)\n"
    )
    print_table(
        ("editor", "saved as", "opened", "shown", "edits", "marks", "refused"),
        [list(asdict(one).values()) for one in outcomes],
    )
    for name, why in skipped.items():
        print(f"{name}: left out: {why}")
    rows = [asdict(one) for one in outcomes]
    write_json("editors", {"frames": len(frames), "sent": n_sent, "outcomes": rows, "skipped": skipped})


if __name__ == "__main__":
    main()
