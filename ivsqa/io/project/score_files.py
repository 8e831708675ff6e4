"""The files of scores: chunks of Parquet, read so that what is damaged is named, with the command that makes it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ivsqa.errors import IntegrityError, OutsideError
from ivsqa.io.lazily import lazily
from ivsqa.io.ledger import doors
from ivsqa.io.outside import is_file, outside

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazily("polars")  # it loads for a fifth of a second


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


def iter_useless(chunks: Sequence[tuple[Path, str]]) -> Iterator[Path]:
    """Yield the chunks that are not whole, with their error maps, or not of frames of the hash beside them."""
    # Many are read as one, for few are useless; these are sought by halves.
    if _are_useful(dict(chunks)):
        return
    if len(chunks) == 1:
        yield chunks[0][0]
        return
    half = len(chunks) // 2
    yield from iter_useless(chunks[:half])
    yield from iter_useless(chunks[half:])


def _are_useful(frames_sha256: Mapping[Path, str]) -> bool:
    """Return whether chunks hold a row and an error map for each of their frames, and are of frames of these hashes."""
    frames = [frames_in(path) for path in frames_sha256]
    maps = [maps_beside(path) for path in frames_sha256]
    try:
        rows = read_tables(list(frames_sha256), ["frame_index", "frames_sha256"])
        indices = [rows["frame_index"], read_tables(maps, ["frame_index"])["frame_index"]]
    except (IntegrityError, OutsideError) as error:
        if isinstance(error, OutsideError) and all(map(is_file, maps)):
            raise  # it is not known what is in them
        return False
    wanted = pl.Series([*chain.from_iterable(frames)], dtype=pl.Int32)
    hashes = chain.from_iterable([sha256] * len(of) for sha256, of in zip(frames_sha256.values(), frames, strict=True))
    return all(index.equals(wanted) for index in indices) and rows["frames_sha256"].equals(pl.Series([*hashes]))
