"""Arcs of a border: told by the clock, followed by a line, and found where the error is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.arcs import DoubtfulArc, ErrorByArc, arcs_above, error_by_arc, line_beside, worst_arcs


def circle(radius_px: float, *, centre_px: float = 50.0) -> Contour:
    angles = np.linspace(0.0, 2.0 * np.pi, 360, endpoint=False)
    return Contour.from_points(centre_px + radius_px * np.column_stack([np.cos(angles), np.sin(angles)]))


@pytest.mark.parametrize(
    ("start_deg", "stop_deg", "text"),
    [
        (0.0, 90.0, "eem 3 to 6 o'clock"),
        (270.0, 0.0, "eem 12 to 3 o'clock"),
        (180.0, 210.0, "eem 9 to 10 o'clock"),
        (85.0, 95.0, "eem 6 o'clock"),
        (40.0, 50.0, "eem 5 o'clock"),
        (0.0, 60.0, "eem 3 to 5 o'clock"),
        (350.0, 70.0, "eem 3 to 5 o'clock"),
        (15.0, 45.0, "eem 4 to 5 o'clock"),  # half way to the next hour, both
        (5.0, 355.0, "eem all around"),
        (40.0, 20.0, "eem all around"),
        (60.0, 0.0, "eem 5 to 3 o'clock"),
        (0.0, 360.0, "eem all around"),
    ],
)
def test_arc_is_told_by_the_clock_face(start_deg: float, stop_deg: float, text: str) -> None:
    assert str(DoubtfulArc("eem", start_deg, stop_deg)) == text


def test_arc_through_zero_spans_the_short_way() -> None:
    assert DoubtfulArc("eem", 350.0, 20.0).span_deg == 30.0


def test_line_on_a_circle_runs_clockwise_from_start_to_stop() -> None:
    line = line_beside(circle(20.0), DoubtfulArc("eem", 0.0, 90.0))
    np.testing.assert_allclose(line[0], [70.0, 50.0], atol=0.05)  # 3 o'clock
    np.testing.assert_allclose(line[-1], [50.0, 70.0], atol=0.05)  # 6 o'clock: y grows downwards


def test_offset_moves_the_line_outwards() -> None:
    line = line_beside(circle(20.0), DoubtfulArc("eem", 0.0, 360.0), offset_px=5.0)
    np.testing.assert_allclose(np.linalg.norm(line - 50.0, axis=1), 25.0, atol=0.05)


@given(start_deg=st.floats(0.0, 359.0), span_deg=st.floats(1.0, 360.0), radius_px=st.floats(5.0, 40.0))
def test_line_stays_on_the_border(start_deg: float, span_deg: float, radius_px: float) -> None:
    arc = DoubtfulArc("lumen", start_deg, (start_deg + span_deg) % 360.0)
    line = line_beside(circle(radius_px), arc)
    assert len(line) >= 2
    np.testing.assert_allclose(np.linalg.norm(line - 50.0, axis=1), radius_px, rtol=0.005)


@pytest.mark.parametrize("wrong_px", [1.0, 3.0])
def test_border_drawn_too_far_out_is_off_by_as_much_in_every_arc(wrong_px):
    band = circle(40 + wrong_px, centre_px=63.5).mask((128, 128)) & ~circle(40, centre_px=63.5).mask((128, 128))
    by_arc = error_by_arc(band.astype(np.float32), circle(40 + wrong_px, centre_px=63.5), n_arcs=12)
    assert by_arc.distance_px.shape == (12,)
    assert by_arc.distance_px == pytest.approx(wrong_px, rel=0.25)
    assert by_arc.distance_px.mean() == pytest.approx(wrong_px, rel=0.05)


def test_error_lands_in_the_arc_where_it_is_clockwise_from_three_o_clock():
    error = np.zeros((128, 128))
    error[100, 64] = 1.0  # straight below: 90° with y down
    by_arc = error_by_arc(error, circle(36, centre_px=63.5)).distance_px
    assert np.flatnonzero(by_arc).tolist() in ([8], [9])  # 89.2°
    assert by_arc.sum() == pytest.approx(1.0 / (2 * np.pi * 36 / 36), rel=0.02)


def test_arc_without_border_is_nan():
    # The centroid of a boomerang lies beside it: rays into the notch meet no border.
    boomerang = Contour.from_points([[10, 60], [110, 20], [110, 24], [22, 60], [110, 96], [110, 100]])
    by_arc = error_by_arc(np.ones((128, 128)), boomerang).distance_px
    assert np.isnan(by_arc[0])
    assert np.isfinite(by_arc).sum() > 18


def test_neighbouring_arcs_are_merged_also_across_zero():
    by_arc = np.zeros(36)
    by_arc[[0, 1, 9, 35]] = 2.0
    by_arc[20] = np.nan
    arcs = [(arc.start_deg, arc.stop_deg, arc.span_deg) for arc in arcs_above(by_arc, "eem", threshold=1.0)]
    assert arcs == [(90.0, 100.0, 10.0), (350.0, 20.0, 30.0)]


def test_all_arcs_are_the_whole_circle_and_none_is_nothing():
    whole = arcs_above(np.full(36, 2.0), "eem", threshold=1.0)
    assert [(arc.start_deg, arc.stop_deg) for arc in whole] == [(0.0, 360.0)]
    assert arcs_above(np.full(36, np.nan), "eem", threshold=1.0) == []


def test_three_arcs_at_most_are_marked_the_largest_expected_area_first():
    area_px, length_px = np.zeros(36), np.full(36, 2.0)
    area_px[[2, 3, 4]], area_px[[10, 11, 12]], area_px[[20, 21, 22]] = 10.0, 30.0, 9.0
    lumen = ErrorByArc(area_px, length_px)
    eem = ErrorByArc(np.where(np.isin(np.arange(36), [34, 35, 0, 1]), 50.0, 0.0), length_px)
    arcs = worst_arcs({"lumen": lumen, "eem": eem}, threshold_px=4.0)
    assert [(arc.structure, arc.start_deg, arc.stop_deg) for arc in arcs] == [
        ("eem", 330.0, 30.0),
        ("lumen", 90.0, 140.0),
    ]
    assert worst_arcs({"lumen": lumen, "eem": eem}, threshold_px=4.0, most=1) == arcs[:1]
    assert worst_arcs({}, threshold_px=3.0) == []


def test_a_stretch_is_not_broken_by_one_calm_arc_nor_a_lone_arc_marked():
    area_px, length_px = np.zeros(36), np.full(36, 2.0)
    area_px[[4, 5, 7, 8, 20]] = 12.0, 12.0, 12.0, 12.0, 7.0
    arcs = worst_arcs({"eem": ErrorByArc(area_px, length_px)}, threshold_px=3.0)
    assert [(arc.start_deg, arc.stop_deg) for arc in arcs] == [(40.0, 90.0)]


@given(st.lists(st.booleans(), min_size=4, max_size=36).filter(any))
@settings(max_examples=80)
def test_arcs_cover_exactly_what_is_doubtful(flags):
    arcs = arcs_above(np.array(flags, dtype=float), "lumen", threshold=0.5)
    assert sum(arc.span_deg for arc in arcs) == pytest.approx(360.0 * sum(flags) / len(flags))
    middles = [(index + 0.5) * 360.0 / len(flags) for index in range(len(flags))]
    covered = [any((middle - arc.start_deg) % 360.0 < arc.span_deg for arc in arcs) for middle in middles]
    assert covered == flags
