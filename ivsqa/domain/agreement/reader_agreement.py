"""Agreement of readers: of their numbers, as methods of measurement are compared, and of their borders, arc by arc.

Overlap and distance of two contours are in `contour_agreement`. Unknown is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from ivsqa.domain.agreement.contour_agreement import line_distances
from ivsqa.domain.contour import Contour, Points
from ivsqa.domain.geometry.arcs import N_ARCS, arc_numbers

COVERAGE = 0.95
"""Of the interval of an intraclass correlation."""
LIMITS_SD = 1.96
"""Standard deviations from the bias to each limit of agreement: 95 % of differences, if these are normal."""


@dataclass(frozen=True)
class IntraclassCorrelation:
    """ICC(2,1): the share of the variance of one reader's numbers that comes from the measured things.

    Attributes:
        value: 1: readers give the same numbers; 0 or less: nothing but noise and bias.
        low: Lower end of its 95 % interval, as if the measured things were independent.
        high: Upper end.
        n: Number of measured things.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class BlandAltman:
    """Bias of one reader against another, and the limits between which 95 % of their differences lie.

    Attributes:
        bias: Mean of first − second, in their unit.
        sd: Standard deviation of the differences.
        low: bias − 1.96·sd.
        high: bias + 1.96·sd.
        n: Pairs.
    """

    bias: float
    sd: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class BetweenReaders:
    """How far two readings of one frame agree on a border, by two people or by one: what a model is judged by.

    Attributes:
        dice: Mean over frames and pairs of readings that both have it.
        area_mm2: Their areas; of nothing where spacing is unknown.
        n_frames: Frames behind the mean.
    """

    dice: float
    area_mm2: BlandAltman
    n_frames: int


def intraclass_correlation(ratings: ArrayLike) -> IntraclassCorrelation:
    """Return ICC(2,1): two-way random effects, absolute agreement, single rater.

    A reader who always draws larger lowers it: unlike Pearson's correlation, and ICC(3,1), it counts bias as disagreement. It is
    NaN with fewer than two rows or columns, or where all numbers are equal.

    Args:
        ratings: (n, k), a row for each measured thing, a column for each rater; rows with NaN are dropped.

    Source:
        Shrout & Fleiss, Psychol Bull 1979;86:420, case 2; interval: McGraw & Wong, Psychol Methods 1996;1:30, table 7.

    Example:
        The second rater reads 1 more: variance of the targets 1, of the raters 0.5.

        >>> round(intraclass_correlation([[1, 2], [2, 3], [3, 4]]).value, 4)
        0.6667
    """
    squares, shape = _mean_squares(ratings)
    value = icc_value(ratings)
    if np.isnan(value) or value >= 1.0 - 1e-12:  # without error F is infinite, and the value all there is to say
        return IntraclassCorrelation(value, value, value, shape[0])
    return IntraclassCorrelation(value, *_icc_interval(value, squares, shape), shape[0])


def icc_value(ratings: ArrayLike) -> float:
    """Return ICC(2,1) without its interval, which is quick; see `intraclass_correlation`."""
    (of_targets, of_raters, of_error), (n, k) = _mean_squares(ratings)
    if not of_targets + of_raters + of_error > 0.0:
        return nan
    return (of_targets - of_error) / (of_targets + (k - 1) * of_error + k * (of_raters - of_error) / n)


def _mean_squares(ratings: ArrayLike) -> tuple[tuple[float, float, float], tuple[int, int]]:
    """Return the mean squares of targets, raters and error without NaN rows, and (n, k); NaN with less than 2 by 2."""
    table = np.asarray(ratings, dtype=np.float64)
    table = table[~np.isnan(table).any(axis=1)]
    n, k = table.shape
    if n < 2 or k < 2:
        return (nan, nan, nan), (n, k)
    by_target, by_rater = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    of_targets = k * float(np.var(by_target, ddof=1))
    of_raters = n * float(np.var(by_rater, ddof=1))
    of_error = float(np.square(table - by_target - by_rater + table.mean()).sum() / ((n - 1) * (k - 1)))
    return (of_targets, of_raters, of_error), (n, k)


def _icc_interval(
    value: float, mean_squares: tuple[float, float, float], shape: tuple[int, int]
) -> tuple[float, float]:
    """Return the interval of ICC(2,1) from the mean squares of targets, raters and error; see `intraclass_correlation`."""
    (of_targets, of_raters, of_error), (n, k) = mean_squares, shape
    share_raters = k * value / (n * (1.0 - value))
    share_error = 1.0 + share_raters * (n - 1)
    raters, error = share_raters * of_raters, share_error * of_error
    degrees = (raters + error) ** 2 / (raters**2 / (k - 1) + error**2 / ((n - 1) * (k - 1)))
    upper = 0.5 + 0.5 * COVERAGE
    below = float(scipy.special.fdtri(n - 1, degrees, upper))
    above = float(scipy.special.fdtri(degrees, n - 1, upper))
    rest = k * of_raters + (k * n - k - n) * of_error
    low = n * (of_targets - below * of_error) / (below * rest + n * of_targets)
    high = n * (above * of_targets - of_error) / (rest + n * above * of_targets)
    return float(low), float(high)


def bland_altman(first: ArrayLike, second: ArrayLike) -> BlandAltman:
    """Return bias and limits of agreement of paired numbers; pairs with NaN are dropped.

    All are NaN without a pair, the spread with fewer than two.

    Source: Bland & Altman, Lancet 1986;1:307, with 1.96 for their 2.

    Example:
        >>> bland_altman([5.0, 7.0], [4.0, 4.0])
        BlandAltman(bias=2.0, sd=1.4142135623730951, low=-0.7718585822512662, high=4.771858582251266, n=2)
    """
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    difference = difference[~np.isnan(difference)]
    n = len(difference)
    if n == 0:
        return BlandAltman(nan, nan, nan, nan, 0)
    bias = float(difference.mean())
    sd = float(difference.std(ddof=1)) if n > 1 else nan
    return BlandAltman(bias, sd, bias - LIMITS_SD * sd, bias + LIMITS_SD * sd, n)


def distance_by_arc(
    a: Contour, b: Contour, centre_px: Points, *, spacing: tuple[float, float] = (1.0, 1.0), n_arcs: int = N_ARCS
) -> NDArray[np.float64]:
    """Return the mean distance of two lines, both ways, in each arc around a centre, (n_arcs,).

    Args:
        a: A line.
        b: The other; their order does not matter.
        centre_px: (x, y) inside both.
        spacing: (x, y) size of a pixel; distances come in its unit (px by default, mm with mm per px).
        n_arcs: Number of equal arcs, the first from 0°; NaN in one through which neither line runs.

    Example:
        >>> inner = Contour.from_points([[-9, -9], [9, -9], [9, 9], [-9, 9]])
        >>> outer = Contour.from_points([[-10, -10], [10, -10], [10, 10], [-10, 10]])
        >>> apart = distance_by_arc(inner, outer, np.zeros(2), n_arcs=8)
        >>> bool(apart.min() >= 1.0 and apart.max() < 1.05)
        True
    """
    sums, counts = np.zeros(n_arcs), np.zeros(n_arcs)
    for line, distances in zip((a, b), line_distances(a, b, spacing=spacing), strict=True):
        x, y = (line.resampled(len(distances)).points_px - centre_px).T
        arcs = arc_numbers(x, y, n_arcs)
        sums += np.bincount(arcs, weights=distances, minlength=n_arcs)
        counts += np.bincount(arcs, minlength=n_arcs)
    return np.asarray(np.divide(sums, counts, out=np.full(n_arcs, nan), where=counts > 0.0))
