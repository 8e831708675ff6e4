import pytest
import torch

from ivsqa.model.config import NetworkConfig
from ivsqa.model.network import TwoBranchNetwork
from ivsqa.model.objective import new_network
from ivsqa.model.state import TrainedModel
from ivsqa.model.warm_start import merged_rings, refitted

TWO = NetworkConfig(n_structures=2, size_px=32, widths=(4, 8))


def trained() -> TrainedModel:
    return TrainedModel(TWO, dict(new_network(TWO, seed=3).state_dict()))


@pytest.mark.parametrize(("outputs", "rings"), [([0, 1], [[0], [1], [2]]), ([0], [[0, 2], [1]]), ([1], [[0], [1, 2]])])
def test_a_ring_that_is_not_told_apart_joins_the_one_around_it(outputs, rings):
    assert merged_rings(outputs, 3) == rings


def test_lumen_alone_has_the_logit_it_had_and_the_ground_the_mean_of_the_others():
    model, config = trained(), NetworkConfig(n_structures=1, size_px=48, widths=(4, 8))
    begun = refitted(model, config, [0])
    network, before = TwoBranchNetwork(config), TwoBranchNetwork(NetworkConfig(2, 48, (4, 8)))
    network.load_state_dict(dict(begun.weights))
    before.load_state_dict(dict(model.weights))
    images = torch.randint(0, 255, (1, 48, 48), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        (ground, lumen), (outside, inside, wall) = (one.eval()(images).ring_logits[0] for one in (network, before))
    assert torch.allclose(lumen, inside, atol=1e-5)
    assert torch.allclose(ground, (outside + wall) / 2.0, atol=1e-5)


def test_all_structures_on_another_grid_keep_every_weight():
    model = trained()
    begun = refitted(model, NetworkConfig(n_structures=2, size_px=64, widths=(4, 8)), [0, 1])
    assert all(torch.equal(begun.weights[name], value) for name, value in model.weights.items())


def test_weights_with_half_the_digits_are_read_as_whole_ones():
    half = TrainedModel(TWO, {name: value.half() for name, value in trained().weights.items()})
    read = TrainedModel.from_bytes(half.to_bytes())
    assert {value.dtype for value in read.weights.values()} == {torch.float32}
    assert all(torch.equal(read.weights[name], value.float()) for name, value in half.weights.items())
