from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.border_prior import BorderPrior, learnt_priors
from ivsqa.domain.geometry.laid_borders import CATHETER_PX, LaidBorders, borders_of_frames, laid_borders

SIZE = 96
Y, X = np.indices((SIZE, SIZE), dtype=float)
Field = NDArray[np.float64]


def disc(radius: float, centre: tuple[float, float] = (48.0, 48.0), *, ramp: Field | float = 0.5) -> Field:
    """Return the probability of a disc, its border a logistic ramp of that scale, px."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip((np.hypot(X - centre[0], Y - centre[1]) - radius) / ramp, -50, 50))))


def circle(radius: float, centre: tuple[float, float] = (48.0, 48.0)) -> Contour:
    angles = np.arange(256) * 2.0 * np.pi / 256
    return Contour.from_points(np.add(centre, radius * np.column_stack([np.cos(angles), np.sin(angles)])))


def contour_of(laid: LaidBorders, index: int = 0) -> Contour:
    contour = laid.contours[index]
    assert contour is not None
    return contour


ROUND = learnt_priors([[circle(20.0 + k)] for k in range(10)], 1, rotation_deg=180.0)


def test_a_sure_border_stays_where_it_is() -> None:
    laid = laid_borders(np.stack([disc(14.0, (44.3, 50.1)), disc(27.0, (47.0, 49.0))]))
    assert laid.on_rays == (True, True)
    for contour, true in zip(laid.contours, (circle(14.0, (44.3, 50.1)), circle(27.0, (47.0, 49.0))), strict=True):
        agreement = contour_agreement(contour, true)
        assert agreement.dice > 0.997
        assert agreement.assd_px < 0.1


def test_sure_detail_stays_too() -> None:
    angle = np.arctan2(Y - 48.0, X - 48.0)
    wavy = 1.0 / (1.0 + np.exp(2.0 * (np.hypot(X - 48.0, Y - 48.0) - 24.0 - 2.0 * np.cos(4.0 * angle))))
    radii = np.hypot(*(contour_of(laid_borders(wavy[None])).points_px - 48.0).T)
    assert np.ptp(radii) == pytest.approx(4.0, abs=0.5)


def test_a_notch_that_no_border_has_is_passed_over() -> None:
    notched = disc(20.0)
    notched[45:51, 60:72] = 0.35  # a shadow: 8 px deep, 6 wide
    radii = np.hypot(*(contour_of(laid_borders(notched[None], ROUND)).points_px - 48.0).T)
    assert radii.min() > 18.5


def test_a_doubtful_arc_follows_the_shape() -> None:
    right = X > 48.0
    # The left half is sure of a radius of 20. The right half says 24, but over a ramp of 6 px.
    doubtful = np.where(right, disc(24.0, ramp=6.0), disc(20.0))
    radii = np.hypot(*(contour_of(laid_borders(doubtful[None], ROUND)).points_px - 48.0).T)
    assert radii.max() < 22.5


def test_masks_are_those_of_the_contours() -> None:
    laid = laid_borders(np.stack([disc(14.0, ramp=2.0), disc(20.0, ramp=3.0)]))
    for contour, mask in zip(laid.contours, laid.masks, strict=True):
        assert contour is not None
        np.testing.assert_array_equal(mask, contour.mask((SIZE, SIZE)))
    assert not (laid.masks[0] & ~laid.masks[1]).any()


def test_neighbours_keep_a_wall() -> None:
    both = np.stack([disc(20.0), disc(20.0)])
    inner, outer = (contour_of(laid_borders(both), index) for index in (0, 1))
    gap = np.hypot(*(outer.points_px - 48.0).T) - np.hypot(*(inner.points_px - 48.0).T)
    assert gap.min() >= 0.5 - 1e-9


def test_nothing_found_is_none_and_its_mask_empty() -> None:
    laid = laid_borders(np.stack([np.full((SIZE, SIZE), 0.2), disc(20.0)]))
    assert laid.contours[0] is None
    assert laid.on_rays == (False, True)
    assert not laid.masks[0].any()
    assert laid.masks[1].any()
    empty = laid_borders(np.zeros((1, SIZE, SIZE)))
    assert (empty.contours, empty.on_rays) == ((None,), (False,))


def test_a_speck_is_the_line_at_one_half() -> None:
    speck = np.zeros((1, SIZE, SIZE))
    speck[0, 40, 30] = 0.9
    laid = laid_borders(speck)
    assert laid.on_rays == (False,)
    assert contour_of(laid).area_px2 < 3.0


def test_what_rays_would_cut_across_keeps_its_line() -> None:
    crescent = np.minimum(disc(28.0), 1.0 - disc(22.0, (60.0, 48.0)))
    laid = laid_borders(crescent[None])
    assert laid.on_rays == (False,)
    assert contour_of(laid).area_px2 == pytest.approx(np.count_nonzero(crescent > 0.5), rel=0.05)


def test_a_lumen_around_the_middle_of_the_frame_goes_around_the_catheter() -> None:
    # The lumen lies to the left, and just reaches around the middle: the catheter rests on its wall.
    middle = 0.5 * (SIZE - 1)
    lumen = disc(12.0, (middle - 11.0, middle), ramp=1.5)
    contour = contour_of(laid_borders(lumen[None], ROUND))
    assert contour.distances_of(np.full((1, 2), middle))[0] == pytest.approx(CATHETER_PX, abs=0.1)
    assert contour.mask((SIZE, SIZE))[47:49, 47:49].all()


def test_a_second_piece_is_left_out() -> None:
    torn = np.maximum(disc(15.0), disc(4.0, (85.0, 12.0)))
    assert contour_agreement(contour_of(laid_borders(torn[None])), circle(15.0)).hd95_px < 0.5


def test_a_second_piece_beside_it_is_left_out_too() -> None:
    stacked = np.maximum(disc(12.0, (48.0, 36.0)), disc(10.0, (48.0, 62.0)))
    stacked[48:52] = 0.05  # a gap of 4 px between them
    assert contour_of(laid_borders(stacked[None], ROUND)).points_px[:, 1].max() < 54.0


def test_a_hole_belongs_to_what_is_around_it() -> None:
    ring = np.minimum(disc(20.0), 1.0 - disc(7.0, (58.0, 48.0)))
    assert contour_agreement(contour_of(laid_borders(ring[None])), circle(20.0)).hd95_px < 0.3


@given(seed=st.integers(0, 10_000), n=st.integers(1, 4))
@settings(max_examples=30)
def test_whatever_is_said_borders_are_simple_nested_and_on_their_masks(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    noise = np.stack([np.kron(rng.normal(size=(8, 8)), np.ones((12, 12))) for _ in range(n)])
    fields = np.maximum.accumulate(1.0 / (1.0 + np.exp(-noise - 2.0 + disc(0.0, ramp=12.0) * 8.0)), axis=0)
    laid = laid_borders(fields, [BorderPrior.default()] * n)
    found = [contour for contour in laid.contours if contour is not None]
    for contour in found:
        assert contour.is_simple
    for inner, outer in pairwise(found):
        assert outer.polygon.buffer(0.51).covers(inner.polygon)
    assert [mask.shape for mask in laid.masks] == [field.shape for field in fields]


def test_frames_laid_together_are_laid_as_each_alone() -> None:
    nothing, crescent = np.zeros((SIZE, SIZE)), np.minimum(disc(28.0), 1.0 - disc(22.0, (60.0, 48.0)))
    frames = np.stack(
        [
            [disc(14.0, (44.3, 50.1)), disc(27.0, (47.0, 49.0))],
            [nothing, nothing],
            [nothing, disc(20.0, (90.0, 5.0))],  # both touch the frame
            [disc(9.0, (-2.0, 47.0)), disc(15.0, (-2.0, 50.0), ramp=3.0)],
            [crescent, np.maximum(disc(26.0), crescent)],
            [np.maximum(disc(15.0), disc(4.0, (85.0, 12.0))), disc(22.0)],  # in two pieces
            [np.round(disc(18.0, ramp=6.0) * 4.0) / 4.0, np.ones((SIZE, SIZE))],
            [np.full((SIZE, SIZE), np.nan)] * 2,
        ]
    )
    together = borders_of_frames(frames)
    assert [laid.on_rays for laid in together] == [
        *[(True, True), (False, False), (False, True), (True, True), (False, True), (True, True), (True, True)],
        (False, False),
    ]
    for laid, frame in zip(together, frames, strict=True):
        alone = laid_borders(frame)
        assert laid.on_rays == alone.on_rays
        np.testing.assert_array_equal(laid.masks, alone.masks)
        for contour, same in zip(laid.contours, alone.contours, strict=True):
            assert (contour is None) == (same is None)
            if contour is not None and same is not None:
                np.testing.assert_allclose(contour.points_px, same.points_px, rtol=0.0, atol=1e-8)
    assert borders_of_frames(frames[:0]) == []
