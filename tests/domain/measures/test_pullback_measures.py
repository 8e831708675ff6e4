"""Volumes along true positions, gaps that stay gaps, lesions and what they are compared with."""

from __future__ import annotations

from dataclasses import replace
from math import nan, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.measures.intervals import MISSING, MeasureCalibration
from ivsqa.domain.measures.pullback_measures import (
    UNKNOWN,
    Course,
    Expected,
    LesionRule,
    Smallest,
    atheroma_fraction,
    find_lesions,
    integrate,
    ratio,
    smallest,
)

ONE_SCALE = MeasureCalibration({"lumen_area": 1.0, "eem_area": 1.0, "plaque_burden": 1.0}, {"lumen_area": 0.5}, 20, 10)
"""Intervals are as wide as the scale, those of a pullback's lumen half as wide."""


def course_of(position_mm, lumen, eem=None, *, spread=0.0, drawn=()) -> Course:
    """Return a course of lumen areas in EEM areas (12 mm² if not given), each ± `spread`; frame i is row i."""
    lumen = np.asarray(lumen, dtype=np.float64)
    eem = np.full(len(lumen), 12.0) if eem is None else np.asarray(eem, dtype=np.float64)
    values = {"lumen_area": lumen, "eem_area": eem, "plaque_burden": 1.0 - lumen / eem}
    scales = {"lumen_area": np.full(len(lumen), spread), "eem_area": np.full(len(lumen), spread)}
    scales["plaque_burden"] = np.zeros(len(lumen))
    is_drawn = np.isin(np.arange(len(lumen)), list(drawn))
    positions = np.asarray(position_mm, dtype=np.float64)
    return Course(np.arange(len(lumen)), positions, is_drawn, values, scales, ONE_SCALE)


def all_rows(course: Course):
    return np.arange(len(course.frame_index))


def smallest_of(course: Course) -> Smallest:
    """Return the smallest lumen of a course that has one."""
    found = smallest(course, "lumen_area", all_rows(course))
    assert found is not None
    return found


def test_the_volume_of_a_cone_is_a_third_of_base_times_height():
    height = np.linspace(0.0, 9.0, 901)
    cone = course_of(height, pi * (height / 3.0) ** 2)  # radius 3 mm at 9 mm
    whole = integrate(cone, "lumen_area", all_rows(cone), max_gap_mm=1.0)
    assert whole.whole.value == pytest.approx(27.0 * pi, rel=1e-5)  # pi · 9 · 9 / 3
    assert whole.mean.value == pytest.approx(3.0 * pi, rel=1e-5)
    assert whole.length_mm == pytest.approx(9.0)
    assert whole.n_gaps == 0


def test_frames_count_at_their_true_positions():
    uneven = course_of([0.0, 0.1, 1.0], [2.0, 4.0, 8.0])
    # 0.1 · 3 + 0.9 · 6; evenly spaced it would be 0.5 · 3 + 0.5 · 6 = 4.5
    assert integrate(uneven, "lumen_area", all_rows(uneven), max_gap_mm=1.0).whole.value == pytest.approx(5.7)


def test_a_missing_frame_is_bridged_by_its_neighbours_not_counted_as_zero():
    one_missing = course_of([0.0, 0.5, 1.0], [6.0, nan, 6.0])
    assert integrate(one_missing, "lumen_area", all_rows(one_missing), max_gap_mm=1.0).whole.value == pytest.approx(6.0)


def test_a_wide_gap_leaves_the_volume_missing_and_the_mean_that_of_the_rest():
    gap = course_of([0.0, 1.0, 2.0, 3.0, 4.0], [6.0, 6.0, nan, 3.0, 3.0])
    found = integrate(gap, "lumen_area", all_rows(gap), max_gap_mm=1.0)
    assert np.isnan(found.whole).all()
    assert (found.length_mm, found.n_gaps) == (2.0, 1)
    assert found.mean.value == pytest.approx(4.5)


def test_frames_missing_at_an_end_are_a_gap_too():
    late = course_of([0.0, 1.0, 2.0, 3.0], [nan, nan, 5.0, 5.0])
    assert integrate(late, "lumen_area", all_rows(late), max_gap_mm=1.0).n_gaps == 1
    assert integrate(late, "lumen_area", all_rows(late), max_gap_mm=2.0).n_gaps == 0


def test_without_positions_or_values_there_is_no_volume():
    nowhere = course_of([nan, nan], [5.0, 5.0])
    assert np.isnan(integrate(nowhere, "lumen_area", all_rows(nowhere), max_gap_mm=1.0).whole).all()
    empty = course_of([0.0, 1.0], [nan, nan])
    found = integrate(empty, "lumen_area", all_rows(empty), max_gap_mm=1.0)
    assert np.isnan(found.whole).all()
    assert np.isnan(found.mean).all()
    assert np.isnan(integrate(empty, "stent_area", all_rows(empty), max_gap_mm=1.0).whole).all()


def test_scales_of_a_volume_add_up_as_values_do():
    steady = course_of([0.0, 1.0, 2.0], [5.0, 5.0, 5.0], spread=0.5)
    found = integrate(steady, "lumen_area", all_rows(steady), max_gap_mm=1.0)
    assert found.whole == pytest.approx((10.0, 1.0))
    assert found.mean == pytest.approx((5.0, 0.5))
    assert steady.calibration.ranged("lumen_area", *found.whole) == pytest.approx([10.0, 9.0, 11.0])
    assert steady.calibration.ranged("lumen_area", *found.whole, pooled=True) == pytest.approx([10.0, 9.5, 10.5])


def test_drawn_contours_count_as_they_stand_and_have_no_interval_of_their_own():
    mixed = course_of([0.0, 1.0, 2.0], [5.0, 5.0, 5.0], spread=0.5, drawn=[1])
    assert integrate(mixed, "lumen_area", all_rows(mixed), max_gap_mm=1.0).whole == pytest.approx((10.0, 0.5))
    drawn = course_of([0.0, 1.0], [5.0, 5.0], spread=0.5, drawn=[0, 1])
    whole = integrate(drawn, "lumen_area", all_rows(drawn), max_gap_mm=1.0).whole
    assert whole.value == 5.0
    assert np.isnan(whole.scale)
    assert np.isnan(drawn.ranged("lumen_area")[:, 1:]).all()
    assert drawn.at(0, "lumen_area").tolist() == [5.0, 5.0, 5.0]


def test_a_model_without_calibration_gives_volumes_without_interval():
    steady = course_of([0.0, 1.0, 2.0], [5.0, 5.0, 5.0], spread=0.5)
    whole = integrate(steady, "lumen_area", all_rows(steady), max_gap_mm=1.0).whole
    ranged = MeasureCalibration.nothing().ranged("lumen_area", *whole, pooled=True)
    assert ranged[0] == 10.0
    assert np.isnan(ranged[1:]).all()


def test_the_interval_of_the_smallest_lumen_spans_all_frames_that_could_hold_it():
    # 4.0 ± 0.5, 4.2 ± 1.0, 6.0 ± 1.0: the second may be 3.2, the first is at most 4.5, the third is out of it.
    course = course_of([0.0, 1.0, 2.0], [4.0, 4.2, 6.0])
    course.scales["lumen_area"][:] = [0.5, 1.0, 1.0]
    found = smallest_of(course)
    assert (found.row, found.is_drawn, found.n_frames) == (0, False, 2)
    assert found.value == pytest.approx([4.0, 3.2, 4.5])


def test_a_drawn_smallest_lumen_is_an_upper_end_that_a_predicted_frame_may_undercut():
    near = course_of([0.0, 1.0, 2.0], [4.0, 4.2, 6.0], spread=0.5, drawn=[0])
    found = smallest_of(near)
    assert (found.is_drawn, found.n_frames) == (True, 2)
    assert found.value == pytest.approx([4.0, 3.7, 4.0])
    far = course_of([0.0, 1.0, 2.0], [4.0, 5.2, 6.0], spread=0.5, drawn=[0])
    found = smallest_of(far)
    assert (found.value[0], found.is_drawn, found.n_frames) == (4.0, True, 1)
    assert np.isnan(found.value[1:]).all()


def test_where_intervals_are_not_known_nobody_knows_how_many_frames_could_hold_the_smallest_lumen():
    course = replace(course_of([0.0, 1.0], [4.0, 5.0], drawn=[0]), calibration=MeasureCalibration.nothing())
    found = smallest_of(course)
    assert (found.value[0], found.is_drawn, found.n_frames) == (4.0, True, None)
    assert np.isnan(found.value[1:]).all()


def test_the_smallest_lumen_is_the_first_of_equal_ones_and_missing_frames_are_not_zero():
    dip = course_of([0.0, 1.0, 2.0, 3.0], [5.0, nan, 3.0, 3.0], spread=0.5)
    found = smallest_of(dip)
    assert (found.row, found.value.tolist(), found.is_drawn, found.n_frames) == (2, [3.0, 2.5, 3.5], False, 2)
    nothing = course_of([0.0], [nan])
    assert smallest(nothing, "lumen_area", all_rows(nothing)) is None
    assert np.isnan(nothing.ranged("lumen_area")).all()
    assert np.isnan(nothing.ranged("stent_area")).all()


def test_the_share_of_plaque_is_that_of_the_volumes():
    # 1 - L/E changes by dL/E + L/E · dE/E: 2/40 + 0.5 · 4/40
    assert atheroma_fraction(Expected(20.0, 2.0), Expected(40.0, 4.0)) == pytest.approx((0.5, 0.1))
    assert np.isnan(atheroma_fraction(UNKNOWN, Expected(40.0, 4.0))).all()
    assert np.isnan(atheroma_fraction(Expected(1.0, 0.0), Expected(0.0, 0.0))).all()


def test_a_ratio_holds_whatever_the_two_errors_have_to_do_with_each_other():
    assert ratio(np.array([6.0, 5.0, 8.0]), np.array([3.0, 2.0, 4.0])).tolist() == [2.0, 1.25, 4.0]
    assert np.isnan(ratio(np.array([6.0, 5.0, 8.0]), MISSING)).all()


# One frame a mm. EEM 12 mm²: a lumen of 7.2 mm² or less is a plaque burden of 40 % or more.
VESSEL = [10.0, 9.0, 9.0, 6.0, 3.0, 6.0, 9.0, 8.0, 8.0]


def test_a_lesion_is_where_burden_is_high_and_is_compared_with_the_largest_lumen_beside_it():
    eem = np.array([12.0, 12.0, 12.0, 12.0, 15.0, 12.0, 12.0, 12.0, 12.0])
    (lesion,) = find_lesions(course_of(range(9), VESSEL, eem), LesionRule(), max_gap_mm=1.0)
    assert lesion.rows.tolist() == [3, 4, 5]
    assert (lesion.length_mm, lesion.mla.row, lesion.mla.value[0]) == (2.0, 4, 3.0)
    assert lesion.plaque_burden[0] == pytest.approx(0.8)
    assert (lesion.distal_row, lesion.proximal_row) == (0, 6)
    assert lesion.remodelling_index[0] == pytest.approx(15.0 / 12.0)
    assert lesion.area_stenosis[0] == pytest.approx(1.0 - 3.0 / 9.5)  # of the mean of 10 and 9


@pytest.mark.parametrize(("reference", "lumen"), [("proximal", 9.0), ("distal", 10.0)])
def test_indices_are_against_the_reference_that_was_named(reference, lumen):
    (lesion,) = find_lesions(course_of(range(9), VESSEL), LesionRule(reference=reference), max_gap_mm=1.0)
    assert lesion.area_stenosis[0] == pytest.approx(1.0 - 3.0 / lumen)


def test_without_the_named_reference_there_is_no_index_rather_than_another_one():
    at_the_start = course_of(range(4), [3.0, 4.0, 9.0, 9.0])
    (lesion,) = find_lesions(at_the_start, LesionRule(), max_gap_mm=1.0)
    assert (lesion.distal_row, lesion.proximal_row) == (None, 2)
    assert np.isnan(lesion.area_stenosis).all()
    (lesion,) = find_lesions(at_the_start, LesionRule(reference="proximal"), max_gap_mm=1.0)
    assert lesion.area_stenosis[0] == pytest.approx(1.0 - 3.0 / 9.0)


def test_a_reference_lies_within_reach():
    far = course_of([0, 1, 2, 3, 4, 20], [9.0, 3.0, 3.0, 6.5, 7.0, 12.0])
    (lesion,) = find_lesions(far, LesionRule(), max_gap_mm=20.0)
    assert (lesion.distal_row, lesion.proximal_row) == (0, None)


def test_lesions_close_to_each_other_are_one():
    course = course_of(range(9), [9.0, 5.0, 5.0, 9.0, 9.0, 9.0, 5.0, 5.0, 9.0])  # 4 mm between 2 and 6
    assert [one.rows.tolist() for one in find_lesions(course, LesionRule(), max_gap_mm=1.0)] == [list(range(1, 8))]
    apart = find_lesions(course, LesionRule(separation_mm=4.0), max_gap_mm=1.0)
    assert [one.rows.tolist() for one in apart] == [[1, 2], [6, 7]]
    assert apart[0].proximal_row in (3, 4, 5)


def test_a_stretch_that_is_too_short_is_no_lesion():
    course = course_of([0.0, 0.4, 0.8, 1.2], [9.0, 5.0, 5.0, 9.0])
    assert find_lesions(course, LesionRule(), max_gap_mm=1.0) == []
    assert len(find_lesions(course, LesionRule(min_length_mm=0.4), max_gap_mm=1.0)) == 1


def test_what_lies_in_a_gap_is_neither_lesion_nor_healthy():
    gap = course_of(range(7), [5.0, 5.0, nan, nan, 5.0, 5.0, 9.0])
    assert [one.rows.tolist() for one in find_lesions(gap, LesionRule(), max_gap_mm=1.0)] == [[0, 1], [4, 5]]
    assert [one.rows.tolist() for one in find_lesions(gap, LesionRule(), max_gap_mm=3.0)] == [[0, 1, 2, 3, 4, 5]]


def test_without_positions_no_lesion_is_looked_for():
    assert find_lesions(course_of([nan] * 3, [5.0] * 3), LesionRule(), max_gap_mm=1.0) == []
    assert find_lesions(course_of([], []), LesionRule(), max_gap_mm=1.0) == []
    unknown = Course(np.arange(2), np.array([0.0, 1.0]), np.zeros(2, dtype=np.bool_), {})
    assert find_lesions(unknown, LesionRule(), max_gap_mm=1.0) == []


def test_a_lesion_carries_the_intervals_of_its_frames():
    (lesion,) = find_lesions(course_of(range(9), VESSEL, spread=0.5), LesionRule(), max_gap_mm=1.0)
    assert lesion.mla.value == pytest.approx([3.0, 2.5, 3.5])
    assert lesion.remodelling_index == pytest.approx([1.0, 11.5 / 12.5, 12.5 / 11.5])
    assert lesion.area_stenosis == pytest.approx([1 - 3.0 / 9.5, 1 - 3.5 / 9.0, 1 - 2.5 / 10.0])
    (drawn,) = find_lesions(course_of(range(9), VESSEL, spread=0.5, drawn=range(9)), LesionRule(), max_gap_mm=1.0)
    for one in (drawn.mla.value, drawn.plaque_burden, drawn.remodelling_index, drawn.area_stenosis):
        assert not np.isnan(one[0])
        assert np.isnan(one[1:]).all()


@given(st.lists(st.sampled_from(["healthy", "lesion", "missing"]), max_size=40))
@settings(max_examples=100)
def test_lesions_are_runs_of_high_burden_broken_by_health_and_by_gaps(kinds):
    lumen = [{"healthy": 11.0, "lesion": 3.0, "missing": nan}[kind] for kind in kinds]
    course = course_of(np.arange(len(kinds)) * 1.0, lumen)
    rule = LesionRule(min_length_mm=0.0, separation_mm=0.0)
    rows = [row for lesion in find_lesions(course, rule, max_gap_mm=2.0) for row in lesion.rows]
    # A lone missing frame, 2 mm from neighbour to neighbour, is bridged; where both are lesion it belongs to it.
    expected = [
        row
        for row, kind in enumerate(kinds)
        if kind == "lesion" or (kind == "missing" and kinds[row - 1 : row] == kinds[row + 1 : row + 2] == ["lesion"])
    ]
    assert rows == expected
