"""Intervals follow predicted error, hold what they promise, and are missing where nothing could be learnt."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, pi

import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.domain.measures.frame_measures import frame_measures
from ivsqa.domain.measures.intervals import (
    LEAST_OFFSET_PX,
    MeasureCalibration,
    MeasuredFrame,
    fit_measure_calibration,
    measure_scales,
)
from ivsqa.domain.quality.calibration import conformal_factor

TURN = np.linspace(0.0, 2.0 * pi, 720, endpoint=False)


def circle(radius: float) -> Contour:
    return Contour.from_points(50.0 + radius * np.column_stack([np.cos(TURN), np.sin(TURN)]))


def frame(predicted: float, reference: float, scale: float, subject: str) -> MeasuredFrame:
    said, drawn, off = ({"lumen_area": one} for one in (predicted, reference, scale))
    return MeasuredFrame(said, drawn, off, subject, f"{subject}-P1")


def test_wrong_pixels_are_spread_along_the_border():
    values = frame_measures({"lumen": circle(10.0)}, None)  # perimeter 20 pi
    scales = measure_scales(values, {"lumen": 10.0 * pi}, 2.0)
    offset = 0.5 + 2.0 * LEAST_OFFSET_PX  # 10 pi over 20 pi, and a tenth of a pixel of 2
    assert scales["lumen_area"] == pytest.approx(20.0 * pi * offset, rel=1e-4)
    assert scales["lumen_min_diameter"] == pytest.approx(2.0 * offset, rel=1e-4)
    assert scales["lumen_perimeter"] == pytest.approx(2.0 * pi * offset, rel=1e-4)
    assert scales["lumen_eccentricity_index"] == pytest.approx(4.0 * offset / 20.0, rel=1e-4)


def test_errors_of_both_borders_add_up_in_what_lies_between():
    values = frame_measures({"lumen": circle(10.0), "eem": circle(20.0)}, None)
    lumen_alone = measure_scales(values, {"lumen": 10.0 * pi, "eem": 0.0}, 0.0)
    both = measure_scales(values, {"lumen": 10.0 * pi, "eem": 20.0 * pi}, 0.0)
    assert lumen_alone["plaque_media_area"] == pytest.approx(10.0 * pi, rel=1e-4)
    assert both["plaque_media_area"] == pytest.approx(30.0 * pi, rel=1e-4)
    assert both["plaque_media_max_thickness"] == pytest.approx(0.5 + 0.5, rel=1e-4)
    # 1 - L/E changes by dL/E + L/E · dE/E: (10 pi + 0.25 · 20 pi) / 400 pi
    assert both["plaque_burden"] == pytest.approx(15.0 / 400.0, rel=1e-4)


def test_a_frame_without_predicted_error_still_has_a_width():
    values = frame_measures({"lumen": circle(10.0), "eem": circle(10.0)}, None)
    scales = measure_scales(values, {"lumen": 0.0, "eem": 0.0}, 1.0)
    assert min(scales.values()) > 0.0
    assert set(scales) == set(values)


def test_what_was_not_found_has_no_scale():
    assert measure_scales(frame_measures({"eem": circle(20.0)}, None), {"lumen": 3.0}, 1.0) == {}


def test_an_interval_stays_within_what_the_measure_can_be():
    calibration = MeasureCalibration({"lumen_area": 2.0, "plaque_burden": 1.0}, {}, 20, 10)
    assert calibration.ranged("lumen_area", 5.0, 1.0).tolist() == [5.0, 3.0, 7.0]
    assert calibration.ranged("lumen_area", 1.0, 1.0).tolist() == [1.0, 0.0, 3.0]
    assert calibration.ranged("plaque_burden", 0.75, 0.5).tolist() == [0.75, 0.25, 1.0]


def test_a_model_without_calibration_gives_no_interval():
    for calibration in (MeasureCalibration.from_dict(None), fit_measure_calibration([])):
        value, low, high = calibration.ranged("lumen_area", 5.0, 1.0)
        assert value == 5.0
        assert isnan(low)
        assert isnan(high)


def test_the_factor_is_how_many_scales_the_truth_was_away():
    # Nine subjects and the half that nobody has seen: nine of ten lie at or below the largest score, 9 / 3.
    frames = [frame(10.0, 10.0 + number, 3.0, f"S{number}") for number in range(1, 10)]
    found = fit_measure_calibration(frames)
    assert found.factors == {"lumen_area": pytest.approx(3.0)}
    assert found.pooled == found.factors  # each pullback is one frame
    assert (found.n_frames, found.n_subjects) == (9, 9)
    assert MeasureCalibration.from_dict(found.to_dict()) == found


def test_errors_that_cancel_out_along_a_pullback_leave_its_mean_narrow():
    frames = [frame(10.0, 10.0 + sign * number, 3.0, f"S{number}") for number in range(1, 11) for sign in (1.0, -1.0)]
    found = fit_measure_calibration(frames)
    assert found.factors == {"lumen_area": pytest.approx(10.0 / 3.0)}
    assert found.pooled == {"lumen_area": 0.0}
    alike = fit_measure_calibration([replace(one, predicted={"lumen_area": 12.0}) for one in frames])
    assert alike.pooled == {"lumen_area": pytest.approx(2.0 / 3.0)}


def test_the_plaque_burden_of_a_pullback_is_that_of_its_mean_areas():
    predicted, reference, scales = {"lumen_area": 4.0, "eem_area": 10.0}, {"lumen_area": 5.0, "eem_area": 10.0}, 1.0
    frames = [
        MeasuredFrame(predicted, reference, dict.fromkeys(predicted, scales), f"S{number}", f"S{number}-P1")
        for number in range(12)
    ]
    lumen_alone = MeasuredFrame({"lumen_area": 90.0}, {"lumen_area": 90.0}, {"lumen_area": 1.0}, "S0", "S0-P1")
    found = fit_measure_calibration([*frames, lumen_alone])
    # 0.6 for 0.5; its scale is 1/10 + 0.4 · 1/10
    assert found.pooled["plaque_burden"] == pytest.approx(0.1 / 0.14)
    assert found.pooled["lumen_area"] == pytest.approx(1.0)


def test_a_measure_that_was_seen_in_frames_only_is_taken_as_if_all_erred_alike():
    calibration = MeasureCalibration({"lumen_area": 2.0}, {}, 20, 10)
    assert calibration.ranged("lumen_area", 50.0, 3.0, pooled=True).tolist() == [50.0, 44.0, 56.0]


def test_a_measure_that_nobody_drew_is_not_calibrated():
    frames = [
        MeasuredFrame({"lumen_area": 1.0}, {}, {"lumen_area": 1.0}, f"S{number}", f"S{number}") for number in range(12)
    ]
    found = fit_measure_calibration(frames)
    assert (found.factors, found.pooled) == ({}, {})


def test_with_many_subjects_the_factor_leaves_out_one_in_ten():
    scores = np.arange(1.0, 101.0)  # one frame each of a hundred subjects
    assert conformal_factor(scores, [f"S{n}" for n in range(100)]) == 91.0  # 91 / 100.5 is the first to reach 0.9


def test_a_subject_weighs_the_same_however_many_frames_it_has():
    # Twenty subjects; one has 200 bad frames. Frame by frame they would be most of what there is.
    scores = [1.0] * 19 + [9.0] * 200
    subjects = [f"S{number}" for number in range(19)] + ["bad"] * 200
    assert conformal_factor(scores, subjects) == 1.0  # 19 / 20.5 = 0.93 of the mass lies at 1


def test_with_too_few_subjects_the_factor_is_the_largest_seen_or_none():
    assert conformal_factor(np.arange(10.0), ["a"] * 5 + ["b"] * 5) == 9.0
    assert isnan(conformal_factor(np.arange(10.0), ["a"] * 10))
    assert isnan(conformal_factor(np.arange(8.0), list("abcdefgh")))
    assert isnan(conformal_factor([np.nan] * 12, list("abcdefghijkl")))


def test_nine_of_ten_frames_of_new_subjects_lie_within_the_factor():
    rng = np.random.default_rng(0)

    def study(n_subjects: int) -> tuple[np.ndarray, list[str]]:
        hard = rng.lognormal(0.0, 0.7, n_subjects)  # frames of a subject resemble each other
        scores = hard[:, None] * np.abs(rng.standard_normal((n_subjects, 8)))
        return scores.ravel(), [f"S{number}" for number in range(n_subjects) for _ in range(8)]

    held = [np.mean(study(200)[0] <= conformal_factor(*study(15))) for _ in range(400)]
    assert 0.89 < np.mean(held) < 0.93
