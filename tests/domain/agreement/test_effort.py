import numpy as np

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.agreement.effort import MOST_POINTS, corrected_mask, length_to_move, points_to_set, set_points
from ivsqa.domain.contour import Contour


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


def disc(radius: float) -> np.ndarray:
    y, x = np.indices((41, 41)) - 20.0
    return np.asarray(1.0 / (1.0 + np.exp(np.hypot(x, y) - radius)))


def test_a_border_that_is_right_needs_no_point():
    assert points_to_set({"lumen": disc(10.0)}, {"lumen": circle(10.0)}, {"lumen": circle(10.4)}, tolerance_px=0.5) == (
        0,
        [],
    )


def test_only_wrong_borders_need_points():
    fields = {"lumen": disc(8.0), "eem": disc(14.0)}
    drawn = {"lumen": circle(8.0), "eem": circle(14.0)}
    n_eem, left = points_to_set(fields, drawn, drawn | {"eem": circle(16.0)}, tolerance_px=1.0)
    assert left == []
    n_both, left = points_to_set(fields, drawn, {"lumen": circle(10.0), "eem": circle(16.0)}, tolerance_px=1.0)
    assert left == []
    assert 1 <= n_eem < n_both <= 4


def test_who_is_never_satisfied_gives_up_and_says_what_is_wrong():
    n, left = points_to_set({"lumen": disc(10.0)}, {"lumen": circle(10.0)}, {"lumen": circle(12.0)}, tolerance_px=1e-4)
    assert (n, left) == (MOST_POINTS, ["lumen"])


def test_a_border_that_only_one_of_both_has_is_not_for_points():
    assert points_to_set({"lumen": disc(10.0)}, {}, {"lumen": circle(10.0)}, tolerance_px=0.5) == (0, [])
    assert points_to_set({"lumen": disc(10.0)}, {"lumen": circle(10.0)}, {}, tolerance_px=0.5) == (0, [])


def test_points_leave_the_border_within_tolerance_though_clicks_miss():
    rng = np.random.default_rng(0)
    drawn, wanted = {"lumen": circle(8.0)}, {"lumen": circle(10.0)}
    done = set_points({"lumen": disc(8.0)}, drawn, wanted, tolerance_px=0.5, misses_px=lambda: rng.normal(0.0, 0.2, 2))
    assert done.left == []
    assert 1 <= done.n_points <= MOST_POINTS
    assert contour_agreement(done.contours["lumen"], wanted["lumen"]).assd_px <= 0.5
    far = set_points({"lumen": disc(8.0)}, drawn, wanted, tolerance_px=0.05, misses_px=lambda: rng.normal(0.0, 2.0, 2))
    assert far.left == ["lumen"]  # who cannot aim draws by hand
