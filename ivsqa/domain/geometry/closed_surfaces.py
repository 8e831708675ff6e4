"""Closed nested curves of least cost over columns and rows, exactly, by dynamic programming.

Column is angle, row is radius: surface k passes column a in row `rows[k, a]`, never moves by more than `max_step` rows between
neighbouring columns, the last column being a neighbour of the first, and keeps at least `min_gap` rows inside surface k + 1.

Five exact steps make it fast. Surfaces are first laid each for itself: where these keep their gaps, no joint choice can be
better; the others are laid jointly, over pairs (triples …) of rows. Where the best row of each column alone makes a surface, none
is better; where few steps between them are too long, the best path around these mostly joins them. The rows within reach of a
step are a box, so their least value is found axis by axis. And the best path that need not close is a bound on those that do:
the rows it may start in are shared out until the best path closes by itself (branch and bound for circular paths: Appleton and
Sun, Pattern Recognition 2003;36:2513). With the costs of a frame the very first path closes.
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

BESIDE = 3
"""Columns on either side of a stretch of too long steps over which it mostly comes back to the best rows."""
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
    laid = [*closed_curves(costs, max_step=max_step)[:, None]]
    while (at := _conflict(laid, min_gap)) is not None:
        groups[at : at + 2] = [groups[at] + groups[at + 1]]
        laid[at : at + 2] = _jointly(costs[groups[at]][None], max_step, min_gap)
    return np.concatenate(laid)


def closed_curves(costs: NDArray[np.floating], *, max_step: int) -> Rows:
    """Return the rows of the closed curve of least cost in each of many fields, (…, columns), otherwise as `closed_surfaces`.

    Args:
        costs: (…, columns, rows).
        max_step: Rows between neighbouring columns, 0 or more.
    """
    rows = np.asarray(costs.argmin(axis=-1))
    rough = _has_long_step(costs, rows, max_step).any(axis=-1)
    if rough.any():
        rows[rough] = _with_small_steps(costs[rough], rows[rough], max_step)
    return rows


def _with_small_steps(costs: NDArray[np.floating], best: Rows, max_step: int) -> Rows:
    """Return the rows of the closed curve of least cost in each of n fields, (n, columns), from the best rows, which make none.

    The best path over the stretch of too long steps mostly begins and ends so near to the best rows beside it that together they
    make a closed curve; then no other is better.
    """
    (n_fields, n_columns, n_rows), rows = costs.shape, best.copy()
    first, length = _stretch_of(_has_long_step(costs, best, max_step))
    n_laid = int(length.max()) + 1 + 2 * BESIDE
    left = np.ones(n_fields, dtype=np.bool_)
    if n_laid < n_columns:
        fields, columns = np.arange(n_fields)[:, None], (first[:, None] - BESIDE + np.arange(n_laid)) % n_columns
        free = np.zeros(n_rows)
        rows[fields, columns] = _open_paths(costs[fields, columns][:, None], free, ((0, n_rows),), max_step)[1][:, 0]
        left[:] = _has_long_step(costs, rows, max_step).any(axis=1)
    if left.any():
        rows[left] = _jointly(costs[left][:, None], max_step, min_gap=0)[:, 0]
    return rows


def _has_long_step(costs: NDArray[np.floating], rows: Rows, max_step: int) -> NDArray[np.bool_]:
    """Return which columns a curve may not pass, or not go on from to the next, (…, columns)."""
    passed = np.take_along_axis(costs, rows[..., None], axis=-1)[..., 0]
    return np.asarray(~np.isfinite(passed) | (np.abs(np.diff(rows, append=rows[..., :1])) > max_step))


def _stretch_of(places: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """Return where the shortest stretch that holds all places on a circle begins, and its length; (n,) each, of (n, columns)."""
    n_columns = places.shape[1]
    twice_around = np.where(np.hstack([places, places]), np.arange(2 * n_columns), -1)
    before = np.maximum.accumulate(twice_around, axis=1)[:, n_columns - 1 : -1]
    gap = np.where(places, np.arange(n_columns, 2 * n_columns) - before, 0)
    return gap.argmax(axis=1), n_columns + 1 - gap.max(axis=1)


def _conflict(laid: list[Rows], min_gap: int) -> int | None:
    """Return the first group that comes too near the next, None where all keep their gaps."""
    return next((at for at in range(len(laid) - 1) if (laid[at + 1][0] - laid[at][-1] < min_gap).any()), None)


def _jointly(costs: NDArray[np.floating], max_step: int, min_gap: int) -> Rows:
    """Return the rows of surfaces laid together, (n, K, columns), in each of n fields, (n, K, columns, rows)."""
    _, n_surfaces, n_columns, n_rows = costs.shape
    if n_rows**n_surfaces > _MOST_STATES:
        raise ValueError(f"{n_surfaces} borders over {n_rows} radii are too many to lay jointly")
    # Cut where the choice is clearest: a path that starts there mostly closes at once.
    columns = (np.argmax(_clearness(costs), axis=1)[:, None] + np.arange(n_columns)) % n_columns
    turned = np.take_along_axis(costs, columns[:, None, :, None], axis=2)
    forbidden = _too_near(n_surfaces, n_rows, min_gap)
    whole: Box = ((0, n_rows),) * n_surfaces
    rows = np.empty(costs.shape[:3], dtype=np.intp)
    for index, (bound, path) in enumerate(zip(*_open_paths(turned, forbidden, whole, max_step), strict=True)):
        rows[index, :, columns[index]] = _closed(turned[index], forbidden, (bound, whole, path), max_step).T
    return rows


def _closed(
    costs: NDArray[np.floating], forbidden: NDArray[np.float64], open_path: tuple[float, Box, Rows], max_step: int
) -> Rows:
    """Return the rows of the best path that closes, (K, columns), given cost, box and rows of the best that need not."""
    order = count()  # of boxes with equal bounds, the older first
    bound, box, path = open_path
    waiting = [(bound, next(order), box, path)]
    while True:
        bound, _, box, path = heapq.heappop(waiting)
        if not np.isfinite(bound):
            raise ValueError("no closed borders keep the slope, the wall and the points asked for")
        first, end = path[:, 0], path[:, -1]
        end = end + np.clip(first - end, -max_step, max_step)  # the step that comes nearest to closing
        if (end == first).all():
            return path
        for half in _halves(box, first, end):
            bounds, paths = _open_paths(costs[None], forbidden, half, max_step)
            heapq.heappush(waiting, (bounds[0], next(order), half, paths[0]))


def _clearness(costs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean extra cost of the other rows of each column over its best, (n, columns)."""
    best = costs.min(axis=3, keepdims=True)
    beyond = np.where(np.isfinite(costs), costs, _CLOSED) - np.where(np.isfinite(best), best, _CLOSED)
    return np.asarray(beyond.mean(axis=(1, 3)))


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


def _open_paths(
    costs: NDArray[np.floating], forbidden: NDArray[np.float64], box: Box, max_step: int
) -> tuple[NDArray[np.float64], Rows]:
    """Return the least cost of paths from the box through all columns and back into it, (n,), and their rows, (n, K, columns)."""
    n_fields, n_surfaces, n_columns, _ = costs.shape
    step = _Step((*forbidden.shape, n_fields), max_step)
    # Each surface's costs along its own axis, so that their sum runs over all combinations of rows; fields last, side by side.
    by_surface = [
        np.moveaxis(costs[:, surface], 0, -1).reshape(
            n_columns, *(-1 if axis == surface else 1 for axis in range(n_surfaces)), n_fields
        )
        for surface in range(n_surfaces)
    ]
    reached = np.empty((n_columns, *step.padded.shape))
    start = np.full(step.values.shape, np.inf)
    inside = tuple(slice(*ends) for ends in box)
    start[inside] = 0.0
    value = step.values
    for column in range(n_columns):
        np.add(step.least() if column else start, by_surface[0][column], out=value)
        for cost in by_surface[1:]:
            value += cost[column]
        if n_surfaces > 1:
            value += forbidden[..., None]
        reached[column] = step.padded
    back = step.least()[inside]
    ends = back.reshape(-1, n_fields)
    landing = np.array(np.unravel_index(ends.argmin(axis=0), back.shape[:-1])) + np.array(box)[:, :1]
    return ends.min(axis=0), _traced(reached, landing, max_step)


class _Step:
    """From the least cost of each cell to the least within reach of it, in place: most of the time goes here.

    Args:
        shape: (rows,) * K + (n,), of n fields.
        reach: Rows that a step may go along each axis of rows.
    """

    def __init__(self, shape: tuple[int, ...], reach: int) -> None:
        *rows, n_fields = shape
        padded = np.full((*(n + 2 * reach for n in rows), n_fields), np.inf)
        self.padded, self.values = padded, padded[tuple(slice(reach, reach + n) for n in rows)]
        self._program: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]] = []
        window, wanted = padded, 2 * reach + 1
        for axis, n in enumerate(rows):
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


def _traced(reached: NDArray[np.float64], last: Rows, max_step: int) -> Rows:
    """Return the rows of the paths that end a step from `last`, (K, n), from the least costs of reaching each cell.

    Args:
        reached: (columns, max_step + rows + max_step, …, n), infinite beyond the rows.
        last: (K, n).
        max_step: Rows that a step may go.

    Returns:
        (n, K, columns); of no meaning where a path costs infinitely much.
    """
    shape, n_fields = reached.shape[1:-1], reached.shape[-1]
    strides = n_fields * np.cumprod([1, *shape[:0:-1]])[::-1]  # in `reached`, of a row of each surface
    reach = strides @ (np.indices((2 * max_step + 1,) * len(last)).reshape(len(last), -1) - max_step)
    at, path = strides @ (last + max_step) + np.arange(n_fields), []
    for values in reached[::-1]:
        at = at + reach[values.take(at + reach[:, None], mode="clip").argmin(axis=0)]
        path.append(at)
    cells = np.clip(np.stack(path[::-1]) // n_fields, 0, np.prod(shape) - 1)
    return np.stack(np.unravel_index(cells, shape), axis=1).transpose(2, 1, 0) - max_step
