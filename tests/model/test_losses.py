import math

import pytest
import torch

from ivsqa.model.losses import (
    error_loss,
    ring_masks,
    segmentation_errors,
    segmentation_loss,
    soft_dice,
    structure_masks,
)


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
    assert float(segmentation_loss(torch.zeros(1, 2, 2, 2), labels)) == pytest.approx(math.log(2) + 1 - 0.6)


def test_ignored_pixels_do_not_count():
    labels = torch.tensor([[[0, 1], [255, 255]]], dtype=torch.uint8)
    logits = torch.randn(1, 2, 2, 2, generator=torch.manual_seed(0))
    other = logits.clone()
    other[..., 1, :] = 50.0 * torch.tensor([-1.0, 1.0]).view(1, 2, 1)
    assert float(segmentation_loss(other, labels)) == pytest.approx(float(segmentation_loss(logits, labels)))
    known = (labels != 255).unsqueeze(1)
    errors = torch.tensor([[[[True, False], [True, True]]]])
    assert float(error_loss(other[:, :1], errors, known)) == pytest.approx(
        float(error_loss(logits[:, :1], errors, known))
    )


def test_everything_ignored_is_no_division_by_zero():
    labels = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    assert math.isfinite(float(segmentation_loss(torch.zeros(1, 2, 4, 4), labels)))
    errors = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    assert math.isfinite(float(error_loss(torch.zeros(1, 1, 4, 4), errors, errors)))


def test_error_loss_weighs_rare_errors_up_by_hand():
    errors = torch.tensor([True] + [False] * 15).view(1, 1, 4, 4)
    logits = torch.full((1, 1, 4, 4), -2.0)
    missed, right = math.log1p(math.exp(2.0)), math.log1p(math.exp(-2.0))
    heavy, light = 1 / math.sqrt(2), 15 / math.sqrt(16)
    p = 1 / (1 + math.exp(2.0))
    dice = (2 * p + 1) / (16 * p + 1 + 1)
    wanted = (heavy * missed + light * right) / (heavy + light) + 1 - dice
    assert float(error_loss(logits, errors, torch.ones(1, 1, 4, 4, dtype=torch.bool))) == pytest.approx(
        wanted, rel=1e-5
    )


def test_errors_are_where_the_decision_differs_from_the_reference():
    rings = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]]).T.reshape(1, 3, 1, 3)
    labels = torch.tensor([[[2, 2, 1]]], dtype=torch.uint8)
    # Pixel 0: nothing found where the wall is, so the outer structure is wrong; the others are right.
    assert segmentation_errors(rings, labels)[0, :, 0].tolist() == [[False, False, False], [True, False, False]]
