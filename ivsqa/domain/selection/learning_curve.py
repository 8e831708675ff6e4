"""What annotation brings: accuracy against its cost, labels or effort, and what is left to gain.

A study ends when another round would add less than single trainings scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from ivsqa.domain.statistics.bootstrap import Measured

POOR_DICE = 0.8
WORTH_A_ROUND = 0.004
"""Validation Dice that another round should bring: single trainings scattered by about as much (docs/evidence.md, a trial)."""


def cost_to_reach(cost: ArrayLike, accuracy: ArrayLike, level: float) -> float:
    """Return the least cost at which a curve, straight between its points, reaches a level; NaN where it never does.

    Args:
        cost: (n,) rising.
        accuracy: (n,) at each.
        level: Wanted.

    Example:
        >>> cost_to_reach([10, 20, 40], [0.80, 0.90, 0.92], 0.91)
        30.0
    """
    x, y = np.asarray(cost, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    reached = np.flatnonzero(y >= level)
    if not len(reached):
        return nan
    first = int(reached[0])
    if first == 0:
        return float(x[0])
    share = (level - y[first - 1]) / (y[first] - y[first - 1])
    return round(float(x[first - 1] + share * (x[first] - x[first - 1])), 9)


def mean_accuracy(cost: ArrayLike, accuracy: ArrayLike, low: float, high: float) -> float:
    """Return the mean accuracy on the way, over the logarithm of cost: doubling counts alike wherever it happens.

    Args:
        cost: (n,) rising, above 0.
        accuracy: (n,) at each; beyond its ends a curve stays level.
        low: Cost from which to count.
        high: Cost to which to count; no more than `low`: the accuracy there.

    Example:
        >>> round(mean_accuracy([1, 2, 4], [0.6, 0.8, 0.9], 1, 4), 6)
        0.775
    """
    x, y = np.log(np.asarray(cost, dtype=np.float64)), np.asarray(accuracy, dtype=np.float64)
    if high <= low:
        return float(y[np.searchsorted(x, np.log(low), side="right") - 1])
    inside = x[(x > np.log(low)) & (x < np.log(high))]
    at = np.concatenate([[np.log(low)], inside, [np.log(high)]])
    return float(np.trapezoid(np.interp(at, x, y), at) / (at[-1] - at[0]))


def paired_gain(new: Sequence[float], old: Sequence[float], *, coverage: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of new − old over seeds with Student's interval, (mean, low, high); ends NaN with fewer than two.

    Example:
        >>> [round(value, 3) for value in paired_gain([0.92, 0.94, 0.93], [0.90, 0.91, 0.92])]
        [0.02, -0.005, 0.045]
    """
    difference: NDArray[np.float64] = np.asarray(new, dtype=np.float64) - np.asarray(old, dtype=np.float64)
    mean, n = float(difference.mean()), len(difference)
    if n < 2:
        return mean, nan, nan
    # Seeds are too few to resample.
    half = float(scipy.special.stdtrit(n - 1, 0.5 + coverage / 2.0)) * float(difference.std(ddof=1)) / n**0.5
    return mean, mean - half, mean + half


def expected_accuracy(labels: ArrayLike, accuracy: ArrayLike, n_labels: float) -> float:
    """Return the accuracy to expect with more labels: error falls as a power of their number.

    It is never less than the accuracy with most labels; NaN with fewer than two numbers of labels, or where no error fell.

    Args:
        labels: (n,) numbers of labels.
        accuracy: (n,) in [0, 1) with each.
        n_labels: More than any of them.

    Source: Hestness et al., Deep learning scaling is predictable, empirically, 2017.

    Example:
        >>> round(expected_accuracy([10, 40], [0.8, 0.9], 160), 6)
        0.95
    """
    n, error = np.asarray(labels, dtype=np.float64), 1.0 - np.asarray(accuracy, dtype=np.float64)
    if len(np.unique(n)) < 2 or (error <= 0.0).any():
        return nan
    slope = float(np.polyfit(np.log(n), np.log(error), 1)[0])
    latest = float(error[np.argmax(n)])
    if slope >= 0.0:  # labels have not helped: no power law speaks of what more would do
        return nan
    return 1.0 - min(latest, latest * float((n_labels / n.max()) ** slope))


@dataclass(frozen=True)
class Outlook:
    """What is left to gain.

    Attributes:
        n_pool: Frames that a selection may choose.
        n_unread: Frames of training subjects that nobody read, these among them.
        quality: Mean predicted Dice of the worst structure over all unread frames, with its interval over subjects.
        poor_share: Share of the unread frames predicted below `POOR_DICE`.
        n_next: Frames of another round like the last.
        expected_gain: What that many more labels would likely add to the validation Dice; None before two models can be
            compared, and where more labels have not helped so far.
    """

    n_pool: int
    n_unread: int
    quality: Measured
    poor_share: float
    n_next: int
    expected_gain: float | None

    @property
    def is_worth_a_round(self) -> bool:
        """Whether another round is likely to pay, as far as can be said."""
        return self.expected_gain is None or self.expected_gain >= WORTH_A_ROUND
