import math

import pytest

from ivsqa.domain.selection.learning_curve import cost_to_reach, mean_accuracy, paired_gain


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
