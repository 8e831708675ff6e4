"""The longitudinal view: a pullback cut along the catheter, and the cut of each border."""

from __future__ import annotations

from math import nan

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour


def columns_along(position: NDArray[np.float64], n_columns: int) -> NDArray[np.intp]:
    """Return the frame nearest to the middle of each column, (n_columns,), columns being evenly spaced along the vessel.

    Args:
        position: (n,) of the frames, never falling, in mm or in frames.
        n_columns: Columns wanted.

    Example:
        >>> columns_along(np.array([0.0, 1.0, 1.0, 4.0]), 4).tolist()
        [0, 1, 1, 3]
    """
    edges = np.linspace(position[0], position[-1], n_columns + 1)
    middle = (edges[:-1] + edges[1:]) / 2.0
    after = np.clip(np.searchsorted(position, middle), 1, len(position) - 1) if len(position) > 1 else np.zeros(1, int)
    before = np.maximum(after - 1, 0)
    nearest = np.where(middle - position[before] <= position[after] - middle, before, after)
    return np.searchsorted(position, position[nearest])  # of frames at one place, the first


def cut_of(contour: Contour | None, y_px: float) -> tuple[float, float]:
    """Return the x where a horizontal line first enters and last leaves a contour, px; NaN where it misses it.

    Example:
        >>> cut_of(Contour.from_points([[2, 0], [6, 0], [6, 4], [2, 4]]), 1.5)
        (2.0, 6.0)
    """
    if contour is None:
        return nan, nan
    start, end = contour.points_px, np.roll(contour.points_px, -1, axis=0)
    crosses = (start[:, 1] > y_px) != (end[:, 1] > y_px)
    if not crosses.any():
        return nan, nan
    (x, y), (dx, dy) = start[crosses].T, (end - start)[crosses].T
    met = x + (y_px - y) * dx / dy
    return float(met.min()), float(met.max())
