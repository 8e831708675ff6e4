import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.longitudinal import columns_along, cut_of


def test_a_column_shows_the_frame_that_is_nearest_in_the_vessel():
    position = np.array([0.0, 1.0, 2.0, 10.0])
    assert columns_along(position, 10).tolist() == [0, 1, 2, 2, 2, 2, 3, 3, 3, 3]


def test_where_the_catheter_stands_still_its_first_frame_is_shown():
    assert columns_along(np.array([0.0, 0.0, 0.0, 1.0, 2.0, 2.0]), 4).tolist() == [0, 3, 3, 4]
    assert columns_along(np.zeros(3), 4).tolist() == [0] * 4


def test_a_pullback_of_one_frame_has_a_view():
    assert columns_along(np.zeros(1), 3).tolist() == [0, 0, 0]


def test_a_cut_meets_the_outermost_sides_of_a_border():
    horseshoe = Contour.from_points([(0, 0), (10, 0), (10, 10), (8, 10), (8, 2), (2, 2), (2, 10), (0, 10)])
    assert cut_of(horseshoe, 5.0) == (0.0, 10.0)


@pytest.mark.parametrize("contour", [None, Contour.from_points([(0, 0), (4, 0), (4, 4)])])
def test_what_a_cut_does_not_meet_is_not_a_number(contour):
    assert np.isnan(cut_of(contour, 9.0)).all()
