"""What several readers drew in one frame, laid side by side: where they agree, what lies between them, where they do not.

Between readers lies the line of mean radii about a centre that all borders of the frame share. It treats readers alike,
works for any number of them, and keeps what nests nested: where each reader's lumen lies inside that reader's EEM, so do the
means. A line that the ray meets twice has no one radius: it is not settled this way, but shown to a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import shapely

from ivsqa.domain.agreement.reader_agreement import distance_by_arc
from ivsqa.domain.contour import Contour, Contours, Points
from ivsqa.domain.geometry.arcs import N_ARCS, DoubtfulArc, doubtful_arcs, line_beside
from ivsqa.domain.geometry.polar import TURN, PolarGrid
from ivsqa.domain.geometry.topology import nested
from ivsqa.domain.structures import StructureSet

N_RAYS = 180
"""Rays of a mean contour, besides one through each vertex of the lines it is made of."""

STEP_DEG = 5.0
"""Angle between the points of a proposal."""

FOLD_PX = 0.5
"""A line this close to the one that its outermost radii make has no fold worth the name."""


@dataclass
class Comparison:
    """What lies between the readers of a frame.

    Attributes:
        contours: The line of mean radii of those who drew the structure; absent where nobody did, or where there is no mean.
        contested: The arcs where readers are too far apart, around the centroid of that line; all around where only some drew
            it, or where a fold keeps it from being settled.
        proposals: What each reader drew along these arcs, as open lines (m, 2) px, in the order of the readers.
        apart: How far two readers are apart at most, as a mean over 10°, by structure; absent where it cannot be said.
    """

    contours: dict[str, Contour] = field(default_factory=dict)
    contested: list[DoubtfulArc] = field(default_factory=list)
    proposals: list[Points] = field(default_factory=list)
    apart: dict[str, float] = field(default_factory=dict)

    @property
    def is_agreed(self) -> bool:
        """Whether the contours may stand for all readers."""
        return not self.contested


def compare_readings(
    readings: Sequence[Contours],
    structures: StructureSet,
    *,
    tolerance: float,
    spacing: tuple[float, float] = (1.0, 1.0),
) -> Comparison:
    """Return what lies between the readers of a frame.

    Args:
        readings: What each reader drew; a structure that is absent is one that the reader says is not there.
        structures: The structures of the study.
        tolerance: Mean distance of two readers' lines within 10° from which on the arc is contested.
        spacing: (x, y) size of a pixel in the unit of the tolerance.
    """
    result = Comparison()
    if not any(readings):
        return result
    centre = common_centre(readings, structures)
    for name in structures.names:
        drawn = [contours[name] for contours in readings if name in contours]
        if drawn:
            arcs = _compare(result, name, drawn, len(readings), centre, tolerance, spacing)
            result.contested += arcs
            for arc in arcs:
                about = result.contours[name].centroid_px if name in result.contours else None
                result.proposals += [line_beside(contour, arc, step_deg=STEP_DEG, centre_px=about) for contour in drawn]
    # Means of different readers, where not all drew everything, need not nest.
    result.contours = nested(result.contours, structures)
    return result


def common_centre(readings: Sequence[Contours], structures: StructureSet) -> Points:
    """Return the mean of the centroids of the innermost structure that anybody drew, (2,) as (x, y).

    Raises:
        ValueError: nobody drew anything.
    """
    for name in structures.names:
        centroids = [contours[name].centroid_px for contours in readings if name in contours]
        if centroids:
            return np.asarray(np.mean(centroids, axis=0))
    raise ValueError("nobody drew anything")


def mean_contour(drawn: Sequence[Contour], centre_px: Points) -> Contour | None:
    """Return the line of mean radii about a centre, the outermost crossing of each ray counting; None where a ray misses a line.

    Args:
        drawn: The lines, one or more.
        centre_px: (x, y).

    Example:
        >>> squares = [Contour.from_points([[-r, -r], [r, -r], [r, r], [-r, r]]) for r in (8, 10)]
        >>> round(mean_contour(squares, np.zeros(2)).area_px2, 6)
        324.0
    """
    if not all(contour.polygon.buffer(0).contains(shapely.Point(centre_px)) for contour in drawn):
        return None
    x, y = (np.vstack([contour.points_px for contour in drawn]) - centre_px).T
    angles = np.unique(np.round(np.append(np.arange(N_RAYS) * (TURN / N_RAYS), np.arctan2(y, x) % TURN), 9))
    grid = PolarGrid(centre_px, angles, np.ones(2))
    radii = np.mean([grid.crossings(contour) for contour in drawn], axis=0)
    return None if np.isnan(radii).any() else grid.contour(radii)


def _compare(
    result: Comparison,
    name: str,
    drawn: Sequence[Contour],
    n_readers: int,
    centre_px: Points,
    tolerance: float,
    spacing: tuple[float, float],
) -> list[DoubtfulArc]:
    """Note the mean of one structure, where there is one, and how far readers are apart; returns its contested arcs."""
    mean = mean_contour(drawn, centre_px)
    if mean is None:
        return [DoubtfulArc(name, 0.0, 360.0)]
    result.contours[name] = mean
    if len(drawn) < n_readers:
        return [DoubtfulArc(name, 0.0, 360.0)]
    about, apart = mean.centroid_px, np.zeros(N_ARCS)
    for a, b in combinations(drawn, 2):
        apart = np.fmax(apart, distance_by_arc(a, b, about, spacing=spacing))
    result.apart[name] = float(apart.max())
    arcs = doubtful_arcs(apart, name, threshold_px=tolerance)
    if not arcs and any(_is_folded(contour, centre_px) for contour in drawn):
        return [DoubtfulArc(name, 0.0, 360.0)]
    return arcs


def _is_folded(contour: Contour, centre_px: Points) -> bool:
    """Return whether a line is not the one that its outermost radii make."""
    unfolded = mean_contour([contour], centre_px)
    return unfolded is None or float(contour.distances_px(unfolded).max()) > FOLD_PX
