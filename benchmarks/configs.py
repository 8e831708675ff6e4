"""Networks and trainings with the defaults of project.yaml, for benchmarks to change in what they compare."""

from typing import Any

from ivsqa.io.project.settings import AugmentationSettings, NetworkSettings, TrainingSettings
from ivsqa.model.augmentation import AugmentationConfig
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.workflow.predicting.networks import augmentation_config, network_config, training_config


def network(n_structures: int, size_px: int, **changes: Any) -> NetworkConfig:
    """Return the default network but for some values."""
    default = network_config(NetworkSettings(), n_structures=n_structures, size_px=size_px)
    return NetworkConfig(**{**vars(default), **changes})


def training(**changes: Any) -> TrainingConfig:
    """Return the default training but for some values."""
    return TrainingConfig(**{**vars(training_config(TrainingSettings(), seed=0)), **changes})


def augmentation(**changes: Any) -> AugmentationConfig:
    """Return the default augmentation but for some values."""
    return augmentation_config(AugmentationSettings(**changes))
