"""The comparison of several readings of one frame: where they agree, the line midway, and where they do not.

Midway is the line of mean radii about a centre that all borders of the frame share. Readers weigh alike, any number may take
part, and means nest where each reader's borders do. A line that folds back has no one radius: a person has to settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import shapely

from ivsqa.domain.agreement.reader_agreement import distance_by_arc
from ivsqa.domain.contour import Contour, Contours, Points
from ivsqa.domain.geometry.arcs import N_ARCS, DoubtfulArc, arcs_above, line_beside
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
    """The comparison of several readings of one frame.

    Attributes:
        contours: The line of mean radii of those who drew the structure; absent where nobody did, or where there is no mean.
        contested: The arcs where readers are too far apart, around the centroid of that line; all around where only some drew
            the structure, or where a line folds back.
        proposals: Each reader's line along these arcs, open, (m, 2) px, in the order of the readers.
        apart: Greatest distance of two readers, as a mean over 10°, by structure; absent where it cannot be said.
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
    """Return the comparison of the readings of one frame.

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
        if not drawn:
            continue
        mean = mean_contour(drawn, centre)
        about = None if mean is None else mean.centroid_px
        if mean is not None:
            result.contours[name] = mean
        arcs = [DoubtfulArc(name, 0.0, 360.0)]
        if about is not None and len(drawn) == len(readings):
            apart = np.zeros(N_ARCS)
            for a, b in combinations(drawn, 2):
                # An arc without either line is no disagreement.
                apart = np.fmax(apart, distance_by_arc(a, b, about, spacing=spacing))
            result.apart[name] = float(apart.max())
            close = arcs_above(apart, name, threshold=tolerance)
            if close or not any(_is_folded(contour, centre) for contour in drawn):
                arcs = close
        result.contested += arcs
        lines = [line_beside(contour, arc, step_deg=STEP_DEG, centre_px=about) for arc in arcs for contour in drawn]
        result.proposals += lines
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
    """Return the line of mean radii about a centre, (x, y), by the outermost crossing of each ray; None where one has none.

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


def _is_folded(contour: Contour, centre_px: Points) -> bool:
    """Return whether a line strays from its own outermost radii, as only a folded one does."""
    unfolded = mean_contour([contour], centre_px)
    return unfolded is None or float(contour.distances_px(unfolded).max()) > FOLD_PX
