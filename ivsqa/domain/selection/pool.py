"""Frames that can be chosen, as columns, and which of them still may be.

A study has thousands of pullbacks of thousands of frames, so a frame is a row of a few arrays. Rows are sorted by pullback and
frame: no answer depends on the order in which frames were found.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.pullback import FrameKey

Rows: TypeAlias = NDArray[np.intp]

SCAN = 4096
"""Rows looked at together: few enough to find the next allowed one quickly, enough that millions take no time."""
ROUNDING_MM = 1e-6
"""Positions are products of speed and time: what is asked to be 0.6 mm apart may come out a little less."""


@dataclass(frozen=True, eq=False)
class PullbackFrames:
    """The frames of one pullback that can be chosen, in any order.

    Attributes:
        pullback_id: Its id.
        subject_id: Its subject's.
        frame_index: (n,) 0-based.
        position_mm: (n,) along the pullback, NaN where unknown; None where unknown for all.
        score: (n,) what frames are ranked by, higher is chosen first, NaN where never scored; None where none was.
        features: (n, F) descriptions, for diversity; None where there are none.
    """

    pullback_id: str
    subject_id: str
    frame_index: NDArray[np.integer]
    position_mm: NDArray[np.floating] | None = None
    score: NDArray[np.floating] | None = None
    features: NDArray[np.floating] | None = None


@dataclass(frozen=True, eq=False)
class Pool:
    """The frames of a study or a part of it; build one with `Pool.of`.

    Attributes:
        pullback_ids: Sorted.
        subject_ids: Of each pullback.
        begins: (n_pullbacks + 1,) row at which each pullback begins; the last is the number of rows.
        frame_index: (n,) 0-based, rising within a pullback.
        position_mm: (n,) along the pullback; NaN where unknown.
        score: (n,) what frames are ranked by, higher is chosen first; NaN where the frame was never scored.
        features_of: Takes (m,) rows, returns their (m, F) descriptions, which may stay on the disk until then; None where there
            are none.
    """

    pullback_ids: tuple[str, ...]
    subject_ids: tuple[str, ...]
    begins: NDArray[np.intp]
    frame_index: NDArray[np.intp]
    position_mm: NDArray[np.float64]
    score: NDArray[np.float64]
    features_of: Callable[[Rows], NDArray[np.floating]] | None = None

    @classmethod
    def of(cls, pullbacks: Iterable[PullbackFrames]) -> Pool:
        """Return the frames of pullbacks given in any order.

        Raises:
            ValueError: a frame or a pullback is given twice.
        """
        parts = sorted((part for part in pullbacks if len(part.frame_index)), key=lambda part: part.pullback_id)
        names = tuple(part.pullback_id for part in parts)
        indices = [np.asarray(part.frame_index, np.intp) for part in parts]
        # Most come in order, and to put millions in order once more takes a second.
        orders = [None if (np.diff(index) > 0).all() else np.argsort(index, kind="stable") for index in indices]
        indices = [index if order is None else index[order] for index, order in zip(indices, orders, strict=True)]
        if len(set(names)) < len(names) or any((np.diff(index) == 0).any() for index in indices):
            raise ValueError("a frame or a pullback is in the pool twice")
        begins = np.cumsum([0, *(len(index) for index in indices)], dtype=np.intp)

        def column(values: list[NDArray[np.floating] | None]) -> NDArray[np.float64]:
            in_order = np.full(begins[-1], np.nan)
            for number, (known, order) in enumerate(zip(values, orders, strict=True)):
                if known is not None:
                    in_order[begins[number] : begins[number + 1]] = known if order is None else known[order]
            return in_order

        features = [
            part.features if order is None else part.features[order]
            for part, order in zip(parts, orders, strict=True)
            if part.features is not None
        ]
        return cls(
            names,
            tuple(part.subject_id for part in parts),
            begins,
            np.concatenate([np.empty(0, dtype=np.intp), *indices]),
            column([part.position_mm for part in parts]),
            column([part.score for part in parts]),
            np.concatenate(features).__getitem__ if features and len(features) == len(parts) else None,
        )

    @cached_property
    def number_of(self) -> dict[str, int]:
        """Number of each pullback, by its id."""
        return {pullback_id: number for number, pullback_id in enumerate(self.pullback_ids)}

    def __len__(self) -> int:
        return len(self.frame_index)

    def pullback_of(self, rows: Rows) -> NDArray[np.intp]:
        """Return the number of the pullback of each row."""
        return np.searchsorted(self.begins, rows, side="right") - 1

    def key(self, row: int) -> FrameKey:
        """Return the frame of a row."""
        pullback = int(np.searchsorted(self.begins, row, side="right")) - 1
        return FrameKey(self.pullback_ids[pullback], int(self.frame_index[row]))

    def rows_of(self, keys: Collection[FrameKey]) -> Rows:
        """Return the rows of those frames that are in the pool, rising."""
        rows = []
        for pullback_id, index in keys:
            if pullback_id in self.number_of:
                begin, end = self.begins[self.number_of[pullback_id] :][:2]
                row = begin + np.searchsorted(self.frame_index[begin:end], index)
                if row < end and self.frame_index[row] == index:
                    rows.append(row)
        return np.array(sorted(rows), dtype=np.intp)


@dataclass(frozen=True)
class Limits:
    """What keeps chosen frames apart.

    Attributes:
        max_per_pullback: Most frames chosen from a pullback, not counting those taken before; None for no cap.
        min_gap_frames: Least difference of index between two chosen or taken frames of a pullback; 0 and 1 only forbid the same.
        min_gap_mm: Least distance along the pullback as well, where positions are known.
    """

    max_per_pullback: int | None = None
    min_gap_frames: int = 1
    min_gap_mm: float = 0.0

    def __post_init__(self) -> None:
        if self.min_gap_frames < 0 or self.min_gap_mm < 0.0 or (self.max_per_pullback or 0) < 0:
            raise ValueError("limits cannot be negative")


class Allowed:
    """Which rows of a pool may still be chosen; they only ever get fewer."""

    def __init__(self, pool: Pool, limits: Limits, taken: Collection[FrameKey] = ()) -> None:
        self.pool = pool
        self.limits = limits
        self.free = np.full(len(pool), limits.max_per_pullback != 0)  # a cap of 0 leaves nothing to choose
        self._room = dict.fromkeys(range(len(pool.pullback_ids)), limits.max_per_pullback)
        for pullback_id, index in taken:
            if pullback_id in pool.number_of:
                self._block_around(pool.number_of[pullback_id], index)

    def copy(self) -> Allowed:
        """Return the same state, on its own from now on."""
        other = copy.copy(self)
        other.free, other._room = self.free.copy(), dict(self._room)
        return other

    def only(self, rows: NDArray[np.bool_]) -> Allowed:
        """Return the same state for some rows alone, (n,)."""
        other = self.copy()
        other.free &= rows
        return other

    def uncapped(self) -> Allowed:
        """Return the same state without the cap from now on."""
        other = self.copy()
        other._room = dict.fromkeys(self._room)
        return other

    def take(self, row: int) -> None:
        """Count a row as chosen."""
        pullback = int(np.searchsorted(self.pool.begins, row, side="right")) - 1
        self._block_around(pullback, int(self.pool.frame_index[row]))
        room = self._room[pullback]
        if room is not None:
            self._room[pullback] = room - 1
            if room == 1:
                begin, end = self.pool.begins[pullback : pullback + 2]
                self.free[begin:end] = False

    def first_free(self, rows: Rows) -> Iterator[int]:
        """Yield the rows that are free when their turn comes; the caller may take some meanwhile."""
        for start in range(0, len(rows), SCAN):
            part = rows[start : start + SCAN]
            for row in part[self.free[part]]:
                if self.free[row]:
                    yield int(row)

    def _block_around(self, pullback: int, index: int) -> None:
        """Forbid a frame and its neighbours within the gap."""
        begin, end = self.pool.begins[pullback : pullback + 2]
        frames = self.pool.frame_index[begin:end]
        gap = max(1, self.limits.min_gap_frames)  # a frame is never chosen twice
        near = slice(
            begin + np.searchsorted(frames, index - gap, side="right"), begin + np.searchsorted(frames, index + gap)
        )
        self.free[near] = False
        if self.limits.min_gap_mm > 0.0:
            at = begin + np.searchsorted(frames, index)
            if at < end and frames[at - begin] == index:  # a frame outside the pool has no known position
                away = np.abs(self.pool.position_mm[begin:end] - self.pool.position_mm[at])
                self.free[begin:end] &= ~(away < self.limits.min_gap_mm - ROUNDING_MM)
