import pytest
import torch

from ivsqa.model.network import TwoBranchNetwork, enlarged, nested_probabilities, normalized, pooled
from tests.model import configs


def random_rings(b: int = 2, n_rings: int = 3, side: int = 16) -> torch.Tensor:
    return torch.softmax(torch.randn(b, n_rings, side, side, generator=torch.manual_seed(0)), dim=1)


def test_maps_have_the_size_of_the_input():
    output = TwoBranchNetwork(configs.network(2, 32, widths=(8, 16)))(torch.randint(0, 256, (3, 32, 32)))
    assert output.ring_logits.shape == (3, 3, 32, 32)
    assert output.probabilities.shape == (3, 2, 32, 32)
    assert output.bottleneck.shape == (3, 16, 8, 8)


def test_size_need_not_be_a_power_of_two_times_the_levels():
    config = configs.network(1, 50, widths=(8, 8, 12, 8))
    assert TwoBranchNetwork(config)(torch.zeros(1, 50, 50)).probabilities.shape == (1, 1, 50, 50)


def test_outer_structure_is_never_less_probable_than_an_inner_one():
    nested = nested_probabilities(random_rings())
    assert (nested[:, 1] >= nested[:, 0]).all()
    assert float(nested.max()) <= 1.0


def test_nested_probability_adds_the_rings_from_the_inside():
    rings = torch.tensor([0.5, 0.2, 0.3]).view(1, 3, 1, 1)
    assert nested_probabilities(rings).flatten().tolist() == pytest.approx([0.2, 0.5])


def test_normalisation_ignores_gain_and_black_corners():
    echo = torch.rand(1, 16, 16, generator=torch.manual_seed(0)) * 100 + 20
    cornered = torch.zeros(1, 32, 32)
    cornered[:, :16, :16] = echo
    alone = normalized(echo)[0, 0]
    torch.testing.assert_close(normalized(cornered)[0, 0, :16, :16], alone)
    assert abs(float(alone.mean())) < 1e-5
    assert (
        float((normalized(echo * 2) - normalized(echo)).abs().max()) < 0.6
    )  # the floor of the spread is all that is left


def test_black_frame_gives_numbers():
    output = TwoBranchNetwork(configs.network(1, 16))(torch.zeros(1, 16, 16))
    assert torch.isfinite(output.ring_logits).all()
    assert torch.isfinite(output.probabilities).all()


def test_branches_begin_apart_and_teach_each_other_nothing():
    torch.manual_seed(0)
    network = TwoBranchNetwork(configs.network(1, 16))
    frames = torch.rand(2, 1, 16, 16)
    first, second = (branch(frames).output for branch in network.branches)
    assert not torch.allclose(first, second, atol=0.05)
    first.sum().backward()
    assert all(parameter.grad is None for parameter in network.second.parameters())


def test_a_frame_is_judged_the_same_in_any_company():
    torch.manual_seed(0)
    network = TwoBranchNetwork(configs.network(1, 32, widths=(8, 8))).eval()
    frames = torch.rand(3, 32, 32) * 255
    torch.testing.assert_close(network(frames)[0][1:2], network(frames[1:2])[0])


def test_the_surer_opinion_counts_for_more():
    first, second = (torch.tensor([p, 1.0 - p]).log().view(1, 2, 1, 1) for p in (0.99, 0.4))
    odds = (99 * 2 / 3) ** 0.5  # 8.12 to 1
    together = torch.softmax(pooled(first, second), dim=1)
    assert together[0, 0].item() == pytest.approx(odds / (odds + 1.0), abs=1e-5)
    shifted = torch.softmax(pooled(first + 3.0, second - 1.0), dim=1)  # logits are known but for a constant
    torch.testing.assert_close(shifted, together)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(6, 8), (5, 8)])  # doubled, and not quite
def test_coarse_maps_are_enlarged_to_the_same_bits_with_and_without_a_gradient(dtype, size):
    maps = torch.randn((2, 3, 3, 4), generator=torch.Generator().manual_seed(0)).to(dtype)
    with_gradient = enlarged(maps, torch.Size(size))
    with torch.inference_mode():
        assert torch.equal(enlarged(maps, torch.Size(size)), with_gradient)
    assert with_gradient[1, 2, :2, 2:4].tolist() == [[maps[1, 2, 0, 1].item()] * 2] * 2
