"""What is promised of the frames that are delivered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ivsqa.domain.acceptance.bounds import Floats


@dataclass(frozen=True)
class Promise:
    """What is promised of the frames that are delivered.

    Attributes:
        at_most: A mean loss, or a share of frames, in (0, 1).
        confidence: How often the promise holds, at least, over the draw of the audit: in (0, 1).
        worse_than: None: the mean loss of all that is delivered is at most `at_most`, accepted and read frames together. Else: at
            most this share of the accepted frames has a loss above `worse_than`.

    Example:
        >>> Promise(0.05, 0.9).sentence
        'the mean loss of all frames is at most 0.05, with 90 % confidence'
        >>> Promise(0.05, 0.9, worse_than=0.1).sentence
        'at most 5 % of the accepted frames have a loss above 0.1, with 90 % confidence'
    """

    at_most: float
    confidence: float
    worse_than: float | None = None

    def __post_init__(self) -> None:
        if not (0.0 < self.at_most < 1.0 and 0.0 < self.confidence < 1.0):
            raise ValueError("what is promised, and its confidence, are between 0 and 1")

    @property
    def sentence(self) -> str:
        """The promise in plain words."""
        surely = f"with {100 * self.confidence:g} % confidence"
        if self.worse_than is None:
            return f"the mean loss of all frames is at most {self.at_most:g}, {surely}"
        return (
            f"at most {100 * self.at_most:g} % of the accepted frames have a loss above {self.worse_than:g}, {surely}"
        )

    def counted(self, losses: Floats) -> Floats:
        """Return what each frame counts: its loss, or 1 where it is worse than allowed; an unknown loss counts 1."""
        known = np.where(np.isnan(losses), 1.0, losses)
        return known if self.worse_than is None else (known > self.worse_than).astype(np.float64)
