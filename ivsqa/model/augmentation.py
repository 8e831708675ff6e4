"""Variation of training frames: parameters are drawn first, then applied, so that a batch can be replayed.

Frames and labels move together, by one resampling; grey changes touch frames only. What comes from beyond the frame is black and
labelled to be ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ivsqa.domain.structures import IGNORE_LABEL

Floats: TypeAlias = NDArray[np.float32]
Parameters = TypeVar("Parameters")

GRAIN_PX = 64
"""Side of the grid that multiplicative grain is drawn on; stretched over the frame it is about as coarse as speckle."""


@dataclass(frozen=True)
class AugmentationConfig:
    """Strength of the variation of training frames; 0 switches a change off.

    Attributes:
        rotation_deg: Greatest rotation either way; 180 for a catheter, which has no upright.
        flip: Whether half of the frames are mirrored.
        shift: Greatest shift along each axis, as a share of the side.
        scale: Greatest enlargement or reduction, natural log of the factor.
        grey: Strength of all grey changes. At 0.3: exponent and gain by up to ± 30 %, the same again from centre to rim, grain
            with a standard deviation of up to 0.3 of the grey, and a blur of up to 0.6 px.
        shadow: Share of frames that get an acoustic shadow from the centre outwards.
        corruption: Share of frames that are damaged on top, more or less severely (`ivsqa.model.corruption`).
    """

    rotation_deg: float
    flip: bool
    shift: float
    scale: float
    grey: float
    shadow: float
    corruption: float


@dataclass(frozen=True)
class AugmentParameters:
    """Variation of n frames.

    Attributes:
        affine: Where each output place comes from, (n, 2, 3), in units of half the side about the centre, (x, y).
        exponent: Of the grey curve, (n,).
        gain: Factor of the grey, (n,).
        radial_gain: Natural log of the gain from the centre to the rim, (n,).
        grain: Factor of the grey, (n, GRAIN_PX, GRAIN_PX).
        blur_px: Standard deviation, (n,).
        shadow: (n, 4): direction in radians, half width in radians, start as a share of half the side, what is left of the grey
            (1: no shadow).
    """

    affine: Floats
    exponent: Floats
    gain: Floats
    radial_gain: Floats
    grain: Floats
    blur_px: Floats
    shadow: Floats


def sample(rng: np.random.Generator, n: int, config: AugmentationConfig) -> AugmentParameters:
    """Draw what is done to n frames."""

    def spread(limit: float) -> NDArray[np.float64]:
        return rng.uniform(-limit, limit, n)

    grey = config.grey
    shadowed = rng.random(n) < config.shadow
    width, start = rng.uniform(0.1, 0.6, n), rng.uniform(0.15, 0.7, n)
    direction, left = spread(np.pi), np.where(shadowed, rng.uniform(0.1, 0.7, n), 1.0)
    roughness = rng.uniform(0.0, grey, (n, 1, 1)).astype(np.float32)
    grain = 1.0 + roughness * rng.standard_normal((n, GRAIN_PX, GRAIN_PX), dtype=np.float32)
    return AugmentParameters(
        affine=_affine(rng, n, config),
        exponent=float32(np.exp(spread(grey))),
        gain=float32(np.exp(spread(grey))),
        radial_gain=float32(spread(grey)),
        grain=grain,
        blur_px=float32(rng.uniform(0.0, 2.0 * grey, n)),
        shadow=float32(np.stack([direction, width, start, left], axis=1)),
    )


def apply(images: Tensor, labels: Tensor, parameters: AugmentParameters) -> tuple[Tensor, Tensor]:
    """Return varied frames and labels.

    Args:
        images: uint8 (n, s, s).
        labels: Ring labels, uint8 (n, s, s).
        parameters: For n frames.

    Returns:
        Frames, float32 (n, s, s), 0 to 255; labels, uint8 (n, s, s).
    """
    grey, moved_labels = _moved(images, labels, on_device_of(parameters.affine, images))
    changed = _blurred(grey / 255.0, parameters.blur_px)
    changed = changed.clamp(min=0.0) ** per_frame(parameters.exponent, images)
    changed = changed * per_frame(parameters.gain, images) * _field(images, parameters)
    return changed.clamp(0.0, 1.0) * 255.0, moved_labels


def _affine(rng: np.random.Generator, n: int, config: AugmentationConfig) -> Floats:
    """Draw rotation, mirroring, scale and shift, (n, 2, 3)."""
    angle = np.radians(rng.uniform(-config.rotation_deg, config.rotation_deg, n))
    factor = np.exp(rng.uniform(-config.scale, config.scale, n))
    mirror = np.where((rng.random(n) < 0.5) & config.flip, -1.0, 1.0)
    shift = rng.uniform(-2.0 * config.shift, 2.0 * config.shift, (n, 2))  # the side is two units long
    cosine, sine = np.cos(angle) / factor, np.sin(angle) / factor
    rows = [[cosine * mirror, -sine, shift[:, 0]], [sine * mirror, cosine, shift[:, 1]]]
    return float32(np.moveaxis(np.array(rows), -1, 0))


def _moved(images: Tensor, labels: Tensor, affine: Tensor) -> tuple[Tensor, Tensor]:
    """Return frames resampled bilinearly and labels by the nearest, both (n, s, s)."""
    n, side, _ = images.shape
    grid = F.affine_grid(affine, [n, 1, side, side], align_corners=False)  # (n, s, s, 2)
    moved = F.grid_sample(images.unsqueeze(1).float(), grid, mode="bilinear", align_corners=False)
    # One is added so that the zero that stands for "beyond the frame" is no label.
    raised = F.grid_sample(labels.unsqueeze(1).float() + 1.0, grid, mode="nearest", align_corners=False).squeeze(1)
    return moved.squeeze(1), torch.where(raised == 0.0, float(IGNORE_LABEL), raised - 1.0).to(torch.uint8)


def _blurred(grey: Tensor, blur_px: Floats) -> Tensor:
    """Return frames (n, s, s) blurred, each by its own three-tap binomial-like kernel."""
    side_weight = per_frame(np.minimum(0.5 * blur_px**2, 0.25), grey)  # a kernel (w, 1-2w, w) has variance 2w
    for axis in (1, 2):
        ahead, behind = grey.roll(1, axis), grey.roll(-1, axis)
        grey = grey + side_weight * (ahead + behind - 2.0 * grey)
    return grey


def _field(images: Tensor, parameters: AugmentParameters) -> Tensor:
    """Return the factor of the grey at each pixel: grain, gain by depth, shadow; (n, s, s)."""
    side = images.shape[-1]
    grain = F.interpolate(
        on_device_of(parameters.grain, images).unsqueeze(1), size=(side, side), mode="bilinear"
    ).squeeze(1)
    at = (torch.arange(side, device=images.device) + 0.5) * (2.0 / side) - 1.0  # (s,) in units of half the side
    radius = torch.hypot(at[None, :], at[:, None])  # (s, s)
    angle = torch.atan2(at[:, None], at[None, :])  # (s, s)
    depth = torch.exp(per_frame(parameters.radial_gain, images) * (radius - 0.5))  # (n, s, s)
    direction, width, start, left = (per_frame(column, images) for column in parameters.shadow.T)  # (n, 1, 1) each
    aside = torch.remainder(angle - direction + torch.pi, 2.0 * torch.pi) - torch.pi  # (n, s, s)
    hidden = torch.sigmoid((width - aside.abs()) * 20.0) * torch.sigmoid(
        (radius - start) * 20.0
    )  # (n, s, s), soft edges
    return grain * depth * (1.0 - hidden * (1.0 - left))


def rows_of(parameters: Parameters, rows: NDArray[np.intp]) -> Parameters:
    """Return the parameters of some frames of a batch, drawn for all: what a frame gets depends on its place alone.

    Args:
        parameters: A dataclass of arrays (n, …).
        rows: Which, from 0.
    """
    return type(parameters)(**{field.name: getattr(parameters, field.name)[rows] for field in fields(parameters)})  # type: ignore[arg-type]


def float32(values: NDArray[np.floating | np.bool_]) -> Floats:
    """Return the values in single precision."""
    return np.asarray(values, dtype=np.float32)


def on_device_of(values: Floats, like: Tensor) -> Tensor:
    """Return an array as a tensor on the device of another."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(like.device)


def per_frame(values: Floats, like: Tensor) -> Tensor:
    """Return one number a frame, (n, 1, 1), on the device of a tensor."""
    return on_device_of(values, like)[:, None, None]
