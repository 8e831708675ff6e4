"""Small ring-shaped phantoms and the smallest network that learns them in a second."""

from collections.abc import Callable

import numpy as np
import pytest

from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.data import SampleSet
from tests.model import configs

SIZE_PX = 32


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

    def make(n: int, seed: int = 0) -> SampleSet:
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

    return make
