"""The edges of closed lines, of one line or of thousands at once: much that is asked of a line is a sum over its edges.

Coordinates are those of `contour`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of n closed lines, in any order; a line may have none.

    Attributes:
        start_px: Where each edge begins, (m, 2) as (x, y).
        end_px: Where it ends, (m, 2).
        line: Which line it is of, (m,).
        n_lines: n.
    """

    start_px: NDArray[np.float64]
    end_px: NDArray[np.float64]
    line: NDArray[np.intp]
    n_lines: int

    @classmethod
    def of(cls, lines: Sequence[NDArray[np.float64]]) -> Edges:
        """Return the edges of lines by their vertices, (k, 2) each, the first not repeated."""
        ends = [part for points in lines for part in (points[1:], points[:1])]
        nothing = np.empty((0, 2))
        return cls(
            np.concatenate([nothing, *lines]),
            np.concatenate([nothing, *ends]),
            np.repeat(np.arange(len(lines)), [len(points) for points in lines]),
            len(lines),
        )

    def summed(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of values of the edges, (m,), over each line, (n,)."""
        return np.asarray(np.bincount(self.line, values, minlength=self.n_lines), dtype=np.float64)

    def areas_and_centroids(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what each line encloses, (n,) px², above zero where it runs clockwise, and its centroid, (n, 2); NaN without."""
        origins = np.zeros((self.n_lines, 2))
        origins[self.line] = self.start_px  # a vertex of each: near it, little is lost to rounding
        (x, y), (x_next, y_next) = ((points - origins[self.line]).T for points in (self.start_px, self.end_px))
        cross = x * y_next - x_next * y
        twice_areas = self.summed(cross)
        moments = np.column_stack([self.summed((a + b) * cross) for a, b in ((x, x_next), (y, y_next))])
        with np.errstate(invalid="ignore", divide="ignore"):
            return 0.5 * twice_areas, origins + moments / (3.0 * twice_areas[:, None])

    def enclose(self, points_px: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether each line encloses its point, (n, 2); even-odd, as `masks`."""
        x, y = points_px[self.line].T
        at = np.flatnonzero((self.start_px[:, 1] <= y) != (self.end_px[:, 1] <= y))
        (x_start, y_start), (dx, dy) = self.start_px[at].T, (self.end_px - self.start_px)[at].T
        beyond = at[x_start + (y[at] - y_start) * dx / dy > x[at]]
        return np.asarray(np.bincount(self.line[beyond], minlength=self.n_lines) % 2 == 1)

    def masks(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the pixels whose centre lies inside each line, bool (n, height, width), as `Contour.mask` says."""
        masks = np.zeros((self.n_lines, *shape), dtype=np.bool_)
        line, rows, columns = self._row_crossings(shape)
        if len(rows) == 0:
            return masks
        top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max()
        size = self.n_lines, bottom - top, right - left + 1
        place = (line * size[1] + rows - top) * size[2] + columns - left
        turns = np.bincount(place, minlength=int(np.prod(size))).astype(np.uint8).reshape(size)
        # Each crossing turns inside and outside round for every pixel to its right; uint8 may wrap: only parity counts.
        inside = np.cumsum(turns[..., :-1], axis=2, dtype=np.uint8) & 1
        masks[:, top:bottom, left:right] = inside.view(np.bool_)
        return masks

    def _row_crossings(self, shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Return the crossings with rows of pixel centres: line, row, and first column at or right of it, (c,) each."""
        height, width = shape
        down = (self.start_px[:, 1] <= self.end_px[:, 1])[:, None]
        upper, lower = np.where(down, self.start_px, self.end_px), np.where(down, self.end_px, self.start_px)
        first = np.ceil(upper[:, 1]).clip(0, height).astype(np.intp)
        n_rows = np.ceil(lower[:, 1]).clip(0, height).astype(np.intp) - first  # half open: a vertex counts once
        edge, rows = runs(first, n_rows)
        (x, y), (dx, dy) = upper[edge].T, (lower - upper)[edge].T
        return self.line[edge], rows, np.ceil(x + (rows - y) * dx / dy).clip(0, width).astype(np.intp)


def runs(first: NDArray[np.intp], length: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which run each number is of, and the number, for runs of consecutive numbers.

    Example:
        >>> [numbers.tolist() for numbers in runs(np.array([5, 2, 7]), np.array([2, 0, 3]))]
        [[0, 0, 2, 2, 2], [5, 6, 7, 8, 9]]
    """
    run = np.repeat(np.arange(len(length)), length)
    return run, np.arange(len(run)) + (first + length - np.cumsum(length))[run]
