from math import isnan, nan

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.statistics.bootstrap import (
    bootstrap_over_subjects,
    means_over_subjects,
    paired_bootstrap_difference,
    subject_numbers,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_one_subject_has_a_value_but_no_interval():
    (mean,) = means_over_subjects(np.array([[0.8], [0.9]]), subject_numbers(["S1", "S1"]), rng=rng())
    assert mean.value == pytest.approx(0.85)
    assert isnan(mean.low)
    assert isnan(mean.high)


def test_a_subject_is_drawn_with_all_its_frames():
    # Three frames of 0.6 and one of 1.0: a draw is all 0.6, all 1.0, or the mean over frames, (3·0.6 + 1.0) / 4 = 0.7.
    seen = set()

    def statistic(drawn):
        frames = np.concatenate([[0.6] * 3 if number == 0 else [1.0] for number in drawn])
        seen.add(round(float(frames.mean()), 6))
        return [frames.mean()]

    (mean,) = bootstrap_over_subjects(statistic, 2, rng=rng())
    assert seen == {0.6, 0.7, 1.0}
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.7, 0.6, 1.0))


def test_means_are_those_of_the_frames_themselves():
    values, subjects = np.array([[0.6, nan], [0.6, 2.0], [0.6, nan], [1.0, 4.0]]), subject_numbers(list("aaab"))
    first, second = means_over_subjects(values, subjects, rng=rng())
    assert (first.value, first.low, first.high) == pytest.approx((0.7, 0.6, 1.0))
    assert (second.value, second.low, second.high) == pytest.approx((3.0, 2.0, 4.0))


def test_a_measure_that_no_frame_has_is_nan():
    (mean,) = means_over_subjects(np.array([[nan], [nan]]), np.array([0, 1]), rng=rng())
    assert isnan(mean.value)
    assert isnan(mean.low)


def test_no_interval_where_most_draws_cannot_say_the_measure():
    # It can be said only of draws that hold all three subjects: 3! / 3³ = 22 % of them.
    (one,) = bootstrap_over_subjects(lambda drawn: [1.0 if len(set(drawn)) == 3 else nan], 3, rng=rng())
    assert one.value == 1.0
    assert isnan(one.low)


def test_draws_that_cannot_say_the_measure_are_left_out():
    # Of two subjects, half of the draws hold both; three quarters hold the first.
    (one,) = bootstrap_over_subjects(lambda drawn: [0.5 if 0 in drawn else nan], 2, rng=rng())
    assert (one.low, one.high) == (0.5, 0.5)


def test_equal_generators_give_equal_intervals():
    values, subjects = np.arange(12.0)[:, None], np.arange(12)
    assert means_over_subjects(values, subjects, rng=rng()) == means_over_subjects(values, subjects, rng=rng())


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_the_interval_of_a_mean_lies_within_the_data(values):
    (mean,) = means_over_subjects(np.array(values)[:, None], np.arange(len(values)), rng=rng())
    assert min(values) - 1e-12 <= mean.low <= mean.high <= max(values) + 1e-12


def test_resampling_whole_subjects_is_wider_than_resampling_frames():
    # Ten frames of each of four subjects that differ: frames pretend to be forty independent looks.
    dice = np.repeat([0.6, 0.7, 0.8, 0.9], 10)
    by_subject, by_frame = (
        means_over_subjects(dice[:, None], subjects, rng=rng())[0]
        for subjects in (np.repeat(range(4), 10), np.arange(40))
    )
    assert by_subject.high - by_subject.low > 2.0 * (by_frame.high - by_frame.low)


def test_paired_differences_without_a_pair_are_nan():
    low, high = paired_bootstrap_difference([nan], [0.5], rng=rng())
    assert isnan(low)
    assert isnan(high)


def test_the_interval_is_that_of_scipy_from_the_same_generator():
    change = np.random.default_rng(3).normal(0.01, 0.05, 200)
    ours = paired_bootstrap_difference(change, np.zeros(200), rng=rng())
    theirs = scipy.stats.bootstrap((change,), np.mean, method="percentile", n_resamples=2000, rng=rng())
    assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=1e-12)
