"""What the borders of a structure look like before a frame is seen: how their radius varies over the angle.

The radius around a centre, as a share of its mean, is a Gaussian process over the angle; its mean and covariance are kept by
Fourier order. They are learnt from annotations, turned as far as frames may be turned. So of what is seen from a catheter, which
has no upright, the spectrum is left, the variance by order; of what a hand-held probe sees it is the shape as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Mask, contour_from_mask
from ivsqa.domain.geometry.polar import TURN, PolarGrid
from ivsqa.domain.structures import masks_of_rings

Field = NDArray[np.float64]

N_RAYS = 64
"""Rays that a border is observed on."""

N_VERTICES = 128
"""Vertices of a border: its area is within 0.05 % of the smooth line's."""

MAX_ORDER = 16
"""Highest Fourier order of a border that is read from a mask: what lies above it is the staircase of its pixels."""

N_ORDERS = 12
"""Orders whose variances and covariances are learnt."""

DECAY = 3.5
"""Variance falls with this power of the order where it is not learnt, about as in annotated sets (benchmarks/borders.py)."""

WIDTH = 1.0
"""Variance of order 1 in this law: hardly anywhere less than in annotated sets, so that borders of which nobody drew any yet lose
only what no border has."""

OFF_CENTRE = 0.08
"""How far the centre that a border is seen from lies off its own, standard deviation in mean radii: what order 1 is about."""

DEFAULT_FRAMES = 1.0
"""The law counts as much as this many annotated frames."""


@dataclass(frozen=True, eq=False)
class BorderPrior:
    """Mean and covariance of the Fourier coefficients of a radius over its mean.

    Attributes:
        mean: Of the cosines of orders 1 to N, then of the sines, (2 N,).
        covariance: (2 N, 2 N).
        tail: The variance of an order above N is this times the order to the power of -DECAY.
    """

    mean: Field
    covariance: Field
    tail: float

    @classmethod
    @cache
    def default(cls) -> BorderPrior:
        """Return the prior of structures that nobody drew yet: round on average, of variance as the law says."""
        return cls(np.zeros(2 * N_ORDERS), np.diag(np.tile(WIDTH * _ORDERS**-DECAY, 2)), WIDTH)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> BorderPrior:
        """Return the prior of which `to_dict` made plain lists."""
        upper = np.zeros((2 * N_ORDERS, 2 * N_ORDERS))
        upper[np.triu_indices(2 * N_ORDERS)] = stored["covariance"]
        return cls(np.array(stored["mean"]), upper + np.triu(upper, 1).T, float(stored["tail"]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, for YAML: mean, upper triangle of the covariance by rows, tail; rounded to 1e-8."""
        upper = self.covariance[np.triu_indices(2 * N_ORDERS)]
        return {
            "mean": self.mean.round(8).tolist(),
            "covariance": upper.round(8).tolist(),
            "tail": round(self.tail, 8),
        }

    @cached_property
    def on_rays(self) -> tuple[Field, Field]:
        """Mean and covariance of the relative radius at vertices and on rays, (V,) and (V, A); every other vertex is on a ray."""
        vertices = np.arange(N_VERTICES) * (TURN / N_VERTICES)
        basis = np.hstack([np.cos(vertices[:, None] * _ORDERS), np.sin(vertices[:, None] * _ORDERS)])
        above = np.arange(N_ORDERS + 1, N_RAYS // 2)
        lag = np.cos(vertices[:, None] * above) @ (self.tail * above**-DECAY)
        step = N_VERTICES // N_RAYS
        apart = (np.arange(N_VERTICES)[:, None] - np.arange(0, N_VERTICES, step)) % N_VERTICES
        return 1.0 + basis @ self.mean, basis @ self.covariance @ basis[::step].T + lag[apart]


def learnt_priors(
    frames: Iterable[Sequence[Contour | None]], n_structures: int, *, rotation_deg: float
) -> tuple[BorderPrior, ...]:
    """Return the prior of each structure from annotated frames; the default where no border of it can be read on rays.

    Args:
        frames: The contours of each frame, innermost first, None where absent; in pixels as wide as high.
        n_structures: Contours a frame.
        rotation_deg: How far frames may be turned either way; 180 where they have no upright.
    """
    profiles: list[list[NDArray[np.complex128]]] = [[] for _ in range(n_structures)]
    for contours in frames:
        centre = next((contour.centroid_px for contour in contours if contour is not None), None)
        for contour, listed in zip(contours, profiles, strict=True):
            if contour is None or centre is None:
                continue
            radii = vertex_grid(centre).crossings(contour)
            if not np.isnan(radii).any():
                listed.append(np.fft.rfft(radii / radii.mean())[1 : N_RAYS // 2] * (2.0 / N_VERTICES))
    return tuple(_learnt(np.array(listed), rotation_deg) if listed else BorderPrior.default() for listed in profiles)


def priors_of_labels(labels: NDArray[np.uint8], n_structures: int, *, rotation_deg: float) -> tuple[BorderPrior, ...]:
    """Return the prior of each structure from ring labels, uint8 (n, s, s); otherwise as `learnt_priors`."""
    frames = [[outline(mask) for mask in masks_of_rings(rings, n_structures)] for rings in labels]
    return learnt_priors(frames, n_structures, rotation_deg=rotation_deg)


def outline(mask: Mask | NDArray[np.floating]) -> Contour | None:
    """Return the border of a mask, or the line at one half of a probability, without its staircase; None where it is empty."""
    line = contour_from_mask(mask)
    return None if line is None else line.smoothed(N_VERTICES, MAX_ORDER)


def vertex_grid(centre_px: NDArray[np.float64]) -> PolarGrid:
    """Return the rays through the vertices of borders around a centre, (x, y)."""
    return PolarGrid(centre_px, _VERTEX_ANGLES, np.array([1.0, 2.0]))


def _learnt(coefficients: NDArray[np.complex128], rotation_deg: float) -> BorderPrior:
    """Return the prior of one structure from its Fourier coefficients in n frames, (n, orders)."""
    default, n_frames = BorderPrior.default(), len(coefficients)
    turns = np.linspace(-1.0, 1.0, N_RAYS, endpoint=False) * np.radians(rotation_deg)
    turned = (coefficients[:, None, :N_ORDERS] * np.exp(-1j * turns[:, None] * _ORDERS)).reshape(-1, N_ORDERS)
    values = np.hstack([turned.real, -turned.imag])
    mean = values.mean(axis=0)
    share = n_frames / (n_frames + DEFAULT_FRAMES)
    covariance = share * np.cov(values.T, bias=True) + (1.0 - share) * default.covariance
    covariance += share * (1.0 - share) * np.outer(mean, mean)
    order_one = [0, N_ORDERS]
    covariance[order_one, order_one] += OFF_CENTRE**2
    # The law above goes on where the last four learnt orders leave off.
    last = _ORDERS[-4:].astype(np.intp)
    tail = float((0.5 * np.abs(coefficients[:, last - 1]) ** 2 * last**DECAY).mean())
    return BorderPrior(share * mean, covariance, share * tail + (1.0 - share) * default.tail)


_ORDERS = np.arange(1.0, N_ORDERS + 1)
_VERTEX_ANGLES: Field = np.arange(N_VERTICES) * np.float64(TURN / N_VERTICES)
