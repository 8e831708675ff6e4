"""The optimiser: torch's AdamW without the class around it, whose first step loads torch's compiler, for over a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class AdamW:
    """AdamW that shrinks kernels only: norms and biases have no reason to be small.

    Source: Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019, algorithm 2.

    Attributes:
        moments: By number of a parameter, kernels first: how often it was moved ("step"), and the running means of its gradient
            ("exp_avg") and of its square ("exp_avg_sq"), as torch names them. None of one that was never moved.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, weight_decay: float) -> None:
        own = list(parameters)
        kernels, others = [p for p in own if p.ndim > 1], [p for p in own if p.ndim <= 1]
        self._groups = ((0, kernels, weight_decay), (len(kernels), others, 0.0))
        self.moments: dict[int, dict[str, Tensor]] = {}

    def step(self, learning_rate: float) -> None:
        """Move each parameter that has a gradient."""
        for first, parameters, weight_decay in self._groups:
            moved = [(number, p) for number, p in enumerate(parameters, start=first) if p.grad is not None]
            moments = [self._moments_of(number, p) for number, p in moved]
            with torch.no_grad():
                adamw(
                    [p for _, p in moved],
                    [p.grad for _, p in moved if p.grad is not None],
                    [one["exp_avg"] for one in moments],
                    [one["exp_avg_sq"] for one in moments],
                    [],
                    [one["step"] for one in moments],
                    fused=True,
                    amsgrad=False,
                    beta1=BETAS[0],
                    beta2=BETAS[1],
                    lr=learning_rate,
                    weight_decay=weight_decay,
                    eps=EPSILON,
                    maximize=False,
                )

    def restore(self, moments: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Take over the moments of another training of the same parameters."""
        devices = {number: p.device for first, own, _ in self._groups for number, p in enumerate(own, start=first)}
        self.moments = {
            number: {key: value.to(devices[number], copy=True) for key, value in one.items()}
            for number, one in moments.items()
        }

    def _moments_of(self, number: int, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Return the moments of a parameter, zero before it is moved first."""
        if number not in self.moments:
            zero = torch.zeros_like(parameter)
            step = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self.moments[number] = {"step": step, "exp_avg": zero, "exp_avg_sq": zero.clone()}
        return self.moments[number]
