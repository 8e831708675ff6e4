"""Curves never fall, and margins keep their promise or say that they cannot."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.quality.calibration import LogOddsLine, MonotoneCurve, conformal_margin, fit_isotonic, fit_log_odds


def test_curve_is_linear_between_knots_and_constant_beyond():
    curve = MonotoneCurve((0.2, 0.6), (0.0, 1.0))
    assert curve([0.0, 0.3, 0.9]) == pytest.approx([0.0, 0.25, 1.0])
    assert isnan(float(curve(nan)))
    assert MonotoneCurve.identity()([0.0, 0.37, 1.0]).tolist() == [0.0, 0.37, 1.0]


def test_curve_comes_back_from_plain_lists():
    curve = MonotoneCurve((0.0, 0.5), (0.25, 0.75))
    assert curve.to_dict() == {"x": [0.0, 0.5], "y": [0.25, 0.75]}
    assert MonotoneCurve.from_dict(curve.to_dict()) == curve


@pytest.mark.parametrize(
    ("x", "y"),
    [((), ()), ((0.0,), (0.0, 1.0)), ((0.0, 0.0), (0.0, 1.0)), ((0.0, 1.0), (1.0, 0.0)), ((0.0, nan), (0.0, 1.0))],
)
def test_broken_curves_are_refused(x, y):
    with pytest.raises(ValueError, match="a curve"):
        MonotoneCurve(x, y)


def test_violators_are_pooled_and_both_ends_of_the_run_kept():
    curve = fit_isotonic([1, 2, 3, 4], [0.1, 0.5, 0.3, 0.9])
    assert curve.x == (1.0, 2.0, 3.0, 4.0)
    assert curve.y == pytest.approx((0.1, 0.4, 0.4, 0.9))


def test_knots_inside_a_run_are_dropped():
    assert fit_isotonic([1, 2, 3, 4, 5], [0.0, 0.6, 0.6, 0.6, 1.0]).x == (1.0, 2.0, 4.0, 5.0)


def test_line_between_log_odds_is_found_again_and_goes_on_beyond_its_points():
    line = LogOddsLine(offset=-0.5, slope=1.5)
    x = np.linspace(0.7, 0.95, 6)
    found = fit_log_odds(np.append(x, nan), np.append(line(x), 0.1), np.ones(7))
    assert (found.offset, found.slope) == pytest.approx((-0.5, 1.5), abs=1e-4)
    assert found(0.2) == pytest.approx(line(0.2), abs=1e-4)
    assert LogOddsLine.from_dict(found.to_dict()) == found


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)), min_size=1, max_size=8))
def test_line_between_log_odds_rises_whatever_it_was_fitted_to(points):
    x, y = zip(*points, strict=True)
    line = fit_log_odds(x, y, np.ones(len(points)))
    assert (np.diff(line(np.linspace(0.01, 0.99, 9))) >= 0.0).all()


@pytest.mark.parametrize("wrong", [{"offset": nan, "slope": 1.0}, {"offset": 0.0, "slope": 0.0}], ids=str)
def test_line_that_falls_or_is_no_number_is_refused(wrong):
    with pytest.raises(ValueError, match="slope above 0"):
        LogOddsLine(**wrong)


def test_ties_are_averaged_by_weight_and_weightless_or_unknown_points_dropped():
    curve = fit_isotonic([1, 1, 2, 2, nan], [0.0, 1.0, 0.9, 5.0, 0.0], [1.0, 3.0, 1.0, 0.0, 1.0])
    assert (curve.x, curve.y) == ((1.0, 2.0), (0.75, 0.9))


def test_no_point_gives_no_curve():
    with pytest.raises(ValueError, match="no points"):
        fit_isotonic([nan], [1.0])


points = st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1), st.floats(0.1, 5)), min_size=1, max_size=40)


@given(points)
@settings(max_examples=80)
def test_fitted_curve_never_falls_and_keeps_the_weighted_mean(values):
    x, y, weights = (np.array(column) for column in zip(*values, strict=True))
    curve = fit_isotonic(x, y, weights)
    assert np.all(np.diff(curve.y) >= 0)
    assert np.average(curve(x), weights=weights) == pytest.approx(np.average(y, weights=weights))


def test_margin_is_the_ninth_of_nine_excesses_at_ten_percent():
    predicted = np.full(9, 0.9)
    true = 0.9 - np.arange(1, 10) / 100
    assert conformal_margin(predicted, true) == pytest.approx(0.09)
    assert conformal_margin(predicted, true, miscoverage=0.5) == pytest.approx(0.05)


def test_too_few_frames_have_no_margin():
    assert isnan(conformal_margin(np.full(8, 0.9), np.full(8, 0.8)))
    assert isnan(conformal_margin([], []))
    assert isnan(conformal_margin([0.9] * 9, [0.8] * 8 + [nan]))


def test_margin_of_a_network_that_is_too_modest_is_zero():
    assert conformal_margin(np.full(20, 0.7), np.full(20, 0.9)) == 0.0


def test_margin_covers_new_frames_as_often_as_promised():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        noise = rng.gumbel(0, 0.05, 41)
        margin = conformal_margin(np.full(40, 0.8), 0.8 - noise[:40])
        covered.append(noise[40] <= margin)
    assert 0.86 <= np.mean(covered) <= 0.96
