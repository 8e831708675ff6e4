"""What determines a training, as one value with one hash: the same request is the same model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from ivsqa.domain.pullback import FrameKey
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import AnnotatedFrame
from ivsqa.io.project.records import ModelRecord
from ivsqa.io.project.training_frames_csv import frames_csv
from ivsqa.model.config import NetworkConfig, TrainingConfig


@dataclass(frozen=True)
class Request:
    """Everything that determines a training."""

    network: NetworkConfig
    config: TrainingConfig
    parent: ModelRecord | None
    training: Sequence[AnnotatedFrame]
    validation: Sequence[AnnotatedFrame]
    unannotated: Sequence[FrameKey]
    seen: frozenset[FrameKey]

    def sha256(self, project: Project) -> str:
        """Return the hash that names this request."""
        facts = {
            # The device is not in it: a training may go on on another machine.
            "network": self.network.to_dict(),
            "training": self.config.to_dict(),
            "new_frame_weight": project.settings.training.new_frame_weight,
            "image": project.settings.image.model_dump(),
            "structures": project.structures.names,
            "parent": self.parent.weights_sha256 if self.parent else None,
            "frames": self.frames_csv(),
            "unannotated": self.unannotated,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def frames_csv(self) -> str:
        """Return the table of annotations used."""
        return frames_csv([("train", frame) for frame in self.training] + [("validation", f) for f in self.validation])
