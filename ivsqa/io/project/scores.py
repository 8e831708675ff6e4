"""The score store: what one model says of every frame, in chunks of Parquet that are either whole or absent.

A chunk holds the rows of a run of frames (quality, contours, descriptors) and, beside it, their calibrated error maps. It counts
once its rows are in place; they are written last. Scores are kept under the model that made them and name the frames' hash, so
nothing is computed twice and nothing stale is read.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.quality.frame_score import BALD, SIGNALS, FrameScore
from ivsqa.errors import IntegrityError, StateError
from ivsqa.io import atomic
from ivsqa.io.lazily import lazily
from ivsqa.io.ledger import doors
from ivsqa.io.outside import entries, is_file
from ivsqa.io.project.layout import ProjectLayout
from ivsqa.io.project.manifest import ReadManifest
from ivsqa.io.project.quality_index import Qualities, QualityIndex
from ivsqa.io.project.records import ScoresRecord
from ivsqa.io.project.score_files import (
    damaged,
    frames_in,
    iter_useless,
    maps_beside,
    read_table,
    read_tables,
    side_of,
    whole_table,
)

if TYPE_CHECKING:
    import polars as pl
else:
    pl = lazily("polars")  # it loads for a fifth of a second

CHUNK_FRAMES = 1024
"""Seconds of work on any machine, and few files where pullbacks are many."""
MOST_CHUNKS = 256
"""Read as one table: what is read stays within some tens of megabytes."""


class ScoreStore:
    """Reads and writes the scores of one model."""

    def __init__(self, layout: ProjectLayout, model_id: str, structures: Sequence[str]) -> None:
        self._layout = layout
        self._model_id = model_id
        self._structures = tuple(structures)
        self._index = QualityIndex(layout.quality_index(model_id))

    @classmethod
    def of(cls, layout: ProjectLayout, model_id: str, read: ReadManifest, *, otherwise: Sequence[str]) -> ScoreStore:
        """Return the scores of a model by its id, with the structures that it scored, or others where it scored none."""
        record = layout.scores_record(model_id)
        return cls(layout, model_id, read(record, ScoresRecord).structures if is_file(record) else otherwise)

    def chunks(self, n_frames: int) -> Iterator[tuple[int, int]]:
        """Yield (first, last) inclusive of each chunk of a pullback."""
        for first in range(0, n_frames, CHUNK_FRAMES):
            yield first, min(first + CHUNK_FRAMES, n_frames) - 1

    def has_chunk(self, pullback_id: str, first: int, last: int, *, drawn: bool = False) -> bool:
        """Whether a chunk is there, whole, and with `drawn` also what takes draws with dropout."""
        path = self._layout.score_chunk(self._model_id, pullback_id, first, last)
        return is_file(path) and not (drawn and read_table(path, [BALD]).get_column(BALD).has_nulls())

    def is_whole(self, pullback_id: str, n_frames: int) -> bool:
        """Whether a pullback is scored to its end."""
        return all(self.has_chunk(pullback_id, *chunk) for chunk in self.chunks(n_frames))

    def remove_useless(self, frames_sha256: Mapping[str, str]) -> None:
        """Remove the scores of other frames under the same id, and damaged ones, so that they are made again.

        Rows go first: a chunk without them does not count. Of each file no more is read than which frames it is of: where the
        rest is damaged, whoever reads it says how to make it again.

        Args:
            frames_sha256: The hash of the frames of each pullback.
        """
        chunks = [one for one in self._iter_chunks(frames_sha256) if not self._index.knows(*one)]
        for begin in range(0, len(chunks), MOST_CHUNKS):
            for path in iter_useless(chunks[begin : begin + MOST_CHUNKS]):
                atomic.remove(path)
                atomic.remove(maps_beside(path))

    def note_quality(self, frames_sha256: Mapping[str, str]) -> None:
        """Note the quality of every frame in one file, which is read in place of all others where it is there.

        Args:
            frames_sha256: The hash of the frames of each pullback there is.
        """
        self._index.update(dict(self._iter_chunks(frames_sha256)), self._qualities)

    def _qualities(self, chunks: Mapping[Path, str]) -> dict[Path, NDArray[np.float64]]:
        """Return the quality of each frame of those of some chunks that are useful, and to the last byte as they were written."""
        useless = set(iter_useless([*chunks.items()])) if chunks else set()
        sound = []
        for path in chunks.keys() - useless:
            with suppress(IntegrityError):
                doors.verify(path)
                sound.append(path)
        read = _by_chunk(sound, ["quality"])
        return {} if read is None else read["quality"]

    def _iter_chunks(self, frames_sha256: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
        """Yield every chunk there is of some pullbacks, each with the hash of its pullback's frames."""
        for pullback_id, sha256 in frames_sha256.items():
            for path in entries(self._layout.scores(self._model_id) / pullback_id, "frames-*.parquet"):
                yield path, sha256

    def remove(self, pullback_id: str) -> None:
        """Remove the scores of a pullback, rows first: they are drawn anew when it is scored."""
        for path in sorted(entries(self._layout.scores(self._model_id) / pullback_id, "*.parquet"), reverse=True):
            atomic.remove(path)

    def write_chunk(self, frames_sha256: str, scores: Sequence[FrameScore]) -> None:
        """Write the scores of a run of consecutive frames of one pullback."""
        pullback_id, first, last = scores[0].pullback_id, scores[0].frame_index, scores[-1].frame_index
        maps = pl.DataFrame(
            {
                "frame_index": [score.frame_index for score in scores],
                "error_maps": [score.error_maps.tobytes() for score in scores],
            },
            schema={"frame_index": pl.Int32, "error_maps": pl.Binary},
        )
        listed = [self._row(score, frames_sha256) for score in scores]
        columns: dict[str, object] = {
            name: [row[name] for row in listed] for name in self._schema() if name != "features"
        }
        features = pl.Series("features", np.stack([score.features for score in scores]).astype(np.float32))
        rows = pl.DataFrame(columns | {"features": features.cast(pl.List(pl.Float32))}, schema=self._schema())
        # Error maps first: a chunk counts as soon as its rows are there.
        for path, table in (
            (self._layout.error_map_chunk(self._model_id, pullback_id, first, last), maps),
            (self._layout.score_chunk(self._model_id, pullback_id, first, last), rows),
        ):
            stream = io.BytesIO()
            table.write_parquet(stream, compression="zstd", compression_level=1, statistics=False)
            atomic.write_bytes(path, stream.getvalue())

    def table(self) -> pl.DataFrame:
        """Return one row a scored frame, without contours: pullback_id, frame_index, quality, dice_<structure> …, features.

        Raises:
            StateError: nothing is scored yet.
        """
        columns = [name for name in self._schema() if not name.startswith("contour_")]
        return read_tables(self._paths("*"), columns).sort("pullback_id", "frame_index")

    def columns(self, n_frames: Mapping[str, int], names: Sequence[str]) -> dict[str, dict[str, NDArray[np.float64]]]:
        """Return some columns of wholly scored pullbacks, (n_frames,) each in the order of frames, by pullback and name.

        Args:
            n_frames: Frames of each pullback wanted.
            names: Columns of numbers; missing values become NaN.

        Raises:
            StateError: nothing is scored yet, or a pullback not to its end.
        """
        return dict(self.iter_columns(n_frames, names))

    def iter_columns(
        self, n_frames: Mapping[str, int], names: Sequence[str]
    ) -> Iterator[tuple[str, dict[str, NDArray[np.float64]]]]:
        """Yield pullbacks with what `columns` returns of each; no more than some of them are held in memory."""
        waiting: dict[str, list[Path]] = {}
        n_waiting = 0
        for pullback_id, n in n_frames.items():
            waiting[pullback_id] = [
                self._layout.score_chunk(self._model_id, pullback_id, *chunk) for chunk in self.chunks(n)
            ]
            n_waiting += len(waiting[pullback_id])
            if n_waiting >= MOST_CHUNKS:
                yield from self._read_columns(waiting, names)
                waiting, n_waiting = {}, 0
        yield from self._read_columns(waiting, names)

    def _read_columns(
        self, chunks: Mapping[str, list[Path]], names: Sequence[str]
    ) -> Iterator[tuple[str, dict[str, NDArray[np.float64]]]]:
        """Yield pullbacks with some columns; what the index does not hold is read from all chunks as one table."""
        listed = [*chain.from_iterable(chunks.values())]
        noted = self._index.find(listed) if list(names) == ["quality"] else {}
        for path in listed:
            if path not in noted and not is_file(path):  # what the index finds is there
                self._paths("*")  # where nothing is scored at all, this says so instead
                raise StateError(
                    f"{path.parent.name} is not scored with {self._model_id} yet",
                    hint="score every frame with: ivsqa score",
                )
        left = [path for path in listed if path not in noted]
        read = _by_chunk(left, names) if left else {name: Qualities() for name in names}
        if read is None:
            raise damaged(self._layout.scores(self._model_id))
        found = {name: read[name] | noted for name in names}
        for pullback_id, paths in chunks.items():
            yield (
                pullback_id,
                {name: np.concatenate([np.empty(0), *map(found[name].get, paths)]) for name in names},
            )

    def rows(self, keys: Sequence[FrameKey], names: Sequence[str]) -> pl.DataFrame:
        """Return some columns of scored frames, a row each, in the order of their keys.

        Raises:
            StateError: a frame is not scored yet.
        """
        by_chunk: dict[FrameKey, list[int]] = {}
        for row, (pullback_id, index) in enumerate(keys):
            by_chunk.setdefault(FrameKey(pullback_id, index - index % CHUNK_FRAMES), []).append(row)
        wanted = [(self._chunk_of(*chunk), [keys[row][1] for row in rows]) for chunk, rows in by_chunk.items()]
        batches = (wanted[begin : begin + MOST_CHUNKS] for begin in range(0, len(wanted), MOST_CHUNKS))
        parts = [_rows_of(some, names) for some in batches]
        if not parts:
            return pl.DataFrame(schema={name: self._schema()[name] for name in names})
        return pl.concat(parts)[np.argsort(np.concatenate(list(by_chunk.values())))]

    def features(self, keys: Sequence[FrameKey]) -> NDArray[np.float32]:
        """Return the descriptions of scored frames, (n, F), in the order of their keys; raises as `rows`."""
        listed = self.rows(keys, ["features"]).get_column("features")
        with whole_table(self._layout.scores(self._model_id)):
            return listed.explode().to_numpy().reshape(len(keys), -1) if keys else np.empty((0, 0), dtype=np.float32)

    def contours(
        self, pullback_id: str, n_frames: int, wanted: Collection[int] | None = None
    ) -> dict[int, dict[str, Contour]]:
        """Return the predicted contours of the scored frames of a pullback, by frame index; read without their error maps.

        Args:
            pullback_id: Whose frames.
            n_frames: How many it has.
            wanted: Of which frames; None: of all.
        """
        columns = [f"contour_{name}" for name in self._structures]
        by_frame: dict[int, dict[str, Contour]] = {}
        for first, last in self.chunks(n_frames):
            inside = None if wanted is None else [index for index in wanted if first <= index <= last]
            if inside != [] and self.has_chunk(pullback_id, first, last):
                path = self._layout.score_chunk(self._model_id, pullback_id, first, last)
                rows = read_table(path, ["frame_index", *columns])
                rows = rows if inside is None else rows.filter(pl.col("frame_index").is_in(inside))
                with whole_table(path):
                    by_frame |= {row["frame_index"]: self._contours(row) for row in rows.iter_rows(named=True)}
        return by_frame

    def read(self, pullback_id: str, frame_indices: Iterable[int]) -> Iterator[FrameScore]:
        """Yield the scores of some frames, with contours and error maps, in order.

        Raises:
            StateError: a frame is not scored yet.
            IntegrityError: what is stored is damaged.
        """
        wanted = sorted(set(frame_indices))
        for first in sorted({index // CHUNK_FRAMES * CHUNK_FRAMES for index in wanted}):
            inside = [index for index in wanted if first <= index < first + CHUNK_FRAMES]
            path = self._chunk_of(pullback_id, inside[0])
            rows = read_table(path).filter(pl.col("frame_index").is_in(inside)).sort("frame_index")
            maps = dict(read_table(maps_beside(path)).filter(pl.col("frame_index").is_in(inside)).iter_rows())
            if rows.get_column("frame_index").to_list() != inside:
                raise damaged(path)
            for row in rows.iter_rows(named=True):
                packed = maps.get(row["frame_index"], b"")
                if side_of(len(packed), len(self._structures)) is None:
                    raise damaged(maps_beside(path))
                with whole_table(path):
                    score = self._score(row, packed)
                yield score

    def find(self, pullback_id: str, frame_index: int) -> FrameScore | None:
        """Return the score of a frame, or None where it is not scored yet."""
        try:
            return next(self.read(pullback_id, [frame_index]), None)
        except StateError:
            return None

    def _paths(self, pullback_id: str) -> list[Path]:
        """Return the chunks of a pullback, or with "*" of all, in order.

        Raises:
            StateError: there is none.
        """
        folders = entries(self._layout.scores(self._model_id), pullback_id)
        paths = [path for folder in folders if folder.is_dir() for path in entries(folder, "frames-*.parquet")]
        if not paths:
            raise StateError(f"nothing is scored with {self._model_id} yet", hint="score with: ivsqa score")
        return paths

    def _chunk_of(self, pullback_id: str, index: int) -> Path:
        """Return the chunk a frame is in."""
        first = index // CHUNK_FRAMES * CHUNK_FRAMES
        folder = self._layout.scores(self._model_id) / pullback_id
        # The last chunk of a pullback is shorter, so only the beginning of its name is known.
        path = next(iter(entries(folder, f"frames-{first:06d}-*.parquet")), None)
        if path is None:
            raise StateError(
                f"frame {index} of {pullback_id} is not scored with {self._model_id} yet",
                hint="score with: ivsqa score",
            )
        return path

    def _schema(self) -> dict[str, pl.DataType]:
        """Return column types; one set of columns a structure."""
        columns: dict[str, pl.DataType] = {
            "pullback_id": pl.String(),
            "frame_index": pl.Int32(),
            "frames_sha256": pl.String(),
            "quality": pl.Float64(),
            "expected_error_px": pl.Float64(),
            "n_regions": pl.Int32(),
            **{name: pl.Float64() for name in SIGNALS},
            "features": pl.List(pl.Float32()),
        }
        for name in self._structures:
            columns |= {
                f"dice_{name}": pl.Float64(),
                f"dice_lower_{name}": pl.Float64(),
                f"contour_{name}": pl.Binary(),
            }
        return columns

    def _row(self, score: FrameScore, frames_sha256: str) -> dict[str, object]:
        """Return a score as a row; contours are (x, y) float32 pairs."""
        row: dict[str, object] = {
            "pullback_id": score.pullback_id,
            "frame_index": score.frame_index,
            "frames_sha256": frames_sha256,
            "quality": score.quality,
            "expected_error_px": score.expected_error_px,
            "n_regions": score.n_regions,
            **{name: score.signals[name] for name in SIGNALS},
        }
        for name in self._structures:
            contour = score.contours.get(name)
            row[f"dice_{name}"] = score.dice[name]
            row[f"dice_lower_{name}"] = score.dice_lower[name]
            # Byte order is fixed, as a project may move to another machine.
            row[f"contour_{name}"] = None if contour is None else contour.points_px.astype("<f4").tobytes()
        return row

    def _score(self, row: dict[str, object], packed_maps: bytes) -> FrameScore:
        """Return a row as a score."""
        size = side_of(len(packed_maps), len(self._structures)) or 0
        values: dict[str, float] = {key: float(value) for key, value in row.items() if isinstance(value, (int, float))}
        return FrameScore(
            pullback_id=str(row["pullback_id"]),
            frame_index=int(values["frame_index"]),
            quality=values["quality"],
            dice={name: values[f"dice_{name}"] for name in self._structures},
            dice_lower={name: values.get(f"dice_lower_{name}") for name in self._structures},
            expected_error_px=values["expected_error_px"],
            n_regions=int(values["n_regions"]),
            signals={name: values.get(name) for name in SIGNALS},
            features=np.asarray(row["features"], dtype=np.float32),
            contours=self._contours(row),
            error_maps=np.frombuffer(packed_maps, dtype=np.uint8).reshape(len(self._structures), size, size),
        )

    def _contours(self, row: Mapping[str, object]) -> dict[str, Contour]:
        """Return the contours of a row."""
        return {
            name: Contour.from_points(np.frombuffer(packed, dtype="<f4").reshape(-1, 2))
            for name in self._structures
            if isinstance(packed := row[f"contour_{name}"], bytes)
        }


def _by_chunk(paths: Sequence[Path], names: Sequence[str]) -> dict[str, Qualities] | None:
    """Return some columns of some chunks by name and chunk, with NaN where a value is missing; None where rows are missing."""
    table, ends = read_tables(paths, names), np.cumsum([len(frames_in(path)) for path in paths], dtype=np.intp)
    if len(table) != (ends[-1] if len(ends) else 0):
        return None
    columns = {name: table.get_column(name).cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names}
    return {name: dict(zip(paths, np.split(values, ends), strict=False)) for name, values in columns.items()}


def _rows_of(wanted: Sequence[tuple[Path, list[int]]], names: Sequence[str]) -> pl.DataFrame:
    """Return some columns of frames of some chunks, a row each; the files are read as one, as each for itself takes longer."""
    places, begin = [], 0
    for path, indices in wanted:
        held = frames_in(path)
        if max(indices) not in held:
            raise damaged(path)
        places += [begin + index - held.start for index in indices]
        begin += len(held)
    table = read_tables([path for path, _ in wanted], names)
    if len(table) != begin:
        raise damaged(next(path for path, _ in wanted if len(read_table(path, [*names])) != len(frames_in(path))))
    return table[places]
