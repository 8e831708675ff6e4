"""Rays cross a line where plain geometry says they do: every ray against every edge."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.polar import PolarGrid


def by_hand(grid: PolarGrid, contour: Contour) -> NDArray[np.float64]:
    """Return the last crossing of each ray, one ray and one edge after the other."""
    found = np.full(len(grid.angles), np.nan)
    points = contour.points_px - grid.centre_px
    for row, (x, y) in enumerate(grid.directions):
        for start, stop in zip(points, np.roll(points, -1, axis=0), strict=True):
            (sx, sy), (dx, dy) = start, stop - start
            across = x * dy - y * dx
            if across == 0.0:
                continue
            radius, share = (sx * dy - sy * dx) / across, (sx * y - sy * x) / across
            if 0.0 <= share <= 1.0 and radius > 0.0:
                found[row] = np.nanmax([found[row], radius])
    return found


@pytest.mark.parametrize("seed", range(6))
def test_rays_cross_lines_with_bays_seen_from_inside_and_outside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0.0, 2.0 * np.pi, 40))
    radii = rng.uniform(6.0, 20.0, 40)  # jagged: most rays cross it more than once
    line = Contour.from_points(np.column_stack([30.0 + radii * np.cos(angles), 30.0 + radii * np.sin(angles)]))
    for centre in (np.array([30.0, 30.0]), np.array([33.5, 27.0]), np.array([70.0, 41.0])):
        grid = PolarGrid(
            centre, np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False, dtype=np.float64), np.array([1.0, 2.0])
        )
        np.testing.assert_allclose(grid.crossings(line), by_hand(grid, line), rtol=0.0, atol=1e-9)
