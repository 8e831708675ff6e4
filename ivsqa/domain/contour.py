"""The contour: a closed polygon that carries its convention.

Coordinates are (x, y) = (column, row) in frame pixels, float64, and an integer is a pixel **centre** (convention C). Editors
that count from pixel edges (convention E: LabelMe, CVAT, COCO) differ by half a pixel; `from_edge_points` and `edge_points`
are the only places that shift. The first vertex is not repeated at the end. Areas and distances come from the polygon,
never from a mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from ivsqa.domain.edges import Edges
from ivsqa.domain.level_line import level_lines

Points: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

EDGE_OFFSET_PX = 0.5
"""Convention E = convention C + 0.5 (source: LabelMe, COCO and CVAT count the image from 0 to its width)."""


@dataclass(frozen=True, eq=False)
class Contour:
    """A closed polygon around one structure in one frame.

    Attributes:
        points_px: (n, 2) float64, n ≥ 3, (x, y), integer = pixel centre, first vertex not repeated, read-only.
    """

    points_px: Points

    @classmethod
    def from_points(cls, points: ArrayLike) -> Contour:
        """Return a contour from centre-convention points.

        Args:
            points: (n, 2), (x, y) in px; a repeated closing vertex and consecutive doubles are dropped.

        Raises:
            ValueError: fewer than three distinct vertices, a value that is not finite, or another shape.
        """
        array = np.array(points, dtype=np.float64, order="C")
        if array.ndim != 2 or array.shape[1] != 2:
            raise ValueError(f"a contour is (n, 2) points, got shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError("a contour has a coordinate that is not a finite number")
        line = array.view(np.complex128).ravel()  # a point is one number: compared at once
        kept = line != np.append(line[1:], line[:1])  # the first vertex stays the first
        array, line = array[kept], line[kept]
        if not ((line != line[:1]) & (line != line[1:2])).any():
            raise ValueError(f"a contour needs three distinct vertices, got {len(np.unique(array, axis=0))}")
        array.setflags(write=False)
        return cls(array)

    @classmethod
    def from_edge_points(cls, points: ArrayLike) -> Contour:
        """Return a contour from edge-convention points (an integer is a pixel edge)."""
        return cls.from_points(np.asarray(points, dtype=np.float64) - EDGE_OFFSET_PX)

    @property
    def edge_points(self) -> Points:
        """The vertices in edge convention, (n, 2)."""
        return self.points_px + EDGE_OFFSET_PX

    @property
    def edges(self) -> Edges:
        """Its edges."""
        return Edges.of([self.points_px])

    @cached_property
    def following_px(self) -> Points:
        """The vertex after each, (n, 2): where its edge ends."""
        return np.concatenate([self.points_px[1:], self.points_px[:1]])

    def __len__(self) -> int:
        return len(self.points_px)

    @property
    def signed_area_px2(self) -> float:
        """Shoelace area in px², positive where vertices run clockwise on the screen (y points down)."""
        x, y = (self.points_px - self.points_px[0]).T  # from the first vertex: the edges at it add nothing
        return float(0.5 * (x[:-1] @ y[1:] - x[1:] @ y[:-1]))

    @property
    def area_px2(self) -> float:
        """Enclosed area in px² (shoelace)."""
        return abs(self.signed_area_px2)

    @property
    def perimeter_px(self) -> float:
        """Length of the closed line in px."""
        return float(np.linalg.norm(self.following_px - self.points_px, axis=1).sum())

    @property
    def centroid_px(self) -> Points:
        """Centroid of the enclosed area, (2,) as (x, y); of the vertices where the area is zero."""
        origin = self.points_px[0]
        (x, y), (x_next, y_next) = (self.points_px - origin).T, (self.following_px - origin).T
        cross = x * y_next - x_next * y
        twice_area = cross.sum()
        if abs(twice_area) < 1e-12:
            return np.asarray(self.points_px.mean(axis=0))
        moments = np.array([(x + x_next) @ cross, (y + y_next) @ cross])
        return np.asarray(origin + moments / (3.0 * twice_area))

    @cached_property
    def polygon(self) -> shapely.Polygon:
        """The contour as a shapely polygon; not mended, so it may be invalid."""
        return shapely.Polygon(self.points_px)

    @cached_property
    def is_simple(self) -> bool:
        """Whether the line nowhere crosses or touches itself."""
        return bool(shapely.is_simple(self.polygon.exterior)) and self.area_px2 > 0.0

    def mapped(self, scale: tuple[float, float], offset: tuple[float, float]) -> Contour:
        """Return the contour with each (x, y) times `scale`, which is above zero, plus `offset`."""
        points = self.points_px * scale + offset
        points.setflags(write=False)
        return Contour(points)  # what was distinct and finite stays so

    def resampled(self, n_points: int) -> Contour:
        """Return the same line with `n_points` vertices evenly spaced along it, starting at the first vertex."""
        return Contour.from_points(self._spaced_points(n_points))

    def _spaced_points(self, n_points: int) -> Points:
        """Return the points of `resampled`, (n_points, 2), where some may coincide."""
        closed = np.vstack([self.points_px, self.points_px[:1]])
        steps = np.diff(closed, axis=0)
        arc = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
        at = np.linspace(0.0, arc[-1], n_points, endpoint=False)
        return np.column_stack([np.interp(at, arc, closed[:, axis]) for axis in (0, 1)])

    def smoothed(self, n_points: int, max_order: int) -> Contour:
        """Return the line without its fine detail: `n_points` vertices whose Fourier series ends at `max_order`.

        Example:
            >>> circle = Contour.from_points([[9, 0], [0, 9], [-9, 0], [0, -9]]).smoothed(64, 1)
            >>> radii = np.hypot(*circle.points_px.T)
            >>> bool(np.ptp(radii) < 1e-9)
            True
        """
        series = np.fft.fft(self._spaced_points(n_points) @ (1.0, 1.0j))
        series[max_order + 1 : n_points - max_order] = 0.0
        line = np.fft.ifft(series)
        return Contour.from_points(np.column_stack([line.real, line.imag]))

    def distances_px(self, other: Contour, *, spacing: tuple[float, float] = (1.0, 1.0), step: float = 0.5) -> Points:
        """Return the distances from points along this line to the nearest point of the other line, (m,), m ≥ 32.

        Args:
            other: The contour to measure to.
            spacing: (x, y) size of a pixel; distances come in its unit (px by default, mm with mm per px).
            step: Greatest gap between the points, which are evenly spaced, in px.
        """
        n_points = max(32, int(np.ceil(self.perimeter_px / step)))
        return other.distances_of(self.resampled(n_points).points_px, spacing=spacing)

    def distances_of(self, points_px: Points, *, spacing: tuple[float, float] = (1.0, 1.0)) -> Points:
        """Return the distance from each point, (n, 2) px, to the line, (n,), in the unit of the spacing of a pixel."""
        points, line = (shapely.points(points_px * spacing), shapely.LinearRing(self.points_px * spacing))
        return np.asarray(shapely.distance(points, line), dtype=np.float64)

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Return the pixels whose centre lies inside, bool (height, width); unbiased against `area_px2`.

        A centre on the line belongs to the side right of and below it, so that contours which share a border share no pixel.
        Where the line crosses itself, what is enclosed twice is outside (even-odd).

        Example:
            >>> int(Contour.from_points([[0, 0], [4, 0], [4, 4], [0, 4]]).mask((8, 8)).sum())
            16
        """
        return np.asarray(self.edges.masks(shape)[0])


Contours: TypeAlias = Mapping[str, Contour]
"""The contours of one frame by structure name; a structure that is absent was not drawn or not found."""


def contour_from_mask(mask: NDArray[np.generic]) -> Contour | None:
    """Return the outline of the largest object, or None where there is none.

    Args:
        mask: (height, width), bool, or a probability in [0, 1] whose line at one half is the border (sub-pixel).

    Returns:
        The longest-area closed line at one half; objects cut by the frame are closed along its edge.
    """
    return contour_of_line(level_lines(mask[None], 0.5).points(0))


def contour_of_line(points: Points | None) -> Contour | None:
    """Return the contour along a level line, None where there is none."""
    try:
        return None if points is None else Contour.from_points(points)
    except ValueError:  # a lone pixel just above the level: its points fall together
        return None
