"""Monotone curves that turn a raw score into what it has meant so far, and margins that say how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, nan

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

_NEAR_ENDS = 1e-3
"""Fractions nearer to 0 or 1 count as this near: their log-odds would outweigh all others."""
_LEAST_SLOPE = 0.05

UNSEEN_SUBJECTS = 0.5
"""As how many subjects of the largest error those count that nobody has seen."""


@dataclass(frozen=True)
class MonotoneCurve:
    """A piecewise linear curve that never falls, constant beyond its ends.

    Attributes:
        x: Knots, strictly increasing, at least one.
        y: Value at each knot, never falling.

    Example:
        >>> MonotoneCurve((0.0, 1.0), (0.5, 0.7))([-1.0, 0.5, 2.0]).tolist()
        [0.5, 0.6, 0.7]
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.x or len(self.x) != len(self.y):
            raise ValueError(f"a curve needs as many x as y, at least one; got {len(self.x)} and {len(self.y)}")
        if not (np.isfinite(self.x).all() and np.isfinite(self.y).all()):
            raise ValueError("a curve has a knot that is not a finite number")
        if np.any(np.diff(self.x) <= 0.0) or np.any(np.diff(self.y) < 0.0):
            raise ValueError("a curve needs increasing x and never falling y")

    @classmethod
    def identity(cls) -> MonotoneCurve:
        """Return the curve that leaves fractions as they are."""
        return cls((0.0, 1.0), (0.0, 1.0))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Sequence[float]]) -> MonotoneCurve:
        """Return the curve of which `to_dict` made plain lists."""
        return cls(tuple(map(float, stored["x"])), tuple(map(float, stored["y"])))

    def to_dict(self) -> dict[str, list[float]]:
        """Return the knots as plain lists, for JSON or YAML."""
        return {"x": list(self.x), "y": list(self.y)}

    def __call__(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the curve at `values`, of their shape; NaN stays NaN."""
        return np.asarray(np.interp(np.asarray(values, dtype=np.float64), self.x, self.y), dtype=np.float64)


@dataclass(frozen=True)
class LogOddsLine:
    """A straight line between log-odds: it rises everywhere, so it keeps the order of what it is given, and reaches 0 and 1.

    Attributes:
        offset: Log-odds that one half is turned into.
        slope: Above 0.

    Example:
        >>> LogOddsLine(offset=0.0, slope=2.0)([0.0, 0.5, 0.9, 1.0]).round(3).tolist()
        [0.0, 0.5, 0.988, 1.0]
    """

    offset: float
    slope: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.offset, self.slope]).all() and self.slope > 0.0):
            raise ValueError(f"a line needs a finite offset and a slope above 0, got {self.offset} and {self.slope}")

    @classmethod
    def identity(cls) -> LogOddsLine:
        """Return the line that leaves fractions as they are."""
        return cls(0.0, 1.0)

    @classmethod
    def from_dict(cls, stored: Mapping[str, float]) -> LogOddsLine:
        """Return the line stored by `to_dict`."""
        return cls(float(stored["offset"]), float(stored["slope"]))

    def to_dict(self) -> dict[str, float]:
        """Return plain values, for JSON or YAML."""
        return {"offset": self.offset, "slope": self.slope}

    def __call__(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return fractions for fractions `values`, of their shape; NaN stays NaN."""
        fractions = np.asarray(values, dtype=np.float64)
        if self == LogOddsLine.identity():
            return fractions
        return np.asarray(scipy.special.expit(self.offset + self.slope * np.asarray(scipy.special.logit(fractions))))


def fit_log_odds(x: ArrayLike, y: ArrayLike, weights: ArrayLike) -> LogOddsLine:
    """Return the line between log-odds with the least weighted squared distance to the points, as fractions.

    Args:
        x: (n,) fractions; points with NaN in x or y are dropped.
        y: (n,) what they turned out to be.
        weights: (n,) at least 0.

    Source: Platt, Advances in Large Margin Classifiers 1999, by least squares, since y is a measure and no class.
    """
    scores, values, mass = (np.asarray(part, dtype=np.float64) for part in (x, y, weights))
    known = np.isfinite(scores) & np.isfinite(values)
    odds = np.asarray(scipy.special.logit(np.clip(scores[known], _NEAR_ENDS, 1.0 - _NEAR_ENDS)))

    def distances(line: NDArray[np.float64]) -> NDArray[np.float64]:
        said = np.asarray(scipy.special.expit(line[0] + line[1] * odds))
        return np.asarray(np.sqrt(mass[known]) * (said - values[known]))

    fitted = scipy.optimize.least_squares(distances, [0.0, 1.0], bounds=([-np.inf, _LEAST_SLOPE], np.inf))
    return LogOddsLine(*map(float, fitted.x))


def fit_isotonic(x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> MonotoneCurve:
    """Return the never-falling curve with the least weighted squared distance to the points.

    Equal x are averaged first. Of each run of equal fitted values only both ends stay as knots.

    Args:
        x: (n,) score; points with NaN in any argument, or with no weight, are dropped.
        y: (n,) what it turned out to be.
        weights: (n,) at least 0; all equal if None.

    Raises:
        ValueError: no point is left.

    Source: Pool-adjacent-violators, by scipy.
    """
    scores, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    mass = np.ones_like(scores) if weights is None else np.asarray(weights, dtype=np.float64)
    # Also leaves out NaN in the weights: it is not above 0.
    used = np.isfinite(scores) & np.isfinite(values) & (mass > 0.0)
    if not used.any():
        raise ValueError("a curve cannot be fitted to no points")
    levels, level_of = np.unique(scores[used], return_inverse=True)
    level_mass = np.bincount(level_of, weights=mass[used])
    level_mean = np.bincount(level_of, weights=mass[used] * values[used]) / level_mass
    fit = scipy.optimize.isotonic_regression(level_mean, weights=level_mass)
    starts, stops = fit.blocks[:-1], fit.blocks[1:]
    knots = np.unique(np.concatenate([starts, stops - 1]))  # both ends of each run
    return MonotoneCurve(tuple(levels[knots].tolist()), tuple(fit.x[knots].tolist()))


def conformal_margin(predicted: ArrayLike, true: ArrayLike, *, miscoverage: float = 0.1) -> float:
    """Return the margin m, at least 0, with true ≥ predicted - m for a new frame in at least 1 - miscoverage of cases.

    Whatever the network does, this holds if the new frame is drawn like those given and the prediction was not fitted to them.
    Frames of a pullback are alike, so it speaks of frames from such subjects taken together, not of each.

    Args:
        predicted: (n,) predicted quality of frames; pairs with NaN are dropped.
        true: (n,) their true quality.
        miscoverage: How often the bound may fail, in (0, 1).

    Returns:
        The margin; NaN with fewer than 1 / miscoverage - 1 frames: no finite margin can then keep the promise.

    Source: Split conformal prediction, one-sided: Lei et al., J Am Stat Assoc 2018;113:1094.
    """
    excess = np.asarray(predicted, dtype=np.float64) - np.asarray(true, dtype=np.float64)
    excess = np.sort(excess[~np.isnan(excess)])
    rank = ceil((len(excess) + 1) * (1.0 - miscoverage) - 1e-9)  # rounding must not raise a whole rank by one
    return max(0.0, float(excess[rank - 1])) if rank <= len(excess) else nan


def conformal_factor(scores: ArrayLike, subjects: Sequence[str], *, miscoverage: float = 0.1) -> float:
    """Return the factor f with score ≤ f for a frame of a new subject in about 1 - miscoverage of cases.

    Frames of a subject are alike, so each subject weighs the same, however many frames it has. One more, not yet seen, counts
    half, as if half of its frames lay above all others: whole, as a proof for every distribution would have it, gave intervals
    that held too often by far (docs/evidence.md). With few subjects it outweighs the miscoverage; then the largest score seen
    is returned.

    Args:
        scores: (n,) error of each frame in units of the predicted one; frames with NaN are dropped.
        subjects: (n,) whose frame each is.
        miscoverage: How often a score may lie above, in (0, 1).

    Returns:
        The factor; NaN with fewer than two subjects or fewer than 1 / miscoverage - 1 frames.

    Source:
        Conformal prediction with repeated measurements: Lee, Barber & Willett, arXiv 2306.06342, where the one more counts whole.
    """
    values = np.asarray(scores, dtype=np.float64)
    known = ~np.isnan(values)
    values, names = values[known], np.asarray(subjects, dtype=np.str_)[known]
    _, subject, n_of = np.unique(names, return_inverse=True, return_counts=True)
    if len(n_of) < 2 or len(values) < 1.0 / miscoverage - 1.0 - 1e-9:
        return nan
    order = np.argsort(values)
    mass = np.cumsum(1.0 / n_of[subject][order]) / (len(n_of) + UNSEEN_SUBJECTS)
    rank = int(np.searchsorted(mass, 1.0 - miscoverage - 1e-9))
    return float(values[order][min(rank, len(values) - 1)])
