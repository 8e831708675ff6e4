"""The losses of the two stages of a training: on annotated frames, and then on frames that nobody annotated beside them.

Both branches learn the same frames and differ by their first weights. No gradient runs between them, so each comes out as if it
had been trained alone. In self-training they learn what both together, by the running means of their weights, draw in frames
without annotation; the pupils see these frames damaged.

Source: mean teacher (Tarvainen & Valpola, NeurIPS 2017); noise for the pupil alone (Xie et al., CVPR 2020).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ivsqa.model.config import NetworkConfig
from ivsqa.model.losses import known_pixels, ring_masks, segmentation_loss
from ivsqa.model.network import NetworkOutput, TwoBranchNetwork, normalized
from ivsqa.model.ranks import Ranks, Share

SURE_DICE = 0.9
"""Least Dice that a drawing expects of itself, by its own probabilities, to be learnt from where not all are."""


class Lesson(NamedTuple):
    """Frames and how they shall be drawn, without gradient."""

    frames: Tensor  # (b, 1, s, s), normalised
    wanted: Tensor  # (b, K+1, s, s), probabilities
    known: Tensor  # (b, 1, s, s), bool, pixels that count

    @classmethod
    def of_annotations(cls, images: Tensor, labels: Tensor, n_rings: int) -> Lesson:
        """Return annotated frames (b, s, s), grey 0 to 255, with their ring labels, uint8 (b, s, s)."""
        return cls(normalized(images), ring_masks(labels, n_rings), known_pixels(labels))

    def beside(self, other: Lesson) -> Lesson:
        """Return both lessons as one."""
        return Lesson(*(torch.cat(parts) for parts in zip(self, other, strict=True)))


@torch.no_grad()
def drawn_lesson(
    teacher: TwoBranchNetwork, images: Tensor, damaged: Tensor, known: Tensor, *, sure_only: bool
) -> Lesson:
    """Return frames that nobody annotated, damaged, with what the teacher draws in them undamaged.

    Args:
        teacher: Draws by both branches together.
        images: (b, s, s), grey 0 to 255.
        damaged: The same for the pupils.
        known: Pixels inside the frame, bool (b, 1, s, s).
        sure_only: Whether frames whose worst structure expects a Dice below `SURE_DICE` count nowhere.
    """
    output: NetworkOutput = teacher(images)
    if sure_only:
        known = known & (expected_dice(output.probabilities).amin(dim=1) >= SURE_DICE)[:, None, None, None]
    return Lesson(normalized(damaged), torch.softmax(output.ring_logits, dim=1), known)


def expected_dice(probabilities: Tensor) -> Tensor:
    """Return the Dice that a drawing at one half expects of itself, (b, K); 0 where it is empty.

    Args:
        probabilities: (b, K, s, s).
    """
    drawn = (probabilities > 0.5).float()  # (b, K, s, s)
    overlap = (probabilities * drawn).sum((2, 3))  # (b, K)
    return 2.0 * overlap / (probabilities + drawn).sum((2, 3)).clamp(min=1e-6)


def lesson_loss(network: TwoBranchNetwork, lesson: Lesson, share: Share, ranks: Ranks) -> Tensor:
    """Return the sum of both branches' losses over the whole batch, a scalar; its gradient is by the frames of this rank.

    Args:
        network: Draws them.
        lesson: The frames of this rank.
        share: Their places in the batch.
        ranks: Those who have the others.
    """
    wanted = ranks.whole(lesson.wanted, share)  # (n, K+1, s, s)
    known = ranks.whole(lesson.known.to(torch.uint8), share).bool()  # (n, 1, s, s)
    drawn = [
        ranks.whole(branch(lesson.frames, share).output, share) for branch in network.branches
    ]  # 2 × (n, K+1, s, s)
    return torch.stack([segmentation_loss(rings, wanted, known) for rings in drawn]).sum()


def new_network(config: NetworkConfig, *, seed: int) -> TwoBranchNetwork:
    """Return a network with fresh weights that depend on the seed alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**32)
        return TwoBranchNetwork(config)
