from itertools import permutations
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.domain.quality.review_curve import (
    rejection_ratio,
    review_curve,
    review_figures,
    review_shares,
    share_until,
)
from ivsqa.domain.statistics.bootstrap import subject_numbers

# Few levels, so that there are ties.
DICE = st.integers(0, 20).map(lambda level: level / 20)
POOL = st.lists(st.tuples(DICE, DICE), min_size=1, max_size=12).map(lambda pairs: tuple(np.array(pairs).T))
GOAL = st.floats(0.5, 1.0)


def test_each_mended_frame_brings_what_it_lacked():
    # Mended in the order 0.4, 1.0, 0.8 of true Dice: the mean of three goes from 2.2 / 3 by 0.6, 0 and 0.2 thirds.
    curve = review_curve([0.8, 0.4, 1.0], [0.9, 0.1, 0.5])
    assert curve == pytest.approx([2.2 / 3, 2.8 / 3, 2.8 / 3, 1.0])


def test_share_until_a_goal_is_straight_between_frames():
    curve = review_curve([0.8, 0.4, 1.0], [0.9, 0.1, 0.5])
    assert share_until(curve, 2.5 / 3) == pytest.approx(0.5 / 3)  # half of the first frame's gain
    assert share_until(curve, 2.9 / 3) == pytest.approx(2.5 / 3)  # the second brings nothing; half of the third's


def test_random_order_asks_for_the_part_of_what_lacks():
    shares = review_shares([0.9, 0.7, 0.5, 0.9], [0.5] * 4, 0.9)
    assert shares.random == shares.predicted == pytest.approx((0.9 - 0.75) / (1.0 - 0.75))


def test_true_order_takes_the_worst_first():
    shares = review_shares([0.9, 0.7, 0.5, 0.9], [0.5, 0.6, 0.7, 0.8], 0.9)
    # Lacking in all: 1.0, of which 0.4 may stay. In the true order 0.5 and a third of 0.3 are mended.
    assert shares.truth == pytest.approx((1 + 1 / 3) / 4)
    # As predicted first 0.1, then 0.3, then 0.2 of the 0.5.
    assert shares.predicted == pytest.approx((2 + 0.4) / 4)
    assert shares.ratio == pytest.approx(2.4 / (4 / 3))


def test_a_goal_that_is_met_asks_for_nothing():
    shares = review_shares([0.97, 0.96], [0.1, 0.9], 0.95)
    assert shares == (0.0, 0.0, 0.0)
    assert isnan(shares.ratio)


def test_a_pool_without_frames_says_nothing():
    assert all(isnan(share) for share in review_shares([], []))
    assert all(isnan(share) for share in review_shares([nan, 0.5], [0.5, nan]))
    assert isnan(rejection_ratio([], []))


def test_a_single_frame_is_mended_as_far_as_the_goal_asks():
    assert review_shares([0.8], [0.3], 0.9) == (0.5, 0.5, 0.5)
    assert isnan(rejection_ratio([0.8], [0.3]))


def test_a_frame_without_truth_or_prediction_is_in_no_order():
    without = review_curve([0.8, 0.4], [0.9, 0.1])
    np.testing.assert_array_equal(review_curve([0.8, nan, 0.4, 0.2], [0.9, 0.5, 0.1, nan]), without)


def test_frames_of_equal_prediction_are_expected_over_all_their_orders():
    true, predicted = [0.9, 0.2, 0.7, 0.5], [0.6, 0.6, 0.3, 0.6]
    orders = [order for order in permutations(range(4)) if order[0] == 2]  # the tie comes after the third
    curves = [review_curve(np.array(true)[list(order)], range(4)) for order in orders]
    assert review_curve(true, predicted) == pytest.approx(np.mean(curves, axis=0))


@given(POOL)
def test_a_curve_rises_from_the_mean_to_one(pool):
    true, predicted = pool
    curve = review_curve(true, predicted)
    assert len(curve) == len(true) + 1
    assert curve[0] == pytest.approx(true.mean())
    assert curve[-1] == 1.0
    assert (np.diff(curve) >= 0.0).all()


@given(POOL, GOAL)
def test_no_order_beats_the_true_one(pool, goal):
    true, predicted = pool
    assert (review_curve(true, predicted) <= review_curve(true, true) + 1e-12).all()
    shares = review_shares(true, predicted, goal)
    assert shares.truth <= min(shares.predicted, shares.random) + 1e-6
    assert shares.ratio >= 1.0 - 1e-6 or shares.truth == 0.0 or isnan(shares.ratio)


@given(POOL, GOAL)
def test_random_order_has_its_closed_form_and_equal_predictions_are_random(pool, goal):
    true, _ = pool
    mean = true.mean()
    wanted = 0.0 if mean >= goal else (goal - mean) / (1.0 - mean)
    assert review_shares(true, np.full(len(true), 0.5), goal)[:2] == pytest.approx((wanted, wanted), abs=1e-6)


@given(POOL)
def test_rejection_ratio_is_between_that_of_the_worst_and_of_the_true_order(pool):
    true, predicted = pool
    ratio = rejection_ratio(true, predicted)
    if np.ptp(true) == 0.0:
        assert isnan(ratio)
        return
    assert -1.0 - 1e-9 <= ratio <= 1.0 + 1e-9
    assert rejection_ratio(true, true) == 1.0
    assert rejection_ratio(true, -true) == pytest.approx(-1.0)
    assert rejection_ratio(true, np.zeros(len(true))) == pytest.approx(0.0, abs=1e-9)


def test_shares_have_intervals_over_subjects():
    # Subject a lacks 0.1 in each frame, b 0.2: a draw holds a twice, b twice, or both.
    figures = review_figures(
        [0.9, 0.9, 0.8, 0.8], [0.9, 0.9, 0.8, 0.8], subject_numbers(["a", "a", "b", "b"]), rng=np.random.default_rng(0)
    )
    assert (figures.mean_dice.low, figures.mean_dice.high) == pytest.approx((0.8, 0.9))
    assert figures.mean_dice.value == pytest.approx(0.85)
    assert (figures.random.low, figures.random.high) == pytest.approx((0.5, 0.75))
    # Lacking 0.6 in all, of which 0.2 may stay: both frames of b are mended.
    assert figures.predicted == figures.truth
    assert figures.truth.value == pytest.approx(0.5)
    assert figures.ratio.value == pytest.approx(1.0)


def test_with_one_subject_or_none_shares_have_no_interval():
    one = review_figures([0.9, 0.8], [0.9, 0.8], np.array([0, 0]), rng=np.random.default_rng(0))
    assert one.truth.value > 0.0
    assert isnan(one.truth.low)
    none = review_figures([], [], np.empty(0, dtype=np.intp), rng=np.random.default_rng(0))
    assert isnan(none.truth.value)
