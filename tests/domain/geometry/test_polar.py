import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.polar import PolarGrid, polar_grid, polar_place

CENTRE = np.array([20.0, 16.0])


@pytest.fixture
def grid() -> PolarGrid:
    return polar_grid(CENTRE, n_angles=36, least_px=1.0, most_px=13.0, n_radii=13, through=[(23.0, 20.0)])


def test_a_linear_field_is_sampled_exactly(grid: PolarGrid) -> None:
    y, x = np.indices((40, 48), dtype=float)
    sampled = grid.sampled(np.stack([2.0 * x - y, x * 0.0 + 7.0]))
    at = CENTRE + grid.directions[:, None] * grid.radii_px[:, None]
    np.testing.assert_allclose(sampled[0], 2.0 * at[..., 0] - at[..., 1], atol=1e-12)
    np.testing.assert_allclose(sampled[1], 7.0)


def test_beyond_the_frame_there_is_nothing(grid: PolarGrid) -> None:
    sampled = grid.sampled(np.ones((1, 20, 48)))[0]
    down = int(np.argmin(np.abs(grid.angles - 0.5 * np.pi)))
    np.testing.assert_allclose(sampled[down], [1.0, 1.0, 1.0] + [0.0] * 10, atol=1e-12)  # rows 17, 18, 19, and 20 on


def test_a_ray_leads_through_each_point_and_all_sectors_make_a_turn(grid: PolarGrid) -> None:
    angle, radius = polar_place((23.0, 20.0), CENTRE)
    assert (len(grid.angles), radius) == (37, 5.0)
    assert angle in grid.angles
    assert grid.sectors.sum() == pytest.approx(2.0 * np.pi)
    assert grid.sectors.min() > 0.0


def test_angles_lie_in_one_turn() -> None:
    assert polar_place((25.0, 16.0 - 1e-17), CENTRE)[0] == 0.0
    assert polar_place((20.0, 11.0), CENTRE)[0] == pytest.approx(1.5 * np.pi)


def test_a_line_at_given_radii_crosses_the_rays_there(grid: PolarGrid) -> None:
    radii = 8.0 + np.sin(3.0 * grid.angles)
    np.testing.assert_allclose(grid.crossings(grid.contour(radii)), radii)


def test_the_last_of_several_crossings_counts_and_none_is_nan(grid: PolarGrid) -> None:
    beside = Contour.from_points([[24.0, 14.0], [29.0, 14.0], [29.0, 18.0], [24.0, 18.0]])
    crossings = grid.crossings(beside)
    assert crossings[0] == 9.0  # enters at 4 px, leaves at 9
    assert np.isnan(crossings[18])


def test_a_ray_through_a_vertex_never_slips_between_two_edges() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        rays = polar_grid(rng.uniform(10.0, 30.0, 2), n_angles=96, least_px=1.0, most_px=2.0, n_radii=2)
        radii = 8.0 + rng.uniform(0.0, 4.0) + np.sin(rays.angles)
        np.testing.assert_allclose(rays.crossings(rays.contour(radii)), radii)
