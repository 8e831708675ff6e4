"""The frames a network learns from, and which of them each step sees.

Order is a function of (seed, step) alone: a training that was stopped goes on with the frames it would have seen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.structures import IGNORE_LABEL

_EPOCH_ORDER = 1


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Annotated frames on the working grid.

    Attributes:
        images: Grey, uint8 (n, s, s).
        labels: Ring labels, uint8 (n, s, s): 0 background, 1 innermost …, 255 ignore.
        weights: How often a frame is shown, relative to the others, float32 (n,).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    weights: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.images)
        if n == 0 or self.images.ndim != 3 or self.images.shape != self.labels.shape:
            raise ValueError(f"frames and labels are (n, s, s), got {self.images.shape} and {self.labels.shape}")
        if self.images.dtype != np.uint8 or self.labels.dtype != np.uint8:
            raise ValueError(f"frames and labels are uint8, got {self.images.dtype} and {self.labels.dtype}")
        if self.weights.shape != (n,):
            raise ValueError(f"{n} frames need as many weights")
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all() and self.weights.sum() > 0):
            raise ValueError("weights are finite, none below 0, not all 0")

    def __len__(self) -> int:
        return len(self.images)

    def check_fits(self, *, size_px: int, n_structures: int) -> None:
        """Raise ValueError where frames or labels are not what a network of this size takes."""
        if self.images.shape[1:] != (size_px, size_px):
            raise ValueError(f"the network takes frames of {size_px} × {size_px} px, got {self.images.shape[1:]}")
        known = self.labels[self.labels != IGNORE_LABEL]
        if known.size and known.max() > n_structures:
            raise ValueError(f"label {known.max()} is beyond the {n_structures} structures of the network")

    def sha256(self) -> str:
        """Return the hash of all content."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        for array in (self.images, self.labels, self.weights):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def rng_for(seed: int, purpose: int, step: int) -> np.random.Generator:
    """Return the generator of one purpose at one step; no draw depends on any other."""
    return np.random.default_rng([seed % 2**32, purpose, step])


def batch_indices(weights: NDArray[np.float32], *, step: int, batch_size: int, seed: int) -> NDArray[np.intp]:
    """Return the samples of a step, (batch_size,).

    Epochs follow each other without a gap. In each of n draws a sample of weight w comes ⌊n·w/Σw⌋ or ⌈n·w/Σw⌉ times: with equal
    weights, once.

    Args:
        weights: Of all samples, (n,).
        step: From 0.
        batch_size: Over all devices.
        seed: Of the training.
    """
    n = len(weights)
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = range(int(places[0]) // n, int(places[-1]) // n + 1)
    order = np.concatenate([_epoch_order(weights.tobytes(), seed, epoch) for epoch in epochs])
    return order[places - epochs[0] * n]


@lru_cache(maxsize=8)
def _epoch_order(weights: bytes, seed: int, epoch: int) -> NDArray[np.intp]:
    """Return the samples of an epoch, drawn by their weights at evenly spaced points and shuffled, (n,).

    Args:
        weights: The bytes of float32 weights, so that the order can be remembered.
        seed: Of the training.
        epoch: From 0.
    """
    share = np.frombuffer(weights, dtype=np.float32).astype(np.float64)
    n = len(share)
    rng = rng_for(seed, _EPOCH_ORDER, epoch)
    until = np.cumsum(share) * (n / share.sum())
    drawn = np.searchsorted(until, np.arange(n) + rng.random(), side="right")
    return rng.permutation(np.minimum(drawn, n - 1))
