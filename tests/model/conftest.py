"""Small ring-shaped phantoms and the smallest network that learns them in a second."""

from collections.abc import Callable

import pytest

from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.data import SampleSet
from tests.model import configs
from tests.model.configs import SIZE_PX, ringed_frames


@pytest.fixture
def network_config() -> NetworkConfig:
    return configs.network(n_structures=2, size_px=SIZE_PX, widths=(8, 8))


@pytest.fixture
def training_config() -> TrainingConfig:
    return configs.training(
        max_steps=6,
        batch_size=4,
        eval_every=3,
        self_train="all",
        self_share=1.0,
        precision="fp32",
        augmentation=configs.augmentation(shift=0.02, scale=0.05),
    )


@pytest.fixture
def rings() -> Callable[..., SampleSet]:
    """Return a maker of frames with a dark lumen inside a grey wall on a bright ground, speckled."""
    return ringed_frames
