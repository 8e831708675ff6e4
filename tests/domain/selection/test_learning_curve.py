import math

import pytest

from ivsqa.domain.selection.learning_curve import (
    WORTH_A_ROUND,
    Outlook,
    cost_to_reach,
    expected_accuracy,
    mean_accuracy,
    paired_gain,
)
from ivsqa.domain.statistics.bootstrap import Measured


def test_a_level_that_is_never_reached_has_no_cost():
    assert math.isnan(cost_to_reach([1, 2], [0.5, 0.6], 0.7))


def test_a_level_that_the_first_rung_has_costs_the_first_rung():
    assert cost_to_reach([8, 16], [0.9, 0.8], 0.85) == 8.0


def test_beyond_its_ends_a_curve_stays_level():
    assert mean_accuracy([2, 4], [0.5, 0.7], 1, 8) == pytest.approx((0.5 + 0.6 + 0.7) / 3)


def test_one_seed_has_no_interval():
    mean, low, high = paired_gain([0.9], [0.8])
    assert mean == pytest.approx(0.1)
    assert math.isnan(low)
    assert math.isnan(high)


def test_four_times_the_labels_halve_the_error_again_if_they_did_before():
    assert expected_accuracy([10, 40], [0.8, 0.9], 160) == pytest.approx(0.95)


def test_no_accuracy_is_expected_from_one_point_or_where_labels_did_not_help():
    assert math.isnan(expected_accuracy([10, 10], [0.8, 0.9], 20))
    assert math.isnan(expected_accuracy([10, 40], [0.9, 0.8], 80))
    assert math.isnan(expected_accuracy([10, 40], [0.9, 1.0], 80))


def test_more_labels_are_never_expected_to_do_harm():
    # The straight line through all points lies below the last of them.
    assert expected_accuracy([10, 20, 40], [0.7, 0.7, 0.9], 41) >= 0.9


@pytest.mark.parametrize(("gain", "worth"), [(None, True), (WORTH_A_ROUND, True), (WORTH_A_ROUND / 2, False)])
def test_another_round_is_worth_it_unless_it_adds_less_than_trainings_scatter(gain, worth):
    assert Outlook(80, 100, Measured(0.9, 0.8, 0.95), 0.1, 20, gain).is_worth_a_round is worth
