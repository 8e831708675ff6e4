"""Agreement and statistics, worked out by hand or checked against independent programs."""

from __future__ import annotations

from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.agreement import contour_agreement as metrics
from ivsqa.domain.contour import Contour


def square(x: float, y: float, side: float) -> Contour:
    return Contour.from_points([[x, y], [x + side, y], [x + side, y + side], [x, y + side]])


def test_half_shifted_square_has_its_exact_overlap():
    agreement = metrics.contour_agreement(square(2, 0, 4), square(0, 0, 4))
    assert agreement.dice == pytest.approx(0.5)
    assert agreement.jaccard == pytest.approx(8 / 24)
    assert agreement.pad == 0.0


def test_concentric_squares_have_distance_and_area_difference_by_hand():
    agreement = metrics.contour_agreement(square(0, 0, 12), square(1, 1, 10), spacing_mm=(0.1, 0.1))
    assert agreement.dice == pytest.approx(200 / 244)
    assert agreement.pad == pytest.approx(0.44)
    # Measured each half pixel: 96 points outside, of them 8 at √1.25 and 4 at √2 px round the corners; 80 inside, all at 1 px.
    assert agreement.hd95_px == pytest.approx(np.sqrt(1.25))
    assert agreement.assd_px == pytest.approx((164 + 8 * np.sqrt(1.25) + 4 * np.sqrt(2)) / 176)
    assert agreement.hd95_mm == pytest.approx(agreement.hd95_px / 10)
    assert agreement.assd_mm == pytest.approx(agreement.assd_px / 10)
    assert agreement.is_comparison


def test_spacing_that_differs_by_axis_scales_each_axis():
    wide = metrics.contour_agreement(square(0, 0, 100), square(1, 0, 100), spacing_mm=(0.2, 0.001))
    assert wide.hd95_mm == pytest.approx(0.1, abs=0.101)
    assert (
        wide.hd95_mm
        > 10 * metrics.contour_agreement(square(0, 0, 100), square(1, 0, 100), spacing_mm=(0.01, 0.001)).hd95_mm
    )


def test_equal_contours_agree_perfectly():
    agreement = metrics.contour_agreement(square(0, 0, 9), square(0, 0, 9))
    assert (agreement.dice, agreement.jaccard, agreement.pad) == (1.0, 1.0, 0.0)
    assert agreement.hd95_px == pytest.approx(0.0, abs=1e-9)
    assert isnan(agreement.hd95_mm)


def test_both_absent_is_nan_everywhere():
    agreement = metrics.contour_agreement(None, None, spacing_mm=(0.1, 0.1))
    values = (agreement.dice, agreement.jaccard, agreement.hd95_px, agreement.assd_px, agreement.hd95_mm, agreement.pad)
    assert all(isnan(value) for value in values)


def test_one_absent_is_the_worst_there_is():
    missed = metrics.contour_agreement(None, square(0, 0, 4), spacing_mm=(0.1, 0.1))
    assert (missed.dice, missed.jaccard, missed.hd95_px, missed.assd_mm, missed.pad) == (0.0, 0.0, inf, inf, 1.0)
    invented = metrics.contour_agreement(square(0, 0, 4), None)
    assert (invented.dice, invented.hd95_px) == (0.0, inf)
    assert isnan(invented.pad)
    assert isnan(invented.hd95_mm)


def test_self_crossing_contour_counts_with_all_it_encloses():
    bow_tie = Contour.from_points([[0, 0], [4, 4], [4, 0], [0, 4]])  # two triangles of 4 px², signed areas cancel
    agreement = metrics.contour_agreement(bow_tie, square(0, 0, 4))
    assert agreement.jaccard == pytest.approx(8 / 16)
    assert agreement.pad == pytest.approx(0.5)


def test_contours_that_enclose_nothing_have_no_overlap_to_speak_of():
    flat = Contour.from_points([[0, 0], [4, 0], [2, 0]])
    agreement = metrics.contour_agreement(flat, flat)
    assert isnan(agreement.dice)
    assert isnan(agreement.pad)


def test_plaque_burden_of_a_half_filled_vessel():
    assert metrics.plaque_burden(square(1, 1, 2), square(0, 0, 4)) == pytest.approx(0.75)
    assert isnan(metrics.plaque_burden(square(0, 0, 1), Contour.from_points([[0, 0], [4, 0], [2, 0]])))


def test_summary_counts_missing_apart_from_the_mean():
    summary = metrics.summary_by_mean(
        [
            metrics.contour_agreement(square(0, 0, 4), square(0, 0, 4)),
            metrics.contour_agreement(square(2, 0, 4), square(0, 0, 4)),
            metrics.contour_agreement(None, square(0, 0, 4)),
            metrics.contour_agreement(None, None),
        ]
    )
    assert (summary.n_frames, summary.n_missing) == (2, 1)
    assert summary.mean.dice == pytest.approx(0.75)
    assert isnan(summary.mean.hd95_mm)


def test_summary_of_nothing_is_nan():
    summary = metrics.summary_by_mean([])
    assert (summary.n_frames, summary.n_missing) == (0, 0)
    assert isnan(summary.mean.dice)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(3, 9))
@settings(max_examples=40)
def test_agreement_is_symmetric_but_for_pad(x, y, side):
    a, b = square(0, 0, 6), square(x, y, side)
    one, other = metrics.contour_agreement(a, b), metrics.contour_agreement(b, a)
    assert (one.dice, one.jaccard) == pytest.approx((other.dice, other.jaccard))
    assert (one.hd95_px, one.assd_px) == pytest.approx((other.hd95_px, other.assd_px))
    assert one.jaccard == pytest.approx(one.dice / (2 - one.dice))


def test_dice_of_masks_is_taken_frame_by_frame_and_unknown_where_both_are_empty():
    a, b = np.zeros((2, 4, 4), dtype=bool), np.zeros((2, 4, 4), dtype=bool)
    a[0, 0], b[0, 0, :2] = True, True  # 4 and 2 pixels, 2 of them shared
    np.testing.assert_array_equal(metrics.mask_dice(a, b), [4 / 6, np.nan])
    assert metrics.mask_dice(a[0], ~a[0]) == 0.0


def test_distances_of_two_lines_are_measured_from_each():
    there, back = metrics.line_distances(square(0, 0, 20), square(2, 2, 16))
    assert (len(there), len(back)) == (160, 128)
    assert back.max() == pytest.approx(2.0)
    assert there.max() == pytest.approx(np.hypot(2, 2))  # corner to corner


def test_the_mean_leaves_out_what_is_not_known():
    assert metrics.mean_known([1.0, np.nan, 3.0]) == 2.0
    assert isnan(metrics.mean_known([np.nan]))
    assert isnan(metrics.mean_known([]))
