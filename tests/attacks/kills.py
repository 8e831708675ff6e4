"""Kills of commands that write, before changes on disk: the same command again comes to the end of one that nobody killed."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ivsqa.io.ledger.book import Book
from ivsqa.io.ledger.inspect import differences
from ivsqa.io.project.project import open_project
from ivsqa.phantom.files import write_phantom
from tests.attacks.server import Ended, in_process
from tests.attacks.study_of_every_kind import linked_copy

KILLED = (
    "init {out}/study",
    "import {more} --annotations {more}/truth",
    "amend S01-P1 --by anna --why seen --frame-rate 25",
    "select -n 2 --strategy random",
    "export-for-annotation --round r004 --reader carl --zip",
    "refine --nudges {points} --to {out}",
    "import-annotations {back} --reader zoe --accept-untouched",
    "undo {frame} --reader anna",
    "adjudicate --round r004 --reader dora",
    "audit -n 2",
    "accept --at-most 0.7 --confidence 0.5 --missing-as-lost",
    "train --steps 4 --seed 5 --device cpu",
    "finetune --steps 4 --device cpu",
    "score --all --pullback S01-P1 --device cpu",
    "evaluate --split validation --device cpu",
    "measure",
    "report",
    "export {out} --format nnunet",
    "simulate --strategy random --seeds 1 --ladder 30,60 --steps 2",
    "phantom {out} --pullbacks 2 --frames 4 --size 64",
)
"""Commands that write, for a study of every kind."""
OUTSIDE = ("init", "phantom")
"""These know no project that they are in."""


@dataclass(frozen=True)
class Kill:
    """What became of a command that was killed.

    Attributes:
        line: The command.
        n: Before which change.
        verdict: "same": the same command again came to the same end, and `check` has nothing to say of the ledger; else what is
            other.
    """

    line: str
    n: int
    verdict: str


class Killings:
    """Kills commands in copies of one study."""

    def __init__(self, study: Path, work: Path) -> None:
        self._study, self._place = study, work / "place"
        given = work / "given"
        write_phantom(given / "more", n_pullbacks=2, n_frames=4, seed=9, size_px=64)
        shutil.copytree(study / "rounds" / "r006" / "packet", given / "back")
        frame = open_project(study).get_round("r006").frames[0].key
        point = f"{frame.pullback_id},{frame.frame_index},lumen,48,30"
        (given / "points.csv").write_text(f"pullback_id,frame_index,structure,x_px,y_px\n{point}\n")
        names = {name: given / name for name in ("more", "back")} | {"points": given / "points.csv"}
        self._names = names | {"frame": open_project(study).get_round("r004").frames[0].key, "out": self._place / "out"}

    def of(self, line: str, most: int, rng: random.Random) -> Iterator[Kill]:
        """Yield what becomes of a command that is killed before up to so many of its changes: its last, others at random."""
        ends = []
        for _ in range(2):
            self._fresh()
            whole = self._run(line)
            assert (whole.code, whole.bug) == (0, ""), (line, whole)
            ends.append(state_of(self._place))
        wanted = {name: said if ends[1].get(name) == said else "" for name, said in ends[0].items()}
        others = rng.sample(range(1, whole.n_changes), min(most, whole.n_changes) - 1)
        for n in (*sorted(others), whole.n_changes):
            self._fresh()
            killed = self._run(line, kill_before=n)
            again = self._run(line)
            yield Kill(line, n, self._verdict(killed, again, wanted))

    def _verdict(self, killed: Ended, again: Ended, wanted: Mapping[str, str]) -> str:
        if not killed.signal:
            return "it was not killed"
        if again.bug or again.code:
            return f"then exit {again.code}: {again.bug or again.errors}"
        there = state_of(self._place)
        other = [
            name
            for name in sorted({*wanted, *there})
            if there.get(name, "gone") != (wanted.get(name) or there.get(name))
        ]
        differ = differences(Book(self._place / "study"), deep=True)
        return f"other: {other[:5]}" if other else f"check: {differ[:3]}" if differ else "same"

    def _run(self, line: str, *, kill_before: int = 0) -> Ended:
        at = [] if line.split(maxsplit=1)[0] in OUTSIDE else ["--project", str(self._place / "study")]
        words = [part.format(**self._names) for part in line.split()]
        return in_process([*words, *at], below=self._place, kill_before=kill_before, longest_s=300.0)

    def _fresh(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir(parents=True)
        linked_copy(self._study, self._place / "study")


def state_of(folder: Path) -> dict[str, str]:
    """Return a hash of everything below a folder that counts, by name, without times of day and the ledger."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or "ledger/" in name:
            continue
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data = repr(pl.read_parquet(path).rows()).encode()  # with times in its notes
        found[name] = hashlib.sha256(re.sub(rb"created_at: .*|\"created_at\": \"[^\"]*\"", b"", data)).hexdigest()
    return found
