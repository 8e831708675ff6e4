"""Agreement, against published tables and against formulas that are not the program's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.domain.agreement.reader_agreement import bland_altman, distance_by_arc, intraclass_correlation
from ivsqa.domain.contour import Contour

SHROUT_FLEISS: list[list[float]] = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
"""Shrout & Fleiss, Psychol Bull 1979;86:420, table 2: six targets, four judges."""

WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI_WRIGHT = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
"""Bland & Altman, Lancet 1986;1:307, table 1, first readings: peak expiratory flow in l/min of 17 subjects."""


def circle(radius: float, centre: tuple[float, float] = (0.0, 0.0), n: int = 720) -> Contour:
    angles = np.arange(n) * (2.0 * np.pi / n)
    return Contour.from_points(np.column_stack([np.cos(angles), np.sin(angles)]) * radius + centre)


def test_the_table_of_shrout_and_fleiss():
    found = intraclass_correlation(SHROUT_FLEISS)
    assert found.n == 6
    assert found.value == pytest.approx(0.29, abs=0.005)  # their table 4
    assert (found.low, found.high) == pytest.approx(
        (0.019, 0.761), abs=0.001
    )  # as R's psych::ICC prints for these data


def test_the_coefficient_is_that_of_the_analysis_of_variance():
    rng = np.random.default_rng(4)
    ratings = rng.normal(10.0, 3.0, (25, 1)) + rng.normal(0.0, 1.0, (1, 3)) + rng.normal(0.0, 0.7, (25, 3))
    n, k = ratings.shape
    # Least squares on dummies of targets and raters, which is another way to the same three sums of squares.
    targets, raters = np.repeat(np.eye(n), k, axis=0), np.tile(np.eye(k), (n, 1))
    y = ratings.ravel()

    def residual(*designs) -> float:
        design = np.hstack(designs)
        return float(np.square(y - design @ np.linalg.lstsq(design, y, rcond=None)[0]).sum())

    error = residual(targets, raters)
    ms_targets = (residual(raters) - error) / (n - 1)
    ms_raters = (residual(targets) - error) / (k - 1)
    ms_error = error / ((n - 1) * (k - 1))
    of_targets, of_raters = (ms_targets - ms_error) / k, (ms_raters - ms_error) / n
    expected = of_targets / (of_targets + of_raters + ms_error)  # the share of variance that is the targets'
    assert intraclass_correlation(ratings).value == pytest.approx(expected, rel=1e-9)


def test_the_interval_covers_the_true_coefficient_as_often_as_it_says():
    rng = np.random.default_rng(0)
    true = 4.0 / (4.0 + 0.25 + 1.0)
    inside = 0
    for _ in range(400):
        ratings = rng.normal(0.0, 2.0, (20, 1)) + rng.normal(0.0, 0.5, (1, 4)) + rng.normal(0.0, 1.0, (20, 4))
        found = intraclass_correlation(ratings)
        inside += found.low <= true <= found.high
    assert 0.92 <= inside / 400 <= 0.98


def test_a_reader_who_always_draws_larger_lowers_the_coefficient_though_they_correlate_perfectly():
    first = np.array([4.0, 6.0, 8.0, 10.0])
    assert intraclass_correlation(np.column_stack([first, first])).value == 1.0
    assert intraclass_correlation(np.column_stack([first, first + 2.0])).value < 0.8


@pytest.mark.parametrize("ratings", [[[1.0, 2.0]], [[3.0, 3.0], [3.0, 3.0]], [[1.0], [2.0]], np.empty((0, 2))])
def test_where_nothing_varies_or_nobody_can_be_compared_the_coefficient_is_not_known(ratings):
    assert np.isnan(intraclass_correlation(ratings).value)


def test_a_row_that_one_rater_left_out_does_not_count():
    assert intraclass_correlation([*SHROUT_FLEISS, [1.0, np.nan, 2.0, 3.0]]) == intraclass_correlation(SHROUT_FLEISS)


def test_the_peak_flow_meters_of_bland_and_altman():
    found = bland_altman(WRIGHT, MINI_WRIGHT)
    assert (round(found.bias, 1), round(found.sd, 1), found.n) == (-2.1, 38.8, 17)  # as they print
    assert found.bias - 2 * found.sd == pytest.approx(-79.7, abs=0.1)  # with their factor of 2
    assert found.bias + 2 * found.sd == pytest.approx(75.5, abs=0.1)
    assert (found.low, found.high) == pytest.approx((-78.1, 73.9), abs=0.1)


def test_one_pair_has_a_bias_and_no_limits():
    found = bland_altman([3.0, np.nan], [2.5, 1.0])
    assert (found.bias, found.n) == (0.5, 1)
    assert np.isnan([found.sd, found.low, found.high]).all()
    assert np.isnan(bland_altman([], []).bias)


def test_circles_about_one_centre_are_their_difference_of_radii_apart_in_every_arc():
    apart = distance_by_arc(circle(20.0), circle(23.0), np.zeros(2))
    assert apart.shape == (36,)
    np.testing.assert_allclose(apart, 3.0, atol=0.01)
    np.testing.assert_allclose(
        distance_by_arc(circle(20.0), circle(23.0), np.zeros(2), spacing=(0.02, 0.02)), 0.06, atol=1e-3
    )


def test_a_circle_moved_to_the_right_is_off_by_the_cosine_of_the_angle():
    apart = distance_by_arc(circle(40.0), circle(40.0, (1.0, 0.0)), np.array([0.5, 0.0]))
    middle = np.radians(np.arange(36) * 10.0 + 5.0)
    np.testing.assert_allclose(apart, np.abs(np.cos(middle)), atol=0.06)


@given(st.floats(5.0, 50.0), st.floats(0.1, 4.0), st.integers(0, 35))
def test_a_bulge_is_seen_in_its_arc_and_nowhere_far_from_it(radius, height, arc):
    angles = np.arange(720) * (2.0 * np.pi / 720)
    inside = (np.degrees(angles) // 10.0).astype(int) == arc
    points = np.column_stack([np.cos(angles), np.sin(angles)]) * (radius + height * inside)[:, None]
    apart = distance_by_arc(circle(radius), Contour.from_points(points), np.zeros(2))
    assert apart.argmax() == arc
    assert apart[(arc + 18) % 36] < 0.01
