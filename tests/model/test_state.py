import dataclasses

import pytest
import safetensors.torch
import torch

from ivsqa.errors import IntegrityError, IvsqaError
from ivsqa.model.state import StepReport, TrainedModel, TrainingState
from tests.model import configs

CONFIG = configs.network(2, 32, widths=(8, 16))
MODEL = TrainedModel(CONFIG, {"first.a": torch.arange(6.0).view(2, 3), "second.a": torch.ones(2)})
STATE = TrainingState(
    request="abc",
    step=3,
    weights={"w": torch.rand(2, 2)},
    average={"w": torch.rand(2, 2)},
    optimizer={"0/exp_avg": torch.rand(2, 2), "0/step": torch.tensor(3.0)},
    best={},
    best_step=0,
    best_dice=None,
    stale=0,
    self_begin=1,
    history=(StepReport(1, "annotations", 0.1 + 0.2, 1e-3), StepReport(2, "self-training", 0.5, 1e-3, 0.75)),
)


def test_model_comes_back():
    back = TrainedModel.from_bytes(MODEL.to_bytes())
    assert back.config == CONFIG
    assert set(back.weights) == {"first.a", "second.a"}
    assert torch.equal(back.weights["first.a"], MODEL.weights["first.a"])


def test_weights_of_the_first_architecture_are_named_as_today_without_its_committee():
    names = ("network.segmenter.head.weight", "network.error_branch.maps.head.weight", "committee.0.head.weight")
    old = TrainedModel(CONFIG, {name: torch.full((2,), float(number)) for number, name in enumerate(names)})
    back = TrainedModel.from_bytes(old.to_bytes())
    assert {name: float(value[0]) for name, value in back.weights.items()} == {
        "first.head.weight": 0.0,
        "second.head.weight": 1.0,
    }


def test_equal_models_are_equal_bytes():
    shuffled = TrainedModel(CONFIG, {name: MODEL.weights[name] for name in ("second.a", "first.a")})
    assert shuffled.to_bytes() == MODEL.to_bytes()


def test_state_comes_back_to_the_last_bit():
    back = TrainingState.from_bytes(STATE.to_bytes())
    for field in dataclasses.fields(TrainingState):
        was, now = getattr(STATE, field.name), getattr(back, field.name)
        if isinstance(was, dict):
            assert set(was) == set(now)
            assert all(torch.equal(was[name], now[name]) for name in was)
        else:
            assert was == now


@pytest.mark.parametrize("data", [b"", b"nothing", MODEL.to_bytes()[:-1], MODEL.to_bytes()[:40]])
def test_broken_bytes_are_said_to_be_broken(data):
    with pytest.raises(IntegrityError):
        TrainedModel.from_bytes(data)


def test_foreign_safetensors_are_refused():
    with pytest.raises(IntegrityError):
        TrainedModel.from_bytes(safetensors.torch.save({"a": torch.ones(1)}))


def test_state_is_no_model():
    with pytest.raises(IntegrityError, match="no model"):
        TrainedModel.from_bytes(STATE.to_bytes())


def test_weights_of_a_later_version_are_not_guessed_at():
    later = MODEL.to_bytes().replace(rb"\"version\": 1", rb"\"version\": 9")
    with pytest.raises(IvsqaError, match="version 9"):
        TrainedModel.from_bytes(later)
