"""Regions and arcs point at the errors, by place and by size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.arcs import doubtful_arcs, error_by_arc
from ivsqa.domain.quality.error_regions import error_regions


def circle(radius: float, *, x: float = 63.5, y: float = 63.5) -> Contour:
    angle = np.linspace(0.0, 2.0 * np.pi, 360, endpoint=False)
    return Contour.from_points(np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle)]))


def test_regions_come_largest_first_with_place_and_peak():
    error = np.zeros((20, 30))
    error[2:4, 5:8] = 0.5
    error[3, 6] = 0.9
    error[10:15, 20:24] = 0.4
    error[18, 0] = 0.29
    regions = error_regions(error)
    assert [(one.area_px, one.centroid_px, one.peak) for one in regions] == [
        (20, (21.5, 12.0), 0.4),
        (6, (6.0, 2.5), 0.9),
    ]
    assert len(error_regions(error, min_area_px=7)) == 1
    assert error_regions(np.zeros((4, 4))) == []


def test_regions_of_a_raw_map_are_in_its_unit():
    raw = np.zeros((5, 5), dtype=np.uint8)
    raw[2, 2] = 200
    assert error_regions(raw, 128)[0].peak == 200.0


@pytest.mark.parametrize("wrong_px", [1.0, 3.0])
def test_border_drawn_too_far_out_is_off_by_as_much_in_every_arc(wrong_px):
    band = circle(40 + wrong_px).mask((128, 128)) & ~circle(40).mask((128, 128))
    by_arc = error_by_arc(band.astype(np.float32), circle(40 + wrong_px), n_arcs=12)
    assert by_arc.shape == (12,)
    assert by_arc == pytest.approx(wrong_px, rel=0.25)
    assert by_arc.mean() == pytest.approx(wrong_px, rel=0.05)


def test_error_lands_in_the_arc_where_it_is_clockwise_from_three_o_clock():
    error = np.zeros((128, 128))
    error[100, 64] = 1.0  # straight below: 90° with y down
    by_arc = error_by_arc(error, circle(36))
    assert np.flatnonzero(by_arc).tolist() in ([8], [9])  # 89.2°
    assert by_arc.sum() == pytest.approx(1.0 / (2 * np.pi * 36 / 36), rel=0.02)


def test_arc_without_border_is_nan():
    # The centroid of a boomerang lies beside it: rays into the notch meet no border.
    boomerang = Contour.from_points([[10, 60], [110, 20], [110, 24], [22, 60], [110, 96], [110, 100]])
    by_arc = error_by_arc(np.ones((128, 128)), boomerang)
    assert np.isnan(by_arc[0])
    assert np.isfinite(by_arc).sum() > 18


def test_neighbouring_arcs_are_merged_also_across_zero():
    by_arc = np.zeros(36)
    by_arc[[0, 1, 9, 35]] = 2.0
    by_arc[20] = np.nan
    arcs = [(arc.start_deg, arc.stop_deg, arc.span_deg) for arc in doubtful_arcs(by_arc, "eem", threshold_px=1.0)]
    assert arcs == [(90.0, 100.0, 10.0), (350.0, 20.0, 30.0)]


def test_all_arcs_are_the_whole_circle_and_none_is_nothing():
    whole = doubtful_arcs(np.full(36, 2.0), "eem", threshold_px=1.0)
    assert [(arc.start_deg, arc.stop_deg) for arc in whole] == [(0.0, 360.0)]
    assert doubtful_arcs(np.full(36, np.nan), "eem", threshold_px=1.0) == []


@given(st.lists(st.booleans(), min_size=4, max_size=36).filter(any))
@settings(max_examples=80, deadline=None)
def test_arcs_cover_exactly_what_is_doubtful(flags):
    arcs = doubtful_arcs(np.array(flags, dtype=float), "lumen", threshold_px=0.5)
    assert sum(arc.span_deg for arc in arcs) == pytest.approx(360.0 * sum(flags) / len(flags))
    middles = [(index + 0.5) * 360.0 / len(flags) for index in range(len(flags))]
    covered = [any((middle - arc.start_deg) % 360.0 < arc.span_deg for arc in arcs) for middle in middles]
    assert covered == flags
