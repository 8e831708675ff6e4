"""Damaged files from outside: what is imported, and what readers send back, each byte of which may be anything."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ivsqa.io.packets import ADAPTERS
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import open_project
from ivsqa.workflow.rounds.export import export_for_annotation
from tests.attacks.attack import run
from tests.attacks.damages import WAYS, replaced
from tests.attacks.study_of_every_kind import linked_copy

OF_BYTES = ("emptied", "cut", "flipped", "digit", "noise")
"""Ways of damage that leave a file; what stands in the place of one is the same for all kinds."""
MOST_MB, MOST_S = 1024.0, 20.0


@dataclass(frozen=True)
class Input:
    """What became of a command that was given a damaged file.

    Attributes:
        name: The file.
        way: Of damage.
        verdict: "in order": taken, or refused in a line, while what lies beside it came in; else what is not.
        seconds: How long it took.
        more_mb: By how much the memory of the process grew.
    """

    name: str
    way: str
    verdict: str
    seconds: float
    more_mb: float


def numbers(path: Path, rng: random.Random) -> None:
    """Eight bytes become the largest number there is, somewhere."""
    data = bytearray(path.read_bytes())
    place = rng.randrange(max(1, len(data) - 8))
    data[place : place + 8] = rng.choice((b"\xff" * 8, b"\xff\xff\xff\x7f" * 2, b"99999999", b"\0" * 8))
    replaced(path, bytes(data))


def imports(given: Path, work: Path, n_each: int, rng: random.Random) -> Iterator[Input]:
    """Yield what becomes of an import of a folder beside a good one, of which one file after the other is damaged.

    Args:
        given: The folder.
        work: Where to work.
        n_each: How often each file is damaged in each way.
        rng: How.
    """
    study = create_project(work / "empty", template="coronary-ivus").root
    for path in sorted(path for path in given.rglob("*") if path.is_file()):
        for way in (*OF_BYTES, "numbers") * n_each:
            shutil.rmtree(work / "in", ignore_errors=True)
            shutil.rmtree(work / "study", ignore_errors=True)
            folder = shutil.copytree(path.parent, work / "in" / "odd")
            good_pictures(work / "in" / "good")
            _damaged(folder / path.name, way, rng)
            said = run(["import", str(work / "in")], linked_copy(study, work / "study"))
            records = (work / "study" / "pullbacks").glob("*/pullback.yaml")
            is_good_in = any(GOOD in record.read_text(encoding="utf-8") for record in records)
            wrong = "" if said.code in (0, 3) and is_good_in else f"exit {said.code}, good one in: {is_good_in}"
            yield _input(path.relative_to(given), way, said.bug or wrong, said.seconds, said.more_mb)


def returns(study: Path, work: Path, n_each: int, rng: random.Random) -> Iterator[Input]:
    """Yield what becomes of a return in each format of which a file is damaged; see `imports`."""
    project = open_project(linked_copy(study, work / "packets"))
    for adapter in ADAPTERS:
        reader = f"reader-{adapter.name.replace('_', '-')}"
        packet = export_for_annotation(project, round_id="r004", reader=reader, formats=[adapter.name]).folder
        files = {path.suffix: path for path in sorted(packet.rglob("*")) if path.is_file()}  # one of each kind
        for path in files.values():
            for way in (*OF_BYTES, "numbers") * n_each:
                shutil.rmtree(work / "back", ignore_errors=True)
                back = shutil.copytree(packet, work / "back")
                _damaged(back / path.relative_to(packet), way, rng)
                line = ["import-annotations", str(back), "--round", "r004", "--reader", reader, "--dry-run"]
                said = run(line, project.root)
                wrong = "" if said.code in (0, 3) else f"exit {said.code}"
                yield _input(Path(adapter.name) / path.name, way, said.bug or wrong, said.seconds, said.more_mb)


GOOD = "height_px: 24\nwidth_px: 32\n"


def good_pictures(folder: Path) -> None:
    """Write a pullback that is sound: frames of a size that no other has."""
    folder.mkdir(parents=True)
    for index in range(3):
        Image.fromarray(np.add.outer(np.arange(24), np.arange(32)).astype(np.uint8) + np.uint8(index)).save(
            folder / f"{index}.png"
        )


def _damaged(path: Path, way: str, rng: random.Random) -> None:
    if path.stat().st_size or way in ("emptied", "noise"):
        {**WAYS, "numbers": numbers}[way](path, rng)


def _input(name: Path, way: str, wrong: str, seconds: float, more_mb: float) -> Input:
    if not wrong and (more_mb > MOST_MB or seconds > MOST_S):
        wrong = f"{seconds:.0f} s, {more_mb:.0f} MB"
    return Input(name.as_posix(), way, wrong or "in order", seconds, more_mb)
