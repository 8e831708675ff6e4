import numpy as np

from ivsqa.domain.contour import Contour
from ivsqa.domain.effort import corrected_mask, length_to_move


def circle(radius: float) -> Contour:
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    return Contour.from_points(20.0 + radius * np.column_stack([np.cos(angles), np.sin(angles)]))


def test_within_tolerance_nothing_is_drawn_and_beyond_it_all():
    assert length_to_move(circle(10.5), circle(10.0), tolerance_px=0.6) == 0.0
    assert abs(length_to_move(circle(10.5), circle(10.0), tolerance_px=0.4) - 2 * np.pi * 10.0) < 0.1


def test_what_should_not_be_there_costs_no_drawing():
    assert length_to_move(circle(5.0), None, tolerance_px=1.0) == 0.0
    assert length_to_move(None, None, tolerance_px=1.0) == 0.0


def test_small_deviations_are_left_and_large_ones_are_put_right():
    wanted = np.zeros((20, 20), dtype=bool)
    wanted[5:15, 5:15] = True
    drawn = wanted.copy()
    drawn[5, 5:8] = False  # one pixel deep
    drawn[8:12, 15:19] = True  # four pixels deep
    left = corrected_mask(drawn, wanted, tolerance_px=1.0)
    assert not left[5, 5:8].any()
    assert not left[8:12, 15:19].any()
    np.testing.assert_array_equal(corrected_mask(drawn, wanted, tolerance_px=9.0), drawn)
    np.testing.assert_array_equal(corrected_mask(wanted, wanted, tolerance_px=1.0), wanted)
