"""The frames a network learns from, and which of them each step sees.

Order is a function of (seed, step) alone: a training that was stopped goes on with the frames it would have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.structures import IGNORE_LABEL

_EPOCH_ORDER = 1


class Samples(Protocol):
    """Annotated frames on the working grid, held or made when they are asked for.

    Attributes:
        weights: How often a frame is shown, relative to the others, float32 (n,).
    """

    @property
    def weights(self) -> NDArray[np.float32]:
        """See above."""

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return some frames, grey, and their ring labels: 0 background, 1 innermost …, 255 ignore; uint8 (m, s, s) each."""

    def prepare(self, rows: NDArray[np.intp]) -> None:
        """Begin to make samples that are asked for next."""

    def check_fits(self, *, size_px: int, n_structures: int) -> None:
        """Raise ValueError where frames or labels are not what a network of this size takes."""

    def sha256(self) -> str:
        """Return the hash of all that determines their content."""


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Samples that are held.

    Attributes:
        images: Grey, uint8 (n, s, s).
        labels: Ring labels, uint8 (n, s, s): 0 background, 1 innermost …, 255 ignore.
        weights: As in `Samples`.
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
        _check_weights(self.weights, n)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return some samples; see `Samples`."""
        return self.images[rows], self.labels[rows]

    def prepare(self, rows: NDArray[np.intp]) -> None:
        """Do nothing: they are there."""

    def check_fits(self, *, size_px: int, n_structures: int) -> None:
        """See `Samples`."""
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


class SamplesOnDemand:
    """Samples that are made once, when a step first needs them, and kept: a training begins before all are made.

    One thread makes what `prepare` names while the step before is computed.
    """

    def __init__(
        self,
        make: Callable[[int], tuple[NDArray[np.uint8], NDArray[np.uint8]]],
        weights: NDArray[np.float32],
        *,
        size_px: int,
        n_structures: int,
        made_of: str,
    ) -> None:
        """Make none yet.

        Args:
            make: Returns the frame and the labels of a row, uint8 (s, s) each.
            weights: As in `Samples`.
            size_px: s.
            n_structures: The highest label but the one to ignore.
            made_of: All that determines what is made, as text.

        Raises:
            ValueError: there is no sample, or a weight is not finite, below 0, or none above.
        """
        _check_weights(weights, len(weights))
        self.weights = weights
        self._make, self._made_of, self._n_structures = make, made_of, n_structures
        self._images, self._labels = np.zeros((2, len(weights), size_px, size_px), dtype=np.uint8)
        self._made: dict[int, Future[None]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="samples")

    def __len__(self) -> int:
        return len(self.weights)

    def take(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return some samples, made now unless they are there; raises what making them raises."""
        self.prepare(rows)
        for row in set(rows.tolist()):
            self._made[row].result()
        return self._images[rows], self._labels[rows]

    def prepare(self, rows: NDArray[np.intp]) -> None:
        """See `Samples`."""
        for row in rows.tolist():
            if row not in self._made:
                self._made[row] = self._thread.submit(self._fill, row)

    def _fill(self, row: int) -> None:
        """Make a sample."""
        self._images[row], self._labels[row] = self._make(row)

    def check_fits(self, *, size_px: int, n_structures: int) -> None:
        """See `Samples`."""
        side = self._images.shape[1]
        if side != size_px:
            raise ValueError(f"the network takes frames of {size_px} × {size_px} px, got {side} × {side}")
        if self._n_structures > n_structures:
            raise ValueError(f"label {self._n_structures} is beyond the {n_structures} structures of the network")

    def sha256(self) -> str:
        """Return the hash of what they are made of."""
        return hashlib.sha256(self._made_of.encode() + self.weights.tobytes()).hexdigest()


def _check_weights(weights: NDArray[np.float32], n: int) -> None:
    """Raise ValueError where weights are not those of n samples."""
    if not n or weights.shape != (n,):
        raise ValueError(f"{n} frames need as many weights")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise ValueError("weights are finite, none below 0, not all 0")


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
