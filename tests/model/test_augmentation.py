import dataclasses

import numpy as np
import pytest
import torch

from ivsqa.model.augmentation import AugmentParameters, apply, sample
from tests.model import configs

STILL = configs.augmentation(rotation_deg=0.0, flip=False, shift=0.0, scale=0.0, grey=0.0, shadow=0.0)


def frames(n: int = 2, side: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(1, 256, (n, side, side), dtype=np.uint8))
    return images, torch.from_numpy(rng.integers(0, 3, (n, side, side), dtype=np.uint8))


def still(n: int, **changed) -> AugmentParameters:
    return dataclasses.replace(sample(np.random.default_rng(0), n, STILL), **changed)


def moved_by(matrix: list[list[float]]) -> np.ndarray:
    return np.array([matrix], dtype=np.float32)


def test_nothing_asked_for_changes_nothing():
    images, labels = frames()
    grey, same = apply(images, labels, still(2))
    assert (grey - images).abs().max() < 1e-2
    assert (same == labels).all()


def test_quarter_turn_turns_frames_and_labels_alike():
    images, labels = frames(1)
    grey, turned = apply(images, labels, still(1, affine=moved_by([[0, -1, 0], [1, 0, 0]])))
    assert (turned[0].numpy() == np.rot90(labels[0].numpy(), -1)).all() or (
        turned[0].numpy() == np.rot90(labels[0].numpy())
    ).all()
    quarter = 1 if (turned[0].numpy() == np.rot90(labels[0].numpy())).all() else -1
    np.testing.assert_allclose(grey[0].numpy(), np.rot90(images[0].numpy(), quarter), atol=1e-2)


def test_mirroring_mirrors_columns():
    images, labels = frames(1)
    grey, mirrored = apply(images, labels, still(1, affine=moved_by([[-1, 0, 0], [0, 1, 0]])))
    assert (mirrored[0] == labels[0].flip(1)).all()
    assert (grey[0] - images[0].flip(1)).abs().max() < 1e-2


def test_beyond_the_frame_is_black_and_ignored():
    images, labels = frames(1)
    labels[labels == 0] = 255
    grey, shifted = apply(images, labels, still(1, affine=moved_by([[1, 0, 0.5], [0, 1, 0]])))  # 4 of 16 columns
    assert (shifted[0, :, 12:] == 255).all()
    assert (grey[0, :, 12:] == 0).all()
    assert (shifted[0, :, :12] == labels[0, :, 4:]).all()


def test_full_turns_are_drawn_for_a_catheter_and_small_ones_where_asked():
    def angles(limit: float) -> np.ndarray:
        config = configs.augmentation(rotation_deg=limit, flip=False, scale=0.0)
        affine = sample(np.random.default_rng(1), 500, config).affine
        return np.degrees(np.arctan2(affine[:, 1, 0], affine[:, 0, 0]))

    assert np.abs(angles(15.0)).max() <= 15.0 + 1e-4
    assert np.abs(angles(180.0)).max() > 170.0


def test_shadow_only_darkens_and_only_its_sector():
    images, labels = frames(1, 64)
    shadow = np.array([[0.0, 0.3, 0.2, 0.25]], dtype=np.float32)  # along +x, ± 0.3 rad, beyond a fifth
    grey, _ = apply(images, labels, still(1, shadow=shadow))
    share = grey[0] / images[0]
    assert share.max() <= 1.001
    assert float(share[32, 60]) == pytest.approx(0.25, abs=0.02)
    assert float(share[32, 4]) == pytest.approx(1.0, abs=0.02)
    assert float(share[32, 33]) > 0.9


def test_blur_keeps_the_sum_and_spreads_by_its_variance():
    images = torch.zeros(1, 17, 17, dtype=torch.uint8)
    images[0, 8, 8] = 200
    grey, _ = apply(images, torch.zeros_like(images), still(1, blur_px=np.array([0.6], dtype=np.float32)))
    profile = grey[0].sum(0).numpy()
    assert profile.sum() == pytest.approx(200, rel=1e-3)
    assert (profile * (np.arange(17) - 8) ** 2).sum() / profile.sum() == pytest.approx(0.36, rel=1e-3)


def test_grey_changes_leave_labels_alone_and_stay_in_range():
    images, labels = frames(8)
    grey, same = apply(
        images, labels, sample(np.random.default_rng(0), 8, dataclasses.replace(STILL, grey=1.0, shadow=1.0))
    )
    assert (same == labels).all()
    assert 0.0 <= float(grey.min()) <= float(grey.max()) <= 255.0
    assert not torch.allclose(grey, images.float())


def test_same_draw_gives_the_same_batch():
    images, labels = frames(3)
    first, second = (apply(images, labels, sample(np.random.default_rng(5), 3, configs.augmentation())) for _ in "ab")
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
