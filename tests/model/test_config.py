import json

import pytest

from ivsqa.errors import StateError
from ivsqa.model.config import NetworkConfig
from tests.model import configs


def test_network_comes_back_from_a_manifest():
    config = configs.network(n_structures=2, size_px=96, widths=(8, 16), dropout=0.2)
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "changes", [{"error_inputs": "both"}, {"error_widths": [8]}, {"architecture": 3}, {"architecture": None}], ids=str
)
def test_a_network_of_another_architecture_is_read_only_where_its_weights_fit(changes):
    old = {"architecture": 1, "n_structures": 2, "size_px": 64, "widths": [4, 8], "error_widths": [4, 8], "pam": "both"}
    old |= {"attention_px": 16, "error_inputs": "image", "dropout": 0.1}
    assert NetworkConfig.from_dict(old) == configs.network(2, 64, widths=(4, 8))
    with pytest.raises(StateError, match="architecture"):
        NetworkConfig.from_dict(old | changes)


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
        {"widths": (8, 0)},
        {"dropout": 1.0},
    ],
)
def test_impossible_network_is_refused(wrong):
    with pytest.raises(ValueError, match=r"network|size|channel|dropout"):
        configs.network(**{"n_structures": 1, "size_px": 96, **wrong})


@pytest.mark.parametrize(
    "wrong", [{"max_steps": -1}, {"patience": 0}, {"learning_rate": 0.0}, {"average_decay": 1.0}, {"self_share": -1}]
)
def test_impossible_training_is_refused(wrong):
    with pytest.raises(ValueError, match=r"at least 1|above 0|fewer than 0"):
        configs.training(**wrong)
