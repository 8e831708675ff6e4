import json

import pytest

from ivsqa.model.augmentation import AugmentationConfig
from ivsqa.model.config import NetworkConfig, TrainingConfig


def test_network_comes_back_from_a_manifest():
    config = NetworkConfig(n_structures=2, size_px=96, widths=(8, 16), pam="spatial", error_inputs="both")
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_training_comes_back_from_a_manifest():
    config = TrainingConfig(max_steps=7, augmentation=AugmentationConfig(rotation_deg=15.0, flip=False))
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_structures": 0},
        {"size_px": 97},
        {"size_px": 8},
        {"widths": ()},
        {"error_widths": (8, 0)},
        {"attention_px": 65},
    ],
)
def test_impossible_network_is_refused(wrong):
    with pytest.raises(ValueError, match=r"network|size|channel|attention"):
        NetworkConfig(**{"n_structures": 1, "size_px": 96, **wrong})


@pytest.mark.parametrize("wrong", [{"max_steps": 0}, {"patience": 0}, {"learning_rate": 0.0}, {"average_decay": 1.0}])
def test_impossible_training_is_refused(wrong):
    with pytest.raises(ValueError, match=r"at least 1|above 0"):
        TrainingConfig(**wrong)
