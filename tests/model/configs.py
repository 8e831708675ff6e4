"""The smallest networks and trainings, for tests to change in one point."""

from typing import Any

from ivsqa.io.project.settings import AugmentationSettings, TrainingSettings
from ivsqa.model.augmentation import AugmentationConfig
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.workflow.predicting.networks import augmentation_config, training_config


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
