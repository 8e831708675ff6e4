"""Small tables that people write by hand: CSV in UTF-8 with names of columns in the first line."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

from ivsqa.errors import IvsqaError

FIRST_ROW = 2
"""Line of the first row, below the names of the columns."""


def read_rows(path: Path, what: str, columns: Collection[str], *, error: type[IvsqaError]) -> list[dict[str, str]]:
    """Return the rows of a table without blanks around values; what a row leaves out is "".

    Args:
        path: The table.
        what: What it is, as "table of phases", for errors.
        columns: Columns that it has to have; it may have more.
        error: What is raised where it cannot be used.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="", skipinitialspace=True)
            names = set(reader.fieldnames or ())
            rows = [{name: row[name].strip() for name in names} for row in reader]
    except OSError as problem:
        raise error(f"cannot read the {what}: {problem.strerror}", path=path) from problem
    except (UnicodeDecodeError, csv.Error) as problem:
        hint = "save it as CSV in UTF-8, with commas"
        raise error(f"is no {what}: it is not text in UTF-8", hint=hint, path=path) from problem
    if not set(columns) <= names:
        hint = f"its columns are {','.join(columns)}"
        message = f"is no {what}: it needs the columns {' and '.join(columns)}"
        raise error(message, hint=hint, path=path, where="line 1")
    return rows
