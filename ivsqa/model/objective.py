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
    error: Tensor | None


class Judgement(NamedTuple):
    """What segmenters say of frames, without gradient: what the error branch learns to doubt."""

    rings: Tensor  # (b, K+1, s, s), probabilities
    decoder: Tensor  # (b, widths[0], s/2, s/2)


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

    def forward(self, images: Tensor, labels: Tensor, folds: Tensor, judgement: Judgement | None) -> Losses:
        """Return the losses of a batch.

        Args:
            images: Grey 0 to 255, float (b, s, s).
            labels: Ring labels, uint8 (b, s, s).
            folds: Half of the subjects each frame is in, (b,).
            judgement: What the error branch looks at; None while it is not trained yet.
        """
        frames = normalized(images)  # (b, 1, s, s)
        segmentation = segmentation_loss(self.network.segmenter(frames).output, labels)
        total = segmentation
        for fold, segmenter in enumerate(self.folds):
            learnt = folds == fold
            if bool(learnt.any()):
                total = total + segmentation_loss(segmenter(frames[learnt]).output, labels[learnt])
        if judgement is None:
            return Losses(total, segmentation.detach(), None)
        errors = segmentation_errors(judgement.rings, labels)  # (b, K, s, s)
        known = (labels != IGNORE_LABEL).unsqueeze(1)  # (b, 1, s, s)
        error = error_loss(self.network.error_branch(frames, *judgement), errors, known)
        return Losses(total + error, segmentation.detach(), error.detach())

    @torch.no_grad()
    def judge(self, images: Tensor, folds: Tensor, own: Tensor) -> Judgement:
        """Return what is said of each frame by the segmenter that never saw its subject.

        Args:
            images: Grey 0 to 255, float (b, s, s).
            folds: Half of the subjects each frame is in, (b,).
            own: Frames that the main segmenter judges all the same, bool (b,); without fold segmenters it judges all.
        """
        frames = normalized(images)  # (b, 1, s, s)
        mine = own if len(self.folds) else torch.ones_like(own)
        shares: list[tuple[nn.Module, Tensor]] = [(self.network.segmenter, mine)]
        shares += [(segmenter, (folds != fold) & ~mine) for fold, segmenter in enumerate(self.folds)]
        rows, said = [], []
        for segmenter, share in shares:
            if bool(share.any()):
                maps: Maps = segmenter(frames[share])
                said.append(Judgement(torch.softmax(maps.output.float(), dim=1), maps.decoder))
                rows.append(torch.nonzero(share).flatten())
        back = torch.argsort(torch.cat(rows))  # from the order of judges to the order of frames
        return Judgement(*(torch.cat(maps)[back] for maps in zip(*said, strict=True)))


def new_objective(config: NetworkConfig, *, cross_fit: bool, seed: int) -> Objective:
    """Return networks with fresh weights that depend on the seed alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**32)
        return Objective(config, cross_fit=cross_fit)
