"""contours.csv: our own plain table of contours, one vertex a line.

    pullback_id,frame_index,structure,vertex,x_px,y_px[,x_mm,y_mm]

Coordinates are (column, row), an integer is a pixel centre, frames and vertices count from 0. The millimetres are for people and
spreadsheets: reading takes the pixels. Equal content gives equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ivsqa.domain.contour import Contour, Contours
from ivsqa.errors import AnnotationError
from ivsqa.io.formats.plain_contours import plain_contours
from ivsqa.io.lazily import lazily
from ivsqa.io.ledger import doors
from ivsqa.io.text import read_text

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazily("polars")  # it loads for a fifth of a second

COLUMNS = ("pullback_id", "frame_index", "structure", "vertex", "x_px", "y_px")
COLUMNS_MM = ("x_mm", "y_mm")
TABLE_HINT = f"its columns are {', '.join(COLUMNS)}, with commas between them and points in numbers"
FRAME_KEY = ("pullback_id", "frame_index", "structure")

FrameContours: TypeAlias = dict[int, dict[str, Contour]]
"""The contours of a pullback by frame_index, then by structure."""


def read_contours_csv(path: Path, notes: list[str] | None = None) -> dict[str, FrameContours]:
    """Return the contours of a file by pullback_id, frame_index and structure, all as written there.

    Args:
        path: The file.
        notes: Gets a note where its encoding was guessed.

    Raises:
        AnnotationError: not such a table, a value that is not a number, a vertex given twice, or too few vertices.
    """
    return contours_in(_read_text(path, notes), path)


def contours_in(text: str, path: Path) -> dict[str, FrameContours]:
    """Return the contours in the text of a file; see `read_contours_csv`."""
    plain = plain_contours(text)
    return _contours_of(text, path) if plain is None else plain


def _contours_of(text: str, path: Path) -> dict[str, FrameContours]:
    """Return the contours in the text of a file."""
    table = _table(text, path)
    numbers = pl.DataFrame(
        [
            _number_column(table, "frame_index", pl.Int64, path),
            _number_column(table, "vertex", pl.Int64, path),
            _number_column(table, "x_px", pl.Float64, path),
            _number_column(table, "y_px", pl.Float64, path),
        ]
    )
    rows = (
        table.select("line", "pullback_id", "structure").hstack(numbers).sort(*FRAME_KEY, "vertex", maintain_order=True)
    )
    _refuse_repeated_vertices(rows, path)
    return _contours_from_rows(rows, path)


def contours_csv_text(
    rows: Iterable[tuple[str, int, Contours]],
    spacing_mm: Mapping[str, tuple[float, float] | None] | None = None,
) -> str:
    """Return the text of a contours.csv.

    Args:
        rows: (pullback_id, frame_index, contours by structure); frames without contours write no line.
        spacing_mm: (x, y) mm per px by pullback_id. The mm columns are there if any is known, and blank where one is not.

    Example:
        >>> triangle = Contour.from_points([[0, 0], [8, 0], [0, 6]])
        >>> print(contours_csv_text([("pb-1", 12, {"lumen": triangle})], {"pb-1": (0.5, 0.25)}), end="")
        pullback_id,frame_index,structure,vertex,x_px,y_px,x_mm,y_mm
        pb-1,12,lumen,0,0.000,0.000,0.0000,0.0000
        pb-1,12,lumen,1,8.000,0.000,4.0000,0.0000
        pb-1,12,lumen,2,0.000,6.000,0.0000,1.5000
    """
    known = {pullback: spacing for pullback, spacing in (spacing_mm or {}).items() if spacing is not None}
    lines = [",".join(COLUMNS + COLUMNS_MM if known else COLUMNS)]
    for pullback_id, frame_index, contours in rows:
        for structure, contour in contours.items():
            head = f"{_quoted(pullback_id)},{frame_index},{_quoted(structure)}"
            lines += _vertex_lines(head, contour, known.get(pullback_id), with_mm=bool(known))
    return "\n".join(lines) + "\n"


def _vertex_lines(head: str, contour: Contour, spacing: tuple[float, float] | None, *, with_mm: bool) -> list[str]:
    """Return a line for each vertex; adding 0.0 keeps "-0.000" out of the file."""
    # Without csv_text, which takes four times as long: a study has hundreds of thousands of these lines.
    points = (np.round(contour.points_px, 3) + 0.0).tolist()
    if spacing is not None:
        points_mm = (np.round(contour.points_px * spacing, 4) + 0.0).tolist()
        return [
            f"{head},{vertex},{x:.3f},{y:.3f},{x_mm:.4f},{y_mm:.4f}"
            for vertex, ((x, y), (x_mm, y_mm)) in enumerate(zip(points, points_mm, strict=True))
        ]
    blank = "," * len(COLUMNS_MM) if with_mm else ""
    return [f"{head},{vertex},{x:.3f},{y:.3f}{blank}" for vertex, (x, y) in enumerate(points)]


def _quoted(name: str) -> str:
    """Return a name as a CSV field."""
    return '"' + name.replace('"', '""') + '"' if any(mark in name for mark in ',"\r\n') else name


def _read_text(path: Path, notes: list[str] | None) -> str:
    """Return the text of a file."""
    doors.verify(path)
    try:
        return read_text(path, notes)
    except OSError as error:
        raise AnnotationError(
            f"cannot be read: {error.strerror or 'is it there?'}", hint=TABLE_HINT, path=path
        ) from error
    except ValueError as error:
        raise AnnotationError(str(error), hint=TABLE_HINT, path=path) from error


def _table(text: str, path: Path) -> pl.DataFrame:
    """Return the columns as text ("007" stays "007"), with the number of each line."""
    try:
        table = pl.read_csv(text.encode(), infer_schema=False, truncate_ragged_lines=False)
    except ValueError as error:
        raise AnnotationError(str(error), hint=TABLE_HINT, path=path) from error
    except pl.exceptions.PolarsError as error:
        raise AnnotationError("is not a table of comma-separated values", hint=TABLE_HINT, path=path) from error
    table = table.rename({name: name.strip().lower() for name in table.columns})
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise AnnotationError(f"has no column {', '.join(missing)}", hint=TABLE_HINT, path=path, where="line 1")
    columns = table.select(pl.col(COLUMNS).fill_null("").str.strip_chars())
    return columns.with_row_index("line", offset=2).filter(pl.any_horizontal(pl.col(COLUMNS) != ""))


def _number_column(table: pl.DataFrame, name: str, dtype: type[pl.DataType], path: Path) -> pl.Series:
    """Return a column as numbers; an error names the line of the first that is none, not finite or a negative count."""
    column = table[name].cast(dtype, strict=False)
    good = column.is_finite() if dtype == pl.Float64 else column >= 0
    bad = (~good.fill_null(value=False)).arg_true()
    if len(bad):
        row = bad[0]
        wanted = "a number with a decimal point" if dtype == pl.Float64 else "a whole number from 0"
        raise AnnotationError(
            f"{name} is {table[name][row]!r}, which is not {wanted}",
            hint=f"correct that line, or {TABLE_HINT}",
            path=path,
            where=f"line {table['line'][row]}",
        )
    return column


def _refuse_repeated_vertices(rows: pl.DataFrame, path: Path) -> None:
    """Raise where a contour has a vertex number twice: two outlines under one name would make a tangled line."""
    repeated = rows.filter(pl.struct(*FRAME_KEY, "vertex").is_duplicated())
    if repeated.is_empty():
        return
    _, _, structure, frame_index, vertex, *_ = repeated.sort("line").row(1)
    raise AnnotationError(
        f"vertex {vertex} of {structure} in frame {frame_index} is given twice",
        hint="keep one contour a structure a frame",
        path=path,
        where=f"line {repeated['line'].sort()[1]}",
    )


def _contours_from_rows(rows: pl.DataFrame, path: Path) -> dict[str, FrameContours]:
    """Return the contours of rows sorted by pullback, frame, structure and vertex."""
    contours: dict[str, FrameContours] = {}
    points = rows.select("x_px", "y_px").to_numpy()
    groups = (
        rows.with_row_index("row").group_by(*FRAME_KEY, maintain_order=True).agg(pl.first("row"), pl.len().alias("n"))
    )
    for pullback_id, frame_index, structure, first, n in groups.iter_rows():
        try:
            contour = Contour.from_points(points[first : first + n])
        except ValueError as error:
            where = f"frame {frame_index}, {structure}"
            raise AnnotationError(str(error), hint="draw it again", path=path, where=where) from error
        contours.setdefault(pullback_id, {}).setdefault(frame_index, {})[structure] = contour
    return contours
