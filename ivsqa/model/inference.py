"""Prediction: frames in, probabilities and a description of each frame out, as numpy arrays.

Beyond the network's own forward pass there is one copy in and one out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ivsqa.errors import IvsqaError, StateError
from ivsqa.model.choices import Engine, Precision
from ivsqa.model.config import NetworkConfig
from ivsqa.model.device import keep_memory, most_cores, one_thread, select_device, uses_bf16
from ivsqa.model.engine import Forward, openvino_forward
from ivsqa.model.network import NetworkOutput, TwoBranchNetwork, nested_probabilities, normalized, pooled
from ivsqa.model.state import TrainedModel

MAX_FEATURES = 128
FRAME_SIGNALS = ("entropy", "margin", "mean_error", "error_entropy")
"""What is said of a whole frame beside its maps, in this order: what other ways of choosing frames go by."""
N_ERROR_LEVELS = 8
MOST_GPU_WORKERS = 8
"""Threads that prepare and finish batches for one GPU: each keeps up with some 900 frames a second (benchmarks/cores.py)."""

_Outputs: TypeAlias = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Prediction of b frames.

    Attributes:
        probabilities: Of each structure with what it encloses, float32 (b, K, s, s), in [0, 1], nested.
        features: Description of each frame, float32 (b, F), F ≤ 128: means of the deepest features over the vessel.
        signals: Means over each frame, float32 (b, 4), see `FRAME_SIGNALS`.
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    signals: NDArray[np.float32]


class Predictor:
    """A trained network on a device.

    Args:
        model: The weights.
        network_config: The network they are for.
        device: As for `select_device`.
        precision: "auto" takes bfloat16 where the device computes in it.
        outputs: Which of its K structures are asked for, innermost first; None: all. What is said below of K is then of these.
        engine: What runs the network; draws with dropout are always torch's.

    Raises:
        StateError: the weights are for another network.
        IvsqaError: the engine is not installed, is of no use on this device, or draws otherwise than torch.
    """

    def __init__(
        self,
        model: TrainedModel,
        network_config: NetworkConfig,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        outputs: Sequence[int] | None = None,
        engine: Engine = "torch",
    ) -> None:
        if model.config != network_config:
            raise StateError("these weights are for another network", hint="train again, or restore the model's record")
        self.device = select_device(device)
        self._bf16 = uses_bf16(precision, self.device)
        self._size_px = network_config.size_px
        whole = outputs is None or len(outputs) == network_config.n_structures
        self._asked = slice(None) if outputs is None or whole else list(outputs)
        network = TwoBranchNetwork(network_config)
        network.load_state_dict(dict(model.weights))
        network.eval().requires_grad_(requires_grad=False)
        self.network = network.to(self.device)
        self._forward: Forward = self.network
        if engine == "openvino":
            if self.device.type != "cpu":
                raise IvsqaError("OpenVINO runs networks on the CPU alone", hint="use --engine torch, or --device cpu")
            self._forward = openvino_forward(network, size_px=self._size_px, bf16=self._bf16, n_threads=most_cores())

    @contextmanager
    def workers(self) -> Iterator[int]:
        """Yield the number of threads that should predict at once, with the device set up for it while the block runs."""
        keep_memory()
        if self.device.type != "cpu":
            yield max(2, min(most_cores(), MOST_GPU_WORKERS))
            return
        n_workers = most_cores()  # each on its own, none waits for another where one has no core
        with one_thread():
            yield n_workers

    @property
    def has_dropout(self) -> bool:
        """Whether draws of `sample` differ."""
        return bool(self.network.first.dropout.p > 0.0)

    def __call__(self, images: NDArray[np.uint8]) -> Prediction:
        """Return the prediction for frames, uint8 (b, s, s), b ≥ 0."""
        return self.submit(images)()

    def submit(self, images: NDArray[np.uint8]) -> Callable[[], Prediction]:
        """Start predicting, and return what waits for the prediction; on CUDA the work goes on meanwhile.

        Args:
            images: Grey, uint8 (b, s, s).

        Raises:
            ValueError: frames of another size or type.
        """
        if images.dtype != np.uint8 or images.shape[1:] != (self._size_px, self._size_px):
            raise ValueError(
                f"this network takes uint8 frames of {self._size_px} × {self._size_px} px, got {images.dtype} {images.shape}"
            )
        batch = torch.from_numpy(np.ascontiguousarray(images))
        if self.device.type == "cpu":
            outputs = self._outputs(batch)
            return lambda: _prediction(outputs)
        outputs = self._outputs(batch.pin_memory().to(self.device, non_blocking=True))
        landed = tuple(output.to("cpu", non_blocking=True) for output in outputs)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(self.device))

        def wait() -> Prediction:
            done.synchronize()
            return _prediction((landed[0], landed[1], landed[2]))

        return wait

    @torch.inference_mode()
    def sample(self, images: NDArray[np.uint8], n: int, seed: int) -> NDArray[np.float32]:
        """Return probabilities of n draws with dropout left on, float32 (n, b, K, s, s).

        Args:
            images: Grey, uint8 (b, s, s).
            n: Draws.
            seed: Of the draws.
        """
        frames = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)  # (b, s, s)
        draws = []
        for branch in self.network.branches:
            branch.dropout.train()
        try:
            with (
                torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []),
                torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16),
            ):
                torch.manual_seed(seed)
                # Nothing is left out of the encoder, so it says the same in every draw.
                levels = [branch.encoded(normalized(frames)) for branch in self.network.branches]
                for _ in range(n):
                    said = (one.decoded(known) for one, known in zip(self.network.branches, levels, strict=True))
                    rings = torch.softmax(pooled(*said), dim=1)
                    draws.append(nested_probabilities(rings)[:, self._asked].cpu().numpy())
        finally:
            for branch in self.network.branches:
                branch.dropout.eval()
        return np.stack(draws)

    @torch.inference_mode()
    def _outputs(self, batch: Tensor) -> _Outputs:
        """Return probabilities (b, K, s, s), features (b, F) and signals (b, 4) on the device."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            output = self._forward(batch)
        features = _description(output.bottleneck.float(), output.probabilities[:, -1:])[:, :MAX_FEATURES]  # (b, F)
        asked = output._replace(probabilities=output.probabilities[:, self._asked])  # (b, K, s, s)
        return asked.probabilities.contiguous(), features, _frame_signals(asked)


def _description(bottleneck: Tensor, vessel: Tensor) -> Tensor:
    """Return the mean of the deepest features over the vessel, (b, channels); over the frame where no vessel was found.

    Over the whole frame it would tell frames hardly apart: normalisation has just given every channel the same mean.

    Args:
        bottleneck: (b, channels, h, w).
        vessel: Probability of the outermost structure, (b, 1, s, s).
    """
    weights = F.adaptive_avg_pool2d(vessel, (bottleneck.shape[-2], bottleneck.shape[-1])) + 1e-3  # (b, 1, h, w)
    return (bottleneck * weights).sum((2, 3)) / weights.sum((2, 3))


def _frame_signals(output: NetworkOutput) -> Tensor:
    """Return the signals of `FRAME_SIGNALS`, (b, 4), from every second pixel of every second row: the network draws no finer.

    Source: margin, Scheffer et al., IDA 2001; entropy over levels of predicted error, Xie et al. (DEAL), ACCV 2020.
    """
    logits, drawn = (maps[..., ::2, ::2] for maps in (output.ring_logits, output.probabilities))
    errors = torch.minimum(drawn, 1.0 - drawn)  # (b, K, s/2, s/2), the probability that deciding by one half is wrong
    log_rings = torch.log_softmax(logits.float(), dim=1)  # (b, K+1, s/2, s/2)
    rings = log_rings.exp()  # (b, K+1, s/2, s/2)
    entropy = -(rings * log_rings).sum(dim=1).mean((1, 2))  # (b,), nats
    first, *others = rings.unbind(1)  # K+1 × (b, s/2, s/2)
    second = torch.zeros_like(first)  # (b, s/2, s/2)
    for ring in others:  # a tenth of the time of topk
        second = torch.maximum(second, torch.minimum(first, ring))
        first = torch.maximum(first, ring)
    margin = 1.0 - (first - second).mean((1, 2))  # (b,)
    levels = (errors.amax(dim=1) * N_ERROR_LEVELS).long().clamp(max=N_ERROR_LEVELS - 1).flatten(1)  # (b, s²/4)
    counts = first.new_zeros(len(levels), N_ERROR_LEVELS).scatter_add_(1, levels, first.new_ones(levels.shape))
    share = counts / levels.shape[1]  # (b, 8)
    spread = torch.special.entr(share).sum(dim=1)  # (b,), nats
    return torch.stack([entropy, margin, errors.mean((1, 2, 3)), spread], dim=1)


def _prediction(outputs: _Outputs) -> Prediction:
    """Return tensors on the CPU as arrays."""
    probabilities, features, signals = (output.numpy() for output in outputs)
    return Prediction(probabilities=probabilities, features=features, signals=signals)
