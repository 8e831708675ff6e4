import math

import pytest
import torch

from ivsqa.model.losses import known_pixels, ring_masks, segmentation_loss, soft_dice, structure_masks


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the loss against hard labels."""
    return float(segmentation_loss(logits, ring_masks(labels, logits.shape[1]), known_pixels(labels)))


def test_structures_include_what_they_enclose_and_ignore_nothing_known():
    labels = torch.tensor([[[0, 1, 2, 255]]], dtype=torch.uint8)
    assert structure_masks(labels, 2)[0, :, 0].tolist() == [[False, True, False, False], [False, True, True, False]]
    assert ring_masks(labels, 3)[0, :, 0].int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]


def test_soft_dice_by_hand():
    predicted = torch.tensor([0.5, 0.5, 0.0, 0.0]).view(1, 1, 2, 2)
    wanted = torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 1, 2, 2)
    assert float(soft_dice(predicted, wanted)) == pytest.approx((2 * 0.5 + 1) / (1.0 + 1.0 + 1.0))


def test_soft_dice_of_nothing_against_nothing_is_one():
    assert float(soft_dice(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4))) == 1.0


def test_segmentation_loss_of_an_undecided_network_by_hand():
    labels = torch.tensor([[[0, 1], [0, 1]]], dtype=torch.uint8)
    # Entropy ln 2; Dice (2·1 + 1) / (2 + 2 + 1).
    assert loss_of(torch.zeros(1, 2, 2, 2), labels) == pytest.approx(math.log(2) + 1 - 0.6)


def test_ignored_pixels_do_not_count():
    labels = torch.tensor([[[0, 1], [255, 255]]], dtype=torch.uint8)
    logits = torch.randn(1, 2, 2, 2, generator=torch.manual_seed(0))
    other = logits.clone()
    other[..., 1, :] = 50.0 * torch.tensor([-1.0, 1.0]).view(1, 2, 1)
    assert loss_of(other, labels) == pytest.approx(loss_of(logits, labels))


def test_loss_against_soft_rings_by_hand():
    rings = torch.tensor([0.7, 0.2, 0.1]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    known = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    entropy = -sum(p * math.log(p) for p in (0.7, 0.2, 0.1))
    dice = sum((8 * p * p + 1) / (8 * p + 1) for p in (0.2, 0.3)) / 2  # of four pixels p with themselves
    assert float(segmentation_loss(rings.log(), rings, known)) == pytest.approx(entropy + 1 - dice, rel=1e-5)


def test_everything_ignored_is_no_division_by_zero():
    labels = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    assert math.isfinite(loss_of(torch.zeros(1, 2, 4, 4), labels))
