import dataclasses
import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from ivsqa.phantom import CONSOLES, PhantomPullback, iter_frames, phantom_pullback

SIZE_PX = 128


def a_pullback(console: str | None = "A", *, index: int = 0, n_frames: int = 2, seed: int = 1) -> PhantomPullback:
    return phantom_pullback(seed=seed, index=index, n_frames=n_frames, console=console, size_px=SIZE_PX)


def grey_along(frame, contour, centre, offset_px):
    """Mean grey on the contour moved outwards from the centre by some pixels."""
    away = contour.points_px - centre
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    x, y = (contour.points_px + offset_px * away).T
    return map_coordinates(frame.astype(np.float64), [y, x], order=1).mean()


@pytest.mark.parametrize("console", sorted(CONSOLES))
def test_the_same_seed_and_index_give_the_same_bytes(console):
    first, second = (np.stack(list(iter_frames(a_pullback(console)))) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape == (2, SIZE_PX, SIZE_PX)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("other", [{"seed": 2}, {"index": 1}])
def test_another_seed_or_index_gives_another_vessel(other):
    one, two = a_pullback(), a_pullback(**other)
    assert not np.allclose(one.contours[0]["eem"].points_px, two.contours[0]["eem"].points_px)


@pytest.mark.parametrize("console", ["B", "C"])
def test_the_first_frames_of_a_long_pullback_are_those_of_a_short_one(console):
    short, long = a_pullback(console, n_frames=2), a_pullback(console, n_frames=9)
    for mine, theirs in zip(iter_frames(short), iter_frames(long), strict=False):
        assert np.mean(mine != theirs) < 1e-3  # sums of floats may round differently in arrays of another length
    np.testing.assert_allclose(short.contours[1]["lumen"].points_px, long.contours[1]["lumen"].points_px, atol=1e-9)


def test_consoles_take_turns_by_subject_and_the_fifth_look_comes_now_and_then():
    seen = [a_pullback(None, index=index, n_frames=1).console for index in range(12)]
    assert "".join(seen) == "ABCDDABCDDEA"


def test_every_fifth_pullback_is_a_second_run_in_the_subject_before_it():
    names = [a_pullback(index=index, n_frames=1).name for index in range(11)]
    assert names[:6] == ["S01-P1", "S02-P1", "S03-P1", "S04-P1", "S04-P2", "S05-P1"]
    assert names[8:] == ["S08-P1", "S08-P2", "S09-P1"]


@pytest.mark.parametrize("console", sorted(CONSOLES))
def test_a_smaller_frame_shows_the_same_field(console):
    full = phantom_pullback(seed=1, index=0, n_frames=1, console=console)
    small = a_pullback(console, n_frames=1)
    look = CONSOLES[console]
    assert full.frame_shape == (look.size_px, look.size_px)
    assert full.spacing_mm == (look.spacing_mm, look.spacing_mm)
    assert small.spacing_mm[0] * SIZE_PX == pytest.approx(look.spacing_mm * look.size_px)
    area_mm2 = [p.contours[0]["lumen"].area_px2 * p.spacing_mm[0] ** 2 for p in (full, small)]
    assert area_mm2[0] == pytest.approx(area_mm2[1])


@pytest.mark.parametrize("console", ["A", "C"])
def test_grey_rises_outwards_at_the_true_eem_and_at_the_true_lumen_border(console):
    steps: dict[str, list[float]] = {"lumen": [], "eem": []}
    for index in range(4):
        pullback = phantom_pullback(seed=4, index=index, n_frames=2, console=console, size_px=256)
        reach_px = 0.2 / pullback.spacing_mm[0]
        for frame, contours in zip(iter_frames(pullback), pullback.contours, strict=True):
            for name, found in steps.items():
                centre = contours[name].centroid_px
                found.append(
                    grey_along(frame, contours[name], centre, reach_px)
                    - grey_along(frame, contours[name], centre, -reach_px)
                )
    assert np.mean(steps["eem"]) > 25.0
    assert np.mean(steps["lumen"]) > 10.0


def test_the_true_eem_is_where_the_step_in_grey_is_steepest():
    profile = np.zeros(13)
    offsets_mm = np.linspace(-0.3, 0.3, 13)
    for index in range(6):
        pullback = phantom_pullback(seed=4, index=index, n_frames=1, console="C", size_px=256)
        frame, eem = next(iter_frames(pullback)), pullback.contours[0]["eem"]
        profile += [grey_along(frame, eem, eem.centroid_px, mm / pullback.spacing_mm[0]) for mm in offsets_mm]
    steepest = offsets_mm[np.argmax(np.diff(profile))] + 0.025
    assert abs(steepest) <= 0.08


def test_wall_speckle_stays_from_frame_to_frame_while_blood_changes():
    wall, blood = [], []
    for index in range(4):
        pullback = phantom_pullback(seed=2, index=index, n_frames=2, console="B", size_px=256)
        first, second = (frame.astype(np.float64) for frame in iter_frames(pullback))
        lumen, eem = (pullback.contours[0][name].mask((256, 256)) for name in ("lumen", "eem"))
        y, x = np.mgrid[:256, :256] - 127.5
        radius_mm = np.hypot(x, y) * pullback.spacing_mm[0]
        wall.append(np.corrcoef(first[~eem & (radius_mm < 4.5)], second[~eem & (radius_mm < 4.5)])[0, 1])
        inside = lumen & (radius_mm > 0.9)
        blood.append(np.corrcoef(first[inside], second[inside])[0, 1])
    assert np.mean(wall) > 0.6
    assert np.mean(blood) < np.mean(wall) - 0.2


def test_a_rotational_console_has_shadows_where_a_solid_state_one_has_few():
    def darkest_share(console):
        shares = []
        for index in range(8):
            frame = next(iter_frames(a_pullback(console, index=index, n_frames=1))).astype(np.float64)
            angle = np.linspace(0.0, 2.0 * np.pi, 360, endpoint=False)[:, None]
            radius = np.linspace(0.55, 0.8, 30) * CONSOLES[console].field_radius_mm / a_pullback(console).spacing_mm[0]
            rows, columns = 63.5 + radius * np.sin(angle), 63.5 + radius * np.cos(angle)
            lines = map_coordinates(frame, [rows, columns], order=1).mean(axis=1)
            shares.append((lines < 0.5 * np.median(lines)).mean())
        return np.mean(shares)

    assert darkest_share("A") < 0.03
    assert darkest_share("D") > 0.15


@pytest.mark.parametrize(("console", "corner", "middle"), [("A", 0, 0), ("B", 0, 90), ("C", 30, None), ("D", 0, 30)])
def test_corners_and_catheter_disc_have_the_grey_of_their_console(console, corner, middle):
    frame = next(iter_frames(a_pullback(console, n_frames=1)))
    assert frame[-1, -1] == frame[-1, 0] == corner
    if middle is not None:
        assert frame[63, 63] == middle


def test_the_frame_counter_changes_with_the_frame_and_reads_right_at_one():
    one, two = iter_frames(phantom_pullback(seed=1, index=0, n_frames=2, console="D", size_px=170))
    glyph = one[2:7, 2:5] > 150
    np.testing.assert_array_equal(glyph, np.array([[0, 1, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0], [1, 1, 1]], dtype=bool))
    assert (one[2:7, 2:5] != two[2:7, 2:5]).any()


def test_memory_stays_flat_however_long_the_pullback_is():
    frames = iter_frames(a_pullback("C", n_frames=40))
    next(frames)
    tracemalloc.start()
    try:
        peaks = []
        for _ in range(3):
            tracemalloc.reset_peak()
            for _ in range(10):
                next(frames)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert max(peaks) < 1.2 * min(peaks)


@pytest.mark.parametrize(
    "wrong",
    [{"n_frames": 0}, {"size_px": 32}, {"console": "Z"}, {"frame_step_mm": 0.0}],
    ids=["no frames", "too small", "no such console", "no step"],
)
def test_what_makes_no_phantom_is_refused(wrong):
    with pytest.raises(ValueError, match=r"phantom|console"):
        phantom_pullback(**{"seed": 0, "index": 0, "n_frames": 1, **wrong})


def test_a_longer_step_keeps_one_frame_in_many_of_the_same_vessel():
    every = a_pullback(n_frames=31)
    step_mm = every.pullback_speed_mm_s / every.frame_rate_hz
    few = phantom_pullback(
        seed=every.seed, index=every.index, n_frames=4, console="A", size_px=SIZE_PX, frame_step_mm=10 * step_mm
    )
    assert few.frame_rate_hz == pytest.approx(every.frame_rate_hz / 10.0)
    for kept, contours in zip((0, 10, 20, 30), few.contours, strict=True):
        np.testing.assert_allclose(contours["eem"].points_px, every.contours[kept]["eem"].points_px, atol=1e-6)


def test_a_pullback_shows_no_arrays_when_printed():
    text = repr(dataclasses.replace(a_pullback(n_frames=1), contours=()))
    assert "console='A'" in text
    assert "array" not in text


# Mean grey of the 4 × 4 blocks of 24 px of a frame, and every 32nd vertex of its lumen, as they were before looks could be drawn.
AS_THEY_WERE = {
    "A": (
        [16.36, 92.89, 88.93, 35.23, 85.55, 53.31, 85.06, 81.49, 70.46, 44.84, 72.85, 65.09, 27.71, 89.49, 86.06, 22.46],
        [[32.9328, 54.3561], [38.4001, 41.1128], [54.8993, 43.1816], [48.2045, 60.386]],
    ),
    "B": (
        [25.14, 75.56, 41.17, 6.52, 47.76, 170.0, 148.62, 88.68, 60.44, 120.47, 141.62, 81.62, 7.52, 48.49, 59.45, 27.2],
        [[51.0742, 61.5376], [40.3214, 54.7308], [43.9102, 40.2042], [59.0297, 48.654]],
    ),
    "E": (
        [7.62, 80.16, 68.9, 29.67, 61.7, 39.11, 78.65, 62.4, 37.38, 22.22, 54.09, 40.77, 19.82, 53.45, 11.12, 8.91],
        [[32.9561, 54.3451], [38.4146, 41.123], [54.8875, 43.1885], [48.2034, 60.3654]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("console", sorted(AS_THEY_WERE))
def test_frames_and_contours_of_the_five_looks_stay_as_they_were(console):
    pullback = phantom_pullback(seed=7, index=3, n_frames=2, console=console, size_px=96)
    blocks = list(iter_frames(pullback))[1].astype(np.float64).reshape(4, 24, 4, 24).mean(axis=(1, 3))
    greys, vertices = AS_THEY_WERE[console]
    np.testing.assert_allclose(blocks.ravel(), greys, atol=0.02)  # floats may round otherwise on another machine
    np.testing.assert_allclose(pullback.contours[1]["lumen"].points_px[::32], vertices, atol=1e-4)
