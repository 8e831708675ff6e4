import pytest
import torch

from ivsqa.model.network import (
    ErrorBranch,
    FirstOpinion,
    ProbabilityAttention,
    TwoBranchNetwork,
    expected_errors,
    nested_probabilities,
    normalized,
    pooled_opinion,
)
from tests.model import configs


def random_rings(b: int = 2, n_rings: int = 3, side: int = 16) -> torch.Tensor:
    return torch.softmax(torch.randn(b, n_rings, side, side, generator=torch.manual_seed(0)), dim=1)


@pytest.mark.parametrize("pam", ["none", "spatial", "channel", "both"])
@pytest.mark.parametrize("inputs", ["image", "probabilities", "features", "both"])
def test_every_switch_gives_maps_of_the_input_size(pam, inputs):
    config = configs.network(2, 32, widths=(8, 16), error_widths=(8,), pam=pam, error_inputs=inputs)
    output = TwoBranchNetwork(config)(torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8))
    assert output.ring_logits.shape == (3, 3, 32, 32)
    assert output.probabilities.shape == output.errors.shape == (3, 2, 32, 32)
    assert (output.errors >= 0.0).all()
    assert (output.errors <= 1.0).all()
    assert output.bottleneck.shape == (3, 16, 8, 8)


def test_size_need_not_be_a_power_of_two_times_the_levels():
    config = configs.network(1, 50, widths=(8, 8, 12, 8), error_widths=(8, 8, 8))
    assert TwoBranchNetwork(config)(torch.zeros(1, 50, 50)).errors.shape == (1, 1, 50, 50)


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
    output = TwoBranchNetwork(configs.network(1, 16, widths=(8,), error_widths=(8,)))(torch.zeros(1, 16, 16))
    assert torch.isfinite(output.ring_logits).all()
    assert torch.isfinite(output.errors).all()


def test_attention_changes_nothing_before_it_has_learnt():
    rings = random_rings()
    torch.testing.assert_close(ProbabilityAttention("both", 8)(rings), rings)


def test_spatial_attention_of_a_uniform_frame_adds_its_weight_of_it():
    rings = torch.tensor([0.5, 0.2, 0.3]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    attention = ProbabilityAttention("spatial", 4)
    attention.spatial = torch.nn.Parameter(torch.tensor(2.0))
    torch.testing.assert_close(attention(rings), 3.0 * rings)  # all cells alike: their mean is each of them


def test_channel_attention_by_hand():
    rings = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    attention = ProbabilityAttention("channel", 4)
    attention.channel = torch.nn.Parameter(torch.tensor(1.0))
    # Affinity of mean products [[1, 0], [0, 0]]: ring 0 takes e/(e+1) of itself, ring 1 half of ring 0.
    refined = attention(rings)[0, :, 0, 0].tolist()
    assert refined == pytest.approx([1.0 + 2.718281828 / 3.718281828, 0.5])


def test_error_branch_teaches_the_segmenter_nothing():
    network = TwoBranchNetwork(configs.network(1, 16, widths=(8,), error_widths=(8,), error_inputs="both"))
    network(torch.rand(2, 16, 16) * 255).errors.sum().backward()
    assert all(parameter.grad is None for parameter in network.segmenter.parameters())
    assert any(parameter.grad is not None for parameter in network.error_branch.parameters())


def test_a_frame_is_judged_the_same_in_any_company():
    torch.manual_seed(0)
    network = TwoBranchNetwork(configs.network(1, 32, widths=(8, 8), error_widths=(8,))).eval()
    frames = torch.rand(3, 32, 32) * 255
    torch.testing.assert_close(network(frames)[0][1:2], network(frames[1:2])[0])


def test_error_is_what_speaks_against_the_first_ones_decision():
    first, pooled = torch.tensor([0.9, 0.9, 0.2, 0.2]), torch.tensor([0.95, 0.4, 0.1, 0.5])
    assert expected_errors(first, pooled).tolist() == pytest.approx([0.05, 0.6, 0.1, 0.5])


def test_the_surer_opinion_counts_for_more():
    first, second = (torch.tensor([p, 1.0 - p]).log().view(1, 2, 1, 1) for p in (0.99, 0.4))
    odds = (99 * 2 / 3) ** 0.5  # 8.12 to 1
    assert pooled_opinion(first, second)[0, 0].item() == pytest.approx(odds / (odds + 1.0), abs=1e-5)
    shifted = pooled_opinion(first + 3.0, second - 1.0)  # logits are known but for a constant
    torch.testing.assert_close(shifted, pooled_opinion(first, second))


@pytest.mark.parametrize(
    ("inputs", "alike"), [("image", True), ("features", True), ("probabilities", False), ("both", False)]
)
def test_branch_looks_at_probabilities_only_where_told_to(inputs, alike):
    torch.manual_seed(0)
    branch = ErrorBranch(configs.network(1, 16, widths=(8,), error_widths=(8,), error_inputs=inputs))
    frames, decoder = torch.rand(1, 1, 16, 16), torch.rand(1, 8, 8, 8)
    first, second = (
        branch(frames, FirstOpinion(rings, decoder)) for rings in (random_rings(1, 2), torch.zeros(1, 2, 16, 16))
    )
    assert torch.equal(first, second) == alike


def test_branch_that_sees_probabilities_begins_with_the_same_opinion():
    network = TwoBranchNetwork(configs.network(1, 16, widths=(8,), error_widths=(8,), error_inputs="both")).eval()
    output = network(torch.rand(2, 16, 16) * 255)
    doubt = torch.minimum(output.probabilities, 1.0 - output.probabilities)
    torch.testing.assert_close(output.errors, doubt, atol=1e-4, rtol=0.0)
