"""Points for borders to pass, as a table.

    pullback_id,frame_index,structure,x_px,y_px[,weight]

Coordinates are (column, row), an integer is a pixel centre, frames count from 0. A weight is above 0 and at most 1; without one
the border passes the point.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ivsqa.domain.geometry.refinement import Nudge
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, located
from ivsqa.io.formats.label_marks import structure_named

COLUMNS = ("pullback_id", "frame_index", "structure", "x_px", "y_px")
WEIGHT = "weight"
TABLE_HINT = f"its columns are {', '.join(COLUMNS)}, and perhaps {WEIGHT}, with commas between them"
LARGEST_FILE_BYTES = 16 * 2**20


def is_nudges_csv(path: Path) -> bool:
    """Return whether a file is meant as a table of points: by its name, unless it is one of contours."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open("rb") as stream:
        return b"vertex" not in stream.readline(4096).lower()


def read_nudges_csv(path: Path, structures: StructureSet) -> dict[FrameKey, list[Nudge]]:
    """Return the points of each frame.

    Raises:
        AnnotationError: not such a table, or a value that is not what it should be; says which line.
    """
    nudges: dict[FrameKey, list[Nudge]] = {}
    for number, row in _rows(path):
        where = f"line {number}"
        try:
            with located(path=path, where=where):
                name = structure_named(row["structure"], structures)
            nudge = Nudge(name, float(row["x_px"]), float(row["y_px"]), float(row.get(WEIGHT) or 1))
            frame_index = int(row["frame_index"])
        except ValueError as error:
            raise AnnotationError(f"is not a point: {error}", hint=TABLE_HINT, path=path, where=where) from error
        nudges.setdefault(FrameKey(row["pullback_id"], frame_index), []).append(nudge)
    if not nudges:
        raise AnnotationError("holds no points", hint="write one point a line", path=path)
    return nudges


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the filled lines of the table with their numbers."""
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise AnnotationError(
            f"is larger than {LARGEST_FILE_BYTES >> 20} MB", hint="send only the table of points", path=path
        )
    try:
        table = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True, restval="")
        names = [name.strip().lower() for name in table.fieldnames or ()]
        table.fieldnames = names
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise AnnotationError(f"has no column {', '.join(missing)}", hint=TABLE_HINT, path=path, where="line 1")
        rows = [(table.line_num, {name: (row[name] or "").strip() for name in names}) for row in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(
            "is not a table of comma-separated values in UTF-8", hint=TABLE_HINT, path=path
        ) from error
    return [(number, row) for number, row in rows if any(row.values())]
