"""Carrying a correction: what a reader changed in one frame, offered on in a frame near it.

A correction is how far the reader's border lies outside the drawn one on each ray from the drawn one's centroid. Carried, it
moves what is drawn in the other frame along its own rays, by the share of it that still holds there. A model that has learnt it
draws the reader's border itself: then there is nothing to carry.
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
    """Return how much of a correction holds so far away, 0 to 1; 0 beyond reach.

    Args:
        frames: Distance in frames.
        mm: Distance along the pullback; None where it is unknown, and frames have to do.

    Example:
        >>> round(share_at(10, 0.2), 2), round(share_at(10, None), 2), share_at(31, 0.1), share_at(1, 1.5)
        (0.88, 0.82, 0.0, 0.0)
    """
    if frames > REACH_FRAMES or (mm is not None and mm > REACH_MM):
        return 0.0
    return float(np.exp(-frames / FADE_FRAMES if mm is None else -mm / FADE_MM))


def correction_px(drawn: Contour, annotated: Contour) -> NDArray[np.float64] | None:
    """Return how far an annotated border lies outside a drawn one on each of its rays, (96,) px; None where some ray misses it.

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
    """Return contours with corrections carried to them; those without one as they are, unless they are in the way.

    Args:
        drawn: What the model drew here.
        corrections_px: (96,) px by structure, in the frame where they were made; each of a structure that is drawn here.
        structures: The structures of the study; what is carried nests as they do.
        share: How much of the corrections holds here, 0 to 1.
    """
    moved = {name: _moved(drawn[name], share * offset) for name, offset in corrections_px.items()}
    return nested({**drawn, **moved}, structures)


def _moved(drawn: Contour, by_px: NDArray[np.float64]) -> Contour:
    """Return a border moved along its rays; as it is where some ray misses it, its centroid being outside."""
    rays = _rays(drawn)
    radii = rays.crossings(drawn)
    return drawn if np.isnan(radii).any() else rays.contour(np.maximum(radii + by_px, LEAST_RADIUS_PX))


def _rays(contour: Contour) -> PolarGrid:
    """Return rays from a border's centroid."""
    return polar_grid(contour.centroid_px, n_angles=N_ANGLES, least_px=1.0, most_px=2.0, n_radii=2)
