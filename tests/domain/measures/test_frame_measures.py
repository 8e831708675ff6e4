"""Circles, ellipses and squares whose measures are known, and names that say their units and DICOM's words."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydicom.sr import _concepts_dict  # codedict cannot tell which codes there are
from pydicom.sr.codedict import codes

from ivsqa.domain.contour import Contour
from ivsqa.domain.measures.frame_measures import (
    CODES,
    column,
    diameters,
    dimension,
    frame_measures,
    frame_measures_of,
    plaque_thickness,
)

MANY = np.linspace(0.0, 2.0 * pi, 2000, endpoint=False)


def ellipse(x: float, y: float, a: float, b: float, turned_rad: float = 0.0) -> Contour:
    across, down = a * np.cos(MANY), b * np.sin(MANY)
    c, s = np.cos(turned_rad), np.sin(turned_rad)
    return Contour.from_points(np.column_stack([x + c * across - s * down, y + s * across + c * down]))


def test_a_circle_has_one_diameter_and_no_eccentricity():
    measured = frame_measures({"lumen": ellipse(60, 50, 30, 30)}, (0.1, 0.1))
    assert measured["lumen_area"] == pytest.approx(9.0 * pi, rel=1e-5)
    assert measured["lumen_min_diameter"] == pytest.approx(6.0, rel=1e-5)
    assert measured["lumen_max_diameter"] == pytest.approx(6.0, rel=1e-5)
    assert measured["lumen_perimeter"] == pytest.approx(6.0 * pi, rel=1e-5)
    assert measured["lumen_eccentricity_index"] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("turned_deg", [0.0, 17.3, 90.0])
def test_an_ellipse_has_its_axes_as_diameters_however_it_is_turned(turned_deg):
    measured = frame_measures({"lumen": ellipse(60, 50, 40, 30, np.deg2rad(turned_deg))}, (0.05, 0.05))
    assert measured["lumen_area"] == pytest.approx(3.0 * pi, rel=1e-5)  # pi · 2.0 mm · 1.5 mm
    assert measured["lumen_max_diameter"] == pytest.approx(4.0, rel=1e-4)
    assert measured["lumen_min_diameter"] == pytest.approx(3.0, rel=1e-4)
    assert measured["lumen_eccentricity_index"] == pytest.approx(0.25, abs=1e-4)  # (4 - 3) / 4


def test_an_eccentric_lumen_in_a_round_eem_has_thin_and_thick_plaque():
    # EEM of radius 4 mm; lumen of radius 2 mm, 1 mm off its centre: the wall is 1 mm on one side and 3 mm on the other.
    contours = {"lumen": ellipse(110, 100, 20, 20), "eem": ellipse(100, 100, 40, 40)}
    measured = frame_measures(contours, (0.1, 0.1))
    assert measured["plaque_media_area"] == pytest.approx(12.0 * pi, rel=1e-5)
    assert measured["plaque_burden"] == pytest.approx(0.75, rel=1e-5)
    assert measured["plaque_media_min_thickness"] == pytest.approx(1.0, rel=1e-4)
    assert measured["plaque_media_max_thickness"] == pytest.approx(3.0, rel=1e-4)
    assert measured["plaque_media_eccentricity_index"] == pytest.approx(2.0 / 3.0, abs=1e-4)


def test_pixels_that_are_not_square_are_measured_in_mm():
    measured = frame_measures({"lumen": ellipse(60, 50, 30, 30)}, (0.1, 0.05))
    assert measured["lumen_area"] == pytest.approx(pi * 3.0 * 1.5, rel=1e-5)
    assert measured["lumen_max_diameter"] == pytest.approx(6.0, rel=1e-4)
    assert measured["lumen_min_diameter"] == pytest.approx(3.0, rel=1e-4)


def test_without_spacing_ratios_are_the_same():
    contours = {"lumen": ellipse(110, 100, 24, 20), "eem": ellipse(100, 100, 40, 40)}
    known, unknown = frame_measures(contours, (0.02, 0.02)), frame_measures(contours, None)
    for measure in known:
        if dimension(measure) == 0:
            assert unknown[measure] == pytest.approx(known[measure], abs=1e-9)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=12), st.booleans())
def test_diameters_are_those_between_all_edges_and_all_lines(vertices: list[tuple[int, int]], between_pixels: bool):
    """On whole pixels vertices lie on lines, at the centre and on each other; each is met or not as by asking every edge."""
    try:
        line = Contour.from_points(np.array(vertices) + (20.37 if between_pixels else 20.0))
    except ValueError:  # encloses nothing
        reject()
    start = line.points_px - line.centroid_px
    end = np.roll(start, -1, axis=0)
    angles = np.arange(360) * (pi / 360)
    before, after = (
        np.cos(angles)[:, None] * some[:, 1] - np.sin(angles)[:, None] * some[:, 0] for some in (start, end)
    )
    met = (before > 0.0) != (after > 0.0)
    cross = start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]
    reach = np.where(met, cross / np.where(met, after - before, 1.0), np.nan)
    widths = [np.nanmax(row) - np.nanmin(row) for row in reach[met.any(axis=1)]]
    if met.any(axis=1).all():  # the centre of a crescent lies beside it
        assert diameters(line) == (min(widths), max(widths))


def test_what_lacks_a_contour_is_absent_never_zero():
    assert frame_measures({}, (0.1, 0.1)) == {}
    measured = frame_measures({"eem": ellipse(100, 100, 40, 40)}, (0.1, 0.1))
    assert "eem_area" in measured
    assert not [name for name in measured if name.startswith(("lumen", "plaque"))]


def test_a_line_that_encloses_nothing_is_absent():
    there_and_back = Contour.from_points([[0, 0], [5, 0], [10, 0], [5, 0]])
    assert frame_measures({"lumen": there_and_back}, (0.1, 0.1)) == {}


def test_a_lumen_that_fills_the_eem_leaves_no_plaque():
    circle = ellipse(50, 50, 30, 30)
    measured = frame_measures({"lumen": circle, "eem": circle}, (0.1, 0.1))
    assert measured["plaque_burden"] == 0.0
    assert measured["plaque_media_max_thickness"] == 0.0
    assert measured["plaque_media_eccentricity_index"] == 0.0


def test_a_lumen_drawn_over_the_eem_has_no_negative_thickness():
    thinnest, thickest = plaque_thickness(ellipse(75, 50, 30, 30), ellipse(50, 50, 40, 40))
    assert thinnest == 0.0
    assert thickest == pytest.approx(35.0, rel=1e-4)  # from 45 back to 10


def test_diameters_of_a_square_are_its_side_and_its_diagonal():
    shortest, longest = diameters(Contour.from_points([[0, 0], [8, 0], [8, 8], [0, 8]]))
    assert shortest == pytest.approx(8.0)
    assert longest == pytest.approx(8.0 * sqrt(2.0))


def test_a_border_that_folds_back_is_crossed_once():
    # A C that opens to the right, 30 px wide: along its middle line it ends at the back of the C.
    c_shape = Contour.from_points([[0, 0], [30, 0], [30, 10], [10, 10], [10, 20], [30, 20], [30, 30], [0, 30]])
    shortest, longest = diameters(c_shape)
    assert 0.0 < shortest <= longest <= 30.0 * sqrt(2.0)


def test_a_centroid_outside_its_own_border_still_has_diameters():
    thin = Contour.from_points([[0, 0], [30, 0], [30, 2], [2, 2], [2, 28], [30, 28], [30, 30], [0, 30]])
    shortest, longest = diameters(thin)
    assert 0.0 < shortest < longest


@given(st.floats(0.0, 2.0 * pi), st.floats(-50.0, 50.0), st.floats(0.2, 5.0))
def test_ratios_do_not_change_when_the_frame_is_turned_moved_or_enlarged(angle, shift, factor):
    contours = {"lumen": ellipse(4, 0, 20, 16), "eem": ellipse(0, 0, 40, 36)}
    turn = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = {name: Contour.from_points(one.points_px @ turn.T + shift) for name, one in contours.items()}
    before, after = frame_measures(contours, None), frame_measures(moved, None)
    for measure, value in before.items():
        wanted = value * factor ** dimension(measure)
        assert after[measure] == pytest.approx(wanted, rel=2e-3, abs=1e-3)


def test_a_column_says_its_unit_last():
    assert column("lumen_area") == "lumen_area_mm2"
    assert column("eem_volume", "high") == "eem_volume_high_mm3"
    assert column("plaque_media_min_thickness", "low") == "plaque_media_min_thickness_low_mm"
    assert column("lumen_area_mean") == "lumen_area_mean_mm2"
    assert column("mla") == "mla_mm2"
    assert column("remodelling_index", "low") == "remodelling_index_low"


def test_without_both_borders_no_plaque_is_measured():
    assert "plaque_burden" in frame_measures_of(("lumen", "eem"))
    assert frame_measures_of(("lumen",)) == (
        "lumen_area",
        "lumen_min_diameter",
        "lumen_max_diameter",
        "lumen_perimeter",
        "lumen_eccentricity_index",
    )


def test_codes_and_names_are_those_of_dicom():
    concepts: Any = _concepts_dict.concepts
    known = {
        (scheme, value): meaning
        for scheme in ("DCM", "SCT")
        for coded in concepts[scheme].values()
        for value, (meaning, _) in coded.items()
    }
    for code in CODES.values():
        assert known[code.scheme, code.value] == code.meaning
    assert CODES["plaque_burden"].value == codes.DCM.PlaqueBurden.value
    assert CODES["lumen_volume"].value == codes.cid3485.LumenVolume.value
    assert CODES["eem_min_diameter"].derivation == "minimum"
