"""What determines a training, and what each of its steps is taught.

Every draw is a function of (seed, purpose, step), made for the whole batch: a frame is varied alike whichever rank has it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ivsqa.model.augmentation import apply, rows_of, sample
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.corruption import corrupt, sample_corruption
from ivsqa.model.data import Samples, batch_indices, rng_for
from ivsqa.model.losses import known_pixels
from ivsqa.model.network import TwoBranchNetwork
from ivsqa.model.objective import Lesson, drawn_lesson
from ivsqa.model.ranks import Share
from ivsqa.model.state import TrainedModel

_AUGMENTATION, _CORRUPTION, _DROPOUT, _OTHERS = 2, 3, 4, 5


@dataclass(frozen=True, eq=False)
class Task:
    """Everything that determines the result of a training; see `ivsqa.model.training.train`."""

    network: NetworkConfig
    config: TrainingConfig
    training: Samples
    validation: Samples | None
    unannotated: NDArray[np.uint8] | None
    start: TrainedModel | None

    @property
    def n_unannotated(self) -> int:
        """Frames without annotation in a step of self-training."""
        return 0 if self.unannotated is None else min(self.config.batch_size, len(self.unannotated))

    def sha256(self) -> str:
        """Return the hash that a checkpoint is kept under."""
        content = {
            "network": self.network.to_dict(),
            "training": self.config.to_dict(),
            "frames": [None if frames is None else frames.sha256() for frames in (self.training, self.validation)],
            "unannotated": None if self.unannotated is None else hashlib.sha256(self.unannotated.tobytes()).hexdigest(),
            "start": None if self.start is None else hashlib.sha256(self.start.to_bytes()).hexdigest(),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def dropout_seed(task: Task, step: int) -> int:
    """Return the seed of the channels that a step leaves out."""
    return int(rng_for(task.config.seed, _DROPOUT, step).integers(2**63))


def annotated_lesson(task: Task, step: int, share: Share, device: torch.device) -> Lesson:
    """Return a step's annotated frames, varied and damaged, those of a share of the batch."""
    config, training, rows = task.config, task.training, share.rows
    chosen, next_ones = (
        batch_indices(training.weights, step=at, batch_size=config.batch_size, seed=config.seed)[rows]
        for at in (step, step + 1)
    )
    images, labels = (torch.from_numpy(array).to(device) for array in training.take(chosen))
    training.prepare(next_ones)
    varied = sample(rng_for(config.seed, _AUGMENTATION, step), share.n, config.augmentation)
    images, labels = apply(images, labels, rows_of(varied, rows))
    damage = sample_corruption(rng_for(config.seed, _CORRUPTION, step), share.n, config.augmentation.corruption)
    return Lesson.of_annotations(corrupt(images, rows_of(damage, rows)), labels, task.network.n_rings)


def unannotated_lesson(task: Task, step: int, share: Share, teacher: TwoBranchNetwork, device: torch.device) -> Lesson:
    """Return a step's frames without annotation, varied alike for teacher and pupils, those of a share of the batch."""
    config, others, rows = task.config, task.unannotated, share.rows
    assert others is not None
    rng = rng_for(config.seed, _OTHERS, step)
    frames = torch.from_numpy(others[rng.choice(len(others), share.n, replace=False)[rows]]).to(device)
    images, labels = apply(frames, torch.zeros_like(frames), rows_of(sample(rng, share.n, config.augmentation), rows))
    damage = sample_corruption(rng, share.n, config.augmentation.corruption)
    sure_only = config.self_train == "accepted"
    damaged = corrupt(images, rows_of(damage, rows))
    return drawn_lesson(teacher, images, damaged, known_pixels(labels), sure_only=sure_only)
