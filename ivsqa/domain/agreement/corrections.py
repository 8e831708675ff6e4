"""A correction: the change a reader made in one frame, offered in a frame near it.

It is the distance of the reader's border outside the drawn one, on each ray from the drawn one's centroid. In the other frame
it moves the drawn border along that one's own rays, by the share of it that still holds there. A model that has learnt the
correction draws the reader's border itself: then nothing is left of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.geometry.polar import PolarGrid, polar_grid
from ivsqa.domain.geometry.topology import nested
from ivsqa.domain.structures import StructureSet

N_ANGLES = 96
LEAST_RADIUS_PX = 1.0

FADE_MM, REACH_MM = 1.5, 1.0
FADE_FRAMES, REACH_FRAMES = 50.0, 30
"""How far away a share of 1/e is left of a correction, and how far it is carried at most. After the shares that
benchmarks/carry.py measures on validation phantoms: they follow the way along the pullback more than the frames it took."""


def share_at(frames: int, mm: float | None) -> float:
    """Return the share of a correction that holds at a distance, 0 to 1; 0 beyond reach.

    Args:
        frames: Distance in frames.
        mm: Distance along the pullback; None where unknown: frames have to do.

    Example:
        >>> round(share_at(10, 0.2), 2), round(share_at(10, None), 2), share_at(31, 0.1), share_at(1, 1.5)
        (0.88, 0.82, 0.0, 0.0)
    """
    if frames > REACH_FRAMES or (mm is not None and mm > REACH_MM):
        return 0.0
    # Positions tell more than indices where both are known.
    return float(np.exp(-frames / FADE_FRAMES if mm is None else -mm / FADE_MM))


def correction_px(drawn: Contour, annotated: Contour) -> NDArray[np.float64] | None:
    """Return the distance of an annotated border outside a drawn one on each ray, (96,) px; None where a ray misses either.

    Example:
        >>> square = Contour.from_points([[0, 0], [8, 0], [8, 8], [0, 8]])
        >>> float(correction_px(square, square.mapped((1.5, 1.5), (-2.0, -2.0)))[0])
        2.0
    """
    rays = _rays(drawn)
    offset = rays.crossings(annotated) - rays.crossings(drawn)
    return None if np.isnan(offset).any() else offset


def carried(
    drawn: Contours, corrections_px: dict[str, NDArray[np.float64]], structures: StructureSet, *, share: float
) -> dict[str, Contour]:
    """Return contours with corrections applied; the others as they are, unless they are in the way.

    Args:
        drawn: What the model drew here.
        corrections_px: (96,) px by structure, all of them drawn here; from `correction_px` in the other frame.
        structures: The structures of the study; the result nests as they do.
        share: The share of the corrections that holds here, 0 to 1.
    """
    moved = dict(drawn)
    for name, offset in corrections_px.items():
        rays = _rays(drawn[name])
        radii = rays.crossings(drawn[name])
        if not np.isnan(radii).any():  # a centroid outside its border has rays that miss it
            moved[name] = rays.contour(np.maximum(radii + share * offset, LEAST_RADIUS_PX))
    return nested(moved, structures)


def _rays(contour: Contour) -> PolarGrid:
    """Return the rays from a border's centroid; radii are of no account."""
    return polar_grid(contour.centroid_px, n_angles=N_ANGLES, least_px=1.0, most_px=2.0, n_radii=2)
