from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.contour import Contour, contour_from_mask
from ivsqa.domain.geometry.polar import PolarGrid, polar_grid, polar_place
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
    assert 2.0 - 1e-9 <= wall.min() < 3.0
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
    # Within reach the network has its say, but no more than a pixel or so from what was drawn; beyond, none.
    assert 18.5 < 48.0 - drawn.points_px[:, 1].min() < 20.5
    assert 48.0 - drawn.points_px[:, 0].min() == 48.0 - seen["lumen"].points_px[:, 0].min()


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


CENTRE = np.array([48.0, 48.0])
ROUND = {"lumen": disc(14.0), "eem": disc(25.0)}


def round_border(radius: float, bulge: float = 0.0, at: float = 0.0) -> Contour:
    """Return a circle about the centre that a hand has dragged out at an angle."""
    angle = np.arange(180) * (np.pi / 90.0)
    away = np.abs((angle - at + np.pi) % (2.0 * np.pi) - np.pi)
    radii = radius + bulge * np.exp(-((away / 0.3) ** 2))
    return Contour.from_points(CENTRE + radii[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))


def radius_at(contour: Contour, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    return PolarGrid(CENTRE, np.sort(angles), np.array([1.0, 2.0])).crossings(contour)


def test_a_point_at_twelve_leaves_what_a_hand_drew_at_six() -> None:
    six, twelve = 0.5 * np.pi, 1.5 * np.pi
    drawn = {"lumen": round_border(14.0), "eem": round_border(25.0, bulge=6.0, at=six)}
    moved = refined(ROUND, [Nudge("lumen", 48.0, 48.0 - 25.5)], drawn=drawn)  # half a pixel beyond the EEM
    (at_six, at_twelve) = radius_at(moved["eem"], np.array([six, twelve]))
    assert at_six == pytest.approx(31.0, abs=1e-9)
    assert at_twelve == pytest.approx(26.0, abs=1e-9)  # the wall of half a pixel
    kept = {tuple(point) for point in moved["eem"].points_px}
    below = drawn["eem"].points_px[drawn["eem"].points_px[:, 1] > 48.0]
    assert {tuple(point) for point in below} <= kept  # to the last digit


def test_a_border_that_is_not_in_the_way_is_the_very_object() -> None:
    drawn = {"lumen": round_border(14.0), "eem": round_border(25.0, bulge=6.0)}
    moved = refined(ROUND, [Nudge("lumen", 48.0, 48.0 - 20.0)], drawn=drawn)
    assert moved["eem"] is drawn["eem"]
    assert moved["lumen"] is not drawn["lumen"]


angles_of_a_turn = st.floats(0.0, 6.28)


@given(
    nudged=st.lists(
        st.tuples(angles_of_a_turn, st.floats(6.0, 32.0), st.sampled_from(["lumen", "eem"])), min_size=1, max_size=3
    ),
    dragged=st.tuples(angles_of_a_turn, st.floats(0.0, 6.0), angles_of_a_turn, st.floats(-4.0, 8.0)),
    weight=st.sampled_from([1.0, 1.0, 0.6]),
)
@settings(max_examples=80, deadline=None)
def test_no_radius_changes_beyond_the_reach_of_a_point_or_of_the_wall(
    nudged: list[tuple[float, float, str]], dragged: tuple[float, float, float, float], weight: float
) -> None:
    drawn = {
        "lumen": round_border(14.0, bulge=dragged[1], at=dragged[0]),
        "eem": round_border(25.0, bulge=dragged[3], at=dragged[2]),
    }
    centre = drawn["lumen"].centroid_px  # a drag has moved it
    x, y = centre
    nudges = [Nudge(name, x + r * np.cos(a), y + r * np.sin(a), weight) for a, r, name in nudged]
    try:
        moved = refined(ROUND, nudges, drawn=drawn)
    except ValueError:  # points that contradict each other
        assume(False)
    grid = polar_grid(centre, n_angles=96, least_px=1.0, most_px=2.0, n_radii=2)
    before, after = ({name: grid.crossings(one) for name, one in lines.items()} for lines in (drawn, moved))
    wall = DEFAULT_CONFIG.min_wall_px
    for name, other in (("lumen", "eem"), ("eem", "lumen")):
        own = np.array([a for a, _, one in nudged if one == name])
        away = np.abs((grid.angles[:, None] - own + np.pi) % (2.0 * np.pi) - np.pi).min(axis=1, initial=np.inf)
        out_of_reach = away > np.radians(DEFAULT_CONFIG.reach_deg)
        gap = np.abs(after[other] - before[name])
        crossed = np.sign(after[other] - before[name]) != np.sign(before[other] - before[name])
        changed = np.abs(after[name] - before[name]) > 1e-6
        assert not (changed & out_of_reach & (gap > wall + 1e-6) & ~crossed).any()
    assert (after["eem"] - after["lumen"] > np.minimum(wall, before["eem"] - before["lumen"]) - 1e-6).all()
