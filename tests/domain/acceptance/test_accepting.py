from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.acceptance.accepting import AT_ONCE, Bars, accept, audited_draws, last_proved, plan_bars
from ivsqa.domain.acceptance.audit import Audit, FramePool, draw_frames, draw_visits
from ivsqa.domain.acceptance.promise import Promise

MEAN, SHARE = Promise(0.05, 0.9), Promise(0.05, 0.9, worse_than=0.1)


def made(n_frames: int = 2000, n: int = 200, *, seed: int = 0, noise: float = 0.02, **more):
    """A pool of mean loss 0.08 with good predictions, and an audit of it."""
    rng = np.random.default_rng(seed)
    losses = rng.beta(1.2, 13.8, n_frames)
    predicted = np.clip(losses + rng.normal(0.0, noise, n_frames), 0.0, 1.0)
    pool = FramePool(predicted, np.repeat(np.arange(n_frames // 10), 10), **more)
    frames = draw_frames(n_frames, n, rng)
    return pool, Audit(frames, losses[frames]), losses


def test_what_is_delivered_keeps_the_promise_and_most_is_accepted():
    pool, audit, losses = made()
    done = accept(pool, audit, MEAN)
    assert losses[done.accepted].sum() / 2000 <= 0.05
    assert done.n_accepted > 0.6 * 2000
    assert not done.accepted[audit.frames].any()  # delivered as their readers drew them
    assert done.bound <= 0.05
    assert (pool.predicted[done.accepted] <= done.bar).all()
    assert done.reason == ""


def test_good_predictions_let_more_be_accepted_than_random_ones_and_the_truth_most():
    pool, audit, losses = made()
    shuffled = np.random.default_rng(1).permutation(pool.predicted)
    shares = [
        accept(FramePool(predicted, pool.subjects), audit, MEAN).n_accepted / 2000
        for predicted in (shuffled, pool.predicted, losses)
    ]
    assert shares[0] + 0.15 < shares[1] <= shares[2] + 0.02
    # Without any doubt, true losses would let in those that add up to 0.05.
    possible = np.count_nonzero(np.cumsum(np.sort(losses)) <= 0.05 * 2000) / 2000
    assert possible - 0.25 < shares[2] < possible


def test_a_share_of_accepted_frames_is_proved_from_the_best_frames_on():
    pool, audit, losses = made(noise=0.005)
    done = accept(pool, audit, SHARE)
    assert (losses[pool.predicted <= done.bar] > 0.1).mean() <= 0.05
    assert done.n_accepted > 0.4 * 2000
    assert done.bound <= 0.05


def test_the_longer_the_audit_the_more_is_accepted():
    shares = []
    for n in (50, 150, 450):
        pool, audit, _ = made(n=n, seed=3)
        shares.append(np.count_nonzero(pool.predicted <= accept(pool, audit, MEAN).bar))
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_skipped_frames_count_as_the_worst_loss():
    pool, audit, _ = made()
    hard = audit.losses > np.quantile(audit.losses, 0.8)
    skipped = Audit(audit.frames, np.where(hard, nan, audit.losses))
    worst = Audit(audit.frames, np.where(hard, 1.0, audit.losses))
    dropped = Audit(audit.frames[~hard], audit.losses[~hard])
    assert accept(pool, skipped, MEAN).bar == accept(pool, worst, MEAN).bar < accept(pool, audit, MEAN).bar
    assert accept(pool, dropped, MEAN).bar > accept(pool, audit, MEAN).bar  # which is why they must not be dropped


def test_frames_read_before_and_losses_of_readers_are_part_of_what_is_delivered():
    pool, audit, _ = made()
    more, less = (
        FramePool(pool.predicted, pool.subjects, n_read=1000),
        FramePool(pool.predicted, pool.subjects, reader_loss=0.02),
    )
    n = [accept(one, audit, MEAN).n_accepted for one in (less, pool, more)]
    assert n[0] < n[1] < n[2]


def test_frames_without_a_prediction_are_never_accepted():
    pool, audit, _ = made()
    unknown = np.arange(2000) % 2 == 0
    predicted = np.where(unknown, nan, pool.predicted)
    done = accept(FramePool(predicted, pool.subjects), audit, Promise(0.2, 0.9))
    assert done.n_accepted == np.count_nonzero(~unknown) - np.count_nonzero(~unknown[audit.frames])
    assert done.curve[-1].share == 0.5


def test_reasons_are_told_where_nothing_can_be_accepted():
    pool, audit, _ = made(n=30)
    done = accept(pool, audit, Promise(0.02, 0.9, worse_than=0.1))
    assert done.reason == "an audit of 30 frames cannot prove 0.02 at 90 %: at least 114 are needed"
    assert isnan(done.bar)
    assert not done.accepted.any()
    pool, audit, _ = made(n=200)
    assert accept(pool, audit, Promise(0.05, 0.9, worse_than=0.0)).reason.startswith("of the 45 % of frames")
    strict = FramePool(pool.predicted, pool.subjects, reader_loss=0.06)
    assert accept(strict, audit, MEAN).reason == "readers alone lose 0.06, which leaves nothing of 0.05"
    nothing = FramePool(np.full(2000, nan), pool.subjects)
    for promise in (MEAN, SHARE):
        assert accept(nothing, audit, promise).reason == "no frame has a predicted loss"


def test_without_an_audit_only_what_cannot_lose_more_is_accepted():
    # Of 2000 frames 100 may lose everything.
    pool = FramePool(np.linspace(0.0, 1.0, 2000), np.arange(2000))
    empty = Audit(np.zeros(0, dtype=np.intp), np.zeros(0))
    assert accept(pool, empty, MEAN).n_accepted == 100
    assert "at least" in accept(pool, empty, SHARE).reason


def test_a_unit_counts_by_its_frames_under_the_bar():
    # Subjects 0 and 1 have two frames each; one visit to each reads both, the second frame of subject 1 is above the bar.
    pool = FramePool(np.array([0.1, 0.1, 0.1, 0.9]), np.array([0, 0, 1, 1]))
    audit = Audit(np.arange(4), np.array([0.2, 0.4, 0.5, 0.7]), np.array([0, 0, 1, 1]), is_whole=True)
    bars = plan_bars(pool, Promise(0.3, 0.9), 2)
    draws = audited_draws(pool, audit, Promise(0.3, 0.9), bars)
    assert bars.values.tolist() == [0.1, 0.9]
    assert bars.limits.tolist() == pytest.approx([0.3 * 4 / 3, 0.3])
    assert draws.stakes.tolist() == [[1.0, 0.5], [1.0, 1.0]]
    assert draws.losses == pytest.approx(np.array([[0.3, 0.5], [0.3, 0.6]]))
    assert draws.shares.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert draws.predicted_mean == pytest.approx([0.3 / 4, 1.2 / 4])
    by_frame = audited_draws(pool, Audit(audit.frames, audit.losses), Promise(0.3, 0.9), bars)
    assert by_frame.losses[0] == pytest.approx([0.2, 0.4, 0.5, nan], nan_ok=True)
    assert by_frame.shares[0] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.0])


def test_frames_of_few_subjects_prove_less_than_as_many_drawn_one_by_one():
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(100), 20)
    losses = np.clip(np.repeat(rng.beta(1.0, 12.0, 100), 20) + rng.normal(0.0, 0.01, 2000), 0.0, 1.0)
    pool = FramePool(rng.random(2000), subjects)
    frames, visits = draw_visits(subjects, 30, 10, rng)
    by_visit = accept(pool, Audit(frames, losses[frames], visits), MEAN)
    single = draw_frames(2000, 300, rng)
    by_frame = accept(pool, Audit(single, losses[single]), MEAN)
    assert by_visit.n_accepted < by_frame.n_accepted
    assert "drawn from all frames alike" in by_frame.assumption


@settings(max_examples=20)
@given(st.data())
def test_the_chosen_bar_and_all_stricter_ones_from_the_first_on_are_under_their_bounds(data):
    n = data.draw(st.integers(5, 60))
    levels = st.lists(st.integers(0, 10).map(lambda level: level / 10), min_size=n, max_size=n).map(np.array)
    pool = FramePool(data.draw(levels), np.arange(n))
    frames = draw_frames(n, data.draw(st.integers(1, n)), np.random.default_rng(0))
    audit = Audit(frames, data.draw(levels)[frames])
    promise = Promise(data.draw(st.sampled_from([0.1, 0.3, 0.6])), 0.8, data.draw(st.sampled_from([None, 0.2])))
    done = accept(pool, audit, promise, n_bars=12)
    counted = promise.worse_than is not None
    bars = plan_bars(pool, promise, len(frames), counted=counted, n_bars=12)
    proved = [point.bound <= promise.at_most + 1e-6 for point in done.curve[bars.first :]]
    n_proved = proved.index(False) if False in proved else len(proved)
    assert (done.bar == bars.values[bars.first + n_proved - 1]) if n_proved else isnan(done.bar)
    assert not (set(np.flatnonzero(done.accepted)) & set(frames.tolist()))


@pytest.mark.parametrize("promise", [MEAN, SHARE])
def test_bars_are_proved_alike_one_by_one_and_together(promise):
    counted, furthest = promise.worse_than is not None, 0
    for seed in range(6):
        pool, audit, _ = made(seed=seed, noise=0.01)
        bars = plan_bars(pool, promise, 200, counted=counted)
        draws = audited_draws(pool, audit, promise, bars)
        alone = []
        for number in range(bars.first, len(bars.values)):
            one = slice(number, number + 1)
            bar = Bars(bars.values[one], bars.n_under[one], bars.totals[one], bars.limits[one], 0)
            alone.append(last_proved(bar, draws[one], 0.9, counted=counted) is not None)
        n_proved = alone.index(False)
        last = last_proved(bars, draws, 0.9, counted=counted)
        assert last == (bars.first + n_proved - 1 if n_proved else None)
        furthest = max(furthest, last or 0)
    assert furthest > AT_ONCE


def test_a_promise_of_nothing_is_refused():
    for at_most, confidence in ((0.0, 0.9), (1.0, 0.9), (0.1, 1.0)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Promise(at_most, confidence)
