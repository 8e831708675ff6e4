"""What it costs a reader to put a drawn border right, and what is left of it when they stop."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from ivsqa.domain.contour import Contour, Mask

STEP_PX = 0.5


@dataclass
class Reading:
    """What one reader gave back of one round; of a frame that came back twice, the last.

    Attributes:
        round_id: The round.
        reader: Who.
        returned_at: When the last of it came in, UTC, ISO 8601.
        frames: Frames by how they came about: new, edited, accepted, unreadable.
        contours: Contours by what happened to them: untouched, edited, new, deleted.
        edit_mm: Mean distance by which each edited contour was moved, where spacing is known.
        border: Length of the borders as they came back, px of the working grid.
        drawn: As much of it as the reader had to draw: what lay further than experts differ from what was sent, or was not sent.
    """

    round_id: str
    reader: str
    returned_at: str = ""
    frames: Counter[str] = field(default_factory=Counter)
    contours: Counter[str] = field(default_factory=Counter)
    edit_mm: list[float] = field(default_factory=list)
    border: float = 0.0
    drawn: float = 0.0


def length_to_move(drawn: Contour | None, wanted: Contour | None, *, tolerance_px: float) -> float:
    """Return the length of border that a reader has to draw, in px: where the wanted one lies further off than tolerated.

    Args:
        drawn: What they are shown; None: nothing, so all has to be drawn.
        wanted: What they would draw; None: nothing, and removing a contour costs no length.
        tolerance_px: Nearer than this is left as it is.

    Example:
        A square drawn 2 px too far to the right: its left side is off, and its right one but for the corners.

        >>> square = Contour.from_points([(0, 0), (20, 0), (20, 20), (0, 20)])
        >>> moved = Contour.from_points([(2, 0), (22, 0), (22, 20), (2, 20)])
        >>> length_to_move(moved, square, tolerance_px=1.5), length_to_move(None, square, tolerance_px=1.5)
        (37.0, 80.0)
    """
    if wanted is None:
        return 0.0
    if drawn is None:
        return wanted.perimeter_px
    off = wanted.distances_px(drawn, step=STEP_PX) > tolerance_px
    return float(off.mean()) * wanted.perimeter_px


def corrected_mask(drawn: Mask, wanted: Mask, *, tolerance_px: float) -> Mask:
    """Return what a reader leaves: the wanted mask, but for what is nowhere further from its border than tolerated.

    Example:
        >>> wanted = np.zeros((1, 9), dtype=bool); wanted[0, 2:6] = True
        >>> drawn = np.zeros((1, 9), dtype=bool); drawn[0, 3:9] = True
        >>> corrected_mask(drawn, wanted, tolerance_px=1.0)[0].astype(int).tolist()
        [0, 0, 0, 1, 1, 1, 0, 0, 0]
    """
    depth = np.where(wanted, ndimage.distance_transform_edt(wanted), ndimage.distance_transform_edt(~wanted))
    pieces, n = ndimage.label(drawn != wanted)
    if n == 0:
        return wanted
    deepest = ndimage.maximum(depth, pieces, index=np.arange(1, n + 1))
    is_left = np.concatenate([[False], deepest <= tolerance_px])
    return np.where(is_left[pieces], drawn, wanted)
