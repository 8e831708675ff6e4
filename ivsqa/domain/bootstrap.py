"""Intervals by resampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def paired_bootstrap_difference(
    new: ArrayLike, old: ArrayLike, *, rng: np.random.Generator, n_resamples: int = 2000, coverage: float = 0.95
) -> tuple[float, float]:
    """Return the interval of mean(new − old) over frames drawn with replacement.

    Args:
        new: (n,) a measure a frame; pairs with NaN are dropped.
        old: (n,) the same measure of the same frames.
        rng: Randomness.
        n_resamples: Draws.
        coverage: Share of draws inside the interval.

    Returns:
        (low, high); NaN without a pair.

    Source:
        Efron & Tibshirani, An Introduction to the Bootstrap, 1993, percentile interval.

    Example:
        >>> low, high = paired_bootstrap_difference([0.9] * 8, [0.8] * 8, rng=np.random.default_rng(0))
        >>> round(low, 6), round(high, 6)
        (0.1, 0.1)
    """
    difference = np.asarray(new, dtype=np.float64) - np.asarray(old, dtype=np.float64)
    difference = difference[np.isfinite(difference)]
    if len(difference) == 0:
        return float("nan"), float("nan")
    means = difference[rng.integers(0, len(difference), (n_resamples, len(difference)))].mean(axis=1)
    tail = (1.0 - coverage) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)
