"""Damage to frames: what an unknown console, a wrong gain or a lost signal make of a picture.

A network that has met damage in training keeps drawing on consoles it has never seen. As with variation, parameters are drawn
first, then applied; borders stay where they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ivsqa.model.augmentation import Floats, float32, on_device_of, per_frame

N_TONES = 8
NOISE_PX = 96
"""Side of the grid that noise is drawn on; stretched over the frame it is a little coarser than a pixel."""
FIELD_PX = 4
N_BLANKS = 3


@dataclass(frozen=True)
class CorruptionParameters:
    """Damage of n frames; grey runs from 0 to 1.

    Attributes:
        tone: The grey that 0, 1/8, … 1 become, (n, N_TONES + 1).
        coarse: Shares of the frame at a half and at a quarter of its resolution in what is seen, (n, 2).
        field: Natural log of a slowly varying gain, (n, FIELD_PX, FIELD_PX).
        grain: Factor of the grey, (n, NOISE_PX, NOISE_PX).
        noise: Added grey, (n, NOISE_PX, NOISE_PX).
        blank: Rectangles without signal as centre x, y and half sizes in shares of the side, (n, N_BLANKS, 4); size 0 for none.
        inverted: 1 where dark and bright are exchanged, (n,).
        gain: Factor of the grey, (n,).
    """

    tone: Floats
    coarse: Floats
    field: Floats
    grain: Floats
    noise: Floats
    blank: Floats
    inverted: Floats
    gain: Floats


def sample_corruption(rng: np.random.Generator, n: int, share: float) -> CorruptionParameters:
    """Draw damage of n frames.

    Args:
        rng: Randomness.
        n: Frames.
        share: Of frames that are damaged at all, each more or less severely.
    """
    severity = np.where(rng.random(n) < share, rng.random(n), 0.0)

    def some(probability: float) -> NDArray[np.float64]:
        """Return the severity of the frames that one kind of damage falls on, 0 elsewhere."""
        return np.where(rng.random(n) < probability, severity, 0.0)

    rise = rng.gamma(1.0, 1.0, (n, N_TONES)) + 1e-3
    curve = np.concatenate([np.zeros((n, 1)), rise.cumsum(axis=1)], axis=1)
    strength = some(0.5)[:, None]
    tone = (1.0 - strength) * np.linspace(0.0, 1.0, N_TONES + 1) + strength * curve / curve[:, -1:]
    coarse = np.stack([np.minimum(2.0 * some(0.25), 1.0) for _ in range(2)], axis=1)
    field = 0.8 * some(0.5)[:, None, None] * rng.standard_normal((n, FIELD_PX, FIELD_PX))
    noise = rng.standard_normal((2, n, NOISE_PX, NOISE_PX), dtype=np.float32)
    grain, added = 0.8 * some(0.4), 0.15 * some(0.4)
    size = (
        rng.uniform(0.03, 0.25, (n, N_BLANKS, 2))
        * ((rng.random((n, N_BLANKS)) < 0.3) & (severity > 0.3)[:, None])[..., None]
    )
    return CorruptionParameters(
        tone=float32(tone),
        coarse=float32(coarse),
        field=float32(field),
        grain=float32(1.0 + grain[:, None, None] * noise[0]),
        noise=float32(added[:, None, None] * noise[1]),
        blank=float32(np.concatenate([rng.random((n, N_BLANKS, 2)), size], axis=2)),
        inverted=float32(some(0.05) > 0.5),
        gain=float32(np.exp(severity * rng.uniform(-0.7, 0.7, n))),
    )


def corrupt(images: Tensor, parameters: CorruptionParameters) -> Tensor:
    """Return damaged frames, float32 (n, s, s), 0 to 255.

    Args:
        images: (n, s, s), grey 0 to 255, any dtype.
        parameters: For n frames.
    """
    side = images.shape[-1]
    grey = _toned((images.float() / 255.0).clamp(0.0, 1.0), on_device_of(parameters.tone, images))
    for factor, weight in zip((2, 4), parameters.coarse.T, strict=True):
        share = per_frame(weight, images)  # (n, 1, 1)
        grey = grey + share * (_stretched(F.avg_pool2d(grey.unsqueeze(1), factor), side) - grey)
    field, grain, noise = (
        _stretched(on_device_of(maps, images).unsqueeze(1), side)
        for maps in (parameters.field, parameters.grain, parameters.noise)
    )  # (n, s, s) each
    grey = grey * torch.exp(field) * grain + noise
    grey = grey * ~_blanked(on_device_of(parameters.blank, images), side)
    grey = torch.where(per_frame(parameters.inverted, images) > 0.0, 1.0 - grey, grey)
    return (grey * per_frame(parameters.gain, images)).clamp(0.0, 1.0) * 255.0


def _toned(grey: Tensor, tone: Tensor) -> Tensor:
    """Return grey (n, s, s) sent through the curves (n, N_TONES + 1), straight between their points."""
    at = grey.flatten(1) * N_TONES  # (n, s·s)
    below = at.floor().clamp(max=N_TONES - 1)
    low, high = (torch.gather(tone, 1, below.long() + step) for step in (0, 1))
    return (low + (high - low) * (at - below)).view_as(grey)


def _stretched(maps: Tensor, side: int) -> Tensor:
    """Return maps (n, 1, h, w) stretched to (n, side, side)."""
    return F.interpolate(maps, size=(side, side), mode="bilinear").squeeze(1)


def _blanked(blank: Tensor, side: int) -> Tensor:
    """Return the pixels inside a rectangle, bool (n, side, side)."""
    at = (torch.arange(side, device=blank.device) + 0.5) / side  # (side,)
    x, y, half_width, half_height = blank.unbind(2)  # (n, N_BLANKS) each
    across = (at - x[..., None]).abs() < half_width[..., None]  # (n, N_BLANKS, side)
    down = (at - y[..., None]).abs() < half_height[..., None]  # (n, N_BLANKS, side)
    return (down[..., :, None] & across[..., None, :]).any(dim=1)
