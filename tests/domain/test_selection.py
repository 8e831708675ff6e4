"""Selection keeps its limits under every strategy, and does not depend on the order of candidates."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.selection import Candidate, plan_selection

STRATEGIES = ("sqa", "random", "stratified")


def candidate(pullback: str, frame: int, score: float = nan, **kwargs) -> Candidate:
    kwargs.setdefault("quality", 1.0 - score)
    return Candidate(pullback, pullback[0], frame, None, score, **kwargs)


def study(seed: int, *, with_features: bool = False, n_frames: int = 30) -> list[Candidate]:
    """Subject a with pullbacks a1, a2; b with b1; c with c1."""
    rng = np.random.default_rng(seed)
    return [
        candidate(
            pullback, int(frame), round(float(rng.random()), 2), features=rng.normal(size=3) if with_features else None
        )
        for pullback in ("a1", "a2", "b1", "c1")
        for frame in np.sort(rng.choice(60, n_frames, replace=False))
    ]


def plan(candidates, n, strategy="sqa", *, seed=0, **kwargs):
    return plan_selection(candidates, strategy=strategy, n=n, rng=np.random.default_rng(seed), **kwargs)


def keys(selection):
    return [chosen.candidate.key for chosen in selection.chosen]


limits = st.fixed_dictionaries(
    {
        "max_per_pullback": st.one_of(st.none(), st.integers(0, 6)),
        "min_gap_frames": st.integers(0, 12),
        "diversity": st.sampled_from([0.0, 0.4, 1.0]),
        "taken": st.sets(st.tuples(st.sampled_from(["a1", "b1", "zz"]), st.integers(0, 59)), max_size=6),
    }
)


@given(st.integers(0, 999), st.integers(0, 40), st.sampled_from(STRATEGIES), st.booleans(), limits)
@settings(max_examples=80, deadline=None)
def test_no_duplicates_and_gap_and_cap_hold(seed, n, strategy, with_features, kwargs):
    candidates = study(seed, with_features=with_features)
    selection = plan(candidates, n, strategy, seed=seed, **kwargs)
    chosen = keys(selection)
    gap = max(1, kwargs["min_gap_frames"])
    used = set(chosen) | kwargs["taken"]
    assert len(set(chosen)) == len(chosen) <= n
    assert not set(chosen) & kwargs["taken"]
    assert all(one == other or one[0] != other[0] or abs(one[1] - other[1]) >= gap for one in chosen for other in used)
    cap, counts = kwargs["max_per_pullback"], Counter(pullback for pullback, _ in chosen)
    assert cap is None or max(counts.values(), default=0) <= cap
    assert [one.rank for one in selection.chosen] == list(range(1, len(chosen) + 1))
    assert bool(selection.shortfall) == (len(chosen) < n)
    if len(chosen) < n:  # nothing that was still allowed was left behind
        for left in candidates:
            is_close = any(left.pullback_id == pb and abs(left.frame_index - index) < gap for pb, index in used)
            assert is_close or (cap is not None and counts[left.pullback_id] >= cap)


@given(st.integers(0, 999), st.sampled_from(STRATEGIES), st.booleans(), limits, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_same_seed_gives_the_same_frames_in_any_order_of_candidates(seed, strategy, with_features, kwargs, random):
    candidates = study(seed, with_features=with_features)
    first = keys(plan(candidates, 12, strategy, seed=seed, **kwargs))
    random.shuffle(candidates)
    assert keys(plan(candidates, 12, strategy, seed=seed, **kwargs)) == first


@given(st.integers(0, 999), st.integers(0, 130))
@settings(max_examples=40, deadline=None)
def test_sqa_without_limits_takes_exactly_the_worst(seed, n):
    candidates = study(seed)
    worst = sorted(candidates, key=lambda one: (-one.score, one.pullback_id, one.frame_index))[:n]
    assert keys(plan(candidates, n)) == [one.key for one in worst]


def test_reason_says_dice_structure_and_rank():
    candidates = [candidate("a1", 3, 0.29, worst_structure="lumen"), candidate("a1", 9, 0.05), candidate("b1", 1, 0.4)]
    reasons = [chosen.reason for chosen in plan(candidates, 3).chosen]
    assert reasons == [
        "predicted Dice 0.60, rank 1 of 3",
        "predicted Dice 0.71 (lumen), rank 2 of 3",
        "predicted Dice 0.95, rank 3 of 3",
    ]
    unknown = plan([candidate("a1", 3, 0.125, quality=nan)], 1).chosen[0].reason
    assert unknown == "predicted error 0.125, rank 1 of 1"


def test_frames_without_a_score_are_not_ranked_and_the_shortfall_says_so():
    selection = plan([candidate("a1", 0, 0.3), candidate("a1", 5)], 2, max_per_pullback=4, min_gap_frames=3)
    assert keys(selection) == [("a1", 0)]
    assert selection.shortfall == (
        "1 of 2 frames: 2 candidates, 1 of them without a score, at most 4 a pullback, at least 3 frames apart"
    )


def test_nothing_to_choose_from_is_a_shortfall():
    assert [plan([], 3, strategy).shortfall for strategy in STRATEGIES] == ["0 of 3 frames: 0 candidates"] * 3


def test_features_keep_copies_of_the_worst_frame_out():
    copies = [candidate("a1", index, 0.9, features=np.array([0.0, 1.0])) for index in range(5)]
    others = [candidate("b1", index, 0.5, features=np.array([1.0 + index, 1.0])) for index in range(3)]
    assert keys(plan(copies + others, 2, diversity=0.6)) == [("a1", 0), ("b1", 2)]
    assert keys(plan(copies + others, 2, diversity=0.0)) == [("a1", 0), ("a1", 1)]


def test_without_features_other_subjects_then_other_pullbacks_then_far_frames_come_first():
    candidates = [
        candidate("a1", 0, 0.9),
        *(candidate(*key, 0.1) for key in (("a1", 1), ("a1", 50), ("a2", 7), ("b1", 7))),
    ]
    assert keys(plan(candidates, 4, diversity=1.0)) == [("a1", 0), ("b1", 7), ("a2", 7), ("a1", 50)]


def test_diversity_stays_within_the_pool_of_worst_frames():
    candidates = [candidate("a1", index, 1.0 - index / 100, features=np.array([float(index)])) for index in range(100)]
    assert keys(plan(candidates, 2, diversity=1.0)) == [("a1", 0), ("a1", 20)]  # the worst twenty left, after the first


def test_stratified_spreads_over_subjects_then_pullbacks_then_positions():
    candidates = [candidate(pullback, frame) for pullback in ("a1", "a2", "b1", "c1") for frame in range(100)]
    chosen = keys(plan(candidates, 12, "stratified"))
    assert Counter(pullback for pullback, _ in chosen) == {"a1": 2, "a2": 2, "b1": 4, "c1": 4}
    assert sorted(frame // 25 for pullback, frame in chosen if pullback == "b1") == [0, 1, 2, 3]
    assert sorted(frame // 50 for pullback, frame in chosen if pullback == "a2") == [0, 1]


def test_stratified_gives_what_a_short_subject_lacks_to_the_others():
    candidates = [candidate("a1", 0), *(candidate("b1", frame) for frame in range(50))]
    assert Counter(pullback for pullback, _ in keys(plan(candidates, 6, "stratified"))) == {"a1": 1, "b1": 5}


def test_stratified_fills_up_where_a_stratum_is_empty():
    candidates = [candidate("a1", frame) for frame in (0, 1, 2, 99)]
    selection = plan(candidates, 3, "stratified")
    assert len(selection.chosen) == 3
    assert selection.chosen[-1].reason == "drawn in place of a part that had no frame left"


def test_random_draws_every_frame_about_equally_often():
    candidates = [candidate("a1", frame) for frame in range(10)]
    drawn = Counter(key for seed in range(600) for key in keys(plan(candidates, 2, "random", seed=seed)))
    assert all(abs(count - 120) < 45 for count in drawn.values())  # four and a half standard deviations
    assert plan(candidates, 1, "random").chosen[0].reason == "drawn at random from 10 frames"


def test_frame_given_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        plan([candidate("a1", 0, 0.1), candidate("a1", 0, 0.2)], 1)


@pytest.mark.parametrize("kwargs", [{"max_per_pullback": -1}, {"min_gap_frames": -1}, {"diversity": 1.5}])
def test_limits_that_make_no_sense_are_refused(kwargs):
    with pytest.raises(ValueError, match=r"negative|diversity"):
        plan([], 1, **kwargs)


def test_forty_thousand_candidates_take_about_a_second():
    rng = np.random.default_rng(0)
    candidates = [
        replace(candidate(f"{index}", frame, float(rng.random())), features=rng.normal(size=32))
        for index in range(40)
        for frame in range(1000)
    ]
    start = time.process_time()
    assert len(plan(candidates, 50, diversity=0.5, max_per_pullback=3, min_gap_frames=20).chosen) == 50
    assert time.process_time() - start < 5.0  # 0.5 s of a free core; tests share theirs
