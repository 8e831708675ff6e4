"""The losses of the two stages of a training: first the segmenters', then the error branch's.

A branch that learns a network's errors on the frames it was trained on learns to repeat it: there are few, and they look like
nothing that a new subject brings. So more segmenters grow up beside the main one, alike but for their first weights, and when
they are done the error branch draws after their mean on frames that nobody annotated, as well as after the annotations. No
gradient runs between the parts, so each comes out as if it had been trained alone.

Source: deep ensembles (Lakshminarayanan et al., NeurIPS 2017), distilled into one small network (Hinton et al., 2015) on
unannotated frames damaged for the pupil only (Xie et al., CVPR 2020).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ivsqa.model.config import NetworkConfig
from ivsqa.model.losses import known_pixels, ring_masks, segmentation_loss
from ivsqa.model.network import FirstOpinion, TwoBranchNetwork, new_segmenter, normalized
from ivsqa.model.state import Stage


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
    """Frames for the error branch and how it shall draw them, without gradient."""

    frames: Tensor  # (b, 1, s, s), normalised
    first: FirstOpinion | None  # where the error branch looks at it
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

    def parts(self, stage: Stage) -> list[nn.Module]:
        """Return the networks that learn in a stage; no gradient runs between them."""
        return [self.network.segmenter, *self.committee] if stage == "contours" else [self.network.error_branch]

    def segmentation_loss(self, batch: Annotated) -> Tensor:
        """Return the sum of the segmenters' losses, a scalar."""
        frames = normalized(batch.images)  # (b, 1, s, s)
        wanted, known = ring_masks(batch.labels, self.config.n_rings), known_pixels(batch.labels)
        return torch.stack(
            [segmentation_loss(segmenter(frames).output, wanted, known) for segmenter in self.parts("contours")]
        ).sum()

    def error_loss(self, lesson: Lesson) -> Tensor:
        """Return the error branch's loss, a scalar."""
        opinion = self.network.error_branch(lesson.frames, lesson.first)  # (b, K+1, s, s)
        return segmentation_loss(opinion, lesson.wanted, lesson.known)

    @torch.no_grad()
    def lesson(self, batch: Annotated, others: Unannotated | None) -> Lesson:
        """Return the lesson of the error branch: annotated frames and, with a committee, unannotated ones."""
        wanted, known = ring_masks(batch.labels, self.config.n_rings), known_pixels(batch.labels)
        frames = normalized(batch.images)  # (b, 1, s, s)
        if others is not None and len(self.committee):
            clean = normalized(others.images)  # (b, 1, s, s)
            opinions = [torch.softmax(segmenter(clean).output, dim=1) for segmenter in self.committee]
            wanted = torch.cat([wanted, torch.stack(opinions).mean(dim=0)])
            known = torch.cat([known, others.known])
            frames = torch.cat([frames, normalized(others.damaged)])
        looked_at = self.network.error_branch.sees_first_opinion
        first = FirstOpinion.of(self.network.segmenter(frames)) if looked_at else None
        return Lesson(frames, first, wanted, known)


def new_objective(config: NetworkConfig, *, committee: int, seed: int) -> Objective:
    """Return networks with fresh weights that depend on the seed alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**32)
        return Objective(config, committee=committee)
