"""Closed nested curves of least cost over columns and rows, exactly, by dynamic programming.

Column is angle, row is radius: surface k passes column a in row `rows[k, a]`, never moves by more than `max_step` rows between
neighbouring columns, the last column being a neighbour of the first, and keeps at least `min_gap` rows inside surface k + 1.

Four exact steps make it fast. Surfaces are first laid each for itself: where these keep their gaps, no joint choice can be
better; the others are laid jointly, over pairs (triples …) of rows. Where the best row of each column alone makes a surface, none
is better. The rows within reach of a step are a box, so their least
value is found axis by axis. And the best path that need not close is a bound on those that do: the rows it may start in are
shared out until the best path closes by itself (branch and bound for circular paths: Appleton and Sun, Pattern Recognition
2003;36:2513). With the costs of a frame the very first path closes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import count, pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = NDArray[np.intp]
Box: TypeAlias = tuple[tuple[int, int], ...]
"""Of each surface, the first row and the row after the last that it may pass the first column in."""

_MOST_STATES = 1 << 19
_CLOSED = 1e9


def closed_surfaces(costs: NDArray[np.floating], *, max_step: int, min_gap: int) -> Rows:
    """Return the rows of the closed nested surfaces whose summed cost is least.

    Args:
        costs: (K, columns, rows) of surface k in a cell, innermost surface first; infinite where it may not pass.
        max_step: Rows between neighbouring columns, 0 or more.
        min_gap: Rows from a surface to the next outer one; below 0, it may cross that by as many.

    Returns:
        (K, columns) rows.

    Raises:
        ValueError: no surfaces keep all this, or too many would have to be laid jointly.

    Example:
        The inner surface would rather lie in row 2, which the outer one needs more; the gap makes it yield.

        >>> costs = np.full((2, 4, 4), 9.0)
        >>> costs[0, :, 2], costs[0, :, 1], costs[1, :, 2] = 0.0, 1.0, 0.0
        >>> closed_surfaces(costs, max_step=1, min_gap=1).tolist()
        [[1, 1, 1, 1], [2, 2, 2, 2]]
    """
    groups = [[index] for index in range(len(costs))]
    laid = [_alone(costs[group], max_step, min_gap) for group in groups]
    while (at := _conflict(laid, min_gap)) is not None:
        groups[at : at + 2] = [groups[at] + groups[at + 1]]
        laid[at : at + 2] = [_jointly(costs[groups[at]], max_step, min_gap)]
    return np.concatenate(laid)


def _conflict(laid: list[Rows], min_gap: int) -> int | None:
    """Return the first group that comes too near the next, None where all keep their gaps."""
    return next((at for at in range(len(laid) - 1) if (laid[at + 1][0] - laid[at][-1] < min_gap).any()), None)


def _alone(costs: NDArray[np.floating], max_step: int, min_gap: int) -> Rows:
    """Return the rows of a surface laid for itself, (1, columns)."""
    rows = costs.argmin(axis=2)
    steps = np.abs(np.diff(rows, append=rows[:, :1]))
    best = np.take_along_axis(costs, rows[..., None], axis=2)
    return rows if steps.max() <= max_step and np.isfinite(best).all() else _jointly(costs, max_step, min_gap)


def _jointly(costs: NDArray[np.floating], max_step: int, min_gap: int) -> Rows:
    """Return the rows of surfaces laid together, (K, columns)."""
    n_surfaces, _, n_rows = costs.shape
    if n_rows**n_surfaces > _MOST_STATES:
        raise ValueError(f"{n_surfaces} borders over {n_rows} radii are too many to lay jointly")
    # Cut where the choice is clearest: a path that starts there mostly closes at once.
    start = int(np.argmax(_clearness(costs)))
    turned = np.roll(costs, -start, axis=1)
    forbidden = _too_near(n_surfaces, n_rows, min_gap)
    order = count()  # of boxes with equal bounds, the older first
    whole: Box = ((0, n_rows),) * n_surfaces
    bound, path = _open_path(turned, forbidden, whole, max_step)
    waiting = [(bound, next(order), whole, path)]
    while True:
        bound, _, box, path = heapq.heappop(waiting)
        if not np.isfinite(bound):
            raise ValueError("no closed borders keep the slope, the wall and the points asked for")
        first, end = path[:, 0], path[:, -1]
        end = end + np.clip(first - end, -max_step, max_step)  # the step that comes nearest to closing
        if (end == first).all():
            return np.roll(path, start, axis=1)
        for half in _halves(box, first, end):
            bound, path_of_half = _open_path(turned, forbidden, half, max_step)
            heapq.heappush(waiting, (bound, next(order), half, path_of_half))


def _clearness(costs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean extra cost of the other rows of each column over its best, (columns,)."""
    best = costs.min(axis=2, keepdims=True)
    beyond = np.where(np.isfinite(costs), costs, _CLOSED) - np.where(np.isfinite(best), best, _CLOSED)
    return np.asarray(beyond.mean(axis=(0, 2)))


def _too_near(n_surfaces: int, n_rows: int, min_gap: int) -> NDArray[np.float64]:
    """Return infinity for each combination of rows with too small a gap, else zero, (rows,) * K."""
    rows = np.indices((n_rows,) * n_surfaces, sparse=True)
    wrong = np.zeros((n_rows,) * n_surfaces, dtype=np.bool_)
    for inner, outer in pairwise(rows):
        wrong |= outer - inner < min_gap
    return np.where(wrong, np.inf, 0.0)


def _halves(box: Box, first: Rows, end: Rows) -> Iterator[Box]:
    """Yield the halves of a box, cut so that a path from `first` to `end`, (K,) each, fits neither."""
    axis = int(np.argmax(np.abs(first - end)))
    middle = (int(first[axis]) + int(end[axis]) + 1) // 2
    low, high = box[axis]
    for ends in ((low, middle), (middle, high)):
        yield (*box[:axis], ends, *box[axis + 1 :])


def _open_path(
    costs: NDArray[np.floating], forbidden: NDArray[np.float64], box: Box, max_step: int
) -> tuple[float, Rows]:
    """Return the least cost of a path from the box through all columns and back into it, and its rows, (K, columns)."""
    n_surfaces, n_columns, _ = costs.shape
    step = _Step(forbidden.shape, max_step)
    # Each surface's costs along its own axis, so that their sum runs over all combinations of rows.
    by_surface = [
        costs[surface].reshape(n_columns, *(-1 if axis == surface else 1 for axis in range(n_surfaces)))
        for surface in range(n_surfaces)
    ]
    reached = np.empty((n_columns, *forbidden.shape))
    start = np.full(forbidden.shape, np.inf)
    inside = tuple(slice(*ends) for ends in box)
    start[inside] = 0.0
    value = step.values
    for column in range(n_columns):
        np.add(step.least() if column else start, by_surface[0][column], out=value)
        for cost in by_surface[1:]:
            value += cost[column]
        if n_surfaces > 1:
            value += forbidden
        reached[column] = value
    back = step.least()[inside]
    best = float(back.min())
    if not np.isfinite(best):
        return best, np.zeros((n_surfaces, n_columns), dtype=np.intp)
    landing = np.array(np.unravel_index(int(back.argmin()), back.shape)) + [low for low, _ in box]
    return best, _traced(reached, landing.tolist(), max_step)


class _Step:
    """From the least cost of each cell to the least within reach of it, in place: most of the time goes here.

    Args:
        shape: (rows,) * K.
        reach: Rows that a step may go along each axis.
    """

    def __init__(self, shape: tuple[int, ...], reach: int) -> None:
        padded = np.full(tuple(n + 2 * reach for n in shape), np.inf)
        self.values = padded[tuple(slice(reach, reach + n) for n in shape)]
        self._program: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]] = []
        window, wanted = padded, 2 * reach + 1
        for axis, n in enumerate(shape):
            width = 1
            while width < wanted:
                # Windows double; the last two may overlap, since the least of a value and itself is that value.
                shift = min(width, wanted - width)
                moved = np.moveaxis(window, axis, 0)
                a, b = (np.moveaxis(moved[at : at + len(moved) - shift], 0, axis) for at in (0, shift))
                out = np.empty(a.shape)
                self._program.append((a, b, out))
                window, width = out, width + shift
            assert window.shape[axis] == n
        self._least = window

    def least(self) -> NDArray[np.float64]:
        """Return the least of `values` within reach of each cell; overwritten by the next call."""
        for a, b, out in self._program:
            np.minimum(a, b, out=out)
        return self._least


def _traced(reached: NDArray[np.float64], last: list[int], max_step: int) -> Rows:
    """Return the rows of the path that ends a step from `last`, (K, columns), from the least costs of reaching each cell."""
    path = []
    for values in reached[::-1]:
        low = [max(row - max_step, 0) for row in last]
        window = values[tuple(slice(a, b + max_step + 1) for a, b in zip(low, last, strict=True))]
        at = int(window.argmin())
        for axis in reversed(range(len(low))):
            at, beyond = divmod(at, window.shape[axis])
            low[axis] += beyond
        last = low
        path.append(last)
    return np.array(path[::-1], dtype=np.intp).T
