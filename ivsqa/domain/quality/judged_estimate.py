"""How good an estimate of quality is: predicted against true Dice, and error maps against wrong pixels.

Every signal is judged alike, whatever it was made from: the network's own error map, the entropy of its probabilities, or
the spread of draws with dropout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivsqa.domain.agreement.contour_agreement import ContourAgreement, mean_known
from ivsqa.domain.contour import Mask
from ivsqa.domain.pullback import OfFrame
from ivsqa.domain.quality.review_curve import rejection_ratio, review_curve, share_until
from ivsqa.domain.statistics.bootstrap import Draws, Measured, draws_over_subjects, rows_by_subject
from ivsqa.domain.statistics.correlation import (
    auroc,
    average_precision_from_histograms,
    mean_absolute_error,
    pearson,
    spearman,
)

GOOD_DICE = 0.9
"""Below this a contour counts as bad when the estimate of quality is judged (AUROC)."""

N_LEVELS = 256
N_BINS = 10


@dataclass(frozen=True)
class JudgedFrame(OfFrame):
    """The predictions of a frame, and its agreement with the reference.

    Attributes:
        pullback_id: Its pullback.
        frame_index: 0-based.
        subject_id: Whose frame it is.
        console: What it was scanned with; "" where unknown.
        area: What the reference of the innermost structure encloses, mm² or px²; NaN where nobody drew it.
        agreements: Predicted against reference contour, by structure.
        predicted: Predicted Dice by signal, then structure.
    """

    pullback_id: str
    frame_index: int
    subject_id: str
    console: str
    area: float
    agreements: Mapping[str, ContourAgreement]
    predicted: Mapping[str, Mapping[str, float]]

    @property
    def true_dice(self) -> dict[str, float]:
        """Dice of each structure that the network or the reference has."""
        return {name: agreement.dice for name, agreement in self.agreements.items() if not isnan(agreement.dice)}

    @property
    def worst_dice(self) -> float:
        """Dice of the worst structure; NaN where there is none."""
        return min(self.true_dice.values(), default=nan)

    def quality(self, signal: str) -> float:
        """Return the predicted Dice of the worst structure."""
        return min(self.predicted[signal].values(), default=nan)

    def most_surprising(self, signal: str) -> str:
        """Return the structure whose predicted Dice is furthest from the true one; "" where nothing is known."""
        true = self.true_dice
        return max(true, key=lambda name: abs(self.predicted[signal][name] - true[name]), default="")


@dataclass(frozen=True)
class EstimateFigures:
    """The figures of one signal, each with its interval over subjects; NaN where it cannot be said.

    Attributes:
        pearson: Predicted against true Dice, over frames.
        spearman: The same by rank.
        mae: Mean absolute difference of the two.
        auroc: How well predicted Dice finds frames with Dice below 0.9.
        auprc: Area under precision-recall of the calibrated map against wrong pixels.
        mended: Share of the frames that people mend, the lowest predicted Dice first, until the mean Dice is 0.95.
        prr: Prediction rejection ratio of this order: 1 as good as the true order, 0 as mending at random.
    """

    pearson: Measured
    spearman: Measured
    mae: Measured
    auroc: Measured
    auprc: Measured
    mended: Measured
    prr: Measured

    @classmethod
    def of(cls, draws: Draws) -> EstimateFigures:
        """Return the figures with their intervals."""
        return cls(*draws.measured())


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimate of quality by one signal.

    Attributes:
        predicted: (n,) predicted Dice of each frame.
        counts: (n_subjects, 2, 256) wrong and right pixels by level of its map.
    """

    predicted: ArrayLike
    counts: NDArray[np.int64]


def judged_draws(estimate: Estimate, true: ArrayLike, subjects: NDArray[np.intp], *, rng: np.random.Generator) -> Draws:
    """Return the figures of an estimate, in the order of `EstimateFigures`, on all subjects and on draws of them.

    Two that are judged with generators of equal state are judged on the same draws: the interval of their difference is far
    narrower than the two intervals suggest.

    Args:
        estimate: The estimate.
        true: (n,) the true Dice of each frame; NaN where there is none: the frame counts nowhere.
        subjects: (n,) which subject each frame is of, from `subject_numbers`.
        rng: Randomness.
    """
    return draws_over_subjects(_figures_of(estimate, true, subjects), len(estimate.counts), rng=rng)


def _figures_of(
    estimate: Estimate, true: ArrayLike, subjects: NDArray[np.intp]
) -> Callable[[NDArray[np.intp]], NDArray[np.float64]]:
    """Return a function from numbers of subjects, (m,), to the figures of an estimate on all their frames, (7,)."""
    predicted_dice, true_dice = np.asarray(estimate.predicted, dtype=np.float64), np.asarray(true, dtype=np.float64)
    is_bad = np.where(np.isnan(true_dice), nan, true_dice < GOOD_DICE)  # an unknown Dice is neither bad nor good
    rows_of = rows_by_subject(subjects, len(estimate.counts))

    def figures(drawn: NDArray[np.intp]) -> NDArray[np.float64]:
        rows = rows_of(drawn)
        pair = predicted_dice[rows], true_dice[rows]
        # Turned around: a low prediction speaks for a bad frame.
        ranking = auroc(-pair[0], is_bad[rows])
        precision = average_precision_from_histograms(*estimate.counts[drawn].sum(axis=0))
        order = true_dice[rows], predicted_dice[rows]
        mended, ratio = share_until(review_curve(*order)), rejection_ratio(*order)
        return np.array(
            [pearson(*pair), spearman(*pair), mean_absolute_error(*pair), ranking, precision, mended, ratio]
        )

    return figures


def counts_by_level(level: NDArray[np.uint8], wrong: Mask) -> NDArray[np.int64]:
    """Return the number of wrong and of right pixels at each level of a map, (2, 256)."""
    return np.stack([np.bincount(level[where], minlength=N_LEVELS) for where in (wrong, ~wrong)])


@dataclass(frozen=True)
class ReliabilityBin:
    """Pixels of similar predicted error: their mean predicted probability, the share that was wrong, and their number."""

    predicted: float
    observed: float
    n_pixels: int


def reliability(counts: NDArray[np.int64]) -> list[ReliabilityBin]:
    """Return the share of wrong pixels in ten bins of predicted error, empty bins left out.

    Args:
        counts: (2, 256) wrong and right pixels by level of a calibrated map.

    Example:
        Of four pixels at level 51 (probability 0.2), one was wrong.

        >>> counts = np.zeros((2, 256), dtype=np.int64)
        >>> counts[:, 51] = 1, 3
        >>> reliability(counts)
        [ReliabilityBin(predicted=0.2, observed=0.25, n_pixels=4)]
    """
    bins = []
    for levels in np.array_split(np.arange(N_LEVELS), N_BINS):
        n = counts[:, levels].sum(axis=0)
        if n.sum() > 0:
            share = float((n * levels).sum() / n.sum() / (N_LEVELS - 1))
            bins.append(ReliabilityBin(share, float(counts[0, levels].sum() / n.sum()), int(n.sum())))
    return bins


@dataclass(frozen=True)
class Stratum:
    """The figures of frames that have something in common.

    Attributes:
        kind: What that is: "console", "lumen size", "subject".
        name: Which one.
        n_frames: Frames.
        n_subjects: Their subjects.
        n_missing: Contours that only the model or only the reference has.
        dice: Mean Dice by structure, over the frames in which both drew it; NaN where none.
        mae: Mean absolute difference of predicted and true Dice of the worst structure.
        spearman: The two by rank.
    """

    kind: str
    name: str
    n_frames: int
    n_subjects: int
    n_missing: int
    dice: dict[str, float]
    mae: float
    spearman: float


def strata_by(kind: str, labels: Sequence[str], frames: Sequence[JudgedFrame], *, signal: str) -> list[Stratum]:
    """Return the strata of frames by label, in order of appearance, but for no label and for single frames.

    Args:
        kind: What the labels say.
        labels: Of each frame; "" where it has none.
        frames: The frames.
        signal: Which estimate to judge.
    """
    groups: dict[str, list[JudgedFrame]] = {}
    for label, frame in zip(labels, frames, strict=True):
        groups.setdefault(label, []).append(frame)
    return [_stratum(kind, label, group, signal) for label, group in groups.items() if label and len(group) > 1]


def _stratum(kind: str, name: str, frames: Sequence[JudgedFrame], signal: str) -> Stratum:
    """Return the figures of one stratum."""
    predicted = [frame.quality(signal) for frame in frames]
    true = [frame.worst_dice for frame in frames]
    both = [pair for frame in frames for pair in frame.agreements.items() if pair[1].is_comparison]
    return Stratum(
        kind=kind,
        name=name,
        n_frames=len(frames),
        n_subjects=len({frame.subject_id for frame in frames}),
        n_missing=sum(len(frame.true_dice) for frame in frames) - len(both),
        dice={
            structure: mean_known([agreement.dice for other, agreement in both if other == structure])
            for structure in frames[0].agreements
        },
        mae=mean_absolute_error(predicted, true),
        spearman=spearman(predicted, true),
    )


def tercile_labels(sizes: ArrayLike, unit: str) -> list[str]:
    """Return for each size its third of all known sizes, in words; "" where it is NaN.

    Example:
        >>> tercile_labels([1.0, 4.0, 9.0, nan], "mm²")
        ['up to 3.0 mm²', '3.0 to 5.7 mm²', 'over 5.7 mm²', '']
    """
    values = np.asarray(sizes, dtype=np.float64)
    known = values[~np.isnan(values)]
    if not len(known):
        return [""] * len(values)
    low, high = np.quantile(known, [1.0 / 3.0, 2.0 / 3.0])
    words = (f"up to {low:.1f} {unit}", f"{low:.1f} to {high:.1f} {unit}", f"over {high:.1f} {unit}")
    return ["" if isnan(value) else words[int(value > low) + int(value > high)] for value in values]
