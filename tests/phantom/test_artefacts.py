import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.phantom.artefacts import ARTEFACTS, Plan, draw_plan

SIZE_PX = 160
PAINTED = [name for name, artefact in ARTEFACTS.items() if artefact.paint]
MOVED = [name for name, artefact in ARTEFACTS.items() if artefact.move]


def an_ellipse(scale=1.0):
    angle = np.linspace(0.0, 2.0 * np.pi, 128, endpoint=False)
    x, y = 84.0 + 50.0 * scale * np.cos(angle), 76.0 + 22.0 * scale * np.sin(angle)
    return Contour.from_points(np.column_stack([x, y]))


def a_soft_picture():
    """The ellipse, with grey 100 on its border: whatever moves it by a part of a pixel shows."""
    y, x = np.mgrid[:SIZE_PX, :SIZE_PX]
    return np.clip(100.0 + 300.0 * (1.0 - np.hypot((x - 84.0) / 50.0, (y - 76.0) / 22.0)), 0.0, 255.0).astype(np.uint8)


def a_frame():
    frame = np.random.default_rng(1).integers(40, 200, size=(SIZE_PX, SIZE_PX)).astype(np.uint8)
    frame[an_ellipse().mask((SIZE_PX, SIZE_PX))] //= 4
    return frame


@pytest.mark.parametrize("name", list(ARTEFACTS))
def test_an_artefact_changes_a_frame_and_keeps_its_form_and_the_one_it_got(name):
    frame = a_frame()
    for seed in range(8):
        shown = Plan((seed,), (name,)).frame(frame, 0)
        assert shown.dtype == np.uint8
        assert shown.shape == frame.shape
        assert (shown != frame).any()
        np.testing.assert_array_equal(frame, a_frame())


@pytest.mark.parametrize("name", list(ARTEFACTS))
def test_an_artefact_works_on_the_smallest_frame(name):
    frame = np.ascontiguousarray(a_frame()[:64, :64])
    assert Plan((2,), (name,)).frame(frame, 3).shape == (64, 64)


@pytest.mark.parametrize("name", list(ARTEFACTS))
def test_the_same_plan_gives_the_same_frame(name):
    first, again = (Plan((5,), (name,)).frame(a_frame(), 7) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", ["ruler", "boxes", "measured", "dotted ellipse", "masked", "letterbox", "off centre"])
def test_what_is_burned_in_stays_in_place(name):
    for seed in range(4):
        first, later = (Plan((seed,), (name,)).frame(a_frame(), frame_index) for frame_index in (0, 9))
        np.testing.assert_array_equal(first, later)


@pytest.mark.parametrize("name", ["spokes", "uneven rotation", "seam", "grain"])
def test_what_flickers_in_life_differs_from_frame_to_frame(name):
    first, later = (Plan((3,), (name,)).frame(a_frame(), frame_index) for frame_index in (0, 9))
    assert (first != later).any()


@pytest.mark.parametrize("name", PAINTED)
def test_what_only_paints_leaves_contours_and_scale(name):
    plan = Plan((1,), (name,))
    contours = {"lumen": an_ellipse()}
    assert plan.contours(contours, (SIZE_PX, SIZE_PX), 0) is contours
    assert plan.zoom((SIZE_PX, SIZE_PX)) == (1.0, 1.0)


@pytest.mark.parametrize("name", MOVED)
def test_contours_move_with_the_picture(name):
    shape, ellipse = (SIZE_PX, SIZE_PX), an_ellipse()
    apart, had_stayed = [], []
    for seed in range(6):
        plan = Plan((seed,), (name,))
        shown = plan.frame(a_soft_picture(), seed) > 100
        moved = plan.contours({"lumen": ellipse}, shape, seed)["lumen"]
        apart.append((shown ^ moved.mask(shape)).sum() / shown.sum())
        had_stayed.append((shown ^ ellipse.mask(shape)).sum() / shown.sum())
    assert max(apart) < 0.02
    assert np.mean(apart) < 0.5 * np.mean(had_stayed)


@pytest.mark.parametrize("name", MOVED)
def test_the_lumen_stays_inside_the_eem(name):
    for seed in range(6):
        contours = {"lumen": an_ellipse(0.9), "eem": an_ellipse()}
        moved = Plan((seed,), (name,)).contours(contours, (SIZE_PX, SIZE_PX), 0)
        lumen, eem = (moved[border].mask((SIZE_PX, SIZE_PX)) for border in ("lumen", "eem"))
        assert (lumen & ~eem).sum() <= 0.002 * eem.sum()


def test_a_crop_says_how_much_larger_things_became():
    shape, ellipse = (SIZE_PX, SIZE_PX), an_ellipse()
    for seed in range(6):
        plan = Plan((seed,), ("off centre",))
        x, y = plan.zoom(shape)
        moved = plan.contours({"eem": ellipse}, shape, 0)["eem"]
        assert moved.area_px2 == pytest.approx(ellipse.area_px2 * x * y, rel=1e-6)
        assert np.ptp(moved.points_px[:, 0]) == pytest.approx(np.ptp(ellipse.points_px[:, 0]) * x, rel=1e-6)


def test_training_never_has_what_is_held_out_and_the_held_out_always_do():
    kept = {name for name, artefact in ARTEFACTS.items() if artefact.held_out}
    seen: set[str] = set()
    for seed in range(400):
        seen |= set(draw_plan((seed,), rotational=True).names)
        assert kept & set(draw_plan((seed,), rotational=False, held_out=True).names)
    assert seen == set(ARTEFACTS) - kept


def test_only_a_turning_catheter_turns_unevenly():
    turning = {name for name, artefact in ARTEFACTS.items() if artefact.rotational}
    assert turning
    assert not any(turning & set(draw_plan((seed,), rotational=False).names) for seed in range(200))
