"""What is lowered together in one step: the losses of the segmenter, of its committee, and of the error branch.

A branch that learns a network's errors on the frames it was trained on learns to repeat it: there are few, and they look like
nothing that a new subject brings. So more segmenters grow up beside the main one, alike but for their first weights, and the
error branch draws after their mean on frames that nobody annotated, as well as after the annotations. No gradient runs between
the parts, so each comes out as if it had been trained alone.

Source: deep ensembles (Lakshminarayanan et al., NeurIPS 2017), distilled into one small network (Hinton et al., 2015) on
unannotated frames damaged for the pupil only (Xie et al., CVPR 2020).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ivsqa.model.config import NetworkConfig
from ivsqa.model.losses import known_pixels, ring_masks, segmentation_loss
from ivsqa.model.network import Maps, TwoBranchNetwork, new_segmenter, normalized


class Losses(NamedTuple):
    """Scalars of one batch; `total` is what gradients are taken of."""

    total: Tensor
    segmentation: Tensor
    error: Tensor | None


class Annotated(NamedTuple):
    """Annotated frames."""

    images: Tensor  # (b, s, s), grey 0 to 255
    labels: Tensor  # (b, s, s), uint8 ring labels


class Unannotated(NamedTuple):
    """Frames without annotation, as the committee sees them and as the error branch does."""

    images: Tensor  # (b, s, s), grey 0 to 255
    damaged: Tensor  # (b, s, s)
    known: Tensor  # (b, 1, s, s), bool, pixels inside the frame


class Lesson(NamedTuple):
    """What the error branch sees and how it shall draw it, without gradient."""

    frames: Tensor  # (b, 1, s, s), normalised
    rings: Tensor  # (b, K+1, s, s), what the segmenter says
    decoder: Tensor  # (b, widths[0], s/2, s/2), the features it read that from
    wanted: Tensor  # (b, K+1, s, s), probabilities
    known: Tensor  # (b, 1, s, s), bool


class Objective(nn.Module):
    """All networks of a training.

    Args:
        config: The network.
        committee: How many segmenters there are beside the main one.
    """

    def __init__(self, config: NetworkConfig, *, committee: int) -> None:
        super().__init__()
        self.config = config
        self.network = TwoBranchNetwork(config)
        self.committee = nn.ModuleList(new_segmenter(config) for _ in range(committee))

    @property
    def parts(self) -> list[nn.Module]:
        """The networks between which no gradient runs."""
        return [self.network.segmenter, self.network.error_branch, *self.committee]

    def forward(self, batch: Annotated, lesson: Lesson | None) -> Losses:
        """Return the losses of a batch.

        Args:
            batch: What the segmenters learn from.
            lesson: What the error branch learns from; None while it is not trained yet.
        """
        frames = normalized(batch.images)  # (b, 1, s, s)
        wanted, known = ring_masks(batch.labels, self.config.n_rings), known_pixels(batch.labels)
        segmentation, *others = (
            segmentation_loss(segmenter(frames).output, wanted, known)
            for segmenter in (self.network.segmenter, *self.committee)
        )
        total = sum(others, start=segmentation)
        if lesson is None:
            return Losses(total, segmentation.detach(), None)
        opinion = self.network.error_branch(lesson.frames, lesson.rings, lesson.decoder)  # (b, K+1, s, s)
        error = segmentation_loss(opinion, lesson.wanted, lesson.known)
        return Losses(total + error, segmentation.detach(), error.detach())

    @torch.no_grad()
    def lesson(self, batch: Annotated, others: Unannotated | None) -> Lesson:
        """Return what the error branch shall learn from annotated frames and, with a committee, from unannotated ones."""
        wanted, known = ring_masks(batch.labels, self.config.n_rings), known_pixels(batch.labels)
        frames = normalized(batch.images)  # (b, 1, s, s)
        if others is not None and len(self.committee):
            clean = normalized(others.images)  # (b, 1, s, s)
            said = [torch.softmax(segmenter(clean).output.float(), dim=1) for segmenter in self.committee]
            wanted = torch.cat([wanted, torch.stack(said).mean(dim=0)])
            known = torch.cat([known, others.known])
            frames = torch.cat([frames, normalized(others.damaged)])
        maps: Maps = self.network.segmenter(frames)
        return Lesson(frames, torch.softmax(maps.output.float(), dim=1), maps.decoder, wanted, known)


def new_objective(config: NetworkConfig, *, committee: int, seed: int) -> Objective:
    """Return networks with fresh weights that depend on the seed alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**32)
        return Objective(config, committee=committee)
