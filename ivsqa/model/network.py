"""The whole network: one branch draws nested structures, the other draws them again to say where the first is wrong.

Shapes in comments: b frames, s side of the working grid, K structures, N cells of the attention grid.

Sources: encoder–decoder after U-Net (Ronneberger 2015), at half resolution through pixel unshuffle (Shi 2016), which costs a
quarter and loses no pixel, and back by interpolation; instance normalisation (Ulyanov 2016), the same for any batch; the two
branches after Zhang et al. 2023 (TechRxiv); the probability attention module after DEAL (Xie et al., ACCV 2020) and DANet (Fu et
al., CVPR 2019).
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ivsqa.model.config import Attention, ErrorInputs, NetworkConfig

LOGIT_GAIN = 8.0
"""Adam moves a weight by about the learning rate a step, and few channels feed the head: without this factor, logits that are
sure of a small structure take hundreds of steps to grow."""


class Maps(NamedTuple):
    """Maps of an encoder–decoder: output maps, the features they were read from, and the deepest features."""

    output: Tensor  # (b, c_out, s, s), float32
    decoder: Tensor  # (b, widths[0], s/2, s/2)
    bottleneck: Tensor  # (b, widths[-1], s/2^levels, s/2^levels)


class FirstOpinion(NamedTuple):
    """The segmenter's opinion of frames, without gradient."""

    rings: Tensor  # (b, K+1, s, s), float32, probabilities
    decoder: Tensor  # (b, widths[0], s/2, s/2), the features they were read from

    @classmethod
    def of(cls, maps: Maps) -> FirstOpinion:
        """Return the opinion that a segmenter's maps hold."""
        return cls(torch.softmax(maps.output.detach().float(), dim=1), maps.decoder.detach())


class NetworkOutput(NamedTuple):
    """Output of the two branches for a batch."""

    ring_logits: Tensor  # (b, K+1, s, s)
    probabilities: Tensor  # (b, K, s, s), float32, of each structure with what it encloses
    errors: Tensor  # (b, K, s, s), float32, the probability that deciding by one half is wrong
    bottleneck: Tensor  # (b, widths[-1], s/2^levels, s/2^levels)


def normalized(images: Tensor) -> Tensor:
    """Return frames with the mean and spread of their echo taken out, float32 (b, 1, s, s).

    Black pixels are left out of both, since how much of the grid lies outside the field says nothing of the gain.

    Args:
        images: (b, s, s), grey 0 to 255, any dtype.
    """
    grey = images.unsqueeze(1).float() / 255.0  # (b, 1, s, s)
    echo = (grey > 0.0).float()  # (b, 1, s, s)
    count = echo.sum((1, 2, 3), keepdim=True).clamp(min=1.0)  # (b, 1, 1, 1)
    mean = grey.sum((1, 2, 3), keepdim=True) / count  # (b, 1, 1, 1)
    variance = ((grey - mean).square() * echo).sum((1, 2, 3), keepdim=True) / count  # (b, 1, 1, 1)
    return (grey - mean) / (variance.sqrt() + 0.05)  # (b, 1, s, s)


def nested_probabilities(rings: Tensor) -> Tensor:
    """Return the probability of each structure: rings 1 … k + 1 added up, so an outer one is never below an inner one.

    Args:
        rings: (b, K+1, s, s), summing to one over the rings, background first.
    """
    sums = list(accumulate(rings[:, 1:].unbind(1)))  # K × (b, s, s); several times as fast as cumsum
    return torch.stack(sums, dim=1).clamp(max=1.0)  # (b, K, s, s)


def expected_errors(first: Tensor, pooled: Tensor) -> Tensor:
    """Return the probability that the first opinion decides wrongly, with both opinions pooled as the truth.

    Args:
        first: Probabilities of the structures, (b, K, s, s).
        pooled: The same from both opinions.
    """
    return ((first > 0.5).float() - pooled).abs()  # (b, K, s, s)


def pooled_opinion(first: Tensor, second: Tensor) -> Tensor:
    """Return the ring probabilities of two opinions together, (b, K+1, s, s): the normalised geometric mean of theirs.

    An opinion that is sure counts for more than one that is not, which an arithmetic mean would not let it.

    Args:
        first: Ring logits, (b, K+1, s, s).
        second: The same from the other opinion.

    Source: logarithmic opinion pool, Genest & Zidek, Statistical Science 1986.
    """
    return torch.softmax(0.5 * (first.float() + second.float()), dim=1)


def _block(n_in: int, n_out: int, *, stride: int = 1) -> nn.Sequential:
    """Return two 3×3 convolutions, the first of which may halve the resolution."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
        nn.InstanceNorm2d(n_out, affine=True),
        nn.ReLU(inplace=True),
        nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
        nn.InstanceNorm2d(n_out, affine=True),
        nn.ReLU(inplace=True),
    )


class EncoderDecoder(nn.Module):
    """A U-Net whose finest level has half the resolution of its input and its output.

    Args:
        n_in: Input maps at full resolution.
        n_out: Output maps at full resolution.
        widths: Channels of each level, finest first.
        n_extra: Input maps at half resolution, beside the others.
        dropout: Share of the deepest channels left out in training.
    """

    def __init__(
        self, n_in: int, n_out: int, widths: tuple[int, ...], *, n_extra: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        finer = (4 * n_in + n_extra, *widths[:-1])
        self.encoder = nn.ModuleList(
            _block(n, width, stride=1 if level == 0 else 2)
            for level, (n, width) in enumerate(zip(finer, widths, strict=True))
        )
        self.dropout = nn.Dropout2d(dropout)
        self.decoder = nn.ModuleList(_block(fine + coarse, fine) for fine, coarse in pairwise(widths))
        self.head = nn.Conv2d(widths[0], n_out, 1)

    def forward(self, maps: Tensor, extra: Tensor | None = None) -> Maps:
        """Return output maps (b, n_out, s, s) for input maps (b, n_in, s, s)."""
        x = F.pixel_unshuffle(maps, 2)  # (b, 4·n_in, s/2, s/2)
        if extra is not None:
            x = torch.cat([x, extra.to(x.dtype)], dim=1)  # (b, 4·n_in + n_extra, s/2, s/2)
        skips = []
        for block in self.encoder:
            x = block(x)  # (b, widths[i], s/2^(i+1), s/2^(i+1))
            skips.append(x)
        bottleneck = skips.pop()
        x = self.dropout(bottleneck)
        for block in reversed(self.decoder):
            skip = skips.pop()
            x = F.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = block(torch.cat([x, skip], dim=1))  # (b, widths[i], s/2^(i+1), s/2^(i+1))
        # Interpolated, not shuffled: borders are smooth, and shuffled neighbours, from different kernels, show as a checkerboard.
        logits = (LOGIT_GAIN * self.head(x)).float()  # (b, n_out, s/2, s/2); half precision is stretched more slowly
        return Maps(F.interpolate(logits, scale_factor=2, mode="bilinear"), x, bottleneck)


class ProbabilityAttention(nn.Module):
    """Lets each place see the places, and each ring the rings, that the segmenter judged alike.

    Attention is computed on a small grid (it compares all pairs of cells) and added to the probabilities at full resolution,
    with weights learnt from 0: at first the module changes nothing.
    """

    def __init__(self, mode: Attention, grid_px: int) -> None:
        super().__init__()
        self.grid_px = grid_px
        self.spatial = nn.Parameter(torch.zeros(())) if mode in ("spatial", "both") else None
        self.channel = nn.Parameter(torch.zeros(())) if mode in ("channel", "both") else None

    def forward(self, rings: Tensor) -> Tensor:
        """Return refined ring maps (b, K+1, s, s) for ring probabilities of the same shape."""
        if self.spatial is None and self.channel is None:
            return rings
        small = F.avg_pool2d(rings, max(1, rings.shape[-1] // self.grid_px))  # (b, K+1, g, g)
        p = small.flatten(2)  # (b, K+1, N)
        refined = torch.zeros_like(p)  # (b, K+1, N)
        if self.spatial is not None:
            alike = torch.softmax(p.transpose(1, 2) @ p, dim=-1)  # (b, N, N), each cell's weights over the others
            refined = refined + self.spatial * (p @ alike.transpose(1, 2))  # (b, K+1, N)
        if self.channel is not None:
            alike = torch.softmax(p @ p.transpose(1, 2) / p.shape[-1], dim=-1)  # (b, K+1, K+1), of mean products
            refined = refined + self.channel * (alike @ p)  # (b, K+1, N)
        size = rings.shape[-2:]
        return rings + F.interpolate(refined.view_as(small), size=size, mode="bilinear")  # (b, K+1, s, s)


class ErrorBranch(nn.Module):
    """Draws the frame a second time; where the two drawings part, the first is in doubt.

    From the image alone the second opinion is independent of the first. Given the first one's probabilities it begins as the
    same opinion, and learns what to change.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.inputs: ErrorInputs = config.error_inputs
        self.attention = ProbabilityAttention(config.pam if self.sees_probabilities else "none", config.attention_px)
        self.maps = EncoderDecoder(
            2 * config.n_rings + 1 if self.sees_probabilities else 1,
            config.n_rings,
            config.error_widths,
            n_extra=config.widths[0] if self.sees_features else 0,
        )
        if self.sees_probabilities:
            nn.init.zeros_(self.maps.head.weight)
            nn.init.zeros_(self.maps.head.bias)  # type: ignore[arg-type]

    @property
    def sees_first_opinion(self) -> bool:
        """Whether anything but the image is looked at."""
        return self.inputs != "image"

    @property
    def sees_probabilities(self) -> bool:
        """Whether the first opinion's probabilities are looked at."""
        return self.inputs in ("probabilities", "both")

    @property
    def sees_features(self) -> bool:
        """Whether the features they were read from are looked at."""
        return self.inputs in ("features", "both")

    def forward(self, frames: Tensor, first: FirstOpinion | None) -> Tensor:
        """Return the ring logits of the second opinion, (b, K+1, s, s).

        Args:
            frames: Normalised, (b, 1, s, s).
            first: What the segmenter made of them; None will do where only the image is looked at.
        """
        extra = first.decoder if first is not None and self.sees_features else None
        if first is None or not self.sees_probabilities:
            drawn: Maps = self.maps(frames, extra)
            return drawn.output
        odds = torch.log(first.rings.clamp(min=1e-5))  # (b, K+1, s, s), tells 0.999 from 0.9999
        changed: Maps = self.maps(torch.cat([frames, self.attention(first.rings), odds / 4.0], dim=1), extra)
        return odds + changed.output


class TwoBranchNetwork(nn.Module):
    """The segmenter and the branch that predicts its errors; no gradient runs from the second into the first."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.segmenter = new_segmenter(config)
        self.error_branch = ErrorBranch(config)

    def forward(self, images: Tensor) -> NetworkOutput:
        """Return both branches' answers for frames (b, s, s), grey 0 to 255."""
        frames = normalized(images)  # (b, 1, s, s)
        maps: Maps = self.segmenter(frames)
        first = FirstOpinion.of(maps)
        second: Tensor = self.error_branch(frames, first)  # (b, K+1, s, s)
        drawn = nested_probabilities(first.rings)  # (b, K, s, s)
        pooled = nested_probabilities(pooled_opinion(maps.output.detach(), second))  # (b, K, s, s)
        return NetworkOutput(maps.output, drawn, expected_errors(drawn, pooled), maps.bottleneck)


def new_segmenter(config: NetworkConfig) -> EncoderDecoder:
    """Return a segmenter with fresh weights: one normalised frame in, ring logits (b, K+1, s, s) out."""
    return EncoderDecoder(1, config.n_rings, config.widths, dropout=config.dropout)
