"""The working grid lies where it says it lies, and grey values come through unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivsqa.domain.contour import Contour
from ivsqa.domain.grid import WorkingGrid, working_grid

grids = st.builds(
    lambda height, width, size, fov, sx, sy: working_grid(
        (height, width), size_px=size, spacing_mm=(sx, sy), field_of_view_mm=fov
    ),
    st.integers(40, 130),
    st.integers(40, 130),
    st.integers(16, 64),
    st.one_of(st.none(), st.floats(0.5, 4.0)),
    st.floats(0.015, 0.05),
    st.floats(0.015, 0.05),
)


def test_known_spacing_gives_the_field_of_view_around_the_frame_centre():
    grid = working_grid((400, 500), size_px=100, spacing_mm=(0.02, 0.04), field_of_view_mm=8.0)
    assert grid.scale == pytest.approx((4.0, 2.0))
    assert grid.origin_px == pytest.approx((249.5 - 49.5 * 4.0, 199.5 - 49.5 * 2.0))


def test_unknown_spacing_covers_the_whole_frame():
    grid = working_grid((256, 512), size_px=128, field_of_view_mm=10.0)
    assert grid.scale == (4.0, 4.0)
    assert grid.origin_px == (1.5, 127.5 - 254.0)


def test_known_spacing_without_field_of_view_covers_the_longer_side():
    grid = working_grid((256, 512), size_px=128, spacing_mm=(0.02, 0.04))
    assert grid.scale == pytest.approx((4.0, 2.0))


@given(grids)
@settings(max_examples=30)
def test_contour_to_grid_and_to_frame_are_inverse(grid):
    contour = Contour.from_points([[3.25, 7.5], [90.0, 11.0], [60.5, 99.75]])
    assert grid.contour_to_frame(grid.contour_to_grid(contour)).points_px == pytest.approx(contour.points_px)


@given(grids, st.integers(0, 255))
@settings(max_examples=60)
def test_constant_frame_stays_constant_away_from_its_edge(grid, grey):
    sampled = grid.sample(np.full(grid.frame_shape, grey, dtype=np.uint8))
    assert (sampled[_inside(grid, grid.frame_shape)] == grey).all()
    assert sampled.max() <= grey


@given(grids)
@settings(max_examples=60)
def test_constant_field_stays_constant_on_the_frame_inside_the_grid(grid):
    field = grid.to_frame(np.ones((grid.size_px, grid.size_px)))
    height, width = grid.frame_shape
    x = (np.arange(width) - grid.origin_px[0]) / grid.scale[0]
    y = (np.arange(height) - grid.origin_px[1]) / grid.scale[1]
    reach_x, reach_y = max(1.0, 1.0 / grid.scale[0]), max(1.0, 1.0 / grid.scale[1])
    inside = np.outer(
        (y >= reach_y - 1) & (y <= grid.size_px - reach_y), (x >= reach_x - 1) & (x <= grid.size_px - reach_x)
    )
    assert field[inside] == pytest.approx(1.0, abs=1e-4)
    assert field.max() < 1.0 + 1e-4


def test_disc_is_sampled_where_its_contour_goes():
    angle = np.linspace(0.0, 2.0 * np.pi, 300, endpoint=False)
    contour = Contour.from_points(np.column_stack([270 + 120 * np.cos(angle), 230 + 100 * np.sin(angle)]))
    frame = contour.mask((480, 512)).astype(np.uint8) * 200
    grid = working_grid((480, 512), size_px=128, spacing_mm=(0.021, 0.019), field_of_view_mm=10.0)
    weights = grid.sample(frame).astype(float)
    rows, columns = np.indices(weights.shape)
    centroid = [(weights * columns).sum() / weights.sum(), (weights * rows).sum() / weights.sum()]
    on_grid = grid.contour_to_grid(contour)
    assert centroid == pytest.approx(on_grid.centroid_px, abs=0.02)
    assert weights.sum() / 200 == pytest.approx(on_grid.area_px2, rel=0.002)


def test_linear_field_on_the_grid_is_linear_on_the_frame():
    grid = working_grid((100, 120), size_px=30)
    field = np.tile(np.arange(30.0), (30, 1))
    x = (np.arange(120) - grid.origin_px[0]) / grid.scale[0]
    inside = (x >= 0) & (x <= 29)
    assert grid.to_frame(field)[50, inside] == pytest.approx(x[inside], abs=1e-4)


def test_grid_finer_than_the_frame_loses_no_point_on_the_way_back():
    grid = working_grid((20, 20), size_px=80)
    field = np.zeros((80, 80))
    field[41, 38] = 1.0
    assert grid.to_frame(field).sum() == pytest.approx(1 / 16)  # 16 grid pixels to a frame pixel


@given(grids, st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_frames_at_once_are_sampled_as_each_for_itself(grid, seed):
    frames = np.random.default_rng(seed).integers(0, 256, (3, *grid.frame_shape), dtype=np.uint8)
    np.testing.assert_array_equal(grid.sample_each(frames), [grid.sample(frame) for frame in frames])
    assert grid.sample_each(frames[:0]).shape == (0, grid.size_px, grid.size_px)


def test_a_pixel_is_shared_out_by_triangles():
    frame = np.zeros((16, 16), dtype=np.uint8)
    frame[5, 9] = 160  # 3.5 and 0.5 px from the first rows, and from the middle columns; a triangle reaches 4
    sampled = working_grid((16, 16), size_px=4).sample(frame)
    assert sampled.tolist() == [
        [0, 0, 1, 0],
        [0, 1, 8, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]  # 160 · 3.5 · 0.5 / 256, 160 · 3.5² / 256


def test_grid_beyond_the_frame_is_black():
    grid = working_grid((20, 20), size_px=10, spacing_mm=(0.1, 0.1), field_of_view_mm=6.0)
    sampled = grid.sample(np.full((20, 20), 255, dtype=np.uint8))
    assert sampled[0].max() == 0
    assert sampled[5, 5] == 255


def test_grid_wholly_beyond_the_frame_is_black():
    grid = WorkingGrid((8, 8), 4, (1.0, 1.0), (100.0, 100.0))
    assert grid.sample(np.full((8, 8), 255, dtype=np.uint8)).max() == 0


def test_frame_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="frames of"):
        working_grid((20, 20), size_px=10).sample(np.zeros((20, 21), dtype=np.uint8))


def _inside(grid, shape):
    """Grid pixels whose whole triangle lies in the frame, (size, size)."""
    height, width = shape
    x = grid.origin_px[0] + grid.scale[0] * np.arange(grid.size_px)
    y = grid.origin_px[1] + grid.scale[1] * np.arange(grid.size_px)
    reach_x, reach_y = max(1.0, grid.scale[0]), max(1.0, grid.scale[1])
    return np.outer((y >= reach_y - 1) & (y <= height - reach_y), (x >= reach_x - 1) & (x <= width - reach_x))
