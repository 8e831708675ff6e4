"""The ways to choose: each a function of the pool, what is allowed, a budget and a random generator, and nothing else.

Each yields rows in the order of choice with the reason for it, and takes what it yields, so that gap and cap hold whatever comes
next. One that finds too few yields fewer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import islice, pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.selection.pool import Allowed, Pool, Rows

Choices: TypeAlias = Iterator[tuple[int, str]]
"""(row, reason)."""

POOL_PER_CHOICE = 10
"""Diversity is sought among this many of the worst frames for each frame to choose."""
N_BATCHES = 100
"""Batches drawn by `stochastic_batch`, of which the best is taken."""
MOST_COMPARED = 20_000
"""Frames among which a core-set or a batch is sought; of more, so many are drawn at random."""
BLOCK = 2048
"""Frames compared with as many others at a time: their distances take 32 MB."""
WORST_SHARE = 0.01
"""Of millions of frames the worst hundredth is put in order first: seldom are more looked at."""


def at_random(pool: Pool, n: int, allowed: Allowed, rng: np.random.Generator, *, reason: str = "") -> Choices:
    """Choose every frame alike."""
    reason = reason or f"drawn at random from {len(pool)} frames"
    for row in islice(allowed.first_free(rng.permutation(len(pool))), n):
        allowed.take(row)
        yield row, reason


def stratified(pool: Pool, n: int, allowed: Allowed, rng: np.random.Generator, *, taken: Rows) -> Choices:
    """Choose as evenly as can be over subjects, then pullbacks, then along each pullback; rows taken before count.

    What a part of a pullback cannot give is drawn elsewhere.
    """
    n_chosen = 0
    places = rng.permutation(len(pool.pullback_ids))
    turns = _turns(pool, n, allowed, taken, np.ones(len(places)), places)
    for pullback, share in sorted(Counter(turns).items(), key=lambda item: places[item[0]]):
        begin, end = pool.begins[pullback : pullback + 2]
        frames = pool.frame_index[begin:end]
        edges = begin + np.searchsorted(frames, np.linspace(frames[0], frames[-1] + 1, share + 1))
        for part, (first, last) in enumerate(pairwise(edges), start=1):
            free = first + np.flatnonzero(allowed.free[first:last])
            if len(free):
                row = int(free[rng.integers(len(free))])
                allowed.take(row)
                n_chosen += 1
                yield row, f"drawn from part {part} of {share} of its pullback"
    yield from at_random(pool, n - n_chosen, allowed, rng, reason="drawn in place of a part that had no frame left")


def worst_first(pool: Pool, n: int, allowed: Allowed, *, noun: str) -> Choices:
    """Choose by score alone."""
    for rank, row in enumerate(islice(worst_free(pool, allowed), n), start=1):
        allowed.take(row)
        yield row, f"{noun} {pool.score[row]:.3g}, number {rank} of those that can be chosen"


def worst_and_diverse(pool: Pool, n: int, allowed: Allowed, *, taken: Rows, diversity: float) -> Choices:
    """Choose from the subjects with the fewest labels for their error, there the best mix of error and distance.

    Single frames of high predicted error are often merely odd; the mean over a subject is surer, and a subject teaches less
    with every label it has. So the turn goes to the subject with the least (labels + 1) / mean predicted error, as seats go to
    parties (D'Hondt), then to a pullback of it likewise. A frame comes from the worst of its pullback, `POOL_PER_CHOICE` times
    its turns: diversity must not spend the budget on frames that are merely unusual.

    Args:
        pool: Scored frames.
        n: How many.
        allowed: What may be chosen.
        taken: Rows annotated before: they count as labels, and the distance holds against them too.
        diversity: In [0, 1]: 0 goes by error alone; 1, within the worst frames of a pullback, by distance alone.
    """
    error = _mean_scores(pool)
    scored = allowed.only(~np.isnan(pool.score))
    turns = _turns(pool, n, scored, taken, error)
    trial = scored.uncapped()  # the cap holds when frames are chosen, not among candidates
    worst: dict[int, list[int]] = {}
    for pullback, n_turns in sorted(Counter(turns).items()):
        begin, end = pool.begins[pullback : pullback + 2]
        for row in islice(worst_free(pool, trial, np.arange(begin, end)), n_turns * POOL_PER_CHOICE):
            trial.take(row)
            worst.setdefault(pullback, []).append(row)
    rows = np.array([row for candidates in worst.values() for row in candidates], dtype=np.intp)
    pullback_of = np.repeat(np.array(list(worst), dtype=np.intp), [len(candidates) for candidates in worst.values()])
    utility = np.concatenate([np.empty(0), *(np.linspace(1.0, 0.0, len(candidates)) for candidates in worst.values())])
    utility *= 1.0 - diversity  # by rank, since scores of pullbacks differ in spread
    away = _Distances(pool, rows, taken)
    left = np.ones(len(rows), dtype=np.bool_)
    n_chosen = 0
    for pullback in turns:
        in_pullback = left & (pullback_of == pullback) & allowed.free[rows]
        if not in_pullback.any():
            break
        best = int(np.argmax(np.where(in_pullback, utility + diversity * away.share(left), -1.0)))
        left[best] = False
        away.choose(best)
        row = int(rows[best])
        allowed.take(row)
        n_chosen += 1
        yield row, f"predicted Dice {1.0 - pool.score[row]:.2f}, its pullback {1.0 - error[pullback]:.2f}"
    yield from worst_first(pool, n - n_chosen, allowed, noun="predicted error")


def coreset(pool: Pool, n: int, allowed: Allowed, rng: np.random.Generator, *, taken: Rows) -> Choices:
    """Choose, one after the other, the frame furthest from all chosen and taken ones.

    Source: Sener & Savarese, Active Learning for Convolutional Neural Networks, ICLR 2018, its greedy form.
    """
    rows = _at_most_compared(np.flatnonzero(allowed.free), rng)
    away = _Distances(pool, rows, taken)
    for _ in range(n):
        left = allowed.free[rows]
        if not left.any():
            return
        best = int(np.argmax(np.where(left, away.nearest, -1.0)))
        away.choose(best)
        allowed.take(int(rows[best]))
        yield int(rows[best]), "unlike all frames chosen before it"


def stochastic_batch(pool: Pool, n: int, allowed: Allowed, rng: np.random.Generator) -> Choices:
    """Choose the most uncertain of `N_BATCHES` batches drawn at random.

    Source: Gaillochet et al., Active learning for medical image segmentation with stochastic batches, Med Image Anal 2023.
    """
    scored = _at_most_compared(np.flatnonzero(allowed.free & ~np.isnan(pool.score)), rng)
    best: list[int] = []
    best_sum = -np.inf
    for _ in range(N_BATCHES):
        trial = allowed.copy()
        batch = []
        for row in islice(trial.first_free(rng.permutation(scored)), n):
            trial.take(row)
            batch.append(row)
        # A fuller batch first: limits may leave one short.
        if len(batch) > len(best) or (len(batch) == len(best) and pool.score[batch].sum() > best_sum):
            best, best_sum = batch, float(pool.score[batch].sum())
    for row in best:
        allowed.take(row)
        yield row, f"in the most uncertain of {N_BATCHES} random batches"


def worst_free(pool: Pool, allowed: Allowed, rows: Rows | None = None) -> Iterator[int]:
    """Yield scored rows that are free when their turn comes, highest score first, equal ones by row; None: of all rows."""
    scored = np.flatnonzero(~np.isnan(pool.score)) if rows is None else rows[~np.isnan(pool.score[rows])]
    n_first = round(WORST_SHARE * len(scored))
    bar = np.partition(pool.score[scored], -n_first)[-n_first] if n_first else np.inf
    above = pool.score[scored] >= bar
    for part in (scored[above], scored[~above]):
        yield from allowed.first_free(part[np.argsort(-pool.score[part], kind="stable")])


def _at_most_compared(rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the rows, or as many of them as can be compared, drawn at random."""
    return rows if len(rows) <= MOST_COMPARED else np.sort(rng.choice(rows, MOST_COMPARED, replace=False))


def _mean_scores(pool: Pool) -> NDArray[np.float64]:
    """Return the mean score of each pullback, 0 where no frame has one, (n_pullbacks,)."""
    known = ~np.isnan(pool.score)
    begins = pool.begins[:-1]
    if not len(begins):
        return np.empty(0)
    total = np.add.reduceat(np.where(known, pool.score, 0.0), begins)
    return np.asarray(total / np.maximum(np.add.reduceat(known, begins, dtype=np.intp), 1))


def _turns(
    pool: Pool,
    n: int,
    allowed: Allowed,
    taken: Rows,
    weight: NDArray[np.float64],
    places: NDArray[np.intp] | None = None,
) -> list[int]:
    """Return the n pullbacks whose turn comes next, in order; fewer where no more frames fit.

    Each turn goes to the subject with the least (labels + 1) / weight, then to its pullback for which this is least.

    Args:
        pool: The frames.
        n: How many turns.
        allowed: What may be chosen.
        taken: Rows that are labels already.
        weight: (n_pullbacks,) 0 or more; of a subject, the mean over its pullbacks.
        places: (n_pullbacks,) order among equals; None: by id.
    """
    places = np.arange(len(weight)) if places is None else places
    n_labels = np.bincount(pool.pullback_of(taken), minlength=len(weight)).tolist()
    pullbacks_of: defaultdict[str, list[int]] = defaultdict(list)
    for pullback in np.argsort(places, kind="stable").tolist():
        pullbacks_of[pool.subject_ids[pullback]].append(pullback)
    # Two levels of heaps, since a study has thousands of pullbacks: subjects, and the pullbacks of each.
    heaps, subjects = {}, []
    for place, (subject_id, pullbacks) in enumerate(pullbacks_of.items()):
        heaps[subject_id] = [(_claim(n_labels[p], weight[p]), int(places[p]), p, n_labels[p]) for p in pullbacks]
        heapify(heaps[subject_id])
        labels, mean = sum(n_labels[p] for p in pullbacks), float(np.mean(weight[pullbacks]))
        subjects.append((_claim(labels, mean), place, subject_id, labels, mean))
    heapify(subjects)
    trial = allowed.copy()
    turns: list[int] = []
    while subjects and len(turns) < n:
        _, place, subject_id, labels, mean = heappop(subjects)
        heap = heaps[subject_id]
        while heap:
            _, pullback_place, pullback, of_pullback = heappop(heap)
            if _take_first(pool, pullback, trial):
                turns.append(pullback)
                more = of_pullback + 1
                heappush(heap, (_claim(more, weight[pullback]), pullback_place, pullback, more))
                heappush(subjects, (_claim(labels + 1, mean), place, subject_id, labels + 1, mean))
                break
    return turns


def _claim(n_labels: int, weight: float) -> float:
    """Return the claim of a subject or pullback on the next turn, the least first; without weight it comes last."""
    return (n_labels + 1) / weight if weight > 0.0 else np.inf


def _take_first(pool: Pool, pullback: int, trial: Allowed) -> bool:
    """Take the first free frame of a pullback and return whether there was one: so frames fit in most densely."""
    begin, end = pool.begins[pullback : pullback + 2]
    first = int(begin + np.argmax(trial.free[begin:end]))
    if not trial.free[first]:
        return False
    trial.take(first)
    return True


class _Distances:
    """The distance of each of some rows from the nearest that is chosen or taken.

    By features where there are any, each scaled by its spread over the rows, and by place where not.
    """

    def __init__(self, pool: Pool, rows: Rows, taken: Rows) -> None:
        self._described, known = _described(pool, rows, taken)
        self.nearest = np.full(len(rows), np.inf)
        for begin in range(0, len(rows) if len(known) else 0, BLOCK):
            block = self._described[begin : begin + BLOCK]
            self.nearest[begin : begin + BLOCK] = _away(block, known[_nearest(block, known)])

    def choose(self, index: int) -> None:
        """Count a row, by its index, as chosen."""
        np.minimum(self.nearest, _away(self._described, self._described[index]), out=self.nearest)

    def share(self, left: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the distance as a share of the largest among those left; 1 for all before anything is chosen."""
        largest = float(self.nearest[left].max(initial=0.0))
        if np.isinf(largest):
            return np.ones(len(self.nearest))
        return self.nearest / max(largest, np.finfo(np.float64).tiny)


def _away(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each place, (n, F), from another, (n, F) or (F,)."""
    return np.asarray(np.sqrt(np.square(some - others).sum(axis=1)))


def _nearest(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the number of the nearest of others, (m, F), to each place, (n, F); a product of matrices tells it fastest.

    It rounds, so places are told from their middle, and the distance itself is measured anew.
    """
    middle = others.mean(axis=0)
    some, others = some - middle, others - middle
    best = np.zeros(len(some), dtype=np.intp)
    least = np.full(len(some), np.inf)
    for begin in range(0, len(others), BLOCK):
        block = others[begin : begin + BLOCK]
        squares = np.square(block).sum(axis=1) - 2.0 * (
            some @ block.T
        )  # less the square of each place, which is one for all
        at = np.argmin(squares, axis=1)
        found = squares[np.arange(len(some)), at]
        closer = found < least
        best[closer], least[closer] = begin + at[closer], found[closer]
    return best


def _described(pool: Pool, rows: Rows, taken: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coordinates, (m, F) of rows and (t, F) of taken ones, in which distances are measured."""
    if pool.features_of is None:
        return _places(pool, rows), _places(pool, taken)
    features = np.asarray(pool.features_of(np.concatenate([rows, taken])), dtype=np.float64)
    spread = features[: len(rows)].std(axis=0) if len(rows) else np.ones(features.shape[1])
    features /= np.where(spread > 0.0, spread, np.inf)  # what never differs says nothing
    return features[: len(rows)], features[len(rows) :]


def _places(pool: Pool, rows: Rows) -> NDArray[np.float64]:
    """Return coordinates that put subjects furthest apart, then pullbacks of one, then frames of a pullback.

    A random direction stands for each subject and each pullback: in 64 dimensions any two are about equally far apart.
    """
    pullback = pool.pullback_of(rows)
    subjects = np.unique(np.array(pool.subject_ids, dtype=np.str_), return_inverse=True)[1]
    axes = np.random.default_rng(0).normal(size=(2, len(pool.pullback_ids), 64)) / np.sqrt(2 * 64)
    length = max(1.0, float(np.ptp(pool.frame_index))) if len(pool) else 1.0
    along = 0.5 * pool.frame_index[rows, None] / length
    return np.concatenate([axes[0][subjects[pullback]], 0.75 * axes[1][pullback], along], axis=1)
