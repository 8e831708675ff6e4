"""worklist.csv: what to do, worst frame first, with a column for the annotator to tick.

Packets with stacks have the same column in `slices.csv`, in the order of the slices.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.formats.label_marks import Tick
from ivsqa.io.packets.adapter import files_under
from ivsqa.io.packets.packet import PacketFrame
from ivsqa.io.tables import csv_text

FILE_NAME = "worklist.csv"
SLICES_FILE_NAME = "slices.csv"


def worklist_text(frames: Sequence[PacketFrame], structures: StructureSet) -> str:
    """Return the text of worklist.csv, by rank."""
    columns = ["rank", "name", "pullback_id", "frame_index", "quality"]
    columns += [*(f"dice_{name}" for name in structures.names), "reason", "doubtful_arcs", "checked"]
    rows = []
    for frame in sorted(frames, key=lambda frame: frame.rank):
        dice = [frame.dice.get(name) for name in structures.names]
        arcs = "; ".join(f"{arc} ({arc.start_deg:.0f} to {arc.stop_deg:.0f} deg)" for arc in frame.arcs)
        rows.append([frame.rank, frame.name, *frame.key, frame.quality, *dice, frame.reason, arcs, ""])
    return csv_text(columns, rows, decimals=".3f")


def read_ticks(folder: Path) -> tuple[dict[str, Tick], list[IvsqaError]]:
    """Return the ticks in all lists below a folder by frame name, and errors for those that are not understood."""
    ticks: dict[str, Tick] = {}
    errors: list[IvsqaError] = []
    for path in (path for path in files_under(folder, ".csv") if path.name.lower() in (FILE_NAME, SLICES_FILE_NAME)):
        try:
            # Spreadsheets begin UTF-8 with a byte order mark.
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
