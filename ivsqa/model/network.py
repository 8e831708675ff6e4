"""The whole network: two branches draw nested structures, each for itself, and what they say together is what counts.

Where one of them errs the other often does not, so together they draw better, and where they part they are in doubt.

Shapes in comments: b frames, s side of the working grid, K structures.

Sources: encoder–decoder after U-Net (Ronneberger 2015), at half resolution through pixel unshuffle (Shi 2016), which costs a
quarter and loses no pixel, and back by interpolation; instance normalisation (Ulyanov 2016), the same for any batch; two members
whose opinions are pooled after deep ensembles (Lakshminarayanan et al., NeurIPS 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ivsqa.model.config import NetworkConfig
from ivsqa.model.ranks import Share

LOGIT_GAIN = 8.0
"""Adam moves a weight by about the learning rate a step, and few channels feed the head: without this factor, logits that are
sure of a small structure take hundreds of steps to grow."""


class Maps(NamedTuple):
    """Maps of an encoder–decoder: output maps and the deepest features."""

    output: Tensor  # (b, c_out, s, s), float32
    bottleneck: Tensor  # (b, widths[-1], s/2^levels, s/2^levels)


class NetworkOutput(NamedTuple):
    """Output of both branches for a batch."""

    ring_logits: Tensor  # (b, K+1, s, s), pooled
    probabilities: Tensor  # (b, K, s, s), float32, of each structure with what it encloses
    bottleneck: Tensor  # (b, widths[-1], s/2^levels, s/2^levels), of the first


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


def pooled(first: Tensor, second: Tensor) -> Tensor:
    """Return the ring logits of two opinions together, float32 (b, K+1, s, s): their mean.

    Its softmax is the normalised geometric mean of their probabilities. An opinion that is sure counts for more than one that is
    not, which an arithmetic mean would not let it.

    Args:
        first: Ring logits, (b, K+1, s, s).
        second: The same from the other opinion.

    Source: logarithmic opinion pool, Genest & Zidek, Statistical Science 1986.
    """
    return 0.5 * (first.float() + second.float())


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


def enlarged(maps: Tensor, size: torch.Size) -> Tensor:
    """Return coarse maps (b, c, h, w) at a finer size, each pixel from the nearest: the same bits in either way."""
    is_doubled = size == torch.Size([2 * side for side in maps.shape[-2:]])
    # A CPU repeats pixels in a fraction of the time; but the gradient of that is summed in bfloat16, and rounds.
    if is_doubled and maps.device.type == "cpu" and not torch.is_grad_enabled():
        wide = maps.repeat_interleave(2, dim=3)
        return torch.stack([wide, wide], dim=3).flatten(2, 3)  # whole rows are copied at once
    return F.interpolate(maps, size=size, mode="nearest")


class EncoderDecoder(nn.Module):
    """A U-Net whose finest level has half the resolution of its input and its output.

    Args:
        n_in: Input maps at full resolution.
        n_out: Output maps at full resolution.
        widths: Channels of each level, finest first.
        dropout: Share of the deepest channels left out in training.
    """

    def __init__(self, n_in: int, n_out: int, widths: tuple[int, ...], *, dropout: float = 0.0) -> None:
        super().__init__()
        finer = (4 * n_in, *widths[:-1])
        self.encoder = nn.ModuleList(
            _block(n, width, stride=1 if level == 0 else 2)
            for level, (n, width) in enumerate(zip(finer, widths, strict=True))
        )
        self.dropout = nn.Dropout2d(dropout)
        self.decoder = nn.ModuleList(_block(fine + coarse, fine) for fine, coarse in pairwise(widths))
        self.head = nn.Conv2d(widths[0], n_out, 1)

    def forward(self, maps: Tensor, share: Share | None = None) -> Maps:
        """Return output maps (b, n_out, s, s).

        Args:
            maps: Input maps, (b, n_in, s, s).
            share: Their places in a larger batch, by which channels are left out; None: they are the whole.
        """
        levels = self.encoded(maps)
        return Maps(self.decoded(levels, share), levels[-1])

    def encoded(self, maps: Tensor) -> list[Tensor]:
        """Return the features of each level, finest first, (b, widths[i], s/2^(i+1), s/2^(i+1)); of maps see `forward`."""
        x = F.pixel_unshuffle(maps, 2)  # (b, 4·n_in, s/2, s/2)
        levels = []
        for block in self.encoder:
            x = block(x)  # (b, widths[i], s/2^(i+1), s/2^(i+1))
            levels.append(x)
        return levels

    def decoded(self, levels: Sequence[Tensor], share: Share | None = None) -> Tensor:
        """Return output maps, float32 (b, n_out, s, s), from the features of each level; of a share see `forward`."""
        *skips, bottleneck = levels
        x = self.dropout(bottleneck) if share is None else bottleneck * self._kept(bottleneck, share)
        for block in reversed(self.decoder):
            skip = skips.pop()
            x = block(torch.cat([enlarged(x, skip.shape[-2:]), skip], dim=1))  # (b, widths[i], s/2^(i+1), s/2^(i+1))
        # Interpolated, not shuffled: borders are smooth, and shuffled neighbours, from different kernels, show as a checkerboard.
        logits = (LOGIT_GAIN * self.head(x)).float()  # (b, n_out, s/2, s/2); half precision is stretched more slowly
        return F.interpolate(logits, scale_factor=2, mode="bilinear")

    def _kept(self, maps: Tensor, share: Share) -> Tensor:
        """Return the factor of each channel, (b, channels, 1, 1), drawn for the whole batch: the same bits as for maps (n, …)."""
        return share.of(self.dropout(maps.new_ones(share.n, maps.shape[1], 1, 1)))


class TwoBranchNetwork(nn.Module):
    """Two segmenters of one shape; they share no weight, and no gradient runs from one into the other."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.n_structures = config.n_structures
        self.first = new_segmenter(config)
        self.second = new_segmenter(config)

    @property
    def branches(self) -> tuple[EncoderDecoder, EncoderDecoder]:
        """Both segmenters."""
        return self.first, self.second

    def forward(self, images: Tensor) -> NetworkOutput:
        """Return what both branches say of frames (b, s, s), grey 0 to 255."""
        frames = normalized(images)  # (b, 1, s, s)
        first, second = (branch(frames) for branch in self.branches)
        logits = pooled(first.output, second.output)  # (b, K+1, s, s)
        return NetworkOutput(logits, nested_probabilities(torch.softmax(logits, dim=1)), first.bottleneck)


def new_segmenter(config: NetworkConfig) -> EncoderDecoder:
    """Return a segmenter with fresh weights: one normalised frame in, ring logits (b, K+1, s, s) out."""
    return EncoderDecoder(1, config.n_rings, config.widths, dropout=config.dropout)
