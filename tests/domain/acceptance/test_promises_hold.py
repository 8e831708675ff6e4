"""Two thousand studies and more, each with an audit drawn anew: how often is more lost than was promised?"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import pytest

from ivsqa.domain.acceptance.accepting import audited_draws, last_proved, plan_bars
from ivsqa.domain.acceptance.audit import Audit, FramePool, draw_frames, draw_visits, draw_whole_subjects
from ivsqa.domain.acceptance.promise import Promise

N_FRAMES, N_SUBJECTS, N_AUDITS = 600, 30, 60
KINDS = ("smooth", "clustered", "rare", "inverted", "useless", "flattering")
CONFIDENCE = 0.7
MEAN, SHARE = Promise(0.1, CONFIDENCE), Promise(0.2, CONFIDENCE, worse_than=0.1)


@dataclass(frozen=True)
class Known:
    """A pool whose true losses are known."""

    pool: FramePool
    losses: np.ndarray

    def audit(self, how: str, rng: np.random.Generator) -> Audit:
        if how == "frames":
            frames = draw_frames(N_FRAMES, 60, rng)
            return Audit(frames, self.losses[frames])
        if how == "visits":
            frames, visits = draw_visits(self.pool.subjects, 40, 3, rng)
        else:
            frames, visits = draw_whole_subjects(self.pool.subjects, 15, rng)
        return Audit(frames, self.losses[frames], visits, is_whole=how == "whole subjects")

    def under_bar(self, audit: Audit, promise: Promise, *, naive: bool = False) -> np.ndarray:
        """The frames that are accepted, audited ones too: by proof, or naively by the mean of what was audited."""
        counted = promise.worse_than is not None and audit.visits is None
        bars = plan_bars(self.pool, promise, audit.n_units, counted=counted, n_bars=20)
        draws = audited_draws(self.pool, audit, promise, bars)
        if naive:
            excess = np.nansum(draws.stakes * (draws.losses - bars.limits[:, None]), axis=1)
            last = max((number for number, one in enumerate(excess) if one <= 0.0), default=None)
        else:
            last = last_proved(bars, draws, promise.confidence, counted=counted)
        return self.pool.predicted <= (-1.0 if last is None else bars.values[last])

    def is_broken(self, under: np.ndarray, promise: Promise) -> bool:
        if promise.worse_than is None:
            return bool(self.losses[under].sum() > promise.at_most * N_FRAMES)
        return bool((self.losses[under] > promise.worse_than).sum() > promise.at_most * under.sum())


def known(kind: str, rng: np.random.Generator) -> Known:
    """A pool in which a bar is easily too permissive."""
    sizes = rng.multinomial(N_FRAMES - N_SUBJECTS, rng.dirichlet(np.ones(N_SUBJECTS))) + 1
    subjects = np.repeat(np.arange(N_SUBJECTS), sizes)
    losses = rng.beta(1.0, 7.0, N_FRAMES)
    if kind == "clustered":  # all frames of a subject are easy, or all are hard
        losses = np.where((rng.random(N_SUBJECTS) < 0.15)[subjects], rng.beta(9.0, 1.0, N_FRAMES), 0.01)
    if kind in ("rare", "useless"):  # nearly all are good, some are lost
        losses = np.where(rng.random(N_FRAMES) < 0.11, 1.0, rng.beta(1.0, 200.0, N_FRAMES))
    predicted = {"inverted": 1.0 - losses, "useless": rng.random(N_FRAMES), "flattering": 0.2 * losses}
    noisy = np.clip(losses + rng.normal(0.0, 0.1, N_FRAMES), 0.0, 1.0)
    return Known(FramePool(predicted.get(kind, noisy), subjects), losses)


@pytest.mark.parametrize("how", ["frames", "visits", "whole subjects"])
def test_promises_are_broken_no_more_often_than_their_confidence_allows(how: str) -> None:
    # In all, 3 × 6 × 2 × 60 = 2160 studies. One pool is audited many times: the promise is about the pool, over the draw.
    rng = np.random.default_rng(5)
    broken: list[float] = []
    for kind in KINDS:
        for promise in (MEAN, SHARE):
            made = known(kind, rng)
            audits = [made.audit(how, rng) for _ in range(N_AUDITS)]
            broken.append(sum(made.is_broken(made.under_bar(audit, promise), promise) for audit in audits) / N_AUDITS)

    def most(n: int) -> float:
        return (1.0 - CONFIDENCE) + 3.0 * sqrt(CONFIDENCE * (1.0 - CONFIDENCE) / n)

    assert max(broken) <= most(N_AUDITS)
    assert np.mean(broken) <= most(N_AUDITS * len(broken))


def test_the_mean_of_what_was_audited_would_break_promises_more_often() -> None:
    # So the pools are hard enough for the test above to fail.
    rng = np.random.default_rng(5)
    made = known("useless", rng)
    audits = [made.audit("frames", rng) for _ in range(4 * N_AUDITS)]
    naive, proved = (
        np.mean([made.is_broken(made.under_bar(audit, MEAN, naive=naive), MEAN) for audit in audits])
        for naive in (True, False)
    )
    assert naive > (1.0 - CONFIDENCE) + 3.0 * sqrt(CONFIDENCE * (1.0 - CONFIDENCE) / len(audits))
    assert 0.0 < proved < 1.0 - CONFIDENCE


def test_visits_taken_for_a_draw_of_frames_break_promises() -> None:
    # A tenth of the subjects is lost as a whole: twelve visits see few of them, their hundred frames seem to see many.
    rng = np.random.default_rng(1)
    subjects = np.repeat(np.arange(60), 10)
    losses = (np.arange(60) % 9 == 0)[subjects] * 1.0
    pool = FramePool(rng.random(N_FRAMES), subjects)
    made = Known(pool, losses)
    broken = {True: 0, False: 0}
    for _ in range(N_AUDITS):
        frames, visits = draw_visits(subjects, 12, 8, rng)
        frames_once, at = np.unique(frames, return_index=True)
        order = np.argsort(at)
        as_frames = Audit(frames_once[order], losses[frames_once[order]])
        for audit in (as_frames, Audit(frames, losses[frames], visits)):
            broken[audit.visits is None] += made.is_broken(made.under_bar(audit, MEAN), MEAN)
    assert broken[False] <= (1.0 - CONFIDENCE) * N_AUDITS
    assert broken[True] > (1.0 - CONFIDENCE) * N_AUDITS + 3.0 * sqrt(CONFIDENCE * (1.0 - CONFIDENCE) * N_AUDITS)
