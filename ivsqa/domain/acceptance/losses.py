"""How much a frame loses if it is delivered as the model drew it: a number in [0, 1], 0 where it is as the reader drew it.

A frame loses what its worst structure does, as its quality is that of its worst structure: a mean would hide a border that is
lost behind one that is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isnan
from typing import get_args

from ivsqa.domain.acceptance.promise import LossKind
from ivsqa.domain.agreement.contour_agreement import ContourAgreement, contour_agreement
from ivsqa.domain.contour import Contours

CAP_MM = 1.0
"""A border whose HD95 is this or more is wholly lost. Two experts differ by about a tenth of it on average."""

_LOSS_OF: Mapping[LossKind, Callable[[ContourAgreement, float], float]] = {
    "dice": lambda agreement, _: 1.0 - agreement.dice,
    "area": lambda agreement, _: agreement.pad,
    "distance": lambda agreement, cap_mm: agreement.hd95_mm / cap_mm,
}


def frame_loss(
    predicted: Contours,
    reference: Contours | None,
    kind: LossKind,
    *,
    spacing_mm: tuple[float, float] | None = None,
    cap_mm: float = CAP_MM,
) -> float:
    """Return what a frame loses if the model's contours are delivered instead of a reader's, in [0, 1].

    Args:
        predicted: Contours that the model drew, by structure.
        reference: Contours that the reader drew, of all structures that they saw; None: skipped, or given up as unreadable.
        kind: `dice`: 1 - Dice. `area`: difference of the areas over the reader's. `distance`: HD95 in mm over `cap_mm`.
        spacing_mm: (x, y) mm per px; a distance needs it.
        cap_mm: HD95 from which on a border is wholly lost.

    Returns:
        Of the worst structure, at most 1. 1 where only one of both found a structure, or the reader gave the frame up; 0 where
        both found none.

    Raises:
        ValueError: a distance without spacing, an unknown kind, or a cap that is not above 0.

    Example:
        A lumen of 16 × 20 px where the reader drew 20 × 20.

        >>> from ivsqa.domain.contour import Contour
        >>> drawn = {"lumen": Contour.from_points([(0, 0), (16, 0), (16, 20), (0, 20)])}
        >>> wanted = {"lumen": Contour.from_points([(0, 0), (20, 0), (20, 20), (0, 20)])}
        >>> round(frame_loss(drawn, wanted, "dice"), 3), round(frame_loss(drawn, wanted, "area"), 3)
        (0.111, 0.2)
        >>> round(frame_loss(drawn, wanted, "distance", spacing_mm=(0.05, 0.05)), 3), frame_loss(drawn, None, "dice")
        (0.2, 1.0)
    """
    if kind not in get_args(LossKind):
        raise ValueError(f"a loss is one of {', '.join(get_args(LossKind))}, not {kind}")
    if kind == "distance" and (spacing_mm is None or cap_mm <= 0.0):
        raise ValueError("a distance in mm needs the spacing of the frame, and a cap above 0")
    if reference is None:
        return 1.0
    losses = [
        _LOSS_OF[kind](contour_agreement(predicted.get(name), reference.get(name), spacing_mm=spacing_mm), cap_mm)
        for name in {*predicted, *reference}
    ]
    # What cannot be compared, such as an area with one of 0, is lost.
    return max((1.0 if isnan(loss) else min(loss, 1.0) for loss in losses), default=0.0)
