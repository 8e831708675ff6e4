"""What is left to gain in a study, and from when on another round is no longer worth it."""

from __future__ import annotations

from dataclasses import dataclass

from ivsqa.domain.statistics.bootstrap import Measured

POOR_DICE = 0.8
WORTH_A_ROUND = 0.004
"""Validation Dice that another round should bring: single trainings scattered by about as much (docs/evidence.md, a trial)."""


@dataclass(frozen=True)
class Outlook:
    """What is left to gain.

    Attributes:
        n_pool: Frames of training subjects that nobody annotated.
        quality: Their mean predicted Dice of the worst structure, with its interval over subjects.
        poor_share: Share of them predicted below `POOR_DICE`.
        n_next: Frames of another round like the last.
        expected_gain: What that many more labels would likely add to the validation Dice; None before two models can be
            compared, and where more labels have not helped so far.
    """

    n_pool: int
    quality: Measured
    poor_share: float
    n_next: int
    expected_gain: float | None

    @property
    def is_worth_a_round(self) -> bool:
        """Whether another round is likely to pay, as far as can be said."""
        return self.expected_gain is None or self.expected_gain >= WORTH_A_ROUND
