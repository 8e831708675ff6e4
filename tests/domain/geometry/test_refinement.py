from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.contour import Contour, contour_from_mask
from ivsqa.domain.geometry.polar import polar_place
from ivsqa.domain.geometry.refinement import DEFAULT_CONFIG, Nudge, RefinementConfig, refined

Y, X = np.indices((96, 96), dtype=float)


def disc(radius: float, centre: tuple[float, float] = (48.0, 48.0), *, stretch: float = 1.0) -> NDArray[np.float64]:
    """Return the probability of a disc whose border is a pixel or two wide."""
    return 1.0 / (1.0 + np.exp(2.0 * (np.hypot((X - centre[0]) / stretch, Y - centre[1]) - radius)))


def line_of(field: NDArray[np.float64]) -> Contour:
    contour = contour_from_mask(field)
    assert contour is not None
    return contour


def distance(contour: Contour, x: float, y: float) -> float:
    return float(shapely.LinearRing(contour.points_px).distance(shapely.Point(x, y)))


BOTH = {"lumen": disc(14.0, (44.3, 50.1)), "eem": disc(25.0, stretch=1.2)}


def test_where_the_networks_line_is_one_border_it_is_the_answer() -> None:
    drawn = refined(BOTH)
    for name, field in BOTH.items():
        line = line_of(field)
        assert contour_agreement(drawn[name], line).assd_px < 0.05
        assert contour_agreement(drawn[name], line).dice > 0.997


def test_a_hole_and_a_second_piece_make_no_difference_but_a_border() -> None:
    torn = disc(20.0)
    torn[44:53, 52:58] = 0.02
    torn[5:12, 80:90] = 0.99
    drawn = refined({"lumen": torn})["lumen"]
    assert contour_agreement(drawn, refined({"lumen": disc(20.0)})["lumen"]).assd_px < 0.1


def test_nothing_found_is_nothing_drawn() -> None:
    assert refined({"lumen": np.full((96, 96), 0.4)}) == {}
    assert list(refined({"lumen": np.full((96, 96), 0.4), "eem": disc(20.0)})) == ["eem"]


def test_a_single_pixel_is_a_small_border() -> None:
    speck = np.zeros((96, 96))
    speck[40, 30] = 0.6
    assert 0.0 < refined({"lumen": speck})["lumen"].area_px2 < 10.0


@given(angle=st.floats(0.0, 6.28), offset=st.floats(-6.0, 6.0), also=st.floats(0.5, 2.6), other=st.floats(-4.0, 4.0))
@settings(max_examples=40)
def test_a_border_passes_its_points_and_stays_simple_and_nested(
    angle: float, offset: float, also: float, other: float
) -> None:
    places = [(angle, 14.0 + offset, "lumen"), (angle + 2.0 + also, 27.0 + other, "eem")]
    nudges = [Nudge(name, 44.3 + r * np.cos(a), 50.1 + r * np.sin(a)) for a, r, name in places]
    drawn = refined(BOTH, nudges)
    for nudge in nudges:
        assert distance(drawn[nudge.structure], nudge.x_px, nudge.y_px) < 1e-9
    assert drawn["lumen"].is_simple
    assert drawn["eem"].is_simple
    assert drawn["eem"].polygon.covers(drawn["lumen"].polygon)


def test_wall_and_slope_hold_to_a_fraction_of_a_cell() -> None:
    config = RefinementConfig(max_step=3, min_wall_px=2.0)
    centre = np.array([48.0, 48.0])
    # The lumen is to reach 3 px beyond the EEM, which gives way.
    drawn = refined(
        {"lumen": disc(14.0), "eem": disc(25.0)}, [Nudge("lumen", 76.0, 48.0)], centre_px=centre, config=config
    )
    lumen, eem = (np.array([polar_place(point, centre) for point in one.points_px]) for one in drawn.values())
    np.testing.assert_allclose(lumen[:, 0], eem[:, 0])
    wall = eem[:, 1] - lumen[:, 1]
    assert 2.0 <= wall.min() < 3.0
    cell = (28.0 + 4.0 - 1.0) / 63  # the farthest is the nudge; 4 px of margin beyond, 1 px left out within
    for one in (lumen, eem):
        steps = np.abs(one[:, 1] - np.roll(one[:, 1], 1))
        assert steps.max() <= 3.0 * cell + 1e-9


def test_a_nudge_reaches_its_neighbours_and_leaves_what_it_does_not_speak_of() -> None:
    alone, moved = refined(BOTH), refined(BOTH, [Nudge("lumen", 44.3 + 18.0, 50.1)])
    at = {degrees: np.radians(degrees) for degrees in (15.0, 180.0)}
    reach = {
        degrees: distance(alone["lumen"], 44.3 + 14.0 * np.cos(a), 50.1 + 14.0 * np.sin(a)) for degrees, a in at.items()
    }
    assert max(reach.values()) < 0.1  # these points lie on the border as it was
    assert distance(moved["lumen"], 44.3 + 18.0 * np.cos(at[15.0]), 50.1 + 18.0 * np.sin(at[15.0])) < 1.0
    assert distance(moved["lumen"], 44.3 + 14.0 * np.cos(at[180.0]), 50.1 + 14.0 * np.sin(at[180.0])) < 0.5
    assert contour_agreement(alone["eem"], moved["eem"]).hd95_px < 0.05


def test_a_soft_nudge_goes_part_of_the_way() -> None:
    right = {
        weight: float(
            refined({"lumen": disc(16.0)}, [Nudge("lumen", 70.0, 48.0, weight)])["lumen"].points_px[:, 0].max()
        )
        for weight in (0.1, 0.5, 1.0)
    }
    assert 64.0 < right[0.1] < right[0.5] < right[1.0] == 70.0


def test_a_nudge_moves_the_border_that_the_reader_saw() -> None:
    seen = {"lumen": line_of(disc(20.0))}
    drawn = refined({"lumen": disc(16.0)}, [Nudge("lumen", 72.0, 48.0)], drawn=seen)["lumen"]
    assert distance(drawn, 72.0, 48.0) < 1e-9
    # On the other side the network has its say, but no more than a pixel or so from what was drawn.
    assert 18.5 < 48.0 - drawn.points_px[:, 0].min() < 20.0


def test_many_points_are_all_passed() -> None:
    angles = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    radii = 18.0 + np.where(np.arange(24) % 2, 0.7, -0.7)
    nudges = [Nudge("lumen", 48.0 + r * np.cos(a), 48.0 + r * np.sin(a)) for a, r in zip(angles, radii, strict=True)]
    drawn = refined({"lumen": disc(16.0)}, nudges)["lumen"]
    assert max(distance(drawn, nudge.x_px, nudge.y_px) for nudge in nudges) < 1e-9


@pytest.mark.parametrize(
    ("nudges", "message"),
    [
        ([Nudge("stent", 50.0, 50.0)], "there is no stent to move"),
        ([Nudge("lumen", 48.3, 48.0)], "very centre"),
        ([Nudge("lumen", 60.0, 48.0), Nudge("lumen", 70.0, 48.0)], "no closed borders keep"),
        ([Nudge("lumen", 70.0, 48.0), Nudge("eem", 66.0, 48.0)], "no closed borders keep"),
    ],
)
def test_points_that_no_border_can_follow_are_refused(nudges: list[Nudge], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refined({"lumen": disc(14.0), "eem": disc(25.0)}, nudges, centre_px=np.array([48.0, 48.0]))


def test_borders_beside_each_other_have_no_centre() -> None:
    beside = {"lumen": line_of(disc(8.0, (20.0, 48.0))), "eem": line_of(disc(8.0, (70.0, 48.0)))}
    with pytest.raises(ValueError, match="no common centre"):
        refined(BOTH, [Nudge("lumen", 30.0, 48.0)], drawn=beside)


@pytest.mark.parametrize("weight", [0.0, -1.0, 1.5, float("nan")])
def test_a_weight_is_a_share(weight: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        Nudge("lumen", 1.0, 1.0, weight)


def test_a_point_has_finite_coordinates() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        Nudge("lumen", float("inf"), 1.0)


def test_three_structures_nest() -> None:
    three = {"lumen": disc(12.0), "stent": disc(12.2), "eem": disc(12.4)}
    drawn = list(refined(three).values())
    assert all(outer.polygon.covers(inner.polygon) for inner, outer in pairwise(drawn))
    assert DEFAULT_CONFIG.min_wall_px <= np.sqrt(drawn[2].area_px2 / np.pi) - np.sqrt(drawn[1].area_px2 / np.pi)
