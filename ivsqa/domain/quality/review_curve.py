"""The review curve: people mend the frames of a pool, the worst first; how good is the whole pool after each?

A mended frame counts as Dice 1.0, and a pool as the mean of its frames. What "worst" is, an order has to say: predicted Dice,
no order at all, or the true Dice, which nobody knows before. The fewer frames predicted Dice asks for, the more work it saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivsqa.domain.selection.learning_curve import cost_to_reach
from ivsqa.domain.statistics.bootstrap import Measured, bootstrap_over_subjects, rows_by_subject
from ivsqa.domain.statistics.correlation import known_pairs

GOAL_DICE = 0.95
"""Mean Dice, of the worst structure, that a pool of frames should have."""


def review_curve(true: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """Return the mean Dice of a pool once 0, 1, …, m of its frames are mended, the lowest prediction first.

    Frames of equal prediction are mended in any order: each brings what they bring on average, which is the expected value
    over all such orders.

    Args:
        true: (n,) true Dice of each frame, in [0, 1].
        predicted: (n,) what they are put in order by; frames with NaN in either are left out.

    Returns:
        (m + 1,), rising, from the mean Dice now to 1, of the m frames with both; (1,) NaN without any.

    Example:
        The second frame is mended first, which brings 0.4 / 2, then the other.

        >>> review_curve([0.9, 0.6], [0.8, 0.7]).round(6).tolist()
        [0.75, 0.95, 1.0]
        >>> review_curve([0.9, 0.6], [0.5, 0.5]).round(6).tolist()  # a tie: either may come first
        [0.75, 0.875, 1.0]
    """
    dice, order = known_pairs(true, predicted)
    if not len(dice):
        return np.array([nan])
    _, level_of, n_of = np.unique(order, return_inverse=True, return_counts=True)
    brought = np.repeat(np.bincount(level_of, 1.0 - dice) / n_of, n_of)
    # Summed from the end, so that nothing is left when all is mended, whatever floats round to.
    left = np.append(np.cumsum(brought[::-1])[::-1], 0.0)
    return 1.0 - left / len(dice)


def share_until(curve: NDArray[np.float64], goal: float = GOAL_DICE) -> float:
    """Return the share of the frames that are mended until the pool reaches a goal, straight between frames.

    Args:
        curve: From `review_curve`.
        goal: Mean Dice wanted, at most 1.

    Returns:
        In [0, 1]; 0 where the goal is met already, NaN for a pool of no frames.

    Example:
        >>> share_until(review_curve([0.9, 0.6], [0.8, 0.7]), 0.85)  # half of the first of two
        0.25
    """
    return cost_to_reach(np.linspace(0.0, 1.0, len(curve)), curve, goal)


def rejection_ratio(true: ArrayLike, predicted: ArrayLike) -> float:
    """Return the prediction rejection ratio: how much of the area between random and true order the predicted one gains.

    Args:
        true: (n,) true Dice, in [0, 1].
        predicted: (n,) likewise; pairs with NaN are left out.

    Returns:
        1 as good as the true order, 0 as the random one, below 0 worse; NaN where all frames are alike.

    Source: Malinin et al., Incorporating uncertainty into deep learning for spoken language assessment, ACL 2017.

    Example:
        >>> rejection_ratio([0.9, 0.6, 0.3], [0.7, 0.2, 0.1]), round(rejection_ratio([0.9, 0.6, 0.3], [0.1, 0.2, 0.7]), 6)
        (1.0, -1.0)
    """
    dice, order = known_pairs(true, predicted)
    if len(dice) == 0 or np.ptp(dice) == 0.0:
        return nan

    def area(by: NDArray[np.float64]) -> float:
        """Return the area between an order and the random one, whose curve is straight."""
        curve = review_curve(dice, by)
        return float(curve.sum() - 0.5 * len(curve) * (curve[0] + curve[-1]))

    return area(order) / area(dice)


class ReviewShares(NamedTuple):
    """Shares of a pool that people mend until its mean Dice reaches a goal, by the order in which they do it.

    Attributes:
        predicted: The lowest prediction first; NaN where nothing is predicted.
        random: In random order: (goal − mean) / (1 − mean), since each frame then brings the same on average.
        truth: The lowest true Dice first: nobody can do with less.
    """

    predicted: float
    random: float
    truth: float

    @property
    def ratio(self) -> float:
        """How many times the frames of the true order the predicted one asks for, 1 or more; NaN where none is needed."""
        return self.predicted / self.truth if self.truth > 0.0 else nan


def review_shares(true: ArrayLike, predicted: ArrayLike, goal: float = GOAL_DICE) -> ReviewShares:
    """Return the shares to mend by predicted, random and true order.

    Args:
        true: (n,) true Dice of each frame, in [0, 1].
        predicted: (n,) predicted Dice; frames with NaN in either are left out.
        goal: Mean Dice wanted.

    Example:
        >>> review_shares([1.0, 0.9, 0.5, 0.8], [0.95, 0.7, 0.6, 0.8], 0.9)
        ReviewShares(predicted=0.2, random=0.5, truth=0.2)
    """
    dice, said = known_pairs(true, predicted)
    return ReviewShares(*(share_until(review_curve(dice, order), goal) for order in (said, np.zeros(len(dice)), dice)))


@dataclass(frozen=True)
class ReviewFigures:
    """The shares of a pool to mend, each with its interval over subjects; NaN where it cannot be said.

    Attributes:
        mean_dice: Mean Dice while nothing is mended.
        predicted: Share to mend by predicted Dice.
        random: In random order.
        truth: In the true order.
        ratio: The first over the last.
    """

    mean_dice: Measured
    predicted: Measured
    random: Measured
    truth: Measured
    ratio: Measured


def review_figures(
    true: ArrayLike,
    predicted: ArrayLike,
    subjects: NDArray[np.intp],
    *,
    rng: np.random.Generator,
    goal: float = GOAL_DICE,
) -> ReviewFigures:
    """Return the shares to mend with intervals over subjects.

    Args:
        true: (n,) true Dice of each frame; NaN where there is none: the frame counts nowhere.
        predicted: (n,) predicted Dice.
        subjects: (n,) which subject each frame is of, from `subject_numbers`.
        rng: Randomness.
        goal: Mean Dice wanted.
    """
    dice, order = (np.asarray(values, dtype=np.float64) for values in (true, predicted))
    n_subjects = int(subjects.max(initial=-1)) + 1
    rows_of = rows_by_subject(subjects, n_subjects)

    def figures(drawn: NDArray[np.intp]) -> list[float]:
        rows = rows_of(drawn)
        shares = review_shares(dice[rows], order[rows], goal)
        return [float(review_curve(dice[rows], order[rows])[0]), *shares, shares.ratio]

    return ReviewFigures(*bootstrap_over_subjects(figures, n_subjects, rng=rng))
