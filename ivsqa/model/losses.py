"""What the two branches are trained to lower, and the target of the error branch.

Pixels labelled `IGNORE_LABEL` count nowhere. Means are over the batch, so a frame without a structure is no special case.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ivsqa.domain.structures import IGNORE_LABEL
from ivsqa.model.network import nested_probabilities


def segmentation_loss(ring_logits: Tensor, labels: Tensor) -> Tensor:
    """Return cross-entropy over rings plus one minus soft Dice over structures, a scalar.

    Args:
        ring_logits: (b, K+1, s, s).
        labels: Ring labels, uint8 (b, s, s).
    """
    log_rings = F.log_softmax(ring_logits.float(), dim=1)  # (b, K+1, s, s)
    known = (labels != IGNORE_LABEL).unsqueeze(1)  # (b, 1, s, s)
    wanted = ring_masks(labels, ring_logits.shape[1])  # (b, K+1, s, s)
    # Written out: the library's form for images has no deterministic kernel on CUDA.
    entropy = -(log_rings * wanted).sum() / known.sum().clamp(min=1)
    predicted = nested_probabilities(log_rings.exp()) * known  # (b, K, s, s)
    return entropy + 1.0 - soft_dice(predicted, structure_masks(labels, predicted.shape[1]).float())


def error_loss(error_logits: Tensor, errors: Tensor, known: Tensor) -> Tensor:
    """Return class-balanced cross-entropy plus one minus soft Dice of the error map, a scalar.

    Wrong pixels are rare: each class's pixels weigh 1/√(n+1), so that rarity neither drowns them nor lets a handful rule.

    Args:
        error_logits: (b, K, s, s).
        errors: Where the segmentation is wrong, bool (b, K, s, s).
        known: Pixels that count, bool (b, 1, s, s).

    Source: Xie et al., ACCV 2020 (DEAL), for the weights.
    """
    logits = error_logits.float()
    wrong = (errors & known).float()  # (b, K, s, s)
    right = (~errors & known).float()  # (b, K, s, s)
    weight_wrong, weight_right = (mask.sum((0, 2, 3)).add(1.0).rsqrt() for mask in (wrong, right))  # (K,) each
    weights = wrong * weight_wrong[:, None, None] + right * weight_right[:, None, None]  # (b, K, s, s)
    entropy = F.binary_cross_entropy_with_logits(logits, wrong, reduction="none")  # (b, K, s, s)
    balanced = (entropy * weights).sum() / weights.sum().clamp(min=1e-6)
    return balanced + 1.0 - soft_dice(torch.sigmoid(logits) * known, wrong)


def soft_dice(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean over channels of the batch's soft Dice; 1 where a channel is empty in both.

    Args:
        predicted: Probabilities, (b, c, s, s).
        wanted: 0 or 1, (b, c, s, s).
    """
    over = (0, 2, 3)
    overlap = (predicted * wanted).sum(over)  # (c,)
    return ((2.0 * overlap + 1.0) / (predicted.sum(over) + wanted.sum(over) + 1.0)).mean()


def segmentation_errors(rings: Tensor, labels: Tensor) -> Tensor:
    """Return where the hard decision (a structure's probability above one half) differs from the reference.

    Args:
        rings: Probabilities, (b, K+1, s, s).
        labels: uint8 (b, s, s).

    Returns:
        bool (b, K, s, s); what it says on ignored pixels means nothing.
    """
    decided = nested_probabilities(rings) > 0.5  # (b, K, s, s)
    return decided != structure_masks(labels, decided.shape[1])


def structure_masks(labels: Tensor, n_structures: int) -> Tensor:
    """Return each structure with what it encloses, bool (b, K, s, s), from ring labels (b, s, s)."""
    outer = torch.arange(1, n_structures + 1, dtype=torch.uint8, device=labels.device)  # (K,)
    rings = labels.unsqueeze(1)  # (b, 1, s, s)
    return (rings >= 1) & (rings <= outer[:, None, None])


def ring_masks(labels: Tensor, n_rings: int) -> Tensor:
    """Return each ring, bool (b, n_rings, s, s), background first, from ring labels (b, s, s)."""
    rings = torch.arange(n_rings, dtype=torch.uint8, device=labels.device)  # (K+1,)
    return labels.unsqueeze(1) == rings[:, None, None]
