"""What is promised of the frames that are delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LossKind = Literal["dice", "area", "distance"]
LOSS_NOUNS: Mapping[LossKind, str] = {
    "dice": "Dice error (1 - Dice)",
    "area": "area error (share of the reader's area)",
    "distance": "distance (HD95 in mm, 1 at most)",
}
"""What each kind of loss is, of the worst structure of a frame, as `losses` counts it."""


@dataclass(frozen=True)
class Promise:
    """What is promised of the frames that are delivered.

    Attributes:
        at_most: A mean loss, or a share of frames, in (0, 1).
        confidence: How often the promise holds, at least, over the draw of the audit: in (0, 1).
        worse_than: None: the mean loss of all that is delivered is at most `at_most`, accepted and read frames together. Else: at
            most this share of the frames under the bar, audited ones too, has a loss above `worse_than` as the model drew it.

    Example:
        >>> Promise(0.05, 0.9).sentence("Dice error")
        'the mean Dice error of all frames is at most 0.05, with 90 % confidence'
        >>> Promise(0.05, 0.9, worse_than=0.1).sentence()
        'at most 5 % of the frames under the bar are worse than 0.1 in loss as the model drew them, with 90 % confidence'
    """

    at_most: float
    confidence: float
    worse_than: float | None = None

    def __post_init__(self) -> None:
        if not (0.0 < self.at_most < 1.0 and 0.0 < self.confidence < 1.0):
            raise ValueError("what is promised, and its confidence, are between 0 and 1")

    def sentence(self, loss: str = "loss") -> str:
        """Return the promise in plain words, with what a loss is in them."""
        surely = f"with {100 * self.confidence:g} % confidence"
        if self.worse_than is None:
            return f"the mean {loss} of all frames is at most {self.at_most:g}, {surely}"
        share = f"at most {100 * self.at_most:g} % of the frames under the bar"
        return f"{share} are worse than {self.worse_than:g} in {loss} as the model drew them, {surely}"

    def counted(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each frame counts: its loss, or 1 where it is worse than allowed; an unknown loss counts 1."""
        known = np.where(np.isnan(losses), 1.0, losses)
        return known if self.worse_than is None else (known > self.worse_than).astype(np.float64)
