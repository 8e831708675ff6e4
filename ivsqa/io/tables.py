"""CSV tables: those of the program, written the same way everywhere and read back strictly, and those of people.

Python's csv module does it, not polars: polars takes 0.35 s to load, leaves a lone carriage return in a name without quotes, and
prints small numbers otherwise than the files that projects already hold. Contours (`formats/contours_csv.py`) and measures
(`project/measure_tables.py`), which are read and written by the hundred thousand or as Parquet too, stay with polars.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

from ivsqa.errors import IntegrityError, IvsqaError
from ivsqa.io.hashes import sha256_of_file
from ivsqa.io.ledger import doors
from ivsqa.io.outside import is_file, read_file
from ivsqa.io.text import read_text


class _Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


FIRST_ROW = 2
"""Line of the first row of a table, below the names of its columns."""

MOST_DIGITS = 9
"""Of a count in a table: Python refuses to read numbers of thousands of digits."""

Record = TypeVar("Record", bound=_Dataclass)

_READ: dict[object, Callable[[str], object]] = {
    str: str,
    int: int,
    float: float,
    float | None: lambda text: float(text) if text else None,
}


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]], *, decimals: str = "") -> str:
    """Return a table as CSV with LF line ends; what is None or not finite is blank.

    Args:
        columns: The first line.
        rows: Lines, a value a column.
        decimals: The format of floats, such as ".3f"; "": as many digits as give the same float back.

    Example:
        >>> print(csv_text(("name", "dice"), [("lumen, inner", 0.5), ("eem", None)], decimals=".3f"), end="")
        name,dice
        "lumen, inner",0.500
        eem,
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_printed(value, decimals) for value in row] for row in rows)
    return stream.getvalue()


def _printed(value: object, decimals: str) -> object:
    if not isinstance(value, float):
        return value
    return format(value, decimals) if math.isfinite(value) else ""


def csv_of_records(kind: type[Record], records: Iterable[Record], *, decimals: str = "") -> str:
    """Return instances of a dataclass as a table, a column a field; see `csv_text`."""
    columns = [field.name for field in fields(kind)]
    return csv_text(columns, ([getattr(record, name) for name in columns] for record in records), decimals=decimals)


def read_records(path: Path, kind: type[Record], *, what: str, hint: str, sha256: str | None = None) -> list[Record]:
    """Return the lines of a table that `csv_of_records` wrote.

    Args:
        path: The file.
        kind: A dataclass whose fields are str, int, float, or float | None where a cell may be blank.
        what: What the table is, for the message.
        hint: What mends it.
        sha256: Its hash as it was written; None: it is not known.

    Raises:
        IntegrityError: the file is missing or of another hash, or says where a column is missing or a cell not of its type.
    """
    hints = get_type_hints(kind)
    types = {field.name: hints[field.name] for field in fields(kind)}
    where = ""
    if not is_file(path):
        raise IntegrityError(f"{what} is missing or was changed", path=path, hint=hint)
    try:
        table = csv.DictReader(io.StringIO(read_file(path).decode("utf-8"), newline=""), strict=True)
        where = "line 1"
        _check_columns(table.fieldnames or (), types)
        records = []
        for row in table:
            where = f"line {table.line_num}"
            records.append(kind(**{name: _value(row[name], column_type) for name, column_type in types.items()}))
    except (ValueError, csv.Error):
        raise IntegrityError(f"{what} is missing or was changed", path=path, where=where, hint=hint) from None
    if sha256 is not None and sha256_of_file(path) != sha256:
        raise IntegrityError(f"{what} is missing or was changed", path=path, hint=hint)
    doors.verify(path)
    return records


def _check_columns(columns: Sequence[str], wanted: Iterable[str]) -> None:
    if not set(wanted) <= set(columns):
        raise ValueError(columns)


def _value(text: str | None, column_type: object) -> object:
    """Return a cell as its column's type; None, where the line ends before it, is no blank cell."""
    if text is None:
        raise ValueError(column_type)
    return _READ[column_type](text)


def read_rows(
    path: Path, what: str, columns: Collection[str], *, error: type[IvsqaError], notes: list[str] | None = None
) -> list[dict[str, str]]:
    """Return the rows of a table that a person wrote, without blanks around values; a missing cell is "".

    Args:
        path: The table.
        what: What it is, as "table of phases", for errors.
        columns: Columns that it has to have; it may have more.
        error: What is raised where it cannot be used.
        notes: Gets a note where its encoding was guessed.
    """
    hint = f"save it as CSV in UTF-8, with commas; its columns are {','.join(columns)}"
    rows: list[dict[str, str]] = []
    try:
        table = csv.DictReader(io.StringIO(read_text(path, notes), newline=""), restval="", skipinitialspace=True)
        names = list(table.fieldnames or ())
        rows.extend({name: row[name].strip() for name in names} for row in table)
    except OSError as problem:
        raise error(f"cannot read the {what}: {problem.strerror}", path=path) from problem
    except (ValueError, csv.Error) as problem:
        where = f"line {len(rows) + FIRST_ROW}" if rows else ""
        raise error(f"is no {what}: {problem}", hint=hint, path=path, where=where) from problem
    missing = [name for name in columns if name not in names]
    twice = [name for name in columns if names.count(name) > 1]
    if missing or twice:
        found = f"it has no column {' and '.join(missing)}" if missing else f"it has the column {twice[0]} twice"
        shown = f"{found}; its first line is {','.join(names)!r}"
        raise error(f"is no {what}: {shown}", hint=hint, path=path, where="line 1")
    return rows


def whole_number(text: str) -> int | None:
    """Return a cell as a whole number from 0, None for anything else; numbers of more digits than any count are none.

    Example:
        >>> whole_number("12"), whole_number("-1"), whole_number("9" * 5000)
        (12, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None
