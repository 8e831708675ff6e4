"""What is lowered together in one step: the segmenter's loss, its two fold segmenters', and the error branch's.

A network makes other errors on frames it has learnt than on frames it has not, and the error branch shall know the latter. So
two more segmenters grow up beside the main one, each on half of the subjects; the error branch learns from what each says of
subjects it never saw. No gradient runs between the parts, so each comes out as if it had been trained alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ivsqa.domain.structures import IGNORE_LABEL
from ivsqa.model.config import NetworkConfig
from ivsqa.model.losses import error_loss, segmentation_errors, segmentation_loss
from ivsqa.model.network import Maps, TwoBranchNetwork, new_segmenter, normalized


class Losses(NamedTuple):
    """Scalars of one batch; `total` is what gradients are taken of."""

    total: Tensor
    segmentation: Tensor
    error: Tensor


class Objective(nn.Module):
    """All networks of a training.

    Args:
        config: The network.
        cross_fit: Whether there are fold segmenters; without, the error branch learns from the main segmenter's own errors.
    """

    def __init__(self, config: NetworkConfig, *, cross_fit: bool) -> None:
        super().__init__()
        self.network = TwoBranchNetwork(config)
        self.folds = nn.ModuleList(new_segmenter(config) for _ in range(2 if cross_fit else 0))

    @property
    def parts(self) -> list[nn.Module]:
        """The networks between which no gradient runs."""
        return [self.network.segmenter, self.network.error_branch, *self.folds]

    def forward(self, images: Tensor, labels: Tensor, folds: Tensor, own: Tensor) -> Losses:
        """Return the losses of a batch.

        Args:
            images: Grey 0 to 255, float (b, s, s).
            labels: Ring labels, uint8 (b, s, s).
            folds: Half of the subjects each frame is in, (b,).
            own: Frames on which the error branch looks at the main segmenter all the same, bool (b,).
        """
        frames = normalized(images)  # (b, 1, s, s)
        maps: Maps = self.network.segmenter(frames)
        segmentation = segmentation_loss(maps.output, labels)
        total = segmentation
        rings = _rings(maps)  # (b, K+1, s, s)
        decoder = maps.decoder.detach().clone()  # (b, widths[0], s/2, s/2)
        for index, segmenter in enumerate(self.folds):
            learnt, unseen = folds == index, (folds != index) & ~own
            if bool(learnt.any()):
                total = total + segmentation_loss(segmenter(frames[learnt]).output, labels[learnt])
            if bool(unseen.any()):
                rings[unseen], decoder[unseen] = _judged(segmenter, frames[unseen])
        errors = segmentation_errors(rings, labels)  # (b, K, s, s)
        known = (labels != IGNORE_LABEL).unsqueeze(1)  # (b, 1, s, s)
        error = error_loss(self.network.error_branch(frames, rings, decoder), errors, known)
        return Losses(total + error, segmentation.detach(), error.detach())


@torch.no_grad()
def _judged(segmenter: nn.Module, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return ring probabilities and decoder features of frames, without gradient."""
    maps: Maps = segmenter(frames)
    return _rings(maps), maps.decoder


def _rings(maps: Maps) -> Tensor:
    """Return ring probabilities, float32, without gradient."""
    return torch.softmax(maps.output.detach().float(), dim=1)


def new_objective(config: NetworkConfig, *, cross_fit: bool, seed: int) -> Objective:
    """Return networks with fresh weights that depend on the seed alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**32)
        return Objective(config, cross_fit=cross_fit)
