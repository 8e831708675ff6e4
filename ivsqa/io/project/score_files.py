"""The files of scores: chunks of Parquet, read so that what is damaged is named, with the command that makes it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from ivsqa.errors import IntegrityError
from ivsqa.io.ledger import doors
from ivsqa.io.outside import outside


def maps_beside(path: Path) -> Path:
    """Return the error maps of a chunk of rows."""
    return path.with_name(path.name.replace("frames-", "error-maps-"))


def side_of(n_bytes: int | None, n_structures: int) -> int | None:
    """Return the side of square maps, one a structure, in px; None where so many bytes are none."""
    side = round(((n_bytes or 0) / n_structures) ** 0.5)
    return side if side and side * side * n_structures == n_bytes else None


def frames_in(path: Path) -> range:
    """Return the frames that a chunk is of, by its name."""
    first, last = (int(number) for number in path.stem.split("-")[1:])
    return range(first, last + 1)


def damaged(path: Path) -> IntegrityError:
    """Return the error about a damaged chunk, or about scores of which it is not known which."""
    again = f" --all --pullback {path.parent.name}" if path.suffix else ""
    return IntegrityError("these scores are damaged", path=path, hint=f"make them again with: ivsqa score{again}")


@contextmanager
def whole_table(path: Path) -> Iterator[None]:
    """Refuse a table whose values are not what was written: too few, too many, of no size or no number."""
    try:
        yield
    except (ValueError, KeyError, IndexError, TypeError):
        raise damaged(path) from None


def read_table(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """Return the table in a file, or some of its columns.

    Raises:
        IntegrityError: it is damaged.
    """
    # A panic is what polars makes of some broken files; it is no Exception.
    try:
        doors.verify(path, in_part=columns is not None)
        with outside(path):
            return pl.read_parquet(path, columns=columns)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise damaged(path) from None


def read_tables(paths: Sequence[Path], columns: Sequence[str]) -> pl.DataFrame:
    """Return some columns of several files as one table, of none an empty one; see `read_table`."""
    if not paths:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.Null))
    try:
        for path in paths:
            doors.verify(path, in_part=True)
        with outside():
            return pl.scan_parquet(list(paths)).select(columns).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        for path in paths:  # which one it was is in no error
            read_table(path, list(columns))
        raise damaged(paths[0].parents[1]) from None
