"""Lines along which sampled fields have a given value, by marching squares (Lorensen & Cline 1987, in two dimensions).

Scoring draws one for each structure of each frame, so all fields are gone through at once, and most of what is asked of a line
needs its pieces in no order. The tests hold it against skimage's `find_contours`, which is several times as slow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.edges import Edges

# A cell lies between four pixels. Its corners count 1 (top left), 2 (top right), 4 (bottom left) and 8 (bottom right) where
# they are above the level. The line enters by one edge (0 top, 1 right, 2 bottom, 3 left) and leaves by another, the high
# corners on its right. Of two opposite high corners each gets its own piece of line: 9 is 1 and 8, 6 is 2 and 4.
_ENTRY = np.array([-1, 0, 1, 1, 3, 0, -1, 1, 2, -1, 2, 2, 3, 0, 3, -1])
_EXIT = np.array([-1, 3, 0, 3, 2, 2, -1, 2, 1, -1, 0, 3, 1, 1, 0, -1])
_SADDLES = {9: (1, 8), 6: (2, 4)}


@dataclass(frozen=True, eq=False)
class LevelLines:
    """The line at a level around the largest area above it, in each of n fields.

    Attributes:
        edges: Of the n lines, clockwise on the screen (y down); none where nothing is above the level.
        following: The edge after each.
        is_only: Whether the field has no other line, (n,).
    """

    edges: Edges
    following: NDArray[np.intp]
    is_only: NDArray[np.bool_]

    def points(self, field: int) -> NDArray[np.float64] | None:
        """Return the points of the line of a field in their order, (k, 2), the first not repeated; None where it has none."""
        numbers = np.flatnonzero(self.edges.line == field)
        if not len(numbers):
            return None
        successor, order = self.following.tolist(), [int(numbers[0])]
        while (edge := successor[order[-1]]) != order[0]:
            order.append(edge)
        return self.edges.start_px[order]

    def some(self, fields: NDArray[np.intp]) -> LevelLines:
        """Return the lines of some fields, by number, in the order given."""
        if np.array_equal(fields, np.arange(self.edges.n_lines)):
            return self
        number = np.full(self.edges.n_lines, -1)
        number[fields] = np.arange(len(fields))
        line = number[self.edges.line]
        kept = line >= 0
        moved = np.cumsum(kept) - 1
        edges = Edges(self.edges.start_px[kept], self.edges.end_px[kept], line[kept], len(fields))
        return LevelLines(edges, moved[self.following[kept]], self.is_only[fields])


def level_lines(fields: NDArray[np.generic], level: float) -> LevelLines:
    """Return the line at `level` around the largest area above it in each field; beyond a field there is nothing.

    Args:
        fields: (n, height, width).
        level: The value on the lines, above 0; what equals it lies outside.
    """
    n_fields, height, width = fields.shape
    padded = np.zeros((n_fields, height + 2, width + 2))
    padded[:, 1:-1, 1:-1] = fields
    entry, leaving = _pieces(padded, level)
    points = _crossings(padded, entry, level)
    field = entry // (2 * padded[0].size)
    piece_from = np.empty(2 * padded.size, dtype=np.int32)
    piece_from[entry] = np.arange(len(entry))
    following = piece_from[leaving].astype(np.intp)
    loop = _smallest_of_loop(following)
    firsts = np.flatnonzero(loop == np.arange(len(loop)))
    (x, y), (x_next, y_next) = points.T, points[following].T
    # Summed over a loop: twice its area, below zero for the line around a hole.
    turn = np.bincount(loop, x * y_next - x_next * y, minlength=len(loop))[firsts]
    by_size = firsts[np.argsort(-turn, kind="stable")][::-1]
    by_size = by_size[np.isnan(turn).sum() :]  # what runs beside a pixel that is not a number is no line
    largest = np.full(n_fields, -1)
    largest[field[by_size]] = by_size  # the last stays: of equals the first
    kept = loop == largest[field]
    number = np.cumsum(kept) - 1
    return LevelLines(
        Edges(points[kept] - 1.0, points[following[kept]] - 1.0, field[kept], n_fields),
        number[following[kept]],
        np.bincount(field[firsts], minlength=n_fields) == 1,
    )


def _pieces(fields: NDArray[np.floating], level: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pixel edges by which each piece of line enters and leaves its cell, (m,) each.

    An edge is named twice its first pixel, and one more where it runs down.
    """
    width, values = fields.shape[2], fields.ravel()
    above = values > level
    rows = above[:-1].view(np.uint8) + above[1:] * np.uint8(2)  # a tenth of the time of shifts
    cases = rows[:-width] + rows[width:] * np.uint8(4)  # of the cell that begins at a pixel; none between two fields
    at = np.flatnonzero((cases != 0) & (cases != 15))
    case = cases[at].astype(np.intp)
    for saddle, (first, second) in _SADDLES.items():
        split = case == saddle
        if split.any():
            at, case = np.append(at, at[split]), np.append(np.where(split, first, case), np.full(split.sum(), second))
    edges = np.array([0, 3, 2 * width, 1])  # of a cell the top, right, bottom, left
    return 2 * at + edges[_ENTRY[case]], 2 * at + edges[_EXIT[case]]


def _crossings(fields: NDArray[np.floating], edge: NDArray[np.intp], level: float) -> NDArray[np.float64]:
    """Return the points where a linear course along each edge meets the level, (m, 2) as (x, y) in its field."""
    _, height, width = fields.shape
    first, down = edge >> 1, edge & 1
    values = fields.ravel()
    start = values[first].astype(np.float64)
    share = (level - start) / (values[first + np.where(down, width, 1)] - start)
    y, x = np.divmod(first, width)
    return np.column_stack([x + share * (1 - down), y % height + share * down])


def _smallest_of_loop(following: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the smallest number of the loop that each piece is of, given which piece follows which."""
    smallest, ahead = np.arange(len(following)), following
    while True:  # known for 1, 2, 4 … pieces ahead
        smaller = np.minimum(smallest, smallest[ahead])
        if (smaller == smallest).all():
            return smallest
        smallest, ahead = smaller, ahead[ahead]
