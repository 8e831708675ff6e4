"""Accepting what a model drew: the most permissive bar on predicted loss at which an audit proves what is promised.

Bars are tried from strict to permissive, and the first that is not proved ends it. So a wrong bar is let through only if the
first wrong one is, and for that one the bound holds with the confidence asked for: any number of bars may be tried. What a bar
asks for is fixed by predictions and by the size of the audit, never by its losses.

The promise counts all frames at or under the bar, the audited ones with the model's loss too. They are delivered as their
reader drew them, so what is delivered is better than promised.

Source: Angelopoulos et al., Learn then test, arXiv 2110.01052 (bars in a fixed sequence); Candès, Ilyas and Zrnic, Probably
approximately correct labels, arXiv 2506.10908 (the first promise).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, log, nan

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.acceptance.audit import Audit, FramePool, shares_of_visits
from ivsqa.domain.acceptance.bounds import Draws, Floats, count_bound, log_wealth, upper_bound
from ivsqa.domain.acceptance.needed import least_audit
from ivsqa.domain.acceptance.promise import Promise

N_BARS = 100
"""Bars that are tried: each lets in a hundredth more of the pool."""
AT_ONCE = 16
"""Bars that are looked at together: what is above the last one that is proved need not be."""


@dataclass(frozen=True)
class BoundPoint:
    """A point of the curve of bound against share accepted.

    Attributes:
        bar: Largest predicted loss that is accepted.
        share: Share of the unread frames at or under the bar.
        bound: What is promised is at most this, with the confidence asked for, at this bar taken alone.
    """

    bar: float
    share: float
    bound: float


@dataclass(frozen=True, eq=False)
class Acceptance:
    """What an audit lets be accepted.

    Attributes:
        promise: What was to be proved.
        bar: Largest predicted loss that is accepted; of Dice, 1 - quality. NaN where nothing is.
        bound: Bound of what is promised at that bar; NaN where nothing is accepted.
        accepted: (N,) bool, frames of the pool that are delivered as the model drew them: under the bar and not audited.
        curve: All bars, from strict to permissive.
        reason: Why nothing is accepted, in plain words; empty otherwise.
        assumption: What must be true of the draw.
    """

    promise: Promise
    bar: float
    bound: float
    accepted: NDArray[np.bool_]
    curve: tuple[BoundPoint, ...]
    reason: str
    assumption: str

    @property
    def n_accepted(self) -> int:
        """Frames delivered as the model drew them."""
        return int(np.count_nonzero(self.accepted))


@dataclass(frozen=True, eq=False)
class Bars:
    """The bars to be tried, fixed before any audited loss is looked at.

    Attributes:
        values: (B,) rising, largest predicted loss that is accepted.
        n_under: (B,) frames of the pool at or under each.
        totals: (B,) the sum of their predicted losses.
        limits: (B,) mean of what frames under the bar count, at which the promise is just kept; 1 and more needs no proof.
        first: The bar that is tried first.
    """

    values: Floats
    n_under: NDArray[np.intp]
    totals: Floats
    limits: Floats
    first: int


def plan_bars(pool: FramePool, promise: Promise, n_units: int, *, counted: bool = False, n_bars: int = N_BARS) -> Bars:
    """Return the bars to try: about equally many frames apart, from strict to permissive.

    Of a mean loss the strictest comes first: few accepted frames cannot lose much of the whole. A share of the accepted frames
    cannot be proved where few audited frames are among them. There the first bar is one that is expected to hold twice as many as
    are least needed, or half of those that could be more, so that the sequence does not end on the first bad frame.

    Args:
        pool: The frames.
        promise: What is to be proved.
        n_units: Audited frames, or visits.
        counted: The bound is `count_bound`.
        n_bars: Bars at most.

    Returns:
        No bar where no frame of the pool has a prediction.

    Example:
        The best two of four frames may lose 0.1 × 4 / 2 each, on average.

        >>> pool = FramePool(np.array([0.1, 0.3, 0.2, np.nan]), np.arange(4))
        >>> bars = plan_bars(pool, Promise(0.1, 0.9), 2)
        >>> bars.values.tolist(), bars.n_under.tolist(), bars.limits.round(3).tolist()
        ([0.1, 0.2, 0.3], [1, 2, 3], [0.4, 0.2, 0.133])
    """
    ranked = np.sort(pool.predicted[~np.isnan(pool.predicted)])
    steps = np.ceil(len(ranked) * np.arange(1, n_bars + 1) / n_bars).astype(np.intp)
    values = np.unique(ranked[steps[steps > 0] - 1]) if len(ranked) else ranked
    n_under = np.searchsorted(ranked, values, side="right")
    totals = np.cumsum(ranked)[n_under - 1]
    if promise.worse_than is None:
        limits = (promise.at_most - pool.reader_loss) * pool.n_frames / n_under
        return Bars(values, n_under, totals, limits, 0)
    least = least_audit(promise.at_most, promise.confidence, counted=counted)
    wanted = min(2.0 * least, (least + n_units) / 2.0)
    enough = n_units * n_under / len(pool.predicted) >= wanted
    first = int(np.argmax(enough)) if enough.any() else max(len(values) - 1, 0)
    return Bars(values, n_under, totals, np.full(len(values), promise.at_most), first)


def audited_draws(pool: FramePool, audit: Audit, promise: Promise, bars: Bars) -> Draws:
    """Return the audited units as each bar counts them, (B, units).

    Args:
        pool: The frames.
        audit: The audited ones.
        promise: What counts.
        bars: The bars.

    Raises:
        ValueError: a visit went to two subjects, or, of a whole audit, left frames of its subject out.
    """
    predicted = pool.predicted[audit.frames]
    under = predicted <= bars.values[:, None]  # never of NaN
    counted = promise.counted(audit.losses)
    control = np.nan_to_num(predicted)
    if audit.visits is None:
        # Given how many of the audited frames are under a bar, they are a random draw of all frames under it.
        losses = np.where(under, counted, nan)
        draws = Draws(
            losses, under.astype(np.float64), under / bars.n_under[:, None], control * under, bars.totals / bars.n_under
        )
    else:
        in_visit = (audit.visits[:, None] == np.arange(audit.n_units)).astype(np.float64)
        n_under = under @ in_visit
        per_frame = 1.0 / np.maximum(n_under, 1.0)
        draws = Draws(
            (under * counted) @ in_visit * per_frame,
            n_under / in_visit.sum(axis=0),
            np.broadcast_to(shares_of_visits(pool, audit), n_under.shape),
            (under * control) @ in_visit * per_frame,
            bars.totals / len(pool.predicted),
        )
    # Of shares nothing is predicted: a predicted loss says not how often it is exceeded.
    return draws if promise.worse_than is None else replace(draws, predicted=None)


def _is_counted(audit: Audit, promise: Promise) -> bool:
    """Return whether each unit counts 0 or 1, so that tails of the hypergeometric distribution are exact."""
    return audit.visits is None and promise.worse_than is not None


def last_proved(bars: Bars, draws: Draws, confidence: float, *, counted: bool = False) -> int | None:
    """Return the number of the most permissive bar that is proved; None where the first is not.

    Args:
        bars: The bars.
        draws: The audited units by bar, (B, units).
        confidence: Of each bar, and so of all.
        counted: Losses are 0 or 1.
    """
    for start in range(bars.first, len(bars.values), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        is_proved = _proved(draws[some], bars.limits[some], bars.n_under[some], confidence, counted=counted)
        if not is_proved.all():
            last = start + int(np.argmin(is_proved)) - 1
            return last if last >= bars.first else None
    return len(bars.values) - 1 if bars.first < len(bars.values) else None


def _proved(
    draws: Draws, limits: Floats, n_under: NDArray[np.intp], confidence: float, *, counted: bool
) -> NDArray[np.bool_]:
    """Return which of some bars are proved, each taken alone, (B,)."""
    if counted:
        return _count_bounds(draws, n_under, confidence) <= limits
    wealth = log_wealth(draws, np.clip(limits, 0.0, 1.0))
    return (wealth >= -log(1.0 - confidence)) & (limits > 0.0)


def _count_bounds(draws: Draws, n_under: NDArray[np.intp], confidence: float) -> Floats:
    """Return the bounds for the share of bad frames under each bar, (B,)."""
    n_bad, n_drawn = np.nansum(draws.losses, axis=1), draws.stakes.sum(axis=1)
    return count_bound(n_bad.round(), n_drawn.round(), confidence, pool=n_under)


def accept(pool: FramePool, audit: Audit, promise: Promise, *, n_bars: int = N_BARS) -> Acceptance:
    """Return what may be accepted: the most permissive bar at which the audit proves the promise.

    Args:
        pool: The frames, as they were when the audit was drawn.
        audit: The audited ones with their true losses.
        promise: What is to be proved.
        n_bars: Bars to try; more let in a little more.

    Raises:
        ValueError: the audit is not one of this pool, or not drawn as it says.

    Example:
        Of a thousand frames 200 are audited; those predicted best, up to a predicted loss of about 0.6, lose 0.01, others 0.5.

        >>> rng = np.random.default_rng(0)
        >>> predicted = rng.random(1000)
        >>> drawn = rng.permutation(1000)[:200]
        >>> losses = np.where(predicted < 0.6, 0.01, 0.5)
        >>> done = accept(FramePool(predicted, np.arange(1000)), Audit(drawn, losses[drawn]), Promise(0.05, 0.9))
        >>> round(done.bar, 2), done.n_accepted, round(done.bound, 3)
        (0.64, 500, 0.041)
    """
    counted = _is_counted(audit, promise)
    bars = plan_bars(pool, promise, audit.n_units, counted=counted, n_bars=n_bars)
    draws = audited_draws(pool, audit, promise, bars)
    bounds = (
        _count_bounds(draws, bars.n_under, promise.confidence) if counted else upper_bound(draws, promise.confidence)
    )
    if promise.worse_than is None:
        bounds = np.minimum(bounds * bars.n_under / pool.n_frames + pool.reader_loss, 1.0)
    shares = bars.n_under / max(len(pool.predicted), 1)
    curve = tuple(BoundPoint(*map(float, point)) for point in zip(bars.values, shares, bounds, strict=True))
    last = last_proved(bars, draws, promise.confidence, counted=counted)
    if last is None:
        nothing = np.zeros(len(pool.predicted), dtype=np.bool_)
        reason = _why_nothing(pool, audit, promise, bars, curve)
        return Acceptance(promise, nan, nan, nothing, curve, reason, audit.assumption)
    accepted = pool.predicted <= bars.values[last]
    accepted[audit.frames] = False
    return Acceptance(promise, curve[last].bar, curve[last].bound, accepted, curve, "", audit.assumption)


def _why_nothing(pool: FramePool, audit: Audit, promise: Promise, bars: Bars, curve: tuple[BoundPoint, ...]) -> str:
    """Return why nothing is accepted, in plain words."""
    if not curve:
        return "no frame has a predicted loss"
    surely = f"at {100 * promise.confidence:g} %"
    if promise.worse_than is None and pool.reader_loss >= promise.at_most:
        return f"readers alone lose {pool.reader_loss:g}, which leaves nothing of {promise.at_most:g}"
    least = least_audit(float(bars.limits[bars.first]), promise.confidence, counted=_is_counted(audit, promise))
    needed = ceil(least * len(pool.predicted) / bars.n_under[bars.first])
    if audit.n_units < needed:
        units = "frames" if audit.visits is None else "visits"
        return f"an audit of {audit.n_units} {units} cannot prove {promise.at_most:g} {surely}: at least {needed} are needed"
    strict = curve[bars.first]
    return (
        f"of the {100 * strict.share:.0f} % of frames that are predicted best, the audit proves no less than {strict.bound:.3f} "
        f"{surely}, and {promise.at_most:g} is asked for"
    )
