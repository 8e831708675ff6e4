"""Selection keeps its limits under every strategy, and does not depend on the order of frames."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.selection import strategies as ways
from ivsqa.domain.selection.plan import STRATEGIES, Selection, plan_selection
from ivsqa.domain.selection.pool import Allowed, Limits, Pool, PullbackFrames, Rows
from ivsqa.domain.selection.strategies import Choices

RANKING = ("sqa", "entropy", "margin", "bald", "deal-mean", "deal-entropy")


@dataclass(frozen=True)
class Frame:
    pullback_id: str
    index: int
    score: float = nan
    features: tuple[float, ...] | None = None
    position_mm: float = nan

    @property
    def key(self) -> FrameKey:
        return FrameKey(self.pullback_id, self.index)


def pool_of(frames: Iterable[Frame]) -> Pool:
    """Return a pool; the first letter of a pullback is its subject."""
    by_pullback: defaultdict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        by_pullback[frame.pullback_id].append(frame)
    return Pool.of(
        PullbackFrames(
            pullback_id,
            pullback_id[0],
            np.array([one.index for one in listed]),
            np.array([one.position_mm for one in listed]),
            np.array([one.score for one in listed]),
            np.array([one.features for one in listed]) if listed[0].features else None,
        )
        for pullback_id, listed in by_pullback.items()
    )


def study(seed: int, *, with_features: bool = False, n_frames: int = 30) -> list[Frame]:
    """Subject a with pullbacks a1, a2; b with b1; c with c1."""
    rng = np.random.default_rng(seed)
    return [
        Frame(pullback, int(index), round(float(rng.random()), 2), tuple(rng.normal(size=3)) if with_features else None)
        for pullback in ("a1", "a2", "b1", "c1")
        for index in np.sort(rng.choice(60, n_frames, replace=False))
    ]


def plan(frames: Sequence[Frame], n: int, strategy: Any = "sqa", *, seed: int = 0, **kwargs: Any) -> Selection:
    limits = Limits(**{name: kwargs.pop(name) for name in Limits.__annotations__ if name in kwargs})
    return plan_selection(
        pool_of(frames), strategy=strategy, n=n, rng=np.random.default_rng(seed), limits=limits, **kwargs
    )


def keys(frames: Sequence[Frame], selection: Selection) -> list[FrameKey]:
    pool = pool_of(frames)
    return [pool.key(chosen.row) for chosen in selection.chosen]


limits = st.fixed_dictionaries(
    {
        "max_per_pullback": st.one_of(st.none(), st.integers(0, 6)),
        "min_gap_frames": st.integers(0, 12),
        "diversity": st.sampled_from([0.0, 0.4, 1.0]),
        "control_share": st.sampled_from([0.0, 0.25]),
        "taken": st.sets(st.tuples(st.sampled_from(["a1", "b1", "zz"]), st.integers(0, 59)), max_size=6),
    }
)


@given(st.integers(0, 999), st.integers(0, 40), st.sampled_from(STRATEGIES), st.booleans(), limits)
@settings(max_examples=200)
def test_no_duplicates_and_gap_and_cap_hold(seed, n, strategy, with_features, kwargs):
    frames = study(seed, with_features=with_features)
    selection = plan(frames, n, strategy, seed=seed, **kwargs)
    chosen = keys(frames, selection)
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
        for left in frames:
            is_close = any(left.pullback_id == pb and abs(left.index - index) < gap for pb, index in used)
            assert is_close or (cap is not None and counts[left.pullback_id] >= cap)


@given(st.integers(0, 999), st.sampled_from(STRATEGIES), st.booleans(), limits, st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_same_seed_gives_the_same_frames_in_any_order(seed, strategy, with_features, kwargs, random):
    frames = study(seed, with_features=with_features)
    first = keys(frames, plan(frames, 12, strategy, seed=seed, **kwargs))
    random.shuffle(frames)
    assert keys(frames, plan(frames, 12, strategy, seed=seed, **kwargs)) == first


@given(st.integers(0, 999), st.integers(0, 130), st.sampled_from([one for one in RANKING if one != "sqa"]))
@settings(max_examples=60)
def test_ranking_without_limits_takes_exactly_the_highest_scores(seed, n, strategy):
    frames = study(seed)
    worst = sorted(frames, key=lambda one: (-one.score, one.key))[:n]
    assert keys(frames, plan(frames, n, strategy)) == [one.key for one in worst]


def test_reasons_say_what_a_frame_was_chosen_by():
    frames = [Frame("a1", 3, 0.29), Frame("a1", 9, 0.05), Frame("b1", 1, 0.4)]
    assert [one.reason for one in plan(frames, 2).chosen] == [
        "predicted Dice 0.60, its pullback 0.60",
        "predicted Dice 0.71, its pullback 0.83",
    ]
    assert plan(frames, 1, "margin").chosen[0].reason == "margin 0.4, number 1 of those that can be chosen"
    assert plan(frames, 1, "random").chosen[0].reason == "drawn at random from 3 frames"
    assert plan(frames, 1, "coreset").chosen[0].reason == "unlike all frames chosen before it"
    assert plan(frames, 1, "stochastic-batch").chosen[0].reason == "in the most uncertain of 100 random batches"


def test_frames_without_a_score_are_not_ranked_and_the_shortfall_says_so():
    frames = [Frame("a1", 0, 0.3), Frame("a1", 5)]
    selection = plan(frames, 2, max_per_pullback=4, min_gap_frames=3, min_gap_mm=0.5)
    assert keys(frames, selection) == [("a1", 0)]
    assert selection.shortfall == (
        "1 of 2 frames: 2 candidates, 1 of them without a score, at most 4 a pullback, at least 3 frames apart, "
        "at least 0.5 mm apart"
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_to_choose_from_is_a_shortfall(strategy):
    assert plan([], 3, strategy).shortfall == "0 of 3 frames: 0 candidates"


def test_distance_along_the_pullback_holds_where_positions_are_known():
    near = [Frame("a1", index, 0.9 - index / 100, position_mm=0.2 * index) for index in range(10)]
    unknown = [Frame("b1", index, 0.5) for index in range(2)]
    chosen = keys(near + unknown, plan(near + unknown, 20, "entropy", min_gap_mm=0.6))
    assert chosen == [("a1", 0), ("a1", 3), ("a1", 6), ("a1", 9), ("b1", 0), ("b1", 1)]
    after = keys(near, plan(near, 20, "entropy", min_gap_mm=0.6, taken=[("a1", 1)]))
    assert after == [("a1", 4), ("a1", 7)]


def test_labels_are_shared_out_by_predicted_error_as_seats_by_votes():
    frames = [
        Frame(f"{subject}1", index, error)
        for subject, error in (("a", 0.1), ("b", 0.6), ("c", 0.3))
        for index in range(20)
    ]
    first = keys(frames, plan(frames, 10))
    assert Counter(pullback for pullback, _ in first) == {"a1": 1, "b1": 6, "c1": 3}
    assert first[0] == ("b1", 0)
    # What was annotated before counts: of 14 labels c had far too many.
    after = keys(frames, plan(frames, 4, taken=[("c1", index) for index in range(10)]))
    assert Counter(pullback for pullback, _ in after) == {"b1": 4}


def test_a_subject_has_the_mean_error_of_its_pullbacks_however_long_they_are():
    frames = [Frame("a1", index, 0.5) for index in range(40)] + [Frame("a2", 0, 0.1), Frame("b1", 0, 0.4)]
    assert keys(frames, plan(frames, 2)) == [("b1", 0), ("a1", 0)]


def test_in_a_pullback_the_worst_frames_come_first_unless_they_are_alike():
    frames = [Frame("a1", index, 0.9, (0.0, 1.0)) for index in range(5)] + [Frame("a1", 9, 0.5, (3.0, 1.0))]
    assert keys(frames, plan(frames, 2, diversity=0.6)) == [("a1", 0), ("a1", 9)]
    assert keys(frames, plan(frames, 2, diversity=0.0)) == [("a1", 0), ("a1", 1)]


def test_the_budget_is_spent_where_a_pullback_has_less_room_than_its_turns():
    packed = [
        Frame("a1", index, 0.9 if index == 2 else 0.8) for index in range(5)
    ]  # 0, 2, 4 would fit; 2 first leaves them
    frames = [*packed, *(Frame("b1", index, 0.1) for index in range(0, 30, 3))]
    chosen = keys(frames, plan(frames, 6, min_gap_frames=2))
    assert len(chosen) == 6


def test_what_resembles_an_annotated_frame_comes_later():
    frames = [Frame("a1", 0, 0.1, (5.0,)), Frame("b1", 0, 0.8, (5.0,)), Frame("b1", 9, 0.7, (0.0,))]
    assert keys(frames, plan(frames, 1, diversity=0.0, taken=[("a1", 0)])) == [("b1", 0)]
    for strategy in ("sqa", "coreset"):
        assert keys(frames, plan(frames, 1, strategy, diversity=1.0, taken=[("a1", 0)])) == [("b1", 9)]


def test_without_features_far_frames_of_a_pullback_come_first():
    frames = [Frame("a1", 0, 0.9), *(Frame("a1", index, 0.1) for index in (1, 25, 50))]
    assert keys(frames, plan(frames, 3, diversity=1.0)) == [("a1", 0), ("a1", 50), ("a1", 25)]


def test_diversity_stays_within_the_pool_of_worst_frames():
    frames = [Frame("a1", index, 1.0 - index / 100, (float(index),)) for index in range(100)]
    assert keys(frames, plan(frames, 2, diversity=1.0)) == [("a1", 0), ("a1", 19)]  # the worst ten for each of two


def test_coreset_covers_what_there_is():
    frames = [Frame("a1", index, features=(float(x),)) for index, x in enumerate((0, 1, 2, 10, 11, 50))]
    assert set(keys(frames, plan(frames, 2, "coreset", taken=[("a1", 0)]))) == {("a1", 5), ("a1", 4)}


def test_coreset_compares_with_every_taken_frame_far_from_the_origin_and_between_equals_too(monkeypatch):
    monkeypatch.setattr(ways, "BLOCK", 7)  # frames and taken ones come in several parts
    rng = np.random.default_rng(5)
    features = np.round(rng.normal(size=(60, 3)), 1) + 1e6
    features[40:50] = features[:10]  # equal to others, some of which are taken
    frames = [Frame("a1", index, features=tuple(place)) for index, place in enumerate(features.tolist())]
    scaled = features / features[20:].std(axis=0)
    taken = list(range(20))
    for _ in range(8):
        away = [min(np.sqrt(np.square(one - scaled[other]).sum()) for other in taken) for one in scaled]
        taken.append(int(np.argmax(away)))
    selection = plan(frames, 8, "coreset", taken=[FrameKey("a1", index) for index in range(20)])
    assert [index for _, index in keys(frames, selection)] == taken[20:]


def test_stochastic_batch_is_more_uncertain_than_a_random_one():
    frames = study(3)
    scores = {frame.key: frame.score for frame in frames}
    batch, drawn = (
        np.mean([scores[key] for seed in range(20) for key in keys(frames, plan(frames, 8, strategy, seed=seed))])
        for strategy in ("stochastic-batch", "random")
    )
    assert batch > drawn + 0.15


def test_stratified_spreads_over_subjects_then_pullbacks_then_positions():
    frames = [Frame(pullback, index) for pullback in ("a1", "a2", "b1", "c1") for index in range(100)]
    chosen = keys(frames, plan(frames, 12, "stratified"))
    assert Counter(pullback for pullback, _ in chosen) == {"a1": 2, "a2": 2, "b1": 4, "c1": 4}
    assert sorted(index // 25 for pullback, index in chosen if pullback == "b1") == [0, 1, 2, 3]
    assert sorted(index // 50 for pullback, index in chosen if pullback == "a2") == [0, 1]


def test_stratified_counts_what_was_annotated_before():
    frames = [Frame(f"{subject}1", index) for subject in "abcd" for index in range(10)]
    taken = [("a1", 3), ("c1", 8)]
    assert {pullback for pullback, _ in keys(frames, plan(frames, 2, "stratified", taken=taken))} == {"b1", "d1"}


def test_stratified_gives_what_a_short_subject_lacks_to_the_others():
    frames = [Frame("a1", 0), *(Frame("b1", index) for index in range(50))]
    assert Counter(pullback for pullback, _ in keys(frames, plan(frames, 6, "stratified"))) == {"a1": 1, "b1": 5}


def test_stratified_fills_up_where_a_stratum_is_empty():
    frames = [Frame("a1", index) for index in (0, 1, 2, 99)]
    selection = plan(frames, 3, "stratified")
    assert len(selection.chosen) == 3
    assert selection.chosen[-1].reason == "drawn in place of a part that had no frame left"


def test_random_draws_every_frame_about_equally_often():
    frames = [Frame("a1", index) for index in range(10)]
    drawn = Counter(key for seed in range(600) for key in keys(frames, plan(frames, 2, "random", seed=seed)))
    assert all(abs(count - 120) < 45 for count in drawn.values())  # four and a half standard deviations


def test_a_share_of_control_frames_is_drawn_blindly():
    frames = study(1)
    selection = plan(frames, 20, control_share=0.2)
    assert [one.reason for one in selection.chosen[-4:]] == ["control, drawn at random"] * 4
    assert all("predicted Dice" in one.reason for one in selection.chosen[:-4])


def test_frame_given_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        plan([Frame("a1", 0, 0.1), Frame("a1", 0, 0.2)], 1)


@pytest.mark.parametrize(
    "kwargs",
    [{"max_per_pullback": -1}, {"min_gap_frames": -1}, {"min_gap_mm": -1.0}, {"diversity": 1.5}, {"control_share": -1}],
)
def test_limits_that_make_no_sense_are_refused(kwargs):
    with pytest.raises(ValueError, match=r"negative|must lie in"):
        plan([], 1, **kwargs)


def test_what_is_taken_and_its_neighbours_are_no_candidates():
    frames = [Frame("a1", index, index / 10) for index in range(6)]
    assert plan(frames, 3, taken=[("a1", 1), ("a1", 4)], min_gap_frames=2).shortfall.startswith(
        "0 of 3 frames: 0 candidates"
    )


def test_a_way_on_trial_is_a_function_that_keeps_the_limits():
    def last_first(pool: Pool, n: int, allowed: Allowed, rng: np.random.Generator, taken: Rows) -> Choices:
        for row in islice(allowed.first_free(np.arange(len(pool))[::-1]), n):
            allowed.take(row)
            yield row, f"after {len(taken)} taken"

    frames = [Frame("a1", index) for index in range(10)]
    selection = plan(frames, 3, last_first, taken=[("a1", 9)], min_gap_frames=3, control_share=0.0)
    assert keys(frames, selection) == [("a1", 6), ("a1", 3), ("a1", 0)]
    assert {one.reason for one in selection.chosen} == {"after 1 taken"}
    assert plan(frames, 9, last_first, min_gap_frames=5).shortfall == (
        "2 of 9 frames: 10 candidates, at least 5 frames apart"
    )
