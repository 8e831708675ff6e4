"""The smallest networks, trainings and frames, for tests to change in one point."""

from typing import Any

import numpy as np

from ivsqa.io.project.settings import AugmentationSettings, TrainingSettings
from ivsqa.model.augmentation import AugmentationConfig
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.data import SampleSet
from ivsqa.workflow.predicting.networks import augmentation_config, training_config

SIZE_PX = 32


def network(n_structures: int, size_px: int, **changes: Any) -> NetworkConfig:
    """Return a network of one level."""
    return NetworkConfig(n_structures, size_px, **{"widths": (8,), **changes})


def training(**changes: Any) -> TrainingConfig:
    """Return the default training but for some values."""
    default = training_config(TrainingSettings(), seed=0)
    return TrainingConfig(**{**vars(default), **changes})


def augmentation(**changes: Any) -> AugmentationConfig:
    """Return the default augmentation but for some values."""
    return augmentation_config(AugmentationSettings(**changes))


def ringed_frames(n: int, seed: int = 0) -> SampleSet:
    """Return frames with a dark lumen inside a grey wall on a bright ground, speckled."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
    labels = np.zeros((n, SIZE_PX, SIZE_PX), dtype=np.uint8)
    for label in labels:
        x, y = 15.5 + rng.uniform(-3, 3, 2)
        radius = np.hypot(columns - x, rows - y)
        lumen = rng.uniform(4, 6)
        label[radius < lumen + 4] = 2
        label[radius < lumen] = 1
    grey = np.choose(labels, [200, 30, 100]) * rng.gamma(16.0, 1 / 16.0, labels.shape)
    images = np.clip(grey, 1, 255).astype(np.uint8)
    return SampleSet(images, labels, np.ones(n, dtype=np.float32))
