"""What a training leaves behind, as bytes: a model to use, or a state to go on from.

Both are safetensors with one JSON entry beside the tensors. Equal content gives equal bytes. This module never touches the disk.

Version 1 of both: ivsqa 0.1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import safetensors
import safetensors.torch
from torch import Tensor

from ivsqa.errors import IntegrityError, IvsqaError
from ivsqa.model.config import NetworkConfig

Tensors: TypeAlias = Mapping[str, Tensor]
Stage: TypeAlias = Literal["annotations", "self-training"]

VERSION = 1
_ENTRY = "ivsqa"
_HEADER_LENGTH_BYTES = 8
_STATE_GROUPS = ("weights", "average", "optimizer", "best")


@dataclass(frozen=True)
class StepReport:
    """Figures of a step.

    Attributes:
        step: Steps taken, this one included.
        stage: What was learnt from: annotations, or then frames that nobody annotated beside them.
        loss: Of both branches.
        learning_rate: It was taken with.
        validation_dice: Mean over validation frames and structures after it; None where it was not measured.
    """

    step: int
    stage: Stage
    loss: float
    learning_rate: float
    validation_dice: float | None = None


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network that can predict.

    Attributes:
        config: The network.
        weights: Float32 tensors on the CPU, by the names they have in `TwoBranchNetwork`.
    """

    config: NetworkConfig
    weights: Tensors

    def to_bytes(self) -> bytes:
        """Return the model as safetensors."""
        return _pack("model", {"network": self.config.to_dict()}, {"weights": self.weights})

    @classmethod
    def from_bytes(cls, data: bytes) -> TrainedModel:
        """Return the model of `to_bytes`.

        Raises:
            IntegrityError: these bytes are no model, or were cut off.
            IvsqaError: a later version wrote them.
        """
        values, groups = _unpack("model", data)
        # Those that come with ivsqa are stored with half the digits.
        weights = {name: value.float() for name, value in _named_as_today(groups["weights"]).items()}
        return cls(NetworkConfig.from_dict(values["network"]), weights)


@dataclass(frozen=True, eq=False)
class TrainingState:
    """Everything a stopped training goes on from; the frames and the configuration are given anew.

    Attributes:
        request: Hash of the frames, the configuration and the start, which must be the same to go on.
        step: Steps taken.
        weights: Of the network.
        average: Their running means.
        optimizer: The optimiser's tensors, by parameter number and name.
        best: The running means at the best evaluation; empty where none was made.
        best_step: When that was.
        best_dice: How good it was; None where none was made.
        stale: Evaluations since.
        self_begin: The step at which self-training began; None before.
        history: One report a step.
    """

    request: str
    step: int
    weights: Tensors
    average: Tensors
    optimizer: Tensors
    best: Tensors
    best_step: int
    best_dice: float | None
    stale: int
    self_begin: int | None
    history: tuple[StepReport, ...]

    def to_bytes(self) -> bytes:
        """Return the state as safetensors."""
        values = {name: value for name, value in vars(self).items() if name not in _STATE_GROUPS}
        values["history"] = [asdict(report) for report in self.history]
        return _pack("training-state", values, {name: getattr(self, name) for name in _STATE_GROUPS})

    @classmethod
    def from_bytes(cls, data: bytes) -> TrainingState:
        """Return the state of `to_bytes`.

        Raises:
            IntegrityError: these bytes are no state, or were cut off.
            IvsqaError: a later version wrote them.
        """
        values, groups = _unpack("training-state", data)
        values["history"] = tuple(StepReport(**report) for report in values["history"])
        values |= {name: groups.get(name, {}) for name in _STATE_GROUPS}
        return cls(**values)


def _named_as_today(weights: Tensors) -> Tensors:
    """Return weights of architecture 1 by the names of today, without those of its committee; others as they are."""
    branches = {"network.segmenter.": "first.", "network.error_branch.maps.": "second."}
    if not any(name.startswith("network.") for name in weights):
        return weights
    return {
        new + name.removeprefix(old): value
        for old, new in branches.items()
        for name, value in weights.items()
        if name.startswith(old)
    }


def _pack(kind: Literal["model", "training-state"], values: dict[str, Any], groups: Mapping[str, Tensors]) -> bytes:
    """Return plain values and groups of tensors as one safetensors file."""
    tensors = {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()}
    entry = json.dumps({"kind": f"ivsqa/{kind}", "version": VERSION, **values}, allow_nan=False)
    return bytes(safetensors.torch.save(tensors, metadata={_ENTRY: entry}))


def _unpack(kind: str, data: bytes) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Return the plain values and groups of tensors that `_pack` was given."""
    hint = "restore the file from a copy, or train again"
    try:
        tensors = safetensors.torch.load(data)
        values = _entry(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise IntegrityError(f"these weights cannot be read: {error}", hint=hint) from error
    if values.pop("kind") != f"ivsqa/{kind}":
        raise IntegrityError(f"this file holds no {kind}", hint=hint)
    if (version := values.pop("version")) > VERSION:
        raise IvsqaError(f"these weights have version {version}, this ivsqa reads {VERSION}", hint="update ivsqa")
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = tensor
    return values, groups


def _entry(data: bytes) -> dict[str, Any]:
    """Return the JSON entry, which safetensors gives back only for files on disk.

    Source: the format's description: eight bytes of header length, little-endian, then the header as JSON.
    """
    length = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
    header = json.loads(data[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
    entry: dict[str, Any] = json.loads(header["__metadata__"][_ENTRY])
    return entry
