"""A correction: the change a reader made in one frame, offered in a frame near it.

It is the distance of the reader's border outside the drawn one, on each ray from the drawn one's centroid. In the other frame
it moves the drawn border along that one's own rays, by the share of it that still holds there. A model that has learnt the
correction draws the reader's border itself: then nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


def nearest_corrected(
    frame_index: int, corrected: Iterable[int], positions_mm: Mapping[int, float] | NDArray[np.float64] | None
) -> tuple[int, float] | None:
    """Return the frame whose corrections hold most in another, and their share there; None where none is in reach.

    Args:
        frame_index: The frame that corrections are carried to.
        corrected: Frames of the same pullback that a reader has read.
        positions_mm: Place of each frame along the pullback; None where unknown.

    Example:
        Of two as near, the earlier frame, whatever the order of them.

        >>> nearest_corrected(5, [9, 6, 4], None)[0], nearest_corrected(5, [50], None)
        (4, None)
    """
    shares = {
        near: share_at(
            abs(near - frame_index),
            None if positions_mm is None else float(abs(positions_mm[near] - positions_mm[frame_index])),
        )
        for near in corrected
        if near != frame_index
    }
    near = max(shares, key=lambda index: (shares[index], -index), default=None)
    return None if near is None or shares[near] == 0.0 else (near, shares[near])


def carried_from(
    near_drawn: Contours,
    near_read: Contours,
    drawn: Contours,
    structures: StructureSet,
    *,
    share: float,
    experts_px: float,
) -> dict[str, Contour] | None:
    """Return contours with the corrections of a frame near by; None where its reader corrected nothing.

    Args:
        near_drawn: What the model drew there.
        near_read: What the reader left of it.
        drawn: What the model drew here.
        structures: The structures of the study.
        share: The share of the corrections that holds here.
        experts_px: Distance between experts. Within it, a carried correction would only pass on one reader's hand.
    """
    corrections = {
        name: offset
        for name, read in near_read.items()
        if name in drawn and name in near_drawn
        if (offset := correction_px(near_drawn[name], read)) is not None
    }
    if not any(np.abs(offset).max() > experts_px for offset in corrections.values()):
        return None
    return carried(drawn, corrections, structures, share=share)


def _rays(contour: Contour) -> PolarGrid:
    """Return the rays from a border's centroid; radii are of no account."""
    return polar_grid(contour.centroid_px, n_angles=N_ANGLES, least_px=1.0, most_px=2.0, n_radii=2)
