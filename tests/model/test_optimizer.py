"""Numbers of AdamW, worked out by hand: 10 % of the running mean and 0.1 % of that of squares are new in each step."""

import pytest
import torch
from torch import nn

from ivsqa.model.optimizer import AdamW


@pytest.fixture
def kernel() -> nn.Parameter:
    return nn.Parameter(torch.tensor([[2.0]]))


@pytest.fixture
def bias() -> nn.Parameter:
    return nn.Parameter(torch.tensor([2.0]))


def move(optimizer: AdamW, gradient: float, *parameters: nn.Parameter) -> None:
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, gradient)
    optimizer.step(0.1)


def test_a_step_goes_against_the_gradient_and_shrinks_kernels_alone(kernel, bias):
    optimizer = AdamW([bias, kernel], weight_decay=0.5)
    move(optimizer, 3.0, kernel, bias)
    assert bias.item() == pytest.approx(1.9)  # the first step is as long as the learning rate
    assert kernel.item() == pytest.approx(2.0 * 0.95 - 0.1)
    move(optimizer, -1.0, kernel, bias)
    length = 0.1 * (0.17 / 0.19) / (0.009991 / 0.001999) ** 0.5
    assert bias.item() == pytest.approx(1.9 - length)
    assert kernel.item() == pytest.approx(1.8 * 0.95 - length)


def test_a_parameter_without_a_gradient_stays_as_it_is(kernel, bias):
    optimizer = AdamW([kernel, bias], weight_decay=0.5)
    move(optimizer, 3.0, bias)
    assert kernel.item() == 2.0
    assert list(optimizer.moments) == [1]


def test_what_goes_on_from_the_moments_of_another_moves_as_that_would(kernel, bias):
    first = AdamW([kernel, bias], weight_decay=0.5)
    move(first, 3.0, kernel, bias)
    kept, at = first.moments, (kernel.item(), bias.item())
    other = [nn.Parameter(torch.tensor([[at[0]]])), nn.Parameter(torch.tensor([at[1]]))]
    second = AdamW(other, weight_decay=0.5)
    second.restore(kept)
    move(second, -1.0, *other)
    assert (kernel.item(), bias.item()) == at
    move(first, -1.0, kernel, bias)
    assert (other[0].item(), other[1].item()) == (kernel.item(), bias.item())
