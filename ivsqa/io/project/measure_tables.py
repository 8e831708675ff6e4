"""Tables of measures as files: one row a frame, a lesion, a pullback; what is missing is empty, or null."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import polars as pl

from ivsqa.io import atomic
from ivsqa.io.outside import is_file

TableFormat: TypeAlias = Literal["csv", "parquet", "json"]
TABLE_FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)

INTEGERS = ("frame_index", "lesion", "n_frames")
"""How the names of columns of whole numbers end, besides those that start with `n_`."""


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> pl.DataFrame:
    """Return rows as a table of these columns, typed by name, so an empty one is alike; NaN becomes null."""
    listed = {name: [row.get(name) for row in rows] for name in columns}
    typed = pl.DataFrame(listed, schema={name: _type_of(name) for name in columns})
    return typed.with_columns(pl.selectors.float().fill_nan(None))


def write_tables(
    folder: Path, tables: dict[str, pl.DataFrame], about: dict[str, Any], formats: Sequence[TableFormat]
) -> list[Path]:
    """Write each table in each format, and beside them `measures.json`, which says how they came about.

    Returns:
        What was written.
    """
    written = []
    for name, rows in tables.items():
        for table_format in formats:
            path = folder / f"{name}.{table_format}"
            atomic.write_bytes(path, _WRITERS[table_format](rows))
            written.append(path)
    path = folder / "measures.json"
    atomic.write_text(path, json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return [*written, path]


class MeasureParts:
    """Tables of single pullbacks that processes measured which share a study: kept until they are put together.

    Each lies under a key that says what it rests on; of other keys none is found.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        """Name them.

        Args:
            folder: Where the tables of the study go.
            names: Of the tables of a part. It counts once the last of them is there.
        """
        self._folder = folder / ".parts"
        self._names = tuple(names)

    @property
    def exist(self) -> bool:
        """Whether there are any."""
        return self._folder.is_dir()

    def write(self, key: str, tables: Sequence[pl.DataFrame]) -> None:
        """Write a part."""
        for name, rows in zip(self._names, tables, strict=True):
            atomic.write_bytes(self._path(key, name), _parquet(rows))

    def find(self, key: str) -> list[pl.DataFrame] | None:
        """Return the tables of a part; None where there is none of this key, or it is damaged."""
        paths = [self._path(key, name) for name in self._names]
        if not is_file(paths[-1]):
            return None
        try:
            return [pl.read_parquet(path) for path in paths]
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None

    def remove(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, key: str, name: str) -> Path:
        return self._folder / f"{key}.{name}.parquet"


def _type_of(column: str) -> type[pl.DataType]:
    """Return the type of a column."""
    if column in ("pullback_id", "subject_id", "split", "source", "reference"):
        return pl.String
    if column.endswith("_is_drawn"):
        return pl.Boolean
    return pl.Int64 if column.startswith("n_") or column.endswith(INTEGERS) else pl.Float64


def _csv(rows: pl.DataFrame) -> bytes:
    return rows.write_csv(float_precision=6).encode()


def _parquet(rows: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    rows.write_parquet(stream, compression="zstd", statistics=False)
    return stream.getvalue()


def _json(rows: pl.DataFrame) -> bytes:
    return rows.write_json().encode() + b"\n"


_WRITERS: dict[TableFormat, Callable[[pl.DataFrame], bytes]] = {"csv": _csv, "parquet": _parquet, "json": _json}
