import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivsqa.domain.agreement.consensus import common_centre, compare_readings, mean_contour
from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.contour import Contour
from ivsqa.domain.structures import Structure, StructureSet

BOTH = StructureSet((Structure("lumen", "#56b4e9"), Structure("eem", "#e69f00")))


def ring(radius, centre=(50.0, 50.0), n: int = 360) -> Contour:
    angles = np.arange(n) * (2.0 * np.pi / n)
    return Contour.from_points(np.column_stack([np.cos(angles), np.sin(angles)]) * np.reshape(radius, (-1, 1)) + centre)


def bulged(radius: float, by: float, start_deg: int, stop_deg: int) -> Contour:
    degrees = np.arange(360)
    return ring(np.where((degrees >= start_deg) & (degrees < stop_deg), radius + by, radius))


def pair(lumen: float, eem: float) -> dict[str, Contour]:
    return {"lumen": ring(lumen), "eem": ring(eem)}


def test_between_two_circles_lies_the_circle_of_the_mean_radius():
    found = compare_readings([pair(20.0, 30.0), pair(21.0, 30.5)], BOTH, tolerance=1.5)
    assert found.is_agreed
    assert found.proposals == []
    for name, radius in (("lumen", 20.5), ("eem", 30.25)):
        radii = np.hypot(*(found.contours[name].points_px - 50.0).T)
        np.testing.assert_allclose(radii, radius, atol=0.01)


def test_it_does_not_matter_who_is_named_first_and_three_are_a_mean_of_three():
    readings = [pair(20.0, 30.0), pair(21.0, 30.0), pair(22.0, 33.0)]
    forward, backward = (compare_readings(order, BOTH, tolerance=9.0) for order in (readings, readings[::-1]))
    for name in BOTH.names:
        np.testing.assert_allclose(forward.contours[name].points_px, backward.contours[name].points_px, atol=1e-9)
    assert np.hypot(*(forward.contours["eem"].points_px - 50.0).T).mean() == pytest.approx(31.0, abs=0.01)


def test_only_the_arc_where_they_differ_is_contested():
    readings = [pair(20.0, 40.0), {"lumen": bulged(20.0, 5.0, 90, 120), "eem": ring(40.0)}]
    found = compare_readings(readings, BOTH, tolerance=1.0)
    (arc,) = found.contested
    assert arc.structure == "lumen"
    assert (arc.start_deg, arc.stop_deg) == pytest.approx((90.0, 120.0), abs=10.0)
    first, second = found.proposals
    along = np.abs(np.degrees(np.arctan2(*(first - 50.0)[:, ::-1].T)) % 360 - 105.0)
    assert along.max() <= 26.0, "a proposal runs along its arc only"
    middle = np.argmin(along)
    assert np.hypot(*(first[middle] - 50.0)) == pytest.approx(20.0, abs=0.1)
    assert np.hypot(*(second[middle] - 50.0)) == pytest.approx(25.0, abs=0.1)
    assert contour_agreement(found.contours["eem"], ring(40.0)).dice > 0.9999


def test_a_border_that_only_one_reader_drew_is_contested_all_around():
    found = compare_readings([pair(20.0, 30.0), {"eem": ring(30.0)}], BOTH, tolerance=5.0)
    assert [(arc.structure, arc.span_deg) for arc in found.contested] == [("lumen", 360.0)]
    assert contour_agreement(found.contours["lumen"], ring(20.0)).dice > 0.9999
    assert len(found.proposals) == 1


def test_a_border_that_nobody_drew_is_agreed_to_be_absent():
    found = compare_readings([{"eem": ring(30.0)}, {"eem": ring(30.2)}], BOTH, tolerance=1.0)
    assert found.is_agreed
    assert set(found.contours) == {"eem"}


def test_borders_that_lie_apart_have_no_mean_and_are_shown_whole():
    found = compare_readings([{"eem": ring(10.0)}, {"eem": ring(10.0, (90.0, 50.0))}], BOTH, tolerance=1.0)
    assert found.contours == {}
    assert [arc.span_deg for arc in found.contested] == [360.0]
    assert len(found.proposals) == 2


def test_a_line_with_a_fold_is_not_settled_by_radii():
    points = [
        [20, 20],
        [80, 20],
        [80, 80],
        [60, 80],
        [60, 40],
        [56, 40],
        [56, 80],
        [20, 80],
    ]  # a slit beside the centre
    slit = {"eem": Contour.from_points(points)}
    found = compare_readings([slit, slit], BOTH, tolerance=1.0)
    assert [arc.span_deg for arc in found.contested] == [360.0]
    assert not found.is_agreed


def test_nobody_drew_anything_has_no_centre():
    with pytest.raises(ValueError, match="nobody drew"):
        common_centre([{}, {}], BOTH)


radii = st.floats(8.0, 20.0)


@given(st.tuples(radii, radii), st.tuples(st.floats(0.2, 9.0), st.floats(0.2, 9.0)), st.floats(-3.0, 3.0))
def test_what_nests_for_each_reader_nests_between_them(lumens, walls, shift):
    readings = [
        {"lumen": ring(lumen, (50.0 + at, 50.0), 45), "eem": ring(lumen + wall, (50.0 + at, 50.0), 45)}
        for lumen, wall, at in zip(lumens, walls, (0.0, shift), strict=True)
    ]
    centre = common_centre(readings, BOTH)
    lumen, eem = (mean_contour([one[name] for one in readings], centre) for name in BOTH.names)
    assert lumen is not None
    assert eem is not None
    assert eem.polygon.buffer(0.05).covers(lumen.polygon)  # between rays, chords are not radii
