from typing import Any

import numpy as np
import pytest
from scipy.interpolate import splev, splprep

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.curves import CURVE_VERTICES, contour_through

KNOTS = np.array([[270.1, 289.9], [211.8, 269.4], [180.5, 224.6], [212.5, 119.0], [330.2, 128.0], [354.6, 230.4]])


def test_the_curve_is_the_one_that_splprep_draws():
    closed = np.vstack([KNOTS, KNOTS[:1]])
    curve: Any = splprep(closed.T, s=0.0, per=1)[0]
    wanted = np.array(splev(np.linspace(0.0, 1.0, CURVE_VERTICES, endpoint=False), curve)).T
    np.testing.assert_allclose(contour_through(KNOTS).points_px, wanted, atol=1e-9)


def test_repeated_and_closing_knots_change_nothing():
    repeated = np.vstack([KNOTS[:2], KNOTS[1:], KNOTS[:1]])
    np.testing.assert_array_equal(contour_through(repeated).points_px, contour_through(KNOTS).points_px)


def test_a_straight_polygon_would_lack_what_the_curve_has():
    angles = np.arange(11) * 2 * np.pi / 11
    circle = 100 * np.column_stack([np.cos(angles), np.sin(angles)])
    assert contour_through(circle).area_px2 == pytest.approx(np.pi * 100**2, rel=1e-3)
    assert Contour.from_points(circle).area_px2 < 0.95 * np.pi * 100**2


@pytest.mark.parametrize("knots", [KNOTS[:2], np.full((5, 2), 3.0), np.array([[0, 0], [1, np.nan], [2, 3]])])
def test_knots_that_enclose_nothing_are_refused(knots):
    with pytest.raises(ValueError, match="contour"):
        contour_through(knots)
