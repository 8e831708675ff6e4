"""`FrameScore`: all that a model says of one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import OfFrame

BALD = "bald"
SIGNALS = ("entropy", "margin", "mean_error", "error_entropy", BALD)
"""Columns of plain doubt, for other ways of choosing frames than predicted error."""


@dataclass(frozen=True)
class FrameScore(OfFrame):
    """What a model says of one frame.

    Attributes:
        pullback_id: Its pullback.
        frame_index: 0-based.
        quality: Predicted agreement with an expert, of the worst structure, in [0, 1].
        dice: Predicted Dice by structure.
        dice_lower: Its lower bound by structure; None where it could not be calibrated.
        expected_error_px: Expected number of wrong pixels on the working grid, all structures.
        n_regions: Connected regions of likely error.
        signals: Plain signals of doubt by name, means over the frame: entropy, margin and the like. "bald" is None without draws.
        features: (F,) float32 description of the frame, for diversity.
        contours: Predicted contours in frame px; absent where nothing was found.
        error_maps: (K, s, s) uint8, probability of error × 255 on the working grid; empty when not asked for.
    """

    pullback_id: str
    frame_index: int
    quality: float
    dice: dict[str, float]
    dice_lower: dict[str, float | None]
    expected_error_px: float
    n_regions: int
    signals: dict[str, float | None]
    features: NDArray[np.float32]
    contours: dict[str, Contour]
    error_maps: NDArray[np.uint8]
