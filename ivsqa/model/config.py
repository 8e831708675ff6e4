"""The network and its training as plain frozen values, checked when they are made; `to_dict` is what manifests record.

What `project.yaml` can set has no default here, so that its defaults stand in one place (`ivsqa.io.project.settings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from ivsqa.errors import StateError
from ivsqa.model.augmentation import AugmentationConfig

Attention: TypeAlias = Literal["none", "spatial", "channel", "both"]
ARCHITECTURE = 1
"""Counts up whenever weights of a release no longer fit the network or mean something else in it. 1: ivsqa 0.1."""

ErrorInputs: TypeAlias = Literal["image", "probabilities", "features", "both"]
Precision: TypeAlias = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of the two-branch network.

    Attributes:
        n_structures: Nested structures K; the network tells K + 1 rings apart.
        size_px: Side of the working grid; even, and at least 16.
        widths: Channels of each level of the segmenter, finest (half resolution) first.
        error_widths: The same for the error branch.
        pam: Which parts of the probability attention module run.
        error_inputs: What the error branch sees: the image alone, or the segmenter's probabilities, features or both beside it.
        attention_px: Side of the grid that spatial attention compares all pairs of cells on; at most 64.
        dropout: Share of the segmenter's deepest channels left out in training; without it there is no MC-dropout.
    """

    n_structures: int
    size_px: int
    widths: tuple[int, ...]
    error_widths: tuple[int, ...]
    pam: Attention
    error_inputs: ErrorInputs
    attention_px: int = 16
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.n_structures < 1:
            raise ValueError(f"a network needs at least one structure, got {self.n_structures}")
        if self.size_px < 16 or self.size_px % 2:
            raise ValueError(f"the working size is even and at least 16 px, got {self.size_px}")
        if any(not widths or min(widths) < 1 for widths in (self.widths, self.error_widths)):
            raise ValueError(f"every level needs a channel, got {self.widths} and {self.error_widths}")
        deepest = max(len(self.widths), len(self.error_widths))
        if self.size_px >> deepest < 2:
            raise ValueError(f"{deepest} levels leave less than 2 px of {self.size_px}: take fewer, or larger frames")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout is a share below 1, got {self.dropout}")
        if not 1 <= self.attention_px <= 64:
            raise ValueError(f"attention compares all pairs of cells of a grid of 1 to 64, got {self.attention_px}")

    @property
    def n_rings(self) -> int:
        """Rings that the structures and the background divide a frame into."""
        return self.n_structures + 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest, with the architecture they are for."""
        return {"architecture": ARCHITECTURE, **_plain(asdict(self))}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Return the configuration that `to_dict` described.

        Raises:
            StateError: it is for a network that this code no longer builds.
        """
        if values.get("architecture") != ARCHITECTURE:
            raise StateError(
                f"this model is a network of architecture {values.get('architecture')}, this ivsqa builds {ARCHITECTURE}",
                hint="use the ivsqa that trained it (its model.yaml says which), or train again with: ivsqa train",
            )
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name != "architecture"
        }
        return cls(**fields)


@dataclass(frozen=True)
class TrainingConfig:
    """Length, pace and material of a training.

    Attributes:
        max_steps: Optimiser steps of the segmenters at most; the learning rate falls to zero over them.
        batch_size: Frames a step, over all devices.
        learning_rate: At its highest, after the warm-up.
        eval_every: Steps between evaluations on the validation frames.
        patience: Evaluations without a better Dice before training stops.
        seed: Every draw of this training comes from it.
        committee: Segmenters that learn beside the main one, for the error branch to learn from on frames nobody annotated.
        precision: "bf16" and "fp32" as named; "auto" takes bf16 where the device computes in it.
        augmentation: How frames are varied.
        weight_decay: AdamW's, on convolution kernels only.
        warmup: Share of `max_steps` over which the learning rate rises.
        average_decay: Decay of the running mean of the weights that is evaluated and kept.
        error_share: Steps the error branch learns for once the segmenters are done, as a share of `max_steps`.
    """

    max_steps: int
    batch_size: int
    learning_rate: float
    eval_every: int
    patience: int
    seed: int
    committee: int
    precision: Precision
    augmentation: AugmentationConfig
    weight_decay: float = 1e-2
    warmup: float = 0.05
    average_decay: float = 0.99
    error_share: float = 2.0

    def __post_init__(self) -> None:
        if min(self.max_steps, self.batch_size, self.eval_every, self.patience) < 1:
            raise ValueError("max_steps, batch_size, eval_every and patience are at least 1")
        if self.committee < 0:
            raise ValueError("a committee has no fewer than 0 members")
        if self.error_share < 0.0:
            raise ValueError("the error branch learns for no fewer than 0 steps")
        if self.learning_rate <= 0.0 or not 0.0 <= self.average_decay < 1.0:
            raise ValueError("the learning rate is above 0 and the decay of the average in [0, 1)")

    @property
    def error_steps(self) -> int:
        """Optimiser steps of the error branch."""
        return round(self.error_share * self.max_steps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return _plain(asdict(self))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with tuples as lists, as JSON and YAML give them back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
