"""OpenVINO draws what torch draws, or is refused. Where it is not installed, one that adds to what torch draws stands for it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ivsqa.errors import IvsqaError
from ivsqa.model.inference import Predictor
from ivsqa.model.objective import new_network
from ivsqa.model.state import TrainedModel


@pytest.fixture
def model(network_config) -> TrainedModel:
    return TrainedModel(network_config, new_network(network_config, seed=0).state_dict())


def module_that_adds(value: float) -> Any:
    """Return what stands for the module: a network that runs in torch, off by a value."""

    def compile_model(network: Any, _device: str, _settings: dict[str, object]) -> Any:
        def infer(inputs: dict[int, np.ndarray]) -> list[np.ndarray]:
            with torch.inference_mode():
                logits, probabilities, bottleneck = network(torch.from_numpy(inputs[0]))
            return [logits.numpy(), (probabilities + value).numpy(), bottleneck.numpy()]

        return SimpleNamespace(create_infer_request=lambda: SimpleNamespace(infer=infer))

    return SimpleNamespace(
        convert_model=lambda network, **_: network, Core=lambda: SimpleNamespace(compile_model=compile_model)
    )


def test_engine_that_draws_the_same_is_taken(model, network_config, rings, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", module_that_adds(1e-6))
    images = rings(3).images
    ours, others = (
        Predictor(model, network_config, device="cpu", precision="fp32", engine=engine)(images)
        for engine in ("torch", "openvino")
    )
    np.testing.assert_allclose(others.probabilities, ours.probabilities + 1e-6, atol=1e-7)
    np.testing.assert_allclose(others.features, ours.features, rtol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_engine_that_draws_otherwise_is_refused(model, network_config, monkeypatch, precision):
    monkeypatch.setitem(sys.modules, "openvino", module_that_adds(0.05))
    with pytest.raises(IvsqaError, match=r"draws otherwise than torch .* differ by 0\.05.*--engine torch"):
        Predictor(model, network_config, device="cpu", precision=precision, engine="openvino")


def test_engine_that_is_not_installed_is_named_with_the_command_that_installs_it(model, network_config, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(IvsqaError, match=r"not installed .*pip install 'ivsqa\[openvino\]'"):
        Predictor(model, network_config, device="cpu", engine="openvino")


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO, an extra, is not installed")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_openvino_itself_draws_the_same(model, network_config, rings, precision):
    images = rings(5).images
    ours, others = (
        Predictor(model, network_config, device="cpu", precision=precision, engine=engine)(images)
        for engine in ("torch", "openvino")
    )
    assert np.abs(others.probabilities - ours.probabilities).mean() < (1e-5 if precision == "fp32" else 5e-3)
    assert others.features.shape == ours.features.shape
