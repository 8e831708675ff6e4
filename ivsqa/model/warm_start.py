"""What a trained network is worth to one of another shape: on another grid, or of fewer structures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch

from ivsqa.model.config import NetworkConfig
from ivsqa.model.state import TrainedModel

_HEAD = ".head."


def refitted(model: TrainedModel, config: NetworkConfig, outputs: Sequence[int]) -> TrainedModel:
    """Return a model as another network may begin with it.

    Convolutions see any grid. Rings that become one get the mean of their logits: the log of their summed probabilities is not
    linear in the features, and a few steps of training mend the difference.

    Args:
        model: What was trained.
        config: The network that begins; of the same widths.
        outputs: Which of the structures of `model` are those of `config`, innermost first.
    """
    rings = merged_rings(outputs, model.config.n_rings)
    weights = {
        name: torch.stack([value[together].mean(dim=0) for together in rings]) if _HEAD in name else value
        for name, value in model.weights.items()
    }
    return TrainedModel(config, weights)


def merged_rings(outputs: Sequence[int], n_rings: int) -> list[list[int]]:
    """Return which rings each ring takes in where only some structures are told apart; the background first.

    Args:
        outputs: The structures that stay, from 0, rising.
        n_rings: Structures that there were, and the background.

    Example:
        >>> merged_rings([0], 3), merged_rings([1], 3), merged_rings([0, 1], 3)
        ([[0, 2], [1]], [[0], [1, 2]], [[0], [1], [2]])
    """
    ends = [0, *(output + 1 for output in outputs)]
    inside = [list(range(begin + 1, end + 1)) for begin, end in pairwise(ends)]
    return [[0, *range(ends[-1] + 1, n_rings)], *inside]
