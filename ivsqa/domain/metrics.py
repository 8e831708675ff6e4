"""Agreement of two contours of one structure, and statistics over many frames.

Overlap is exact polygon area, distances run between the lines; no mask is involved and nothing is smoothed. What cannot be
known is NaN: two absent contours agree on nothing that has a number, one absent contour is the worst there is (Dice 0,
distance infinite).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from math import inf, isfinite, isnan, nan

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from ivsqa.domain.contour import Contour
from ivsqa.domain.topology import enclosed_area


@dataclass(frozen=True)
class ContourAgreement:
    """How well a predicted contour agrees with a reference contour.

    Attributes:
        dice: 2·|A∩B| / (|A| + |B|), a fraction.
        jaccard: |A∩B| / |A∪B|, a fraction.
        hd95_px: The larger of the two directed 95th percentiles of the distance between the lines.
        assd_px: Average symmetric distance between the lines, all points of both pooled.
        hd95_mm: The same in mm; NaN where spacing is unknown.
        assd_mm: The same in mm; NaN where spacing is unknown.
        pad: |A_predicted - A_reference| / A_reference, a fraction; NaN where the reference is absent.
    """

    dice: float
    jaccard: float
    hd95_px: float
    assd_px: float
    hd95_mm: float
    assd_mm: float
    pad: float

    @property
    def is_comparison(self) -> bool:
        """Whether both contours were there."""
        return isfinite(self.assd_px)


@dataclass(frozen=True)
class AgreementSummary:
    """Agreement over many frames of one structure.

    Attributes:
        n_frames: Frames in which both contours were there: what `mean` is over.
        n_missing: Frames in which only one was there; they are in no mean, so read the two numbers together.
        mean: Mean of each measure over those frames, without NaN; NaN where no frame has a value.
    """

    n_frames: int
    n_missing: int
    mean: ContourAgreement


def contour_agreement(
    predicted: Contour | None, reference: Contour | None, *, spacing_mm: tuple[float, float] | None = None
) -> ContourAgreement:
    """Return the agreement of two contours of one structure in one frame.

    A line that crosses itself counts with all it encloses.

    Args:
        predicted: The contour to judge; None where none was found.
        reference: The contour to judge by; None where none was drawn.
        spacing_mm: (x, y) mm per px; None where unknown: the measures in mm are NaN.

    Returns:
        Both absent: all NaN. One absent: Dice and Jaccard 0, distances infinite, PAD NaN without a reference, else 1.

    Source:
        Taha and Hanbury, BMC Medical Imaging 2015;15:29 (overlap, distances); Balocco et al., Comput Med Imaging Graph
        2014;38:70 (PAD).
    """
    if predicted is None and reference is None:
        return ContourAgreement(nan, nan, nan, nan, nan, nan, nan)
    if predicted is None or reference is None:
        far_mm = nan if spacing_mm is None else inf
        return ContourAgreement(0.0, 0.0, inf, inf, far_mm, far_mm, nan if reference is None else 1.0)
    hd95_px, assd_px = _line_distances(predicted, reference, (1.0, 1.0))
    hd95_mm, assd_mm = (nan, nan) if spacing_mm is None else _line_distances(predicted, reference, spacing_mm)
    return ContourAgreement(
        *_overlap(predicted, reference), hd95_px, assd_px, hd95_mm, assd_mm, pad=_pad(predicted, reference)
    )


def plaque_burden(lumen: Contour, eem: Contour) -> float:
    """Return (EEM - lumen) / EEM areas, a fraction; NaN where the EEM encloses nothing.

    Source:
        Mintz et al., J Am Coll Cardiol 2001;37:1478.
    """
    eem_area = enclosed_area(eem).area
    return float((eem_area - enclosed_area(lumen).area) / eem_area) if eem_area > 0.0 else nan


def summary_by_mean(agreements: Iterable[ContourAgreement]) -> AgreementSummary:
    """Return the mean agreement over the frames where both contours were there, and how many lacked one.

    Frames where both are absent count nowhere. A missing contour has an infinite distance, of which no mean can be taken;
    to leave it out of the distances but not of Dice would make the two speak of different frames.
    """
    listed = list(agreements)
    compared = np.array([astuple(one) for one in listed if one.is_comparison], dtype=np.float64)
    table = compared.reshape(-1, len(fields(ContourAgreement)))
    n_missing = sum(not one.is_comparison and not isnan(one.dice) for one in listed)
    mean = ContourAgreement(*(_mean_known(column) for column in table.T))
    return AgreementSummary(len(table), n_missing, mean)


def mean_absolute_error(predicted: ArrayLike, true: ArrayLike) -> float:
    """Return the mean of |predicted - true| over pairs without NaN; NaN where there is none."""
    a, b = _known_pairs(predicted, true)
    return float(np.abs(a - b).mean()) if len(a) else nan


def pearson(a: ArrayLike, b: ArrayLike) -> float:
    """Return Pearson's correlation over pairs without NaN; NaN with fewer than two pairs, or where one side is constant."""
    x, y = _known_pairs(a, b)
    if len(x) < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return nan
    x, y = x - x.mean(), y - y.mean()
    # Scaled first: the squares of very small or very large values would leave the range of a float.
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Return Spearman's rank correlation over pairs without NaN, ties at their mean rank; NaN as `pearson`."""
    x, y = _known_pairs(a, b)
    return pearson(rankdata(x), rankdata(y)) if len(x) else nan


def auroc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Return the probability that a positive scores above a negative, a tie counting half.

    Args:
        scores: (n,), higher speaks for positive; NaN is dropped.
        positive: (n,) bool.

    Returns:
        A fraction; NaN where one class is missing.
    """
    score, label = _known_pairs(scores, positive)
    is_positive = label > 0.0
    n_positive, n_negative = int(is_positive.sum()), int((~is_positive).sum())
    if n_positive == 0 or n_negative == 0:
        return nan
    rank_sum = rankdata(score)[is_positive].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2.0) / (n_positive * n_negative))


def average_precision(scores: ArrayLike, positive: ArrayLike) -> float:
    """Return the area under precision over recall, as steps, equal scores taken together.

    Args:
        scores: (n,), higher speaks for positive; NaN is dropped.
        positive: (n,) bool.

    Returns:
        A fraction; NaN where nothing is positive.
    """
    score, label = _known_pairs(scores, positive)
    levels, level_of = np.unique(score, return_inverse=True)
    n_positive = np.bincount(level_of[label > 0.0], minlength=len(levels))
    return average_precision_from_histograms(n_positive, np.bincount(level_of, minlength=len(levels)) - n_positive)


def average_precision_from_histograms(n_positive: ArrayLike, n_negative: ArrayLike) -> float:
    """Return `average_precision` from counts: for any number of pixels, where scores fall in few bins.

    Args:
        n_positive: (bins,) positives in each bin of equal score, lowest score first.
        n_negative: (bins,) negatives likewise.

    Returns:
        A fraction; NaN where nothing is positive.

    Example:
        >>> average_precision_from_histograms([1, 0, 1], [2, 1, 0])  # the best bin is pure, the worst 1 of 3
        0.7
    """
    positives = np.asarray(n_positive, dtype=np.float64)[::-1]
    negatives = np.asarray(n_negative, dtype=np.float64)[::-1]
    if positives.sum() == 0.0:
        return nan
    found, taken = np.cumsum(positives), np.cumsum(positives + negatives)
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0.0)
    return float((positives * precision).sum() / found[-1])


def _overlap(predicted: Contour, reference: Contour) -> tuple[float, float]:
    """Return Dice and Jaccard of what two lines enclose; NaN where both enclose nothing."""
    a, b = enclosed_area(predicted), enclosed_area(reference)
    shared, total = shapely.intersection(a, b).area, a.area + b.area
    return (2.0 * shared / total, shared / (total - shared)) if total > 0.0 else (nan, nan)


def _pad(predicted: Contour, reference: Contour) -> float:
    """Return the percentage of area difference as a fraction of the reference; NaN where that encloses nothing."""
    area = enclosed_area(reference).area
    return float(abs(enclosed_area(predicted).area - area) / area) if area > 0.0 else nan


def _line_distances(a: Contour, b: Contour, spacing: tuple[float, float]) -> tuple[float, float]:
    """Return HD95 and ASSD between two lines in the unit of `spacing`."""
    there, back = a.distances_px(b, spacing=spacing), b.distances_px(a, spacing=spacing)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(hd95), float(np.concatenate([there, back]).mean())


def _mean_known(values: NDArray[np.float64]) -> float:
    """Return the mean of what is not NaN, NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else nan


def _known_pairs(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two flat float64 arrays without the pairs in which either is NaN.

    Raises:
        ValueError: the two differ in length.
    """
    x, y = np.ravel(np.asarray(a, dtype=np.float64)), np.ravel(np.asarray(b, dtype=np.float64))
    if len(x) != len(y):
        raise ValueError(f"pairs need equal lengths, got {len(x)} and {len(y)}")
    known = ~(np.isnan(x) | np.isnan(y))
    return x[known], y[known]
