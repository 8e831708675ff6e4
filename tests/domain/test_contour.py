"""The contour keeps its convention, and its measures do not depend on how it was written down."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.contour import Contour, contour_from_mask


def lumen_like(seed: int, *, centre: tuple[float, float] = (64.0, 64.0), n_points: int = 200) -> Contour:
    """A smooth closed line of 20 to 45 px radius, as a lumen on a 128 px grid."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0.0, 2.0 * np.pi, n_points, endpoint=False)
    waves = sum(rng.normal(0, 0.1 / k) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(1, 5))
    radius = rng.uniform(20, 45) * (1 + np.clip(waves, -0.3, 0.3))
    offset = np.array(centre) + rng.uniform(-3, 3, 2)
    return Contour.from_points(offset + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))


smooth = st.integers(0, 10_000).map(lumen_like)


def test_square_has_its_area_perimeter_and_centroid():
    square = Contour.from_points([[1, 1], [5, 1], [5, 5], [1, 5]])
    assert (square.area_px2, square.signed_area_px2, square.perimeter_px, len(square)) == (16.0, 16.0, 16.0, 4)
    assert square.centroid_px.tolist() == [3.0, 3.0]
    assert square.is_simple


def test_counterclockwise_on_the_screen_is_negative():
    assert Contour.from_points([[0, 0], [0, 4], [4, 4], [4, 0]]).signed_area_px2 == -16.0


def test_closing_vertex_and_doubles_are_dropped_and_the_first_vertex_stays_first():
    contour = Contour.from_points([[1, 1], [1, 1], [5, 1], [5, 5], [5, 5], [1, 1]])
    assert contour.points_px.tolist() == [[1, 1], [5, 1], [5, 5]]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[0, 0], [1, 1]], "three distinct"),
        ([[0, 0], [1, 1], [0, 0], [1, 1]], "three distinct"),
        (np.empty((0, 2)), "three distinct"),
        ([[0, 0], [1, np.nan], [2, 2]], "finite"),
        ([[0, 0, 0], [1, 1, 1], [2, 2, 2]], "shape"),
        ([1, 2, 3], "shape"),
    ],
)
def test_broken_points_are_refused(points, message):
    with pytest.raises(ValueError, match=message):
        Contour.from_points(points)


def test_points_cannot_be_changed():
    contour = Contour.from_points([[0, 0], [4, 0], [4, 4]])
    with pytest.raises(ValueError, match="read-only"):
        contour.points_px[0, 0] = 9.0


def test_edge_convention_is_half_a_pixel_more():
    contour = Contour.from_edge_points([[0.5, 0.5], [4.5, 0.5], [4.5, 4.5]])
    assert contour.points_px.tolist() == [[0, 0], [4, 0], [4, 4]]
    assert contour.edge_points.tolist() == [[0.5, 0.5], [4.5, 0.5], [4.5, 4.5]]


def test_centroid_of_a_flat_contour_is_the_mean_of_its_vertices():
    assert Contour.from_points([[0, 0], [2, 0], [7, 0]]).centroid_px.tolist() == [3.0, 0.0]


def test_bow_tie_and_flat_contour_are_not_simple():
    assert not Contour.from_points([[0, 0], [4, 4], [4, 0], [0, 4]]).is_simple
    assert not Contour.from_points([[0, 0], [2, 0], [7, 0]]).is_simple


@given(smooth, st.integers(0, 199), st.booleans(), st.floats(0.0, 6.3))
@settings(max_examples=50)
def test_area_does_not_change_with_start_vertex_direction_or_rotation(contour, start, backwards, angle):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.roll(contour.points_px, start, axis=0)[:: -1 if backwards else 1] @ turn
    other = Contour.from_points(points)
    assert other.area_px2 == pytest.approx(contour.area_px2, rel=1e-12)
    assert other.perimeter_px == pytest.approx(contour.perimeter_px, rel=1e-12)
    assert other.centroid_px == pytest.approx(contour.centroid_px @ turn)


def test_resampled_square_has_its_corners_and_the_points_between():
    square = Contour.from_points([[0, 0], [4, 0], [4, 4], [0, 4]])
    expected = [[0, 0], [2, 0], [4, 0], [4, 2], [4, 4], [2, 4], [0, 4], [0, 2]]
    assert square.resampled(8).points_px.tolist() == expected


def test_distance_between_concentric_squares_is_their_gap_and_follows_spacing():
    inner = Contour.from_points([[2, 2], [8, 2], [8, 8], [2, 8]])
    outer = Contour.from_points([[0, 0], [10, 0], [10, 10], [0, 10]])
    assert inner.distances_px(outer) == pytest.approx(2.0)
    assert inner.distances_px(outer, spacing=(0.1, 0.1)) == pytest.approx(0.2)
    assert len(inner.distances_px(outer)) == 48  # 24 px of line, a point each half pixel


def test_points_lie_as_far_from_a_line_inside_as_outside_in_the_unit_of_the_spacing():
    square = Contour.from_points([[0, 0], [4, 0], [4, 4], [0, 4]])
    points = np.array([[2.0, 1.0], [2.0, -1.0], [4.0, 2.0], [7.0, 2.0]])
    assert square.distances_of(points).tolist() == [1.0, 1.0, 0.0, 3.0]
    assert square.distances_of(points, spacing=(0.5, 0.1)) == pytest.approx([0.1, 0.1, 0.0, 1.5])


def test_mask_of_an_integer_square_has_its_area():
    mask = Contour.from_points([[1, 2], [5, 2], [5, 6], [1, 6]]).mask((8, 8))
    assert mask.sum() == 16
    assert mask[2:6, 1:5].all()


def test_contours_that_share_a_border_share_no_pixel():
    left = Contour.from_points([[0, 0], [3, 1], [5, 7], [0, 7]])
    right = Contour.from_points([[3, 1], [8, 0], [8, 7], [5, 7]])
    assert not (left.mask((8, 8)) & right.mask((8, 8))).any()


def test_contour_outside_the_frame_has_an_empty_mask_and_one_across_its_edge_is_cut():
    assert not Contour.from_points([[20, 20], [30, 20], [30, 30]]).mask((8, 8)).any()
    assert not Contour.from_points([[-9, 2], [-3, 2], [-3, 6], [-9, 6]]).mask((8, 8)).any()
    assert (
        not Contour.from_points([[2.0, 2.2], [6.0, 2.4], [6.0, 2.6]]).mask((8, 8)).any()
    )  # between two rows of centres
    across = Contour.from_points([[-4.0, -4.0], [3.5, -4.0], [3.5, 20.0], [-4.0, 20.0]]).mask((8, 8))
    assert across[:, :4].all()
    assert not across[:, 4:].any()


def test_mask_agrees_with_testing_every_pixel_centre():
    contour = lumen_like(3, centre=(20.0, 70.0))  # leaves the frame on the left
    mask = contour.mask((128, 100))
    rows, columns = np.nonzero(np.ones_like(mask))
    inside = shapely.contains_xy(contour.polygon, columns, rows).reshape(mask.shape)
    assert (mask == inside).all()


def test_mask_area_is_unbiased_over_thirty_lumens():
    contours = [lumen_like(seed) for seed in range(30)]
    ratios = [contour.mask((128, 128)).sum() / contour.area_px2 for contour in contours]
    assert abs(np.mean(ratios) - 1.0) < 0.001


@given(smooth)
@settings(max_examples=30)
def test_contour_comes_back_from_its_mask_within_half_a_pixel(contour):
    again = contour_from_mask(contour.mask((128, 128)))
    assert again is not None
    assert np.mean(np.concatenate([contour.distances_px(again), again.distances_px(contour)])) < 0.5
    assert again.area_px2 == pytest.approx(contour.area_px2, rel=0.01)


def test_empty_mask_has_no_contour():
    assert contour_from_mask(np.zeros((8, 8), dtype=bool)) is None


def test_largest_of_several_objects_is_outlined_without_its_hole():
    mask = np.zeros((20, 20), dtype=bool)
    mask[1:3, 1:3] = True
    mask[8:16, 5:15] = True
    mask[10:12, 8:10] = False
    contour = contour_from_mask(mask)
    assert contour is not None
    assert contour.area_px2 == pytest.approx(80.0 - 0.5)  # marching squares cut each corner by 1/8 px²
    assert contour.centroid_px == pytest.approx([9.5, 11.5])


def test_object_cut_by_the_frame_is_closed_along_its_edge():
    contour = contour_from_mask(np.ones((6, 4), dtype=bool))
    assert contour is not None
    assert contour.points_px.min(axis=0).tolist() == [-0.5, -0.5]
    assert contour.points_px.max(axis=0).tolist() == [3.5, 5.5]


def test_level_line_of_a_ramp_is_found_between_pixels():
    field = np.zeros((9, 9))
    field[2:7, 2:7] = 0.8  # the 0.5 line is 0.5 / 0.8 of the way in from the zeros
    contour = contour_from_mask(field)
    assert contour is not None
    assert contour.points_px.min() == pytest.approx(1.625)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_any_quantised_field_gives_a_contour_or_none(seed):
    # Values exactly at the level make single points of a line; they must be no contour and no crash.
    field = np.random.default_rng(seed).choice([0.0, 0.5, 1.0], size=(6, 6), p=[0.2, 0.4, 0.4])
    contour = contour_from_mask(field)
    assert contour is None or contour.area_px2 >= 0.0


def test_pixel_exactly_at_the_level_inside_an_object_is_no_contour_of_its_own():
    field = np.pad(np.ones((5, 5)), 1)
    field[3, 3] = 0.5
    contour = contour_from_mask(field)
    assert contour is not None
    assert contour.area_px2 == pytest.approx(24.5)
