"""What files beside the frames say of a pullback: phases.csv of its heart, and the timing that another tool wrote down."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from ivsqa.domain.pullback import PullbackFacts
from ivsqa.errors import SourceError
from ivsqa.io.formats.files import bare_name
from ivsqa.io.sources.archives.aivus_report import with_aivus_facts
from ivsqa.io.sources.archives.registry import named_beside

PHASES_NAME = "phases.csv"
PHASES = {"d": True, "s": False, "-": False, "": False}
"""End-diastole or not; systole and frames in between are written as S and -."""


def with_facts_beside(facts: PullbackFacts, path: Path) -> PullbackFacts:
    """Return facts with what lies beside: a phases.csv counts before the frames, other tools where these say nothing.

    Raises:
        SourceError: a file cannot be used.
    """
    table = path / PHASES_NAME if path.is_dir() else path.with_name(f"{bare_name(path.name)}.{PHASES_NAME}")
    if table.is_file():
        facts = replace(facts, end_diastolic_frames=_end_diastolic(table, facts.n_frames), gating_source=PHASES_NAME)
    return with_aivus_facts(facts, [each for each in named_beside(path) if each.is_file()])


def _end_diastolic(table: Path, n_frames: int) -> tuple[int, ...]:
    """Return the frames that a phases.csv marks, rising; raises SourceError."""
    with table.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream, skipinitialspace=True))
    marked = {
        int(row["frame_index"])
        for line, row in enumerate(rows, start=2)
        if _is_end_diastole(row, table, line, n_frames)
    }
    return tuple(sorted(marked))


def _is_end_diastole(row: dict[str, str | None], table: Path, line: int, n_frames: int) -> bool:
    """Return what a line says of its frame."""
    index, phase = ((row.get(name) or "").strip() for name in ("frame_index", "phase"))
    if not index.isdecimal() or int(index) >= n_frames or phase.lower() not in PHASES:
        raise SourceError(
            f"frame_index {index!r} with phase {phase!r} cannot be used",
            hint=f"its columns are frame_index,phase; frames are 0 to {n_frames - 1}, phases D, S or -",
            path=table,
            where=f"line {line}",
        )
    return PHASES[phase.lower()]
