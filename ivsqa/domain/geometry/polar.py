"""A frame unrolled around a centre: rays by angle, cells by radius along each.

Angles run from the x axis towards the y axis, clockwise on the screen, in radians; radii are in the frame's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivsqa.domain.contour import Contour, Points

TURN = 2.0 * np.pi
ROUNDING = 1e-9
"""Of the length of an edge: a ray that passes it by less meets it."""


@dataclass(frozen=True, eq=False)
class PolarGrid:
    """Where the cells of an unrolled frame lie.

    Attributes:
        centre_px: (x, y).
        angles: (A,) ascending in [0, 2π).
        radii_px: (R,) evenly spaced, ascending, above 0.
    """

    centre_px: Points
    angles: NDArray[np.float64]
    radii_px: NDArray[np.float64]

    @cached_property
    def directions(self) -> Points:
        """(x, y) one pixel along each ray, (A, 2)."""
        return np.column_stack([np.cos(self.angles), np.sin(self.angles)])

    @property
    def cell_px(self) -> float:
        """Distance between neighbouring cells of a ray."""
        return float(self.radii_px[1] - self.radii_px[0])

    @cached_property
    def sectors(self) -> NDArray[np.float64]:
        """The angle that each ray stands for, (A,): half way to its neighbours."""
        gaps = np.diff(self.angles, append=self.angles[0] + TURN)
        return 0.5 * (gaps + np.roll(gaps, 1))

    def sampled(self, fields: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return fields in each cell, (K, A, R): bilinear between pixel centres, zero outside.

        Args:
            fields: (K, height, width).
        """
        n_fields, height, width = fields.shape
        padded = np.zeros((n_fields, height + 2, width + 2))
        padded[:, 1:-1, 1:-1] = fields
        places = (
            self.centre_px + 1.0 + self.directions[:, None] * self.radii_px[:, None]
        )  # (A, R, 2) in the padded fields
        x, y = np.moveaxis(np.clip(places, 0.0, np.nextafter([width + 1.0, height + 1.0], 0.0)), -1, 0)
        column, row = x.astype(np.intp), y.astype(np.intp)
        right, below = x - column, y - row
        flat, at = padded.reshape(n_fields, -1), row * (width + 2) + column
        upper, lower = (
            (1.0 - right) * flat.take(first, axis=1) + right * flat.take(first + 1, axis=1)
            for first in (at, at + width + 2)
        )
        return np.asarray(upper + below * (lower - upper))

    def crossings(self, contour: Contour) -> NDArray[np.float64]:
        """Return the radius of the last point where each ray crosses a contour, (A,) px; NaN where it does not.

        Example:
            >>> grid = PolarGrid(np.array([2.0, 2.0]), np.array([0.0, 0.5 * np.pi]), np.array([1.0, 2.0]))
            >>> grid.crossings(Contour.from_points([[0, 0], [5, 0], [5, 4], [0, 4]])).round(9).tolist()
            [3.0, 2.0]
        """
        start = contour.points_px - self.centre_px
        edge = np.roll(start, -1, axis=0) - start
        (x, y), (dx, dy) = self.directions.T[:, :, None], edge.T
        with np.errstate(divide="ignore", invalid="ignore"):  # a ray along an edge crosses its neighbours
            across = x * dy - y * dx
            radius = (start[:, 0] * dy - start[:, 1] * dx) / across
            share = (start[:, 0] * y - start[:, 1] * x) / across
        # A ray through a vertex meets one of its edges, though rounding says that it passes between them.
        is_on_edge = (share >= -ROUNDING) & (share <= 1.0 + ROUNDING)
        hits = np.where(is_on_edge & (radius > 0.0), radius, -np.inf).max(axis=1)
        return np.where(np.isfinite(hits), hits, np.nan)

    def contour(self, radii_px: NDArray[np.float64]) -> Contour:
        """Return the line at a radius on each ray, (A,) px."""
        return Contour.from_points(self.centre_px + radii_px[:, None] * self.directions)


def polar_grid(
    centre_px: Points,
    *,
    n_angles: int,
    least_px: float,
    most_px: float,
    n_radii: int,
    through: Sequence[ArrayLike] = (),
) -> PolarGrid:
    """Return a grid of evenly spaced rays, the first along the x axis, and one more through each given point, (x, y).

    On each ray lie `n_radii` cells, from `least_px` to `most_px` from the centre, (x, y).

    Example:
        >>> grid = polar_grid(np.array([5.0, 5.0]), n_angles=4, least_px=1.0, most_px=3.0, n_radii=3, through=[(7.0, 7.0)])
        >>> np.degrees(grid.angles).round().tolist(), grid.radii_px.tolist()
        ([0.0, 45.0, 90.0, 180.0, 270.0], [1.0, 2.0, 3.0])
    """
    angles = np.arange(n_angles) * (TURN / n_angles)
    angles = np.union1d(angles, [polar_place(point, centre_px)[0] for point in through])
    return PolarGrid(centre_px, np.asarray(angles, dtype=np.float64), np.linspace(least_px, most_px, n_radii))


def polar_place(point_px: ArrayLike, centre_px: Points) -> tuple[float, float]:
    """Return the angle in [0, 2π) and the radius of a point, px."""
    x, y = np.asarray(point_px, dtype=np.float64) - centre_px
    angle = float(np.arctan2(y, x) % TURN)
    # A tiny negative angle modulo the turn is the turn itself.
    return (angle if angle < TURN else 0.0), float(np.hypot(x, y))
