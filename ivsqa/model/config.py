"""The network and its training as plain frozen values, checked when they are made; `to_dict` is what manifests record.

What `project.yaml` can set has no default here, so that its defaults stand in one place (`ivsqa.io.project.settings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ivsqa.errors import StateError
from ivsqa.model.augmentation import AugmentationConfig
from ivsqa.model.choices import Precision, SelfTraining

ARCHITECTURE = 2
"""Counts up whenever weights of a release no longer fit the network or mean something else in it.

1: ivsqa 0.1, whose second branch was for the error map alone; where it saw the image alone, its weights fit.
"""


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of the two-branch network.

    Attributes:
        n_structures: Nested structures K; the network tells K + 1 rings apart.
        size_px: Side of the working grid; even, and at least 16.
        widths: Channels of each level of either branch, finest (half resolution) first.
        dropout: Share of a branch's deepest channels left out in training; without it there is no MC-dropout.
    """

    n_structures: int
    size_px: int
    widths: tuple[int, ...]
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.n_structures < 1:
            raise ValueError(f"a network needs at least one structure, got {self.n_structures}")
        if self.size_px < 16 or self.size_px % 2:
            raise ValueError(f"the working size is even and at least 16 px, got {self.size_px}")
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"every level needs a channel, got {self.widths}")
        if self.size_px >> len(self.widths) < 2:
            raise ValueError(
                f"{len(self.widths)} levels leave less than 2 px of {self.size_px}: take fewer, or larger frames"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout is a share below 1, got {self.dropout}")

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
        was_plain = values.get("error_inputs") == "image" and values.get("error_widths") == values.get("widths")
        if values.get("architecture") != ARCHITECTURE and not (values.get("architecture") == 1 and was_plain):
            raise StateError(
                f"this model is a network of architecture {values.get('architecture')}, this ivsqa builds {ARCHITECTURE}",
                hint="use the ivsqa that trained it (its model.yaml says which), or train again with: ivsqa train",
            )
        known: dict[str, Any] = {field.name: values[field.name] for field in fields(cls)}
        return cls(**known | {"widths": tuple(known["widths"])})


@dataclass(frozen=True)
class TrainingConfig:
    """Length, pace and material of a training.

    Attributes:
        max_steps: Optimiser steps on annotated frames at most; the learning rate falls to zero over them. 0: none
            is taken, and the start stays as it is.
        batch_size: Frames a step, over all devices.
        learning_rate: At its highest, after the warm-up.
        eval_every: Steps between evaluations on the validation frames.
        patience: Evaluations without a better Dice before training stops.
        seed: Every draw of this training comes from it.
        self_train: Which of the frames that nobody annotated it learns from afterwards, as it draws them itself: those it is sure
            of, all, or none.
        precision: "bf16" and "fp32" as named; "auto" takes bf16 where the device computes in it.
        augmentation: How frames are varied.
        weight_decay: AdamW's, on convolution kernels only.
        warmup: Share of `max_steps` over which the learning rate rises.
        average_decay: Decay of the running mean of the weights that is evaluated and kept.
        self_share: Steps with frames that nobody annotated, as a share of `max_steps`.
    """

    max_steps: int
    batch_size: int
    learning_rate: float
    eval_every: int
    patience: int
    seed: int
    self_train: SelfTraining
    precision: Precision
    augmentation: AugmentationConfig
    weight_decay: float = 1e-2
    warmup: float = 0.05
    average_decay: float = 0.99
    self_share: float = 0.5

    def __post_init__(self) -> None:
        if self.max_steps < 0 or min(self.batch_size, self.eval_every, self.patience) < 1:
            raise ValueError("max_steps is at least 0; batch_size, eval_every and patience are at least 1")
        if self.self_share < 0.0:
            raise ValueError("self-training takes no fewer than 0 steps")
        if self.learning_rate <= 0.0 or not 0.0 <= self.average_decay < 1.0:
            raise ValueError("the learning rate is above 0 and the decay of the average in [0, 1)")

    @property
    def self_steps(self) -> int:
        """Optimiser steps with frames that nobody annotated."""
        return 0 if self.self_train == "none" else round(self.self_share * self.max_steps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return _plain(asdict(self))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with tuples as lists, as JSON and YAML give them back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
