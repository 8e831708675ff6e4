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
from ivsqa.domain.edges import Edges, runs

TURN = 2.0 * np.pi
ROUNDING = 1e-9
"""Angle in rad, or share of an edge: a ray that passes a vertex by less meets it."""


@dataclass(frozen=True, eq=False)
class PolarGrid:
    """Where the cells of an unrolled frame lie, or of each of b frames.

    Attributes:
        centre_px: (x, y); of frames (b, 2).
        angles: (A,) ascending in [0, 2π).
        radii_px: (R,) evenly spaced, ascending, above 0; of frames (b, R).
    """

    centre_px: Points
    angles: NDArray[np.float64]
    radii_px: NDArray[np.float64]

    @cached_property
    def directions(self) -> Points:
        """(x, y) one pixel along each ray, (A, 2)."""
        return np.column_stack([np.cos(self.angles), np.sin(self.angles)])

    @property
    def cell_px(self) -> NDArray[np.float64]:
        """Distance between neighbouring cells of a ray, (); of frames (b,)."""
        return np.asarray(self.radii_px[..., 1] - self.radii_px[..., 0])

    @cached_property
    def sectors(self) -> NDArray[np.float64]:
        """The angle that each ray stands for, (A,): half way to its neighbours."""
        gaps = np.diff(self.angles, append=self.angles[0] + TURN)
        return 0.5 * (gaps + np.roll(gaps, 1))

    def sampled(self, fields: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return fields in each cell, (K, A, R), of frames (b, K, A, R): bilinear between pixel centres, zero outside.

        Args:
            fields: (K, height, width); of frames (b, K, height, width).
        """
        *frames, n_fields, height, width = fields.shape
        padded = np.zeros((*frames, n_fields, height + 2, width + 2))
        padded[..., 1:-1, 1:-1] = fields
        x, y = (  # (b, A, R) each, in the padded fields
            (self.centre_px[..., axis, None, None] + 1.0 + along[:, None] * self.radii_px[..., None, :]).clip(
                0.0, np.nextafter(size + 1.0, 0.0)
            )
            for axis, along, size in zip((0, 1), self.directions.T, (width, height), strict=True)
        )
        column, row = x.astype(np.intp), y.astype(np.intp)
        right, below = x - column, y - row
        stride, size = width + 2, (height + 2) * (width + 2)
        at = (
            row * stride + column + (n_fields * size) * np.arange(np.prod(frames, dtype=np.intp)).reshape(*frames, 1, 1)
        )
        sampled, values = np.empty((*frames, n_fields, *x.shape[-2:])), padded.ravel()
        for index in range(n_fields):
            upper, lower = (
                _between(values[first:].take(at), values[first + 1 :].take(at), right)
                for first in (index * size, index * size + stride)
            )
            sampled[..., index, :, :] = _between(upper, lower, below)
        return sampled

    def crossings(self, contour: Contour) -> NDArray[np.float64]:
        """Return the radius of the last point where each ray crosses a contour, (A,) px; NaN where it does not.

        Example:
            >>> grid = PolarGrid(np.array([2.0, 2.0]), np.array([0.0, 0.5 * np.pi]), np.array([1.0, 2.0]))
            >>> grid.crossings(Contour.from_points([[0, 0], [5, 0], [5, 4], [0, 4]])).round(9).tolist()
            [3.0, 2.0]
        """
        return np.asarray(last_crossings(contour.edges, self.centre_px[None], self.angles)[0])

    def contour(self, radii_px: NDArray[np.float64]) -> Contour:
        """Return the line at a radius on each ray, (A,) px."""
        return Contour.from_points(self.centre_px + radii_px[:, None] * self.directions)

    def carried(self, contour: Contour, before_px: NDArray[np.float64], after_px: NDArray[np.float64]) -> Contour:
        """Return a contour with its radius on each ray changed, and in between in proportion; itself where nothing changes.

        Vertices go out or in along their own ray, so a line that is simple stays simple; those between rays of no change stay to
        the last digit. Where a ray of change crosses an edge, the line gets a vertex.

        Args:
            contour: Encloses the centre.
            before_px: Its radius on each ray, (A,).
            after_px: The radius that it is to have, (A,).

        Example:
            >>> grid = PolarGrid(np.zeros(2), np.array([0.0, 0.5, 1.0, 1.5]) * np.pi, np.array([1.0, 2.0]))
            >>> square = Contour.from_points([[4, 4], [-4, 4], [-4, -4], [4, -4]])
            >>> before = grid.crossings(square)
            >>> grid.carried(square, before, before + [2.0, 0.0, 0.0, 0.0]).points_px.round(6).astype(int).tolist()
            [[5, 5], [0, 4], [-4, 4], [-4, -4], [0, -4], [5, -5], [6, 0]]
        """
        ratio = after_px / before_px
        if (ratio == 1.0).all():
            return contour
        changes = (ratio != 1.0) | (np.roll(ratio, 1) != 1.0) | (np.roll(ratio, -1) != 1.0)
        points = self._split(contour, changes)
        x, y = (points - self.centre_px).T
        factor = np.interp(np.arctan2(y, x), self.angles, ratio, period=TURN)
        moved = self.centre_px + np.column_stack([x, y]) * factor[:, None]
        return Contour.from_points(np.where(factor[:, None] == 1.0, points, moved))

    def _split(self, contour: Contour, wanted: NDArray[np.bool_]) -> Points:
        """Return the vertices of a contour, (n, 2) px, with one more wherever a wanted ray, (A,), crosses an edge."""
        start, end = contour.points_px - self.centre_px, contour.following_px - self.centre_px
        turn = start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]
        (ax, ay), (dx, dy) = start.T[..., None], (end - start).T[..., None]
        x, y = self.directions[wanted].T
        with np.errstate(divide="ignore", invalid="ignore"):
            across = x * dy - y * dx
            share, radius = (ax * y - ay * x) / across, turn[:, None] / across
        edge, ray = np.nonzero((share > ROUNDING) & (share < 1.0 - ROUNDING) & (radius > 0.0))
        crossing = radius[edge, ray, None] * self.directions[wanted][ray]
        place = np.concatenate([np.arange(len(start)), edge + share[edge, ray]])
        order = np.argsort(place, kind="stable")
        return np.asarray((np.concatenate([start, crossing]) + self.centre_px)[order])


def _between(low: NDArray[np.float64], high: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what lies a share of the way from one value to the other, in the place of the other."""
    high -= low
    high *= share
    high += low
    return high


def last_crossings(edges: Edges, centres_px: Points, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the radius of the last point where each ray crosses each of n lines, (n, A) px; NaN where it does not.

    Args:
        edges: Of the lines.
        centres_px: Where the rays of each line begin, (n, 2).
        angles: Of the rays, (A,), ascending in [0, 2π).
    """
    centres = centres_px[edges.line]
    start, end = edges.start_px - centres, edges.end_px - centres
    turn = start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]
    from_, to = (np.where(turn[:, None] > 0.0, a, b) for a, b in ((start, end), (end, start)))
    angle, last_angle = (np.arctan2(y, x) % TURN for x, y in (from_.T, to.T))
    # An edge is seen from the centre under less than half a turn, and met by the rays between its ends. A ray through a
    # vertex meets one of its edges, though rounding says that it passes between them.
    first = angles.searchsorted(angle - ROUNDING)
    n_rays = angles.searchsorted(last_angle + ROUNDING, "right") - first
    n_rays += len(angles) * (angle - last_angle > 0.5 * TURN)
    edge, ray = runs(first, np.where(turn == 0.0, 0, n_rays))  # a ray along an edge meets its neighbours
    ray %= len(angles)
    x, y = np.cos(angles)[ray], np.sin(angles)[ray]
    dx, dy = (to - from_)[edge].T
    farthest = np.sqrt(np.maximum(_squares(start), _squares(end)))[edge]
    across = x * dy - y * dx
    # Along an edge that points at the centre, rounding would put the crossing anywhere on the ray.
    radius = np.divide(np.abs(turn)[edge], across, out=farthest.copy(), where=across > 0.0)
    radii = np.full(edges.n_lines * len(angles), -np.inf)
    np.maximum.at(radii, edges.line[edge] * len(angles) + ray, np.minimum(radius, farthest))
    return np.where(np.isfinite(radii), radii, np.nan).reshape(edges.n_lines, len(angles))


def _squares(points: Points) -> NDArray[np.float64]:
    """Return the squared distance of each point, (n, 2), from the origin."""
    return points[:, 0] ** 2 + points[:, 1] ** 2


def polar_grid(
    centre_px: Points,
    *,
    n_angles: int,
    least_px: float,
    most_px: float | NDArray[np.float64],
    n_radii: int,
    through: Sequence[ArrayLike] = (),
) -> PolarGrid:
    """Return a grid of evenly spaced rays, the first along the x axis, and one through each given point, (x, y).

    On each ray lie `n_radii` cells, from `least_px` to `most_px` from the centre, (x, y). Grids of b frames have b of both.

    Example:
        >>> grid = polar_grid(np.array([5.0, 5.0]), n_angles=4, least_px=1.0, most_px=3.0, n_radii=3, through=[(7.0, 7.0)])
        >>> np.degrees(grid.angles).round().tolist(), grid.radii_px.tolist()
        ([0.0, 45.0, 90.0, 180.0, 270.0], [1.0, 2.0, 3.0])
    """
    even = np.arange(n_angles) * (TURN / n_angles)
    own = np.array([polar_place(point, centre_px)[0] for point in through])
    # Where a point lies on a ray but for rounding, the ray through the point takes its place.
    apart = np.abs((even[:, None] - own + np.pi) % TURN - np.pi) > ROUNDING
    angles = np.union1d(even[apart.all(axis=1)], own)
    return PolarGrid(centre_px, np.asarray(angles, dtype=np.float64), np.linspace(least_px, most_px, n_radii, axis=-1))


def polar_place(point_px: ArrayLike, centre_px: Points) -> tuple[float, float]:
    """Return the angle in [0, 2π) and the radius of a point, px."""
    x, y = np.asarray(point_px, dtype=np.float64) - centre_px
    angle = float(np.arctan2(y, x) % TURN)
    # A tiny negative angle modulo the turn is the turn itself.
    return (angle if angle < TURN else 0.0), float(np.hypot(x, y))
