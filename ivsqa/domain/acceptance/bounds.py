"""Upper confidence bounds for the mean loss of a pool, from a few audited units: exact at every size, whatever the losses are.

A *unit* is what the draw takes: a frame, or a subject with the frames read of it. All that is assumed is the draw itself, and
that a loss lies in [0, 1].

**Betting.** Someone holds that the mean is more than m. Before each unit is opened we bet against it, at odds that are fair if
the mean is m. If they are right we lose on average, and the chance that our wealth ever reaches 1 / (1 - confidence) times what
we began with is at most 1 - confidence (Ville). Where it does, m is refuted; the bound is the least m that is. Wealth is divided
over a few bets of fixed size (`BETS`), since the best size depends on losses that nobody knows yet; a sum of fair bets is fair.

**Order.** Wealth is looked at after every unit, so it depends on the order, and only the order of the draw will do: it was fixed
before any loss was known. An order made afterwards, by name or by loss, is not a random one. For the same reason an audit may be
made longer until it proves what it should: the bound stays exact.

**Counts.** Where a loss is 0 or 1, tails of the hypergeometric distribution are exact and narrower (`count_bound`).

Source: Waudby-Smith and Ramdas, J R Stat Soc B 2024;86:1 (bets, drawing without replacement); Shekhar et al., UAI 2023 (units
drawn by size, control variates); Clopper and Pearson, Biometrika 1934;26:404 (counts).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

ROUNDING = 1e-10
"""Sums of shares and losses that differ by less are equal."""
HALVINGS = 30
"""Of the range in which a bound is searched: it is found to a thousand-millionth, from above."""


class Bet(NamedTuple):
    """A bet that is repeated at every unit.

    Attributes:
        size: Share of the largest stake that cannot ruin, in (0, 1).
        control: How much of the surprise in the predicted loss is taken out of the true one, 0 or more.
        weight: Share of the money at the beginning that goes into it.
    """

    size: float
    control: float
    weight: float


BETS = (
    Bet(0.97, 0.0, 0.55),
    Bet(0.70, 0.0, 0.15),
    Bet(0.40, 0.0, 0.08),
    Bet(0.20, 0.0, 0.04),
    Bet(0.70, 0.8, 0.08),
    Bet(0.40, 0.8, 0.06),
    Bet(0.20, 0.8, 0.04),
)
"""Large bets win where losses are small and alike, small ones where a few are large, those with control where predictions
are good. The largest leaves a little, so that no single frame of loss 1 ruins it."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Audited units, in the order in which they were drawn; leading axes are as many audits as one likes.

    Attributes:
        losses: (…, n) mean loss of the counting frames of each unit, in [0, 1]; 0 where none of its frames counts, and NaN where
            nothing was drawn, so that audits of several lengths fit into one array.
        stakes: (…, n) share of the frames of each unit that count, in [0, 1].
        shares: (…, n) share of the pool that each unit takes away, as it is not drawn again: 1 / N for one of N frames, and
            for a subject drawn with a chance by size, all of it read, its frames / N. 0 where units are put back, or nothing was
            drawn.
        predicted: (…, n) mean predicted loss of the counting frames; None: no control.
        predicted_mean: (…) the mean of stake × predicted over the whole pool, by shares.
    """

    losses: Floats
    stakes: Floats
    shares: Floats
    predicted: Floats | None = None
    predicted_mean: Floats | None = None

    @classmethod
    def of_frames(cls, losses: ArrayLike, *, pool: int | None = None) -> Draws:
        """Return the draws of single frames, each as likely as any other that is left.

        Args:
            losses: (…, n) in [0, 1], in the order of the draw.
            pool: Frames that they were drawn from; None: drawn with replacement, or from a pool without end.

        Raises:
            ValueError: a loss is not in [0, 1], or more frames were drawn than there are.
        """
        values = np.asarray(losses, dtype=np.float64)
        if not ((values >= 0.0) & (values <= 1.0)).all():
            raise ValueError("a loss is not in [0, 1]")
        if pool is not None and values.shape[-1] > pool:
            raise ValueError(f"{values.shape[-1]} frames cannot be drawn from {pool}")
        return cls(values, np.ones_like(values), np.full_like(values, 0.0 if pool is None else 1.0 / pool))

    def __getitem__(self, some: slice) -> Draws:
        """Return some of the audits, or bars, by the first axis."""
        if self.predicted is None or self.predicted_mean is None:
            return Draws(self.losses[some], self.stakes[some], self.shares[some])
        return Draws(
            self.losses[some],
            self.stakes[some],
            self.shares[some],
            self.predicted[some],
            self.predicted_mean[some],
        )


def log_wealth(draws: Draws, mean: ArrayLike, *, bets: tuple[Bet, ...] = BETS) -> Floats:
    """Return the logarithm of the highest wealth reached by betting that the mean loss of what counts is less than `mean`.

    A unit of stake g and loss x brings the *excess* g (x - mean). If the mean is `mean` or more, the excesses of the whole pool,
    weighted by shares, sum to 0 or more. So what is left in the pool makes up for what was drawn, and that sets the odds.

    Args:
        draws: The units.
        mean: (…) in [0, 1], the mean that is doubted.
        bets: How the money is divided; those with control need predictions, and their money goes to the others without.

    Returns:
        (…), 0 or more; 0 where the mean of what was drawn is larger, inf where no pool of a larger mean can hold what was drawn.

    Example:
        No loss in 3 draws with all money in the largest bet: 0.97 of the whole gain of 1 / (1 - 0.5) each time.

        >>> float(np.exp(log_wealth(Draws.of_frames([0.0, 0.0, 0.0]), 0.5, bets=(Bet(0.97, 0.0, 1.0),))).round(3))
        7.645
    """
    doubted = np.asarray(mean, dtype=np.float64)[..., None]
    is_drawn = ~np.isnan(draws.losses)
    excess = np.where(is_drawn, draws.stakes * (draws.losses - doubted), 0.0)
    before = _before(np.broadcast_to(draws.shares, excess.shape) * excess)
    left = 1.0 - np.broadcast_to(_before(draws.shares), before.shape)
    # How far the excess of the rest can rise above what the mean asks for.
    room = (1.0 - doubted) * left + before
    is_possible = (room > ROUNDING).all(axis=-1)
    left = np.where(left > ROUNDING, left, 1.0)[..., :-1]  # nothing is drawn where nothing is left
    owed = before[..., :-1] / left
    limit = np.where(room[..., :-1] > ROUNDING, room[..., :-1] / left, np.inf)  # no bet where nothing may rise
    used = [bet for bet in bets if draws.predicted is not None or bet.control == 0.0]
    surprise, expected = (np.float64(0.0),) * 2 if draws.predicted is None else _surprise(draws, left)
    grown = []
    for bet in used:
        rate = (excess + owed - bet.control * surprise) / (limit + bet.control * expected)
        steps = np.where(is_drawn, np.log1p(np.maximum(-bet.size * rate, -1.0 + ROUNDING)), 0.0)
        grown.append(log(bet.weight / sum(one.weight for one in used)) + np.cumsum(steps, axis=-1))
    # The highest sum of all bets. Beside the highest of a single bet what underflows counts for nothing.
    peak = np.max(grown, axis=(0, -1), initial=0.0)
    wealth = peak + np.log(sum(np.exp(one - peak[..., None]) for one in grown).max(axis=-1, initial=1.0))
    # Units beyond those that refuted a mean may be worse than it. That would be by chance, but nobody should have to explain it.
    wealth = np.where(excess.sum(axis=-1) > ROUNDING, 0.0, wealth)
    return np.where(is_possible, wealth, np.inf)


def _before(values: Floats) -> Floats:
    """Return the sum of all values before each, and of all, (…, n + 1)."""
    return np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)


def _surprise(draws: Draws, left: Floats) -> tuple[Floats, Floats]:
    """Return how far stake × predicted of each unit is above what was expected of it, and what was, both (…, n)."""
    assert draws.predicted is not None
    assert draws.predicted_mean is not None
    predicted = draws.stakes * draws.predicted
    rest = np.asarray(draws.predicted_mean)[..., None] - _before(draws.shares * predicted)[..., :-1]
    expected = np.maximum(rest, 0.0) / left
    return predicted - expected, expected


def upper_bound(draws: Draws, confidence: float, *, bets: tuple[Bet, ...] = BETS) -> Floats:
    """Return the upper confidence bound for the mean loss of what counts in the pool.

    Args:
        draws: The audited units.
        confidence: How often it holds, at least, over the draw: in (0, 1).
        bets: How the money is divided.

    Returns:
        (…), in [0, 1]; 1 where nothing was drawn.

    Example:
        A hundred frames without loss leave room for 2.6 frames in a hundred that are lost; 45 of 50 for less than the rest.

        >>> float(upper_bound(Draws.of_frames([0.0] * 100), 0.9).round(3))
        0.026
        >>> float(upper_bound(Draws.of_frames([0.0] * 45, pool=50), 0.9).round(3))
        0.023
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence is between 0 and 1, not {confidence}")
    shape = draws.losses.shape[:-1]
    low, high = np.zeros(shape), np.ones(shape)
    for _ in range(HALVINGS):  # wealth rises with the doubted mean
        middle = (low + high) / 2.0
        is_refuted = log_wealth(draws, middle, bets=bets) >= -log(1.0 - confidence)
        low, high = np.where(is_refuted, low, middle), np.where(is_refuted, middle, high)
    return high


def count_bound(n_bad: ArrayLike, n: ArrayLike, confidence: float, *, pool: ArrayLike) -> Floats:
    """Return the upper confidence bound for the share of bad frames in a pool, from a random draw without replacement.

    It is the largest share for which so few bad frames would be drawn with a chance of more than 1 - confidence. How many are
    drawn has to be decided before any is opened.

    Args:
        n_bad: (…) bad frames among those drawn.
        n: (…) frames drawn.
        confidence: How often it holds, at least.
        pool: (…) frames that they were drawn from, those included.

    Returns:
        (…), in [0, 1]; 1 where nothing was drawn.

    Example:
        >>> float(count_bound(0, 45, 0.9, pool=100_000).round(3)), float(count_bound(0, 45, 0.9, pool=50))
        (0.05, 0.02)
    """
    bad, drawn, size = (np.asarray(values, dtype=np.int64) for values in np.broadcast_arrays(n_bad, n, pool))
    log_factorials = scipy.special.gammaln(np.arange(size.max(initial=0) + 1) + 1.0)
    low, high = bad, size - drawn + bad + 1  # the first is possible, the second is not
    while (high - low > 1).any():
        middle = np.where(high - low > 1, (low + high) // 2, low)
        is_likely = _chance_of_so_few(bad, size, middle, drawn, log_factorials) > 1.0 - confidence - ROUNDING
        low, high = np.where(is_likely, middle, low), np.where(is_likely | (middle == low), high, middle)
    return np.asarray(low / size, dtype=np.float64)


def _chance_of_so_few(bad: Counts, size: Counts, all_bad: Counts, drawn: Counts, log_factorials: Floats) -> Floats:
    """Return the chance, (…), of at most `bad` among those drawn of a pool that holds `all_bad`; SciPy's takes one at a time."""

    def log_choices(of: Counts, taken: Counts) -> Floats:
        is_possible = (taken >= 0) & (taken <= of)
        taken = np.where(is_possible, taken, 0)
        return np.where(is_possible, log_factorials[of] - log_factorials[taken] - log_factorials[of - taken], -np.inf)

    up_to = np.arange(bad.max(initial=0) + 1)
    n, n_bad, n_drawn = (values[..., None] for values in (size, all_bad, drawn))
    chances = np.exp(log_choices(n_bad, up_to) + log_choices(n - n_bad, n_drawn - up_to) - log_choices(n, n_drawn))
    return np.asarray(np.where(up_to <= bad[..., None], chances, 0.0).sum(axis=-1))
