import dataclasses

import numpy as np
import pytest
import torch

from ivsqa.errors import StateError
from ivsqa.model.inference import Predictor, _description
from ivsqa.model.network import TwoBranchNetwork
from ivsqa.model.objective import new_network
from ivsqa.model.state import TrainedModel
from tests.model import configs


@pytest.fixture
def model(network_config) -> TrainedModel:
    return TrainedModel(network_config, new_network(network_config, seed=0).state_dict())


def test_prediction_has_the_promised_shapes_and_types(model, network_config, rings):
    prediction = Predictor(model, network_config, device="cpu")(rings(3).images)
    assert (prediction.probabilities.shape, prediction.probabilities.dtype.name) == ((3, 2, 32, 32), "float32")
    assert (prediction.features.shape, prediction.features.dtype.name) == ((3, 8), "float32")


def test_prediction_is_the_networks_own(model, network_config, rings):
    images = rings(3).images
    network = TwoBranchNetwork(network_config)
    network.load_state_dict(dict(model.weights))
    network.eval()
    with torch.inference_mode():
        output = network(torch.from_numpy(images))
    prediction = Predictor(model, network_config, device="cpu", precision="fp32")(images)
    np.testing.assert_allclose(prediction.probabilities, output.probabilities.numpy(), atol=1e-5)


def test_a_frame_is_described_by_its_vessel():
    bottleneck = torch.zeros(2, 1, 2, 2)
    bottleneck[:, 0, 0, 0] = 4.0
    vessel = torch.zeros(2, 1, 8, 8)
    vessel[0, 0, :4, :4] = 1.0  # the first frame's vessel lies where the feature is, the second has none
    np.testing.assert_allclose(_description(bottleneck, vessel).numpy(), [[4.0], [1.0]], rtol=0.01)


def test_draws_with_dropout_differ_by_their_seed_alone(model, network_config, rings):
    predictor, images = Predictor(model, network_config, device="cpu"), rings(2).images
    before, state = predictor(images).probabilities, torch.random.get_rng_state()
    draws = predictor.sample(images, 3, seed=5)
    assert draws.shape == (3, 2, 2, 32, 32)
    assert np.ptp(draws, axis=0).max() > 0.0
    np.testing.assert_array_equal(draws, predictor.sample(images, 3, seed=5))
    assert not np.array_equal(draws, predictor.sample(images, 3, seed=6))
    np.testing.assert_array_equal(before, predictor(images).probabilities)  # off again
    assert torch.equal(state, torch.random.get_rng_state())


def test_half_precision_says_nearly_the_same(model, network_config, rings):
    images = rings(2).images
    full, half = (Predictor(model, network_config, device="cpu", precision=p)(images) for p in ("fp32", "bf16"))
    assert np.abs(full.probabilities - half.probabilities).max() < 0.05


def test_batches_can_overlap(model, network_config, rings):
    predictor = Predictor(model, network_config, device="cpu", precision="fp32")
    first, second = (predictor.submit(rings(2, seed).images) for seed in (0, 1))
    np.testing.assert_array_equal(second().probabilities, predictor(rings(2, 1).images).probabilities)
    np.testing.assert_array_equal(first().probabilities, predictor(rings(2, 0).images).probabilities)


def test_wide_networks_still_describe_a_frame_in_few_numbers():
    config = configs.network(1, 32, widths=(8, 160))
    model = TrainedModel(config, new_network(config, seed=0).state_dict())
    assert Predictor(model, config, device="cpu")(np.zeros((1, 32, 32), np.uint8)).features.shape == (1, 128)


def test_weights_of_another_network_are_refused(model, network_config):
    with pytest.raises(StateError, match="another network"):
        Predictor(model, dataclasses.replace(network_config, dropout=0.5), device="cpu")


@pytest.mark.parametrize("images", [np.zeros((1, 16, 32), np.uint8), np.zeros((1, 32, 32), np.float32)])
def test_frames_of_another_kind_are_refused(model, network_config, images):
    with pytest.raises(ValueError, match="uint8 frames of 32 × 32"):
        Predictor(model, network_config, device="cpu")(images)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_cuda_agrees_with_the_cpu(model, network_config, rings):
    images = rings(4).images
    cpu, cuda = (Predictor(model, network_config, device=d, precision="fp32")(images) for d in ("cpu", "cuda"))
    np.testing.assert_allclose(cpu.probabilities, cuda.probabilities, atol=5e-3)
