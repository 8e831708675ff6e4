"""The line along which a sampled field has a given value, by marching squares (Lorensen & Cline 1987, in two dimensions).

Scoring draws it twice a frame. Crossings are found for the whole field at once and joined through a table, several times as
fast as skimage's `find_contours`, which the tests hold it against.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# A cell lies between four pixels. Its corners count 1 (top left), 2 (top right), 4 (bottom right) and 8 (bottom left) where
# they are above the level. The line enters by one edge (0 top, 1 right, 2 bottom, 3 left) and leaves by another, the high
# corners on its right. Of two opposite high corners each gets its own piece of line: 5 is 1 and 4, 10 is 2 and 8.
_ENTRY = np.array([-1, 0, 1, 1, 2, -1, 2, 2, 3, 0, -1, 1, 3, 0, 3, -1])
_EXIT = np.array([-1, 3, 0, 3, 1, -1, 0, 3, 2, 2, -1, 2, 1, 1, 0, -1])
_SADDLES = {5: (1, 4), 10: (2, 8)}


def largest_level_line(field: NDArray[np.floating], level: float) -> NDArray[np.float64] | None:
    """Return the closed line at `level` around the largest area above it, or None where nothing is above it.

    Args:
        field: (height, width), nowhere above the level on its outermost rows and columns, so that every line closes.
        level: The value on the line; what equals it lies outside.

    Returns:
        (n, 2) float64, (x, y) = (column, row), n ≥ 4, the first point not repeated, clockwise on the screen (y down).
    """
    width, values = field.shape[1], field.ravel()
    above = values > level
    n_cells = len(values) - width - 1
    cases = np.zeros(n_cells, dtype=np.uint8)  # of the cell that begins at a pixel
    for corner, start in enumerate((0, 1, width + 1, width)):
        cases |= above[start : start + n_cells].view(np.uint8) << np.uint8(corner)
    at = np.flatnonzero((cases != 0) & (cases != 15))
    if len(at) == 0:
        return None
    case = cases[at].astype(np.intp)
    for saddle, (first, second) in _SADDLES.items():
        split = case == saddle
        if split.any():
            at, case = np.append(at, at[split]), np.append(np.where(split, first, case), np.full(split.sum(), second))
    # An edge is named twice its first pixel, and one more where it runs down: of a cell the top, right, bottom, left.
    edges = np.array([0, 3, 2 * width, 1])
    entry, leaving = 2 * at + edges[_ENTRY[case]], 2 * at + edges[_EXIT[case]]
    piece_from = np.empty(2 * len(values), dtype=np.intp)
    piece_from[entry] = np.arange(len(entry))
    following = piece_from[leaving]
    points = _crossings(field, entry, level)
    loops = list(_loops(following))
    if len(loops) == 1:
        return points[loops[0]]
    (x, y), (x_next, y_next) = points.T, points[following].T
    turn = x * y_next - x_next * y  # summed over a loop: twice its area, below zero for the line around a hole
    return points[max(loops, key=lambda loop: float(turn[loop].sum()))]


def _crossings(field: NDArray[np.floating], edge: NDArray[np.intp], level: float) -> NDArray[np.float64]:
    """Return the points where a linear course along each edge meets the level, (n, 2) as (x, y)."""
    width = field.shape[1]
    first, down = edge >> 1, edge & 1
    values = field.ravel()
    start = values[first].astype(np.float64)
    share = (level - start) / (values[first + np.where(down, width, 1)] - start)
    y, x = np.divmod(first, width)
    return np.column_stack([x + share * (1 - down), y + share * down])


def _loops(following: NDArray[np.intp]) -> Iterator[list[int]]:
    """Yield the pieces of each closed line in order, given which piece follows which."""
    successor, seen = following.tolist(), bytearray(len(following))
    for first in range(len(successor)):
        loop, piece = [], first
        while not seen[piece]:
            seen[piece] = 1
            loop.append(piece)
            piece = successor[piece]
        if loop:
            yield loop
