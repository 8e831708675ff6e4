import numpy as np
import pytest

from ivsqa.phantom import PhantomPullback, iter_frames, varied_pullback
from ivsqa.phantom.artefacts import ARTEFACTS

SIZE_PX = 96


def a_pullback(index: int = 0, *, n_frames: int = 2, seed: int = 1, held_out: bool = False) -> PhantomPullback:
    return varied_pullback(
        seed=seed, index=index, n_frames=n_frames, size_px=SIZE_PX, frame_step_mm=0.5, held_out=held_out
    )


@pytest.mark.parametrize("held_out", [False, True])
def test_the_same_seed_and_index_give_the_same_bytes(held_out):
    for index in range(3):
        first, second = (np.stack(list(iter_frames(a_pullback(index, held_out=held_out)))) for _ in range(2))
        assert first.dtype == np.uint8
        assert first.shape == (2, SIZE_PX, SIZE_PX)
        np.testing.assert_array_equal(first, second)


def test_another_seed_another_index_and_the_held_out_family_give_another_vessel_and_look():
    one = a_pullback()
    for other in (a_pullback(seed=3), a_pullback(1), a_pullback(held_out=True)):
        assert one.look != other.look
        assert not np.allclose(one.contours[0]["eem"].points_px, other.contours[0]["eem"].points_px)


def test_pullbacks_of_one_console_share_look_and_artefacts_and_no_vessel():
    one, other = (varied_pullback(seed=1, index=index, n_frames=1, size_px=SIZE_PX, console=5) for index in (0, 1))
    assert (one.look.name, one.look.tone, one.plan.names) == (other.look.name, other.look.tone, other.plan.names)
    assert not np.allclose(one.contours[0]["eem"].points_px, other.contours[0]["eem"].points_px)
    assert one.look.tone != a_pullback(3).look.tone


def test_names_say_what_it_is():
    assert [a_pullback(index).name for index in (0, 4)] == ["S01-P1", "S05-P1"]
    assert a_pullback().console == "varied"
    assert a_pullback(held_out=True).console == "held-out"


def test_the_step_from_frame_to_frame_is_what_was_asked_for():
    for index in range(4):
        sparse = a_pullback(index)
        assert sparse.pullback_speed_mm_s / sparse.frame_rate_hz == pytest.approx(0.5)
    assert varied_pullback(seed=1, index=0, n_frames=1, size_px=SIZE_PX).frame_rate_hz == 30.0


def test_contours_are_nested_and_lie_in_the_frame_as_a_rule():
    shown = []
    for index in range(40):
        for contours in a_pullback(index).contours:
            lumen, eem = (contours[name].mask((SIZE_PX, SIZE_PX)) for name in ("lumen", "eem"))
            assert (lumen & ~eem).sum() <= 0.01 * eem.sum() + 2
            shown.append((contours["eem"].mask((SIZE_PX, SIZE_PX)).sum() + 1) / contours["eem"].area_px2)
    assert min(shown) > 0.7
    assert np.mean(np.array(shown) > 0.97) > 0.9


def test_areas_in_mm2_are_those_of_vessels_whatever_the_crop():
    for index in range(30):
        pullback = a_pullback(index)
        x, y = pullback.spacing_mm
        area = pullback.contours[0]["eem"].area_px2 * x * y
        assert 2.0 < area < 170.0


def test_training_pullbacks_show_nothing_that_is_held_out():
    kept = {name for name, artefact in ARTEFACTS.items() if artefact.held_out}
    for index in range(60):
        assert not kept & set(a_pullback(index, n_frames=1).plan.names)
        assert kept & set(a_pullback(index, n_frames=1, held_out=True).plan.names)


def test_frames_are_neither_black_nor_white():
    contrast = [np.std(next(iter_frames(a_pullback(index, n_frames=1))).astype(np.float64)) for index in range(30)]
    assert min(contrast) > 5.0
    assert np.median(contrast) > 30.0


@pytest.mark.parametrize(
    "wrong", [{"n_frames": 0}, {"size_px": 32}, {"frame_step_mm": 0.0}, {"frame_step_mm": float("nan")}]
)
def test_what_makes_no_phantom_is_refused(wrong):
    with pytest.raises(ValueError, match="phantom"):
        varied_pullback(**{"seed": 0, "index": 0, "n_frames": 1, "size_px": SIZE_PX, **wrong})
