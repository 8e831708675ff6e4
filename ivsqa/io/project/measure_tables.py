"""Tables of measures as files: one row a frame, a lesion, a pullback; what is missing is empty, or null."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import polars as pl

from ivsqa.io import atomic

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
