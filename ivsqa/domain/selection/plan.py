"""From a pool and a strategy to the frames of a round: a pure function, the same for the same seed on every machine."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeAlias, get_args

import numpy as np

from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.selection.pool import Allowed, Limits, Pool, Rows
from ivsqa.domain.selection.strategies import (
    Choices,
    at_random,
    coreset,
    stochastic_batch,
    stratified,
    worst_and_diverse,
    worst_first,
)

COLUMN_OF: dict[Strategy, str] = {
    "entropy": "entropy",
    "margin": "margin",
    "bald": "bald",
    "stochastic-batch": "entropy",
    "deal-mean": "mean_error",
    "deal-entropy": "error_entropy",
}
"""The column of the table of scores that a strategy ranks by, higher first; the others go by quality, lower first."""

Strategy: TypeAlias = Literal[
    "sqa",
    "random",
    "stratified",
    "entropy",
    "margin",
    "bald",
    "coreset",
    "stochastic-batch",
    "deal-mean",
    "deal-entropy",
]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
Rule: TypeAlias = Callable[[Pool, int, Allowed, np.random.Generator, Rows], Choices]
"""A way to choose that has no name here: takes the pool, how many, what is allowed, randomness and the rows taken before."""
SIGNAL_OF: dict[Strategy, str] = {
    "sqa": "predicted error",
    **{strategy: column.replace("_", " ") for strategy, column in COLUMN_OF.items()},
}
"""The signal by which a strategy ranks frames, for people; the others look at no score."""
LOOKS_AT_FRAMES: frozenset[Strategy] = frozenset({*SIGNAL_OF, "coreset"})
"""Strategies that need a model: never for frames that are to judge one."""


@dataclass(frozen=True)
class Chosen:
    """A frame that was chosen.

    Attributes:
        row: In the pool.
        rank: 1-based place in the order of choice: what to annotate first.
        reason: Why, for people.
    """

    row: int
    rank: int
    reason: str


@dataclass(frozen=True)
class Selection:
    """The frames chosen for a round.

    Attributes:
        chosen: In order of rank.
        shortfall: Why they are fewer than asked for; "" where they are not.
    """

    chosen: tuple[Chosen, ...]
    shortfall: str


def plan_selection(
    pool: Pool,
    *,
    strategy: Strategy | Rule,
    n: int,
    rng: np.random.Generator,
    taken: Collection[FrameKey] = (),
    limits: Limits | None = None,
    diversity: float = 0.0,
    control_share: float = 0.0,
) -> Selection:
    """Return the frames to annotate next.

    Args:
        pool: Frames to choose from, with or without those taken before, and the score that the strategy ranks by.
        strategy: How to choose; see the functions in `strategies`. A function, where a way is tried that is not offered.
        n: How many to choose.
        rng: Randomness.
        taken: Frames annotated or selected before: never chosen again, and the gap holds against them.
        limits: What keeps chosen frames apart.
        diversity: For "sqa", in [0, 1]: 0 goes by error alone; 1, within the pool of worst frames, by distance alone.
        control_share: Share of n drawn at random whatever the strategy, to see what that leaves out.

    Raises:
        ValueError: diversity, control share or n make no sense.
    """
    if n < 0:
        raise ValueError("numbers of frames cannot be negative")
    for name, share in (("diversity", diversity), ("control_share", control_share)):
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"{name} must lie in [0, 1], got {share}")
    limits = limits or Limits()
    allowed = Allowed(pool, limits, taken)
    n_free = int(allowed.free.sum())
    n_control = 0 if strategy == "random" else round(control_share * n)  # a random round is its own control
    # Drawn before the strategy takes its frames, but sent after them.
    control = list(at_random(pool, n_control, allowed, rng, reason="control, drawn at random"))
    n_left, taken_rows = n - len(control), pool.rows_of(taken)
    choices: Choices
    match strategy:
        case "random":
            choices = at_random(pool, n_left, allowed, rng)
        case "stratified":
            choices = stratified(pool, n_left, allowed, rng, taken=taken_rows)
        case "coreset":
            choices = coreset(pool, n_left, allowed, rng, taken=taken_rows)
        case "stochastic-batch":
            choices = stochastic_batch(pool, n_left, allowed, rng)
        case "sqa":
            choices = worst_and_diverse(pool, n_left, allowed, taken=taken_rows, diversity=diversity)
        case str():
            choices = worst_first(pool, n_left, allowed, noun=SIGNAL_OF[strategy])
        case _:
            choices = strategy(pool, n_left, allowed, rng, taken_rows)
    ranked = tuple(Chosen(row, rank, reason) for rank, (row, reason) in enumerate(chain(choices, control), start=1))
    return Selection(ranked, _shortfall(pool, n_free, n, len(ranked), strategy, limits))


def _shortfall(pool: Pool, n_free: int, n: int, n_chosen: int, strategy: Strategy | Rule, limits: Limits) -> str:
    """Return why fewer than `n` were chosen, "" where they were not."""
    if n_chosen >= n:
        return ""
    n_unscored = int(np.isnan(pool.score).sum()) if strategy in SIGNAL_OF else 0
    reasons = [f"{n_free} candidates"]
    if n_unscored:
        reasons.append(f"{n_unscored} of them without a score")
    if limits.max_per_pullback is not None:
        reasons.append(f"at most {limits.max_per_pullback} a pullback")
    if limits.min_gap_frames > 1:
        reasons.append(f"at least {limits.min_gap_frames} frames apart")
    if limits.min_gap_mm > 0.0:
        reasons.append(f"at least {limits.min_gap_mm:g} mm apart")
    return f"{n_chosen} of {n} frames: {', '.join(reasons)}"
