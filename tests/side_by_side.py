"""Four processes of mixed commands in one project, and one process that gives the same commands in turn.

Rounds are opened, packed up, drawn and taken in; pullbacks are imported and their spacing amended; frames are scored in two
shards; and somebody looks at everything, all at once. A command that others hold up is given again, as a person would.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from ivsqa.cli.main import app
from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.project.project import open_project
from ivsqa.phantom.files import write_phantom
from ivsqa.workflow.demo.simulated_annotator import annotate_packet

SUBJECTS = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"
HELD_UP = re.compile("is already running|left to who is about")
ANNOTATE = "annotate"
"""In the place of a command: the newest packet is drawn by somebody, and lies where it is taken in from."""
LAST = ("score", "measure")


@dataclass(frozen=True)
class Told:
    """A command that came to its end.

    Attributes:
        line: As it was given.
        code: How it ended.
        output: What it printed.
        n_held_up: How often it was given before, and held up by others.
    """

    line: str
    code: int
    output: str
    n_held_up: int


def drawn(root: Path) -> list[str]:
    """Return the pullbacks of which rounds are opened: scored before any is, since what a packet shows comes from scores."""
    return [pullback.pullback_id for pullback in open_project(root).pullbacks() if pullback.split == "train"][:2]


def rounds(root: Path, material: Path) -> Iterator[list[str]]:
    """Yield the commands of one round after the other."""
    wanted = " ".join(f"--pullback {name}" for name in drawn(root))
    for number in range(1, 1000):
        returned = material / f"returned-{number}"
        yield [
            f"select -n 1 --strategy random --split train --seed {number} {wanted}",
            "export-for-annotation --format labelme",
            f"{ANNOTATE} {returned}",
            f"import-annotations {returned} --reader anna",
        ]


def importing(_: Path, material: Path) -> Iterator[list[str]]:
    """Yield the commands by which one more pullback comes in."""
    for path in sorted((material / "more").glob("*.dcm")):
        yield [
            f"import {path} --annotations none --subject-from '{SUBJECTS}'",
            f"amend {path.stem} --by anna --why console --spacing-mm 0.1",
        ]


def scoring(*_: Path) -> Iterator[list[str]]:
    """Yield the commands of who scores."""
    while True:
        yield ["score --shard 1/2", "measure"]


def looking(*_: Path) -> Iterator[list[str]]:
    """Yield the commands of who looks, and scores the other half."""
    while True:
        yield ["status", "score --shard 2/2", "why S01-P1:3", "check --quick", "report"]


ROLES: dict[str, Callable[[Path, Path], Iterator[list[str]]]] = {
    "rounds": rounds,
    "importing": importing,
    "scoring": scoring,
    "looking": looking,
}


def more_pullbacks(material: Path, n: int, n_frames: int) -> None:
    """Write phantoms of people that are in no other study."""
    write_phantom(material / "more", n_pullbacks=n, n_frames=n_frames, seed=9, size_px=96)
    for path in sorted((material / "more").rglob("S*"), reverse=True):
        path.rename(path.with_name(f"S7{path.name[1:]}"))


def at_once(root: Path, material: Path, seconds: float) -> dict[str, list[Told]]:
    """Give the commands of all roles at once, a process each, for so long, each turn to its end; return what they told."""
    line = [sys.executable, "-m", "tests.side_by_side", str(root), str(material), str(seconds)]
    processes = {
        role: subprocess.Popen([*line, role], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)
        for role in ROLES
    }
    told = {role: process.communicate(timeout=seconds + 600.0)[0].splitlines() for role, process in processes.items()}
    return {role: [Told(**json.loads(one)) for one in lines] for role, lines in told.items()}


def in_turn(root: Path, material: Path, told: dict[str, list[Told]]) -> None:
    """Give in one process all commands that wrote, role after role."""
    for role in ("rounds", "importing"):
        for one in told[role]:
            # What is given back lies elsewhere: of a round each of both has its own packet.
            done = given(one.line.replace("returned-", "returned-alone-"), root, material)
            assert done.code == 0, done


def given(line: str, root: Path, material: Path) -> Told:
    """Give a command until nobody holds it up."""
    if line.startswith(ANNOTATE):
        _annotate(root, material, Path(line.removeprefix(f"{ANNOTATE} ")))
        return Told(line, 0, "", 0)
    n_held_up = 0
    while True:
        done = CliRunner().invoke(app, [*shlex.split(line), "--project", str(root)])
        if done.exit_code != 3 or not HELD_UP.search(done.output):
            return Told(line, done.exit_code, done.output, n_held_up)
        n_held_up += 1
        time.sleep(0.1)


def _annotate(root: Path, material: Path, returned: Path) -> None:
    """Draw the newest packet."""
    truth = {
        name: frames for path in (material / "truth").glob("*.csv") for name, frames in read_contours_csv(path).items()
    }
    project = open_project(root)
    shutil.copytree(project.layout.packet(project.rounds()[-1].round_id), returned)
    annotate_packet(returned, truth, rng=np.random.default_rng(0))


def content_of(root: Path) -> dict[str, bytes]:
    """Return what counts in a project: all but times, the ledger, and what belongs to one moment."""
    kept = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name, data = path.relative_to(root).as_posix(), path.read_bytes()
        if name.startswith(("ledger/", "reports/report", ".")) or name.endswith("measures.json"):
            continue
        lines = (line for line in data.splitlines() if b"created_at:" not in line)
        name = re.sub("(?<=/returns/)[0-9a-f]+", "*", name)  # a hash of all in it, times too
        kept[name] = b"\n".join(lines) if name.endswith(".yaml") else data
    return kept


def main(root: Path, material: Path, seconds: float, role: str) -> None:
    """Give the commands of a role, turn after turn, until the time is over."""
    ends = time.monotonic() + seconds
    for lines in ROLES[role](root, material):
        for line in lines:
            sys.stdout.write(json.dumps(vars(given(line, root, material))) + "\n")
        if time.monotonic() > ends:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
