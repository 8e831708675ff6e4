"""What does not comply is named and mended with the least change; what complies is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.topology import (
    beyond_frame_px,
    check_contours,
    enclosed_area,
    mended,
    nested,
    within_frame,
)
from ivsqa.domain.structures import Structure, StructureSet

BOTH = StructureSet((Structure("lumen", "#00c8ff", min_area_mm2=1.0), Structure("eem", "#ffb000", min_area_mm2=2.0)))
THREE = StructureSet((Structure("lumen", "#000000"), Structure("stent", "#111111"), Structure("eem", "#222222")))
FRAME = (100, 100)


def square(x: float, y: float, side: float) -> Contour:
    return Contour.from_points([[x, y], [x + side, y], [x + side, y + side], [x, y + side]])


def codes(contours, structures=BOTH, **kwargs):
    return [(finding.code, finding.structure) for finding in check_contours(contours, structures, FRAME, **kwargs)]


BOW_TIE = Contour.from_points([[0, 0], [30, 30], [30, 0], [0, 10]])
FLAT = Contour.from_points([[10, 10], [40, 10], [20, 10]])


def test_good_contours_have_no_finding():
    assert codes({"lumen": square(20, 20, 20), "eem": square(10, 10, 50)}, spacing_mm=(0.1, 0.1)) == []


def test_unknown_and_missing_structures_are_found():
    assert codes({"lumen": square(20, 20, 20), "media": square(10, 10, 50)}) == [
        ("unknown-structure", "media"),
        ("missing-structure", "eem"),
    ]


def test_self_crossing_contour_is_found():
    assert codes({"lumen": BOW_TIE, "eem": square(-0.5, -0.5, 50)}) == [("self-crossing", "lumen")]


def test_contour_outside_the_frame_is_found_but_its_edge_is_not():
    high = Contour.from_points([[9.5, -0.5], [99.5, -0.5], [99.5, 99.5], [9.5, 99.5]])
    assert codes({"lumen": square(20, 20, 20), "eem": high}) == []
    findings = check_contours({"lumen": square(20, 20, 20), "eem": square(10, 10, 95)}, BOTH, FRAME)
    assert [(finding.code, finding.message) for finding in findings] == [
        ("outside-frame", "the eem contour leaves the frame by 5.5 px")
    ]


def test_small_contour_is_found_by_mm2_where_spacing_is_known_and_by_px_always():
    contours = {"lumen": square(20, 20, 9), "eem": square(10, 10, 50)}
    assert codes(contours) == []
    assert codes(contours, spacing_mm=(0.1, 0.1)) == [("too-small", "lumen")]
    assert codes({"lumen": square(20, 20, 2), "eem": square(10, 10, 50)}) == [("too-small", "lumen")]


def test_contour_around_the_whole_frame_is_found_and_one_that_touches_its_edges_is_not():
    frame = Contour.from_points([[-0.5, -0.5], [99.5, -0.5], [99.5, 99.5], [-0.5, 99.5]])
    angles = np.linspace(0.0, 2.0 * np.pi, 360, endpoint=False)
    circle = Contour.from_points(np.column_stack([np.cos(angles), np.sin(angles)]) * 50.0 + 49.5)
    assert codes({"lumen": square(40, 40, 20), "eem": frame}) == [("fills-frame", "eem")]
    assert codes({"lumen": square(40, 40, 20), "eem": circle}) == []


def test_outline_of_the_frame_is_found_although_its_hole_opens_to_an_edge():
    """A mask that is white outside a lumen at the left edge: its outline goes around a fifth of the frame less."""
    around = [
        [-0.5, -0.5],
        [99.5, -0.5],
        [99.5, 99.5],
        [-0.5, 99.5],
        [-0.5, 75.0],
        [40.0, 75.0],
        [40.0, 25.0],
        [-0.5, 25.0],
    ]
    assert codes({"lumen": square(50, 40, 20), "eem": Contour.from_points(around)}) == [("fills-frame", "eem")]


def test_contour_that_encloses_nothing_is_too_small_and_not_simple():
    assert codes({"lumen": FLAT, "eem": square(0, 0, 50)}) == [("self-crossing", "lumen"), ("too-small", "lumen")]


def test_lumen_beyond_the_eem_counts_from_half_a_pixel():
    eem = square(10, 10, 50)
    assert codes({"lumen": square(9.6, 20, 20), "eem": eem}) == []
    assert codes({"lumen": square(9.4, 20, 20), "eem": eem}) == [("crosses-outer", "lumen")]


def test_nesting_is_checked_against_the_next_structure_that_is_drawn():
    contours = {"lumen": square(5, 20, 20), "eem": square(10, 10, 50)}
    assert codes(contours, THREE) == [("crosses-outer", "lumen"), ("missing-structure", "stent")]


def test_mended_bow_tie_is_its_larger_triangle():
    # the diagonal y = x meets y = 10 - x/3 at x = 7.5; the right triangle is 30 · 22.5 / 2 px²
    assert mended(BOW_TIE).area_px2 == pytest.approx(30 * 22.5 / 2)


def test_line_drawn_round_twice_is_mended_to_its_outline():
    angle = np.linspace(0.0, 4.0 * np.pi, 200, endpoint=False)
    radius = 20.0 + np.sin(angle / 2.0)
    twice = Contour.from_points(50 + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))
    assert mended(twice).area_px2 > np.pi * 20.0**2


def test_simple_contour_is_mended_to_itself_and_a_flat_one_cannot_be():
    good = square(0, 0, 5)
    assert mended(good) is good
    assert enclosed_area(FLAT).is_empty
    with pytest.raises(ValueError, match="no area"):
        mended(FLAT)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=3, max_size=14))
@settings(max_examples=80)
def test_mended_contour_is_always_simple(points):
    if len(set(points)) < 3:
        return
    contour = Contour.from_points(points)
    if enclosed_area(contour).is_empty:
        return
    again = mended(contour)
    assert again.is_simple
    assert mended(again) is again


def test_nested_hands_back_the_same_objects_where_all_is_well():
    contours = {"eem": square(10, 10, 50), "lumen": square(9.6, 20, 20)}
    kept = nested(contours, BOTH)
    assert list(kept) == ["lumen", "eem"]
    assert all(kept[name] is contours[name] for name in kept)


def test_nested_cuts_the_inner_contour_at_the_outer():
    eem = square(10, 10, 50)
    kept = nested({"lumen": square(0, 20, 20), "eem": eem}, BOTH)
    assert kept["eem"] is eem
    assert kept["lumen"].area_px2 == pytest.approx(200.0)
    assert kept["lumen"].points_px[:, 0].min() == 10.0
    assert nested(kept, BOTH)["lumen"] is kept["lumen"]


def test_nested_leaves_out_what_cannot_be_kept():
    eem = square(10, 10, 30)
    assert list(nested({"lumen": square(60, 60, 20), "eem": eem, "media": eem}, BOTH)) == ["eem"]
    assert list(nested({"lumen": FLAT, "eem": eem}, BOTH)) == ["eem"]
    assert nested({}, BOTH) == {}


def test_inner_contour_that_only_touches_the_outer_is_left_out():
    assert list(nested({"lumen": square(40, 10, 20), "eem": square(10, 10, 30)}, BOTH)) == ["eem"]


@given(st.integers(0, 10_000))
@settings(max_examples=50)
def test_nested_set_has_no_finding_about_shape_or_nesting(seed):
    rng = np.random.default_rng(seed)
    contours = {name: Contour.from_points(rng.uniform(10, 90, (rng.integers(3, 12), 2))) for name in THREE.names}
    found = {code for code, _ in codes(nested(contours, THREE), THREE)}
    assert not found & {"self-crossing", "crosses-outer", "unknown-structure"}


def test_a_contour_that_leaves_the_frame_is_cut_off_at_its_edge_and_then_has_no_finding():
    # The frame is 60 × 50 px; the square leaves it by 1.5 px on the left.
    beyond = square(-2, 10, 20)
    cut = within_frame(beyond, (50, 60))
    assert cut is not None
    assert cut.points_px.min(axis=0).tolist() == [-0.5, 10.0]
    assert cut.points_px.max(axis=0).tolist() == [18.0, 30.0]
    assert check_contours({"eem": cut, "lumen": square(4, 14, 6)}, BOTH, (50, 60)) == []


def test_how_far_contours_leave_the_frame_is_told_of_all_at_once():
    triangle = Contour.from_points([[10, 40], [50, 40], [30, 53]])
    contours = [
        square(-2, 10, 20),
        square(20, 20, 5),
        square(50, 10, 20),
        triangle,
    ]  # the frame ends at -0.5, 59.5 and 49.5
    assert beyond_frame_px(contours, (50, 60)).tolist() == [1.5, -20.5, 10.5, 3.5]
    assert beyond_frame_px([], (50, 60)).tolist() == []


def test_a_contour_inside_the_frame_stays_the_same_object_and_one_beside_it_is_gone():
    inside = square(-1, 10, 20)  # to half a pixel beyond the edge, as it was always let be
    assert within_frame(inside, (50, 60)) is inside
    assert within_frame(square(-30, 10, 20), (50, 60)) is None
