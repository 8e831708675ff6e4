"""worklist.csv: what to do, worst frame first, with a column for the annotator to tick.

Packets with stacks have the same column in `slices.csv`, in the order of the slices.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.formats.label_marks import Tick
from ivsqa.io.packets.adapter import files_under
from ivsqa.io.packets.packet import PacketFrame

FILE_NAME = "worklist.csv"
SLICES_FILE_NAME = "slices.csv"


@dataclass(frozen=True)
class WorklistRow:
    """One frame of the list; None is printed blank."""

    rank: int
    name: str
    pullback_id: str
    frame_index: int
    quality: float | None
    dice: tuple[float | None, ...]
    reason: str
    doubtful: str

    @classmethod
    def of(cls, frame: PacketFrame, structures: StructureSet) -> WorklistRow:
        """Return the row of a frame."""
        arcs = "; ".join(f"{arc} ({arc.start_deg:.0f} to {arc.stop_deg:.0f} deg)" for arc in frame.arcs)
        dice = tuple(frame.dice.get(name) for name in structures.names)
        return cls(
            frame.rank, frame.name, frame.pullback_id, frame.frame_index, frame.quality, dice, frame.reason, arcs
        )


def worklist_text(rows: Sequence[WorklistRow], structures: StructureSet) -> str:
    """Return the text of worklist.csv, by rank."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    dice_columns = [f"dice_{name}" for name in structures.names]
    writer.writerow(
        ["rank", "name", "pullback_id", "frame_index", "quality", *dice_columns, "reason", "doubtful_arcs", "checked"]
    )
    for row in sorted(rows, key=lambda row: row.rank):
        numbers = [_decimal(value) for value in (row.quality, *row.dice)]
        writer.writerow([row.rank, row.name, row.pullback_id, row.frame_index, *numbers, row.reason, row.doubtful, ""])
    return buffer.getvalue()


def read_ticks(folder: Path) -> tuple[dict[str, Tick], list[IvsqaError]]:
    """Return what was filled in under `checked`, by frame name, in every list below a folder, and what is not understood."""
    ticks: dict[str, Tick] = {}
    errors: list[IvsqaError] = []
    for path in (path for path in files_under(folder, ".csv") if path.name.lower() in (FILE_NAME, SLICES_FILE_NAME)):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            errors.append(PacketError("is not UTF-8 text", hint="save it as CSV UTF-8", path=path))
            continue
        # Spreadsheets in many countries save with semicolons.
        delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
        try:
            rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
        except csv.Error:
            errors.append(PacketError("is not a table", hint="save it again as CSV UTF-8", path=path))
            continue
        for number, row in enumerate(rows, start=2):
            answer = (row.get("checked") or "").strip().lower()
            tick = next((tick for tick in Tick if answer in tick.value), None)
            if answer and tick is None:
                hint = "write yes, no or unreadable"
                errors.append(PacketError(f"checked is {answer!r}", hint=hint, path=path, where=f"line {number}"))
            elif tick is not None:
                ticks[(row.get("name") or "").strip()] = tick
    return ticks, errors


def _decimal(value: float | None) -> str:
    """Return three decimals; blank where there is no number."""
    return "" if value is None or value != value else f"{value:.3f}"  # noqa: PLR0124 - NaN is the one that differs from itself
