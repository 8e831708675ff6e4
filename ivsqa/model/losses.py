"""The loss of both branches, which draw the same structures, each from its own input and frames.

Pixels labelled `IGNORE_LABEL` count nowhere. Means are over the batch, so a frame without a structure is no special case.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ivsqa.domain.structures import IGNORE_LABEL
from ivsqa.model.network import nested_probabilities


def segmentation_loss(ring_logits: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Return cross-entropy over rings plus one minus soft Dice over structures, a scalar.

    Args:
        ring_logits: (b, K+1, s, s).
        wanted: Probability of each ring, or 0 and 1, (b, K+1, s, s).
        known: Pixels that count, bool (b, 1, s, s).
    """
    log_rings = F.log_softmax(ring_logits.float(), dim=1)  # (b, K+1, s, s)
    # Written out: the library's form for images has no deterministic kernel on CUDA.
    entropy = -(log_rings * wanted * known).sum() / known.sum().clamp(min=1)
    predicted, true = (nested_probabilities(rings) * known for rings in (log_rings.exp(), wanted))  # (b, K, s, s)
    return entropy + 1.0 - soft_dice(predicted, true)


def soft_dice(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean over channels of the batch's soft Dice; 1 where a channel is empty in both.

    Args:
        predicted: Probabilities, (b, c, s, s).
        wanted: 0 or 1, (b, c, s, s).
    """
    over = (0, 2, 3)
    overlap = (predicted * wanted).sum(over)  # (c,)
    return ((2.0 * overlap + 1.0) / (predicted.sum(over) + wanted.sum(over) + 1.0)).mean()


def structure_masks(labels: Tensor, n_structures: int) -> Tensor:
    """Return each structure with what it encloses, bool (b, K, s, s), from ring labels (b, s, s)."""
    outer = torch.arange(1, n_structures + 1, dtype=torch.uint8, device=labels.device)  # (K,)
    rings = labels.unsqueeze(1)  # (b, 1, s, s)
    return (rings >= 1) & (rings <= outer[:, None, None])


def ring_masks(labels: Tensor, n_rings: int) -> Tensor:
    """Return each ring, 0 or 1 in float32 (b, n_rings, s, s), background first, from ring labels (b, s, s)."""
    rings = torch.arange(n_rings, dtype=torch.uint8, device=labels.device)  # (K+1,)
    return (labels.unsqueeze(1) == rings[:, None, None]).float()


def known_pixels(labels: Tensor) -> Tensor:
    """Return the pixels that count, bool (b, 1, s, s), from ring labels (b, s, s)."""
    return (labels != IGNORE_LABEL).unsqueeze(1)
