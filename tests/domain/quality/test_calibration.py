"""Curves never fall, and margins keep their promise or say that they cannot."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.quality.calibration import MonotoneCurve, conformal_margin, fit_isotonic


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


def test_centred_curve_rises_through_the_middle_of_each_run():
    curve = fit_isotonic([1, 2, 3, 4], [0.1, 0.5, 0.3, 0.9], centred=True)
    assert curve.x == (1.0, 2.5, 4.0)
    assert curve.y == pytest.approx((0.1, 0.4, 0.9))


def test_ties_are_averaged_by_weight_and_weightless_or_unknown_points_dropped():
    curve = fit_isotonic([1, 1, 2, 2, nan], [0.0, 1.0, 0.9, 5.0, 0.0], [1.0, 3.0, 1.0, 0.0, 1.0])
    assert (curve.x, curve.y) == ((1.0, 2.0), (0.75, 0.9))


def test_no_point_gives_no_curve():
    with pytest.raises(ValueError, match="no points"):
        fit_isotonic([nan], [1.0])


points = st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1), st.floats(0.1, 5)), min_size=1, max_size=40)


@given(points, st.booleans())
@settings(max_examples=80, deadline=None)
def test_fitted_curve_never_falls_and_keeps_the_weighted_mean(values, centred):
    x, y, weights = (np.array(column) for column in zip(*values, strict=True))
    curve = fit_isotonic(x, y, weights, centred=centred)
    assert np.all(np.diff(curve.y) >= 0)
    if centred:
        assert np.all(np.diff(curve.y) > 0)
    else:
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
