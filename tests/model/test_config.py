import json

import pytest

from ivsqa.model.config import NetworkConfig
from tests.model import configs


def test_network_comes_back_from_a_manifest():
    config = configs.network(n_structures=2, size_px=96, widths=(8, 16), pam="spatial", error_inputs="both")
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_training_is_written_in_plain_values():
    config = configs.training(max_steps=7, augmentation=configs.augmentation(rotation_deg=15.0, flip=False))
    written = json.loads(json.dumps(config.to_dict()))
    assert (written["max_steps"], written["augmentation"]["rotation_deg"]) == (7, 15.0)
    assert written == config.to_dict()


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
        configs.network(**{"n_structures": 1, "size_px": 96, **wrong})


@pytest.mark.parametrize("wrong", [{"max_steps": 0}, {"patience": 0}, {"learning_rate": 0.0}, {"average_decay": 1.0}])
def test_impossible_training_is_refused(wrong):
    with pytest.raises(ValueError, match=r"at least 1|above 0"):
        configs.training(**wrong)
