"""Timing and phases that AIVUS and HolOrama wrote down beside their contours.

    frame  position  phase  lumen_area …  pullback_speed  pullback_start_frame  frame_rate      <pullback>_report.txt, _report.csv
    1      0.00      -      8.38       …  2.00            111.00                30.00

AIVUS puts tabs between and the speed into the first line alone; HolOrama puts commas, and the speed into every line. Frames are
counted from 1; a first frame of 0 was typed in where nobody knew. The phases count that are saved with the contours: a report may
have been written before there were any.

What cannot be used here never keeps the frames away: a report becomes a note, a contour file is named where contours are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, Final

import polars as pl

from ivsqa.domain.pullback import PullbackFacts
from ivsqa.errors import PacketError
from ivsqa.io.formats.documents import head_of, read_json
from ivsqa.io.sources.archives.aivus_json import AivusJson, version_of

AIVUS: Final = "AIVUS"
"""As a source of facts; files of HolOrama say no more of who wrote them."""
END_DIASTOLE: Final = "D"
REPORT_NAMES: Final = ("_report.txt", "_report.csv")
TIMING: Final = ("pullback_speed", "pullback_start_frame", "frame_rate")


def with_aivus_facts(facts: PullbackFacts, paths: list[Path]) -> PullbackFacts:
    """Return facts with what the files of AIVUS beside a pullback say where its frames say nothing.

    Args:
        facts: What the frames say.
        paths: Files that belong to the pullback, of any kind.
    """
    if facts.end_diastolic_frames is None:
        files = [path for path in paths if path.suffix.lower() == ".json" and _is_aivus(path)]
        if files:
            facts = _with_phases(facts, _phases(max(files, key=lambda each: (version_of(each), each.name))))
    reports = [path for path in paths if path.name.lower().endswith(REPORT_NAMES)]
    for path in reports[-1:]:
        try:
            if TIMING[0].encode() in _first_line(path):
                facts = _with_report(facts, path)
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            said = str(error) if type(error) is ValueError else "it cannot be read as a report of AIVUS"
            facts = replace(facts, notes=(*facts.notes, f"{path.name} is not used: {said}"))
    return facts


def _is_aivus(path: Path) -> bool:
    """Return whether a file holds their contours; one that cannot be read holds nothing."""
    try:
        return AivusJson().recognises(path)
    except OSError:
        return False


def _first_line(path: Path) -> bytes:
    """Return the header of a table; raises OSError."""
    return head_of(path).split(b"\n", 1)[0]


def _with_report(facts: PullbackFacts, path: Path) -> PullbackFacts:
    """Return facts with the timing of a report, and its phases; raises ValueError or PolarsError where it cannot be used."""
    separator = "\t" if b"\t" in _first_line(path) else ","
    table = pl.read_csv(path, separator=separator, infer_schema=False)
    table = table.with_columns(pl.col("frame").cast(pl.Float64).cast(pl.Int64)).drop_nulls("frame")
    frames = table["frame"].to_list()
    speed, first, rate = (_number(table, name) for name in TIMING)
    last = max(*frames, int(first or 0), 0)
    if last > facts.n_frames:
        raise ValueError(f"it is about frame {last}, but the pullback has {facts.n_frames}, so it is of another one")
    if facts.pullback_speed_mm_s is None and speed:
        facts = replace(facts, pullback_speed_mm_s=speed, pullback_speed_source=AIVUS)
    if facts.frame_time_s is None and rate:
        times = tuple(index / rate for index in range(facts.n_frames))
        facts = replace(facts, frame_time_s=times, frame_time_source=AIVUS)
    if facts.start_frame_index is None and first:
        facts = replace(facts, start_frame_index=int(first) - 1)
    if facts.end_diastolic_frames is None and "phase" in table.columns:
        return _with_phases(facts, dict(zip((frame - 1 for frame in frames), table["phase"], strict=True)))
    return facts


def _number(table: pl.DataFrame, column: str) -> float | None:
    """Return the first finite number above zero in a column; None where there is none."""
    if column not in table.columns:
        return None
    values = table[column].cast(pl.Float64).fill_nan(None).drop_nulls()
    return next((value for value in values if 0.0 < value < inf), None)


def _phases(path: Path) -> dict[int, Any]:
    """Return the phase of each frame in a contour file; none where it is broken."""
    try:
        document = read_json(path, editor=AIVUS)
    except PacketError:
        return {}
    if not isinstance(document, Mapping):
        return {}
    listed = document.get("phases")
    if isinstance(listed, list):
        return dict(enumerate(listed))
    frames = {int(key): frame for key, frame in document.items() if key.isdecimal()}
    return {index: frame.get("phase") for index, frame in frames.items() if isinstance(frame, Mapping)}


def _with_phases(facts: PullbackFacts, phases: Mapping[int, Any]) -> PullbackFacts:
    """Return facts with the frames at end-diastole, if there are any; without, nobody has looked for them."""
    found = sorted(index for index, phase in phases.items() if phase == END_DIASTOLE and 0 <= index < facts.n_frames)
    return replace(facts, end_diastolic_frames=tuple(found), gating_source=AIVUS) if found else facts
