"""Quality follows from calibrated error, is 0 where nothing was found, and never hides what it was not taught."""

from __future__ import annotations

import json
from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.quality.calibration import MonotoneCurve
from ivsqa.domain.quality.predicted_quality import (
    CalibrationFrame,
    ErrorCalibration,
    StructureCalibration,
    assess,
    assess_each,
    fit_error_calibration,
    frame_quality,
    held_out_error_px,
    raw_error,
    region_of_frame,
)

SAME = ErrorCalibration.identity(["lumen"]).structures["lumen"]
EVERYWHERE = np.ones((10, 10), dtype=bool)


def disc(radius: float, *, x: float = 31.5, y: float = 31.5, size: int = 64):
    rows, columns = np.indices((size, size))
    return np.hypot(columns - x, rows - y) <= radius


def frame(rng: np.random.Generator, index: int, *, inflation: float = 3.0) -> CalibrationFrame:
    """A lumen drawn too wide by some px, with a raw map that sees where but exaggerates how likely."""
    true_radius, wrong_px = rng.uniform(12, 18), rng.exponential(1.5)
    predicted, reference = disc(true_radius + wrong_px), disc(true_radius)
    rows, columns = np.indices(predicted.shape)
    distance = np.abs(np.hypot(columns - 31.5, rows - 31.5) - true_radius - wrong_px)
    belief = np.exp(-distance / (0.5 + wrong_px * rng.uniform(0.7, 1.3)))
    raw = np.clip(255 * np.minimum(1.0, belief * inflation), 0, 255).astype(np.uint8)
    return CalibrationFrame({"lumen": raw}, {"lumen": predicted}, {"lumen": reference}, f"s{index // 4}")


def test_region_is_a_box_dilation_cut_by_the_frame():
    mask = np.zeros((9, 12), dtype=bool)
    mask[1, 6] = True
    expected = np.zeros_like(mask)
    expected[0:4, 4:9] = True
    assert (region_of_frame([mask], 2) == expected).all()
    assert (region_of_frame([mask], 0) == mask).all()
    assert not region_of_frame([np.zeros((4, 4), dtype=bool)], 2).any()


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 12))
@settings(max_examples=40)
def test_region_of_a_pixel_is_what_lies_within_the_margin(row, column, margin):
    mask = np.zeros((10, 10), dtype=bool)
    mask[row, column] = True
    rows, columns = np.indices(mask.shape)
    expected = np.maximum(np.abs(rows - row), np.abs(columns - column)) <= margin
    assert (region_of_frame([mask], margin) == expected).all()


def test_region_of_a_frame_surrounds_everything_that_was_found():
    one, other = disc(3, x=10), disc(3, x=50)
    assert (region_of_frame([one, other], 4) == (region_of_frame([one], 4) | region_of_frame([other], 4))).all()


def test_expected_dice_by_hand():
    predicted = np.zeros((10, 10), dtype=bool)
    predicted[2:6, 2:7] = True  # 20 pixels
    raw = np.zeros((10, 10), dtype=np.uint8)
    raw[2:4, 2:7] = 255  # 10 of them wrong: TP 10, FP 10
    raw[8, 0:10] = 102  # 10 pixels outside missed with probability (102 / 255)² = 0.16: FN 1.6
    quality = assess(raw, predicted, SAME, EVERYWHERE)
    assert quality.dice == pytest.approx(20 / (20 + 10 + 1.6))
    assert quality.error_area_px == pytest.approx(11.6)
    assert quality.n_regions == 1  # 0.16 is not salient
    assert isnan(quality.dice_lower)


def test_speck_of_error_is_no_region():
    predicted = np.zeros((10, 10), dtype=bool)
    predicted[2:6, 2:7] = True
    raw = np.zeros((10, 10), dtype=np.uint8)
    raw[2, 2:7] = 255  # five pixels, fewer than a region has
    assert assess(raw, predicted, SAME, EVERYWHERE).n_regions == 0


def test_errors_outside_the_region_do_not_count():
    predicted = disc(5)
    raw = np.full(predicted.shape, 255, dtype=np.uint8)
    raw[region_of_frame([predicted], 2)] = 0
    quality = assess(raw, predicted, SAME, region_of_frame([predicted], 2))
    assert (quality.dice, quality.error_area_px, quality.n_regions) == (1.0, 0.0, 0)


def test_structure_that_was_not_found_has_quality_zero_and_no_expectation():
    quality = assess(np.zeros((10, 10), dtype=np.uint8), np.zeros((10, 10), dtype=bool), SAME, EVERYWHERE)
    assert (quality.dice, quality.dice_lower, quality.n_regions) == (0.0, 0.0, 0)
    assert isnan(quality.error_area_px)


def test_frame_is_as_good_as_its_worst_structure():
    good = assess(np.zeros((10, 10), dtype=np.uint8), np.eye(10, dtype=bool), SAME, EVERYWHERE)
    bad = assess(np.full((10, 10), 60, dtype=np.uint8), np.eye(10, dtype=bool), SAME, EVERYWHERE)
    assert frame_quality([good, bad]) == bad.dice < good.dice == 1.0
    assert isnan(frame_quality([]))


def test_lower_bound_is_the_margin_below_and_never_negative():
    predicted, raw = np.eye(10, dtype=bool), np.zeros((10, 10), dtype=np.uint8)
    same = StructureCalibration.identity()
    assert assess(raw, predicted, replace(same, dice_margin=0.12), EVERYWHERE).dice_lower == 0.88
    assert assess(raw, predicted, replace(same, dice_margin=1.5), EVERYWHERE).dice_lower == 0.0


def test_calibrated_map_looks_up_inside_and_outside_apart():
    calibration = replace(StructureCalibration.identity(), outside=MonotoneCurve((0.0,), (0.125,)))
    region = np.array([[True, True], [True, False]])
    raw, predicted = np.full((2, 2), 102, dtype=np.uint8), np.array([[True, False]] * 2)
    assert assess(raw, predicted, calibration, region).error_map.tolist() == [
        [41, 32],
        [41, 0],
    ]  # 0.16 and 0.125 of 255


def test_map_of_a_structure_that_was_not_found_is_still_there():
    nothing = np.zeros((2, 2), dtype=bool)
    quality = assess(np.full((2, 2), 102, dtype=np.uint8), nothing, SAME, np.array([[True, True], [True, False]]))
    assert quality.error_map.tolist() == [[41, 41], [41, 0]]


def test_pixels_are_calibrated_to_how_often_they_were_wrong():
    predicted, reference = disc(20), disc(18)
    raw = np.where(disc(22), 200, 10).astype(np.uint8)
    fitted = fit_error_calibration(
        [CalibrationFrame({"lumen": raw}, {"lumen": predicted}, {"lumen": reference}, "s1")], ["lumen"]
    )
    tables = fitted.structures["lumen"].tables
    assert tables[1, 200] == pytest.approx(1 - reference.sum() / predicted.sum())
    assert tables[0].max() == 0.0  # nothing was missed, however loud the raw map


def test_calibration_of_nothing_is_the_identity():
    empty = {"lumen": np.zeros((64, 64), dtype=bool)}
    raw = {"lumen": np.zeros((64, 64), dtype=np.uint8)}
    frames = [
        CalibrationFrame(raw, empty, {"lumen": disc(9)}, "s1"),  # nothing was found
        CalibrationFrame(raw, {"lumen": disc(9)}, {}, "s2"),  # nothing was drawn
    ]
    assert fit_error_calibration(frames, ["lumen"]).structures["lumen"].inside == MonotoneCurve.identity()
    assert fit_error_calibration([], ["lumen"]).to_dict() == ErrorCalibration.identity(["lumen"]).to_dict()


def test_side_without_pixels_keeps_the_identity():
    full = np.ones((8, 8), dtype=bool)
    frames = [CalibrationFrame({"lumen": np.zeros((8, 8), dtype=np.uint8)}, {"lumen": full}, {"lumen": full}, "s1")]
    assert fit_error_calibration(frames, ["lumen"]).structures["lumen"].outside == MonotoneCurve.identity()


def test_calibration_comes_back_from_json_with_an_unknown_margin():
    rng = np.random.default_rng(0)
    fitted = fit_error_calibration((frame(rng, index) for index in range(4)), ["lumen"])
    stored = json.loads(json.dumps(fitted.to_dict(), allow_nan=False))
    assert stored["lumen"]["dice_margin"] is None
    again = ErrorCalibration.from_dict(stored)
    assert again.to_dict() == fitted.to_dict()
    assert (again.structures["lumen"].tables == fitted.structures["lumen"].tables).all()
    many = fit_error_calibration((frame(rng, index) for index in range(40)), ["lumen"])
    assert ErrorCalibration.from_dict(many.to_dict()) == many


def _errors_on_new_frames(n_frames: int, seed: int) -> tuple[float, float, float]:
    """Mean |quality - true Dice| on new frames: calibrated, uncalibrated; and how often the lower bound held."""
    rng = np.random.default_rng(seed)
    fitted = fit_error_calibration((frame(rng, index) for index in range(n_frames)), ["lumen"]).structures["lumen"]
    calibrated, raw, held = [], [], []
    for index in range(60):
        new = frame(rng, index)
        predicted, reference = new.predicted["lumen"], new.reference["lumen"]
        true = 2 * (predicted & reference).sum() / (predicted.sum() + reference.sum())
        region = region_of_frame([predicted])
        quality = assess(new.raw_error["lumen"], predicted, fitted, region)
        calibrated.append(abs(quality.dice - true))
        raw.append(abs(assess(new.raw_error["lumen"], predicted, SAME, region).dice - true))
        held.append(quality.dice_lower <= true)
    return float(np.mean(calibrated)), float(np.mean(raw)), float(np.mean(held))


def test_calibration_on_many_subjects_makes_dice_right_and_its_bound_hold():
    calibrated, raw, held = _errors_on_new_frames(120, seed=3)
    assert calibrated < 0.05 < raw
    assert held >= 0.8


def test_calibration_on_few_frames_already_beats_none():
    calibrated, raw, _ = _errors_on_new_frames(8, seed=4)
    assert calibrated < raw / 2


def test_few_good_frames_do_not_hide_a_bad_one():
    # Five frames with Dice near 1 teach nothing of bad ones: a frame that looks far worse must still come out worse.
    rng = np.random.default_rng(5)
    predicted = disc(16)
    raw = rng.integers(0, 3, predicted.shape).astype(np.uint8)
    frames = [
        CalibrationFrame({"lumen": raw}, {"lumen": predicted}, {"lumen": disc(15.5 + k / 10)}, f"s{k}")
        for k in range(5)
    ]
    curve = fit_error_calibration(frames, ["lumen"]).structures["lumen"].dice
    assert np.all(np.diff(curve(np.linspace(0.05, 0.95, 10))) > 0.0)
    assert float(curve(0.5)) < 0.6


def test_held_out_error_is_what_the_map_of_a_model_calibrated_on_the_others_sums_to():
    rng = np.random.default_rng(4)
    frames = [frame(rng, index) for index in range(12)]  # three subjects
    found = held_out_error_px(frames, ["lumen"])
    others = [one for one in frames if one.subject_id != "s1"]
    curves = fit_error_calibration(others, ["lumen"]).structures["lumen"]
    for index in (4, 7):
        one = frames[index]
        region = region_of_frame(one.predicted.values())
        error_map = assess(one.raw_error["lumen"], one.predicted["lumen"], curves, region).error_map
        assert found[index]["lumen"] == pytest.approx(error_map.sum() / 255.0)


def test_held_out_error_is_absent_where_nothing_can_be_learnt_or_compared():
    rng = np.random.default_rng(4)
    one_subject = [frame(rng, index) for index in range(4)]
    assert held_out_error_px(one_subject, ["lumen"]) == [{}] * 4
    frames = [frame(rng, index) for index in range(8)]
    nobody_drew = CalibrationFrame(frames[0].raw_error, frames[0].predicted, {}, "s9")
    assert held_out_error_px([nobody_drew, *frames], ["lumen"])[0] == {}


def test_frames_judged_together_are_judged_as_each_alone():
    predicted = np.stack([disc(9.0), disc(0.0, x=-9.0), disc(30.0), np.ones((64, 64), dtype=bool)])
    raw = np.zeros(predicted.shape, dtype=np.uint8)
    raw[0, 63, 20:40] = raw[1, 0, 20:40] = 255  # one below the other, in two frames
    raw[2, 30:34, 60:], raw[2, 31:35, :4] = 255, 255  # one ends a row that the other begins
    raw[3, 10:20, 10:12], raw[3, 20:30, 12:14] = 255, 255  # they meet at a corner
    region = region_of_frame([predicted], 40)
    together = assess_each(raw, predicted, SAME, region)
    assert [quality.n_regions for quality in together] == [1, 0, 2, 2]
    for row, quality in enumerate(together):
        alone = assess(raw[row], predicted[row], SAME, region_of_frame([predicted[row]], 40))
        np.testing.assert_array_equal(quality.error_map, alone.error_map)
        for name in ("dice", "dice_lower", "error_area_px", "n_regions"):
            np.testing.assert_equal(getattr(quality, name), getattr(alone, name))


def test_what_is_not_a_number_speaks_against_nothing():
    assert raw_error(np.array([[[np.nan, 0.25]]]), [np.array([[True, False]])]).tolist() == [[[0, 128]]]
