"""Closed nested borders around the most likely regions of an unrolled frame, and how their errors are alike nearby.

A border is where a ray leaves its structure. It costs, for each pixel on its wrong side, minus the logarithm of the probability
of being there. So the borders of least cost enclose the most likely regions of any that rays leave only once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.geometry.closed_surfaces import closed_curves, closed_surfaces
from ivsqa.domain.geometry.polar import PolarGrid


def region_costs(grid: PolarGrid, sampled: NDArray[np.floating], certainty: float) -> NDArray[np.float64]:
    """Return the cost of borders in each cell: the log odds against all that lies inside, summed over the sector.

    Args:
        grid: Where the cells lie.
        sampled: Probability of each structure, with what it encloses, in each cell, (K, A, R), of frames (b, K, A, R).
        certainty: Probabilities nearer to 0 or 1 than this count as this near.

    Returns:
        Of the shape of `sampled`.
    """
    against = np.clip(sampled, certainty, 1.0 - certainty)
    np.divide(1.0, against, out=against)  # in place: there are many cells, and what is new is not in the cache
    against -= 1.0
    np.log(against, out=against)
    against *= grid.radii_px[..., None, None, :]
    against *= grid.cell_px[..., None, None, None] * grid.sectors[:, None]
    costs = np.zeros(against.shape)
    steps = against[..., 1:] + against[..., :-1]
    steps *= 0.5
    np.cumsum(steps, axis=-1, out=costs[..., 1:])
    return costs


def least_cost_radii(
    grid: PolarGrid,
    costs: NDArray[np.float64],
    *,
    max_step: int,
    min_wall_px: float | None,
    fixed: Mapping[tuple[int, int], float] | None = None,
) -> NDArray[np.float64]:
    """Return the radius of each border on each ray, (K, A) px, to a fraction of a cell.

    From the best cells the borders move, half a cell at most, to where a parabola through the neighbouring costs is least. Cells
    are chosen with one cell less of slope and one more of wall, so that both still hold afterwards.

    Args:
        grid: Where the cells lie.
        costs: (K, A, R).
        max_step: Cells that a border may move from a ray to the next, at least 2.
        min_wall_px: Least distance between neighbouring borders along a ray; None: each is laid for itself, free to cross, and
            grid, costs and borders may be those of frames.
        fixed: The radius that a border has on a ray, by (border, ray).

    Raises:
        ValueError: no borders keep all this.
    """
    if min_wall_px is None:
        rows = closed_curves(costs, max_step=max_step - 1)
    else:
        wall = int(np.ceil(min_wall_px / grid.cell_px)) + 1
        rows = closed_surfaces(costs, max_step=max_step - 1, min_gap=wall)
    middle = np.clip(rows, 1, costs.shape[-1] - 2)
    before, lowest, after = (np.take_along_axis(costs, middle[..., None] + step, -1)[..., 0] for step in (-1, 0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):  # beside a hard nudge every cost is infinite
        offset = 0.5 * (before - after) / (before - 2.0 * lowest + after)
    offset = np.where(np.isfinite(offset) & (rows == middle), np.clip(offset, -0.5, 0.5), 0.0)
    cells = np.take_along_axis(grid.radii_px, rows.reshape(*rows.shape[:-2], -1), -1)
    radii = np.asarray(cells.reshape(rows.shape) + offset * grid.cell_px[..., None, None])
    for place, radius in (fixed or {}).items():
        radii[place] = radius
    return radii


def likeness_of_errors(a: NDArray[np.float64], b: NDArray[np.float64], spread: Sequence[float]) -> NDArray[np.float64]:
    """Return the correlation of a border's errors at angles a and b, (len(a), len(b)): 1 at one angle.

    Args:
        a: Angles, rad.
        b: Angles, rad.
        spread: How the squared error is shared out over Fourier orders of the angle, to a factor: too wide or narrow (0), beside
            its place (1), too long (2) …
    """
    shares = np.array(spread) / sum(spread)
    return np.asarray(np.cos((a[:, None] - b)[..., None] * np.arange(len(shares))) @ shares)
