"""Which frames go to the annotators next, and why: a pure function of candidates, budget and a random generator.

Whatever the strategy, no frame is chosen twice or next to one that is already taken, no pullback gives more than its cap, and
the answer does not depend on the order in which candidates come. Where these rules leave too few frames, fewer are returned
and the shortfall says so.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from math import isnan
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Strategy: TypeAlias = Literal["sqa", "random", "stratified"]
FrameKey: TypeAlias = tuple[str, int]

POOL_PER_CHOICE = 10
"""Diversity is sought among this many of the worst frames for each frame to choose."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A frame that can be chosen.

    Attributes:
        pullback_id: Its pullback.
        subject_id: Its subject.
        frame_index: 0-based.
        position_mm: Along the pullback; None where unknown.
        score: Expected error, higher is worse; NaN where the frame was never scored.
        quality: Predicted Dice of the worst structure; NaN where unknown.
        worst_structure: The structure that is worst; "" where unknown.
        features: (k,) description of the image, for diversity; None where there is none.
    """

    pullback_id: str
    subject_id: str
    frame_index: int
    position_mm: float | None
    score: float
    quality: float
    worst_structure: str = ""
    features: NDArray[np.floating] | None = None

    @property
    def key(self) -> FrameKey:
        """(pullback, frame): the identity of the frame, and what breaks ties."""
        return (self.pullback_id, self.frame_index)


@dataclass(frozen=True)
class Chosen:
    """A frame that was chosen.

    Attributes:
        candidate: The frame.
        rank: 1-based place in the order of choice: what to annotate first.
        reason: Why, for people.
    """

    candidate: Candidate
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
    candidates: Iterable[Candidate],
    *,
    strategy: Strategy,
    n: int,
    rng: np.random.Generator,
    taken: Collection[FrameKey] = (),
    max_per_pullback: int | None = None,
    min_gap_frames: int = 1,
    diversity: float = 0.0,
) -> Selection:
    """Return the frames to annotate next.

    Args:
        candidates: Frames to choose from, in any order.
        strategy: "sqa": worst predicted error first, kept diverse. "random": every frame alike. "stratified": as even as can
            be over subjects, then pullbacks, then along each pullback.
        n: How many to choose.
        rng: Drawn from by "random" and "stratified" only.
        taken: Frames annotated or selected before: never chosen again, and the gap holds against them.
        max_per_pullback: Most frames chosen from a pullback, not counting `taken`; None for no cap.
        min_gap_frames: Least difference of frame index between two chosen or taken frames of a pullback; 0 and 1 only
            forbid the same frame.
        diversity: For "sqa", in [0, 1]: 0 goes by error alone; 1, within the pool of worst frames, by distance alone.

    Raises:
        ValueError: a frame is given twice, or diversity, n, cap or gap make no sense.
    """
    if n < 0 or min_gap_frames < 0 or (max_per_pullback is not None and max_per_pullback < 0):
        raise ValueError("numbers of frames cannot be negative")
    if not 0.0 <= diversity <= 1.0:
        raise ValueError(f"diversity must lie in [0, 1], got {diversity}")
    pool = sorted(candidates, key=lambda candidate: candidate.key)
    if any(one.key == other.key for one, other in pairwise(pool)):
        raise ValueError("a frame is among the candidates twice")
    limits = _Limits(taken, max_per_pullback, min_gap_frames)
    if strategy == "random":
        chosen = _choose_at_random(pool, n, rng, limits)
    elif strategy == "stratified":
        chosen = _choose_stratified(pool, n, rng, limits)
    else:
        chosen = _choose_worst(pool, n, limits, diversity)
    ranked = tuple(Chosen(one, rank, reason) for rank, (one, reason) in enumerate(chosen, start=1))
    return Selection(ranked, _shortfall(pool, n, len(ranked), strategy, limits))


class _Limits:
    """What may still be chosen under gap and cap; it only ever gets less."""

    def __init__(self, taken: Collection[FrameKey], max_per_pullback: int | None, min_gap_frames: int) -> None:
        self.cap = max_per_pullback
        self.gap = max(1, min_gap_frames)
        self.n_chosen: Counter[str] = Counter()
        self._used: defaultdict[str, list[int]] = defaultdict(list)
        for pullback_id, frame_index in sorted(taken):
            self._used[pullback_id].append(frame_index)

    def allow(self, candidate: Candidate) -> bool:
        """Return whether a candidate may be chosen now."""
        if self.cap is not None and self.n_chosen[candidate.pullback_id] >= self.cap:
            return False
        used = self._used.get(candidate.pullback_id, [])
        at = bisect_left(used, candidate.frame_index)
        return all(abs(index - candidate.frame_index) >= self.gap for index in used[max(0, at - 1) : at + 1])

    def take(self, candidate: Candidate) -> None:
        """Count a candidate as chosen."""
        insort(self._used[candidate.pullback_id], candidate.frame_index)
        self.n_chosen[candidate.pullback_id] += 1


_Choice: TypeAlias = tuple[Candidate, str]


def _shortfall(pool: Sequence[Candidate], n: int, n_chosen: int, strategy: Strategy, limits: _Limits) -> str:
    """Return why fewer than `n` were chosen, "" where they were not."""
    if n_chosen >= n:
        return ""
    n_unscored = sum(isnan(one.score) for one in pool) if strategy == "sqa" else 0
    reasons = [f"{len(pool)} candidates"]
    if n_unscored:
        reasons.append(f"{n_unscored} of them without a score")
    if limits.cap is not None:
        reasons.append(f"at most {limits.cap} a pullback")
    if limits.gap > 1:
        reasons.append(f"at least {limits.gap} frames apart")
    return f"{n_chosen} of {n} frames: {', '.join(reasons)}"


def _choose_at_random(pool: Sequence[Candidate], n: int, rng: np.random.Generator, limits: _Limits) -> list[_Choice]:
    """Return up to `n` frames in random order."""
    chosen: list[_Choice] = []
    for index in rng.permutation(len(pool)):
        if len(chosen) == n:
            break
        if limits.allow(pool[index]):
            limits.take(pool[index])
            chosen.append((pool[index], f"drawn at random from {len(pool)} frames"))
    return chosen


def _choose_stratified(pool: Sequence[Candidate], n: int, rng: np.random.Generator, limits: _Limits) -> list[_Choice]:
    """Return up to `n` frames spread over subjects, pullbacks and positions; what a stratum cannot give goes to others."""
    by_pullback: defaultdict[str, list[Candidate]] = defaultdict(list)
    for candidate in pool:
        by_pullback[candidate.pullback_id].append(candidate)
    chosen: list[_Choice] = []
    for pullback_id, share in _even_shares(by_pullback, n, rng, limits).items():
        frames = by_pullback[pullback_id]
        first, last = frames[0].frame_index, frames[-1].frame_index
        edges = np.linspace(first, last + 1, share + 1)
        stratum_of = np.searchsorted(edges, [one.frame_index for one in frames], side="right") - 1
        for stratum in range(share):
            within = [
                one for one, where in zip(frames, stratum_of, strict=True) if where == stratum and limits.allow(one)
            ]
            if within:
                one = within[rng.integers(len(within))]
                limits.take(one)
                chosen.append((one, f"drawn from part {stratum + 1} of {share} of its pullback"))
    missing = n - len(chosen)
    spare = [
        (one, "drawn in place of a part that had no frame left")
        for one, _ in _choose_at_random(pool, missing, rng, limits)
    ]
    return chosen + spare


def _even_shares(
    by_pullback: dict[str, list[Candidate]], n: int, rng: np.random.Generator, limits: _Limits
) -> Counter[str]:
    """Return how many frames each pullback gives, as even over subjects, then over pullbacks of a subject, as room allows."""
    order = [*by_pullback]
    rng.shuffle(order)
    pullbacks_of: dict[str, list[tuple[int, int, str, int]]] = {}  # heaps of (share, place, pullback, room)
    for place, pullback_id in enumerate(order):
        room = _room(by_pullback[pullback_id], limits)
        if room:
            subject_id = by_pullback[pullback_id][0].subject_id
            pullbacks_of.setdefault(subject_id, []).append((0, place, pullback_id, room))
    subjects = [(0, place, subject_id) for place, subject_id in enumerate(pullbacks_of)]
    shares: Counter[str] = Counter()
    while subjects and shares.total() < n:
        of_subject, place, subject_id = heappop(subjects)
        share, pullback_place, pullback_id, room = heappop(pullbacks_of[subject_id])
        shares[pullback_id] += 1
        if share + 1 < room:
            heappush(pullbacks_of[subject_id], (share + 1, pullback_place, pullback_id, room))
        if pullbacks_of[subject_id]:
            heappush(subjects, (of_subject + 1, place, subject_id))
    return shares


def _room(frames: Sequence[Candidate], limits: _Limits) -> int:
    """Return how many frames of a pullback can be chosen together, frames given in order."""
    count, last = 0, None
    for one in frames:
        if limits.allow(one) and (last is None or one.frame_index - last >= limits.gap):
            count, last = count + 1, one.frame_index
    return count if limits.cap is None else min(count, limits.cap)


def _choose_worst(pool: Sequence[Candidate], n: int, limits: _Limits, diversity: float) -> list[_Choice]:
    """Return up to `n` frames, one after the other the best mix of high error and distance from those before.

    Each comes from the worst frames that are still allowed, `POOL_PER_CHOICE` times the budget: diversity must not spend it on
    frames that are merely unusual.
    """
    ranked = sorted((one for one in pool if not isnan(one.score)), key=lambda one: (-one.score, one.key))
    allowed = np.array([limits.allow(one) for one in ranked], dtype=np.bool_)
    pullbacks = np.array([one.pullback_id for one in ranked], dtype=np.str_)
    pool_size = max(1, n * POOL_PER_CHOICE)
    distances_to = _distance_measure(ranked, pool_size)
    chosen: list[int] = []
    while len(chosen) < n and allowed.any():
        worst = np.flatnonzero(allowed)[:pool_size]
        utility = np.linspace(1.0, 0.0, len(worst)) * (1.0 - diversity)
        if chosen and diversity > 0.0:
            nearest = distances_to(worst, chosen).min(axis=1)
            utility += diversity * nearest / max(nearest.max(), np.finfo(np.float64).tiny)
        best = int(worst[np.argmax(utility)])
        chosen.append(best)
        limits.take(ranked[best])
        for index in np.flatnonzero(allowed & (pullbacks == pullbacks[best])):
            allowed[index] = limits.allow(ranked[index])
    return [(ranked[index], _error_reason(ranked[index], index + 1, len(ranked))) for index in chosen]


def _error_reason(candidate: Candidate, rank: int, n_ranked: int) -> str:
    """Return what the network expects of a frame, and where that puts it."""
    expected = (
        f"predicted error {candidate.score:.3g}"
        if isnan(candidate.quality)
        else f"predicted Dice {candidate.quality:.2f}"
    )
    structure = f" ({candidate.worst_structure})" if candidate.worst_structure else ""
    return f"{expected}{structure}, rank {rank} of {n_ranked}"


_DistanceMeasure: TypeAlias = Callable[[NDArray[np.intp], Sequence[int]], NDArray[np.float64]]


def _distance_measure(ranked: Sequence[Candidate], n_reference: int) -> _DistanceMeasure:
    """Return a function that gives distances between candidates by index, (rows, columns).

    Features are standardised over the `n_reference` worst frames; where any candidate lacks them, place stands in.
    """
    if not ranked or any(one.features is None for one in ranked):
        return _place_distances(ranked)
    features = np.stack([np.asarray(one.features, dtype=np.float64) for one in ranked])
    spread = features[:n_reference].std(axis=0)
    features = features / np.where(spread > 0.0, spread, np.inf)  # what never differs says nothing
    return lambda rows, columns: cdist(features[rows], features[columns])


def _place_distances(ranked: Sequence[Candidate]) -> _DistanceMeasure:
    """Return distances by place: 1 between subjects, 0.75 between pullbacks of one, up to 0.5 along a pullback."""
    subjects = np.array([one.subject_id for one in ranked], dtype=np.str_)
    pullbacks = np.array([one.pullback_id for one in ranked], dtype=np.str_)
    frames = np.array([one.frame_index for one in ranked], dtype=np.float64)
    length = max(1.0, float(np.ptp(frames))) if len(frames) else 1.0

    def distances(rows: NDArray[np.intp], columns: Sequence[int]) -> NDArray[np.float64]:
        along = 0.5 * np.abs(frames[rows, None] - frames[columns]) / length
        between = np.where(subjects[rows, None] == subjects[columns], 0.75, 1.0)
        return np.where(pullbacks[rows, None] == pullbacks[columns], along, between)

    return distances
