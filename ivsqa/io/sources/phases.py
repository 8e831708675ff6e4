"""phases.csv: which frames are at end-diastole, as an ECG or another tool found them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from ivsqa.domain.pullback import PullbackFacts
from ivsqa.errors import SourceError
from ivsqa.io.sources.source import bare_name

PHASES_NAME = "phases.csv"
PHASES = {"d": True, "s": False, "-": False, "": False}
"""End-diastole or not; systole and frames in between are written as S and -."""


def with_phases_beside(facts: PullbackFacts, path: Path) -> PullbackFacts:
    """Return facts with the phases of phases.csv in a pullback's folder, or `<file>.phases.csv` beside its file.

    Raises:
        SourceError: the table cannot be used.
    """
    table = path / PHASES_NAME if path.is_dir() else path.with_name(f"{bare_name(path.name)}.{PHASES_NAME}")
    if not table.is_file():
        return facts
    with table.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream, skipinitialspace=True))
    found = [
        int(row["frame_index"])
        for line, row in enumerate(rows, start=2)
        if _is_end_diastole(row, table, line, facts.n_frames)
    ]
    return replace(facts, end_diastolic=tuple(sorted(set(found))), gating_source=PHASES_NAME)


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
