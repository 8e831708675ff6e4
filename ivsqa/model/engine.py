"""What runs the network on a CPU besides torch: OpenVINO, where it is installed, once it has shown that it draws the same.

OpenVINO is an extra, `ivsqa[openvino]`, of 180 MB. Networks learn with torch, and on a GPU they draw with it.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ivsqa.errors import IvsqaError
from ivsqa.model.network import NetworkOutput, TwoBranchNetwork

Forward: TypeAlias = Callable[[Tensor], NetworkOutput]
"""Frames (b, s, s), grey 0 to 255, in; see `TwoBranchNetwork.forward`."""

PROBE_FRAMES = 4
LEAST_APART = 1e-4
"""Mean difference in probability that is no sign of anything: of float32, added up in another order."""
FARTHER = 2.0
"""How many times farther from float32 than torch's own bfloat16 another engine may be."""


def openvino_forward(network: TwoBranchNetwork, *, size_px: int, bf16: bool, n_threads: int) -> Forward:
    """Return what draws as a network on the CPU does, by OpenVINO; several threads may call it at once.

    Args:
        network: In evaluation.
        size_px: Side of its frames.
        bf16: Whether to compute in bfloat16.
        n_threads: How many threads call it at once.

    Raises:
        IvsqaError: OpenVINO is not installed, or draws otherwise than torch here.
    """
    forward = _compiled(network, size_px=size_px, bf16=bf16, n_threads=n_threads)
    apart, own = _apart(network, forward, size_px=size_px, bf16=bf16)
    if apart > FARTHER * own + LEAST_APART:
        raise IvsqaError(
            f"OpenVINO draws otherwise than torch on this machine (probabilities differ by {apart:.2g}, {own:.2g} was expected)",
            hint="use --engine torch",
        )
    return forward


def _compiled(network: TwoBranchNetwork, *, size_px: int, bf16: bool, n_threads: int) -> Forward:
    """Return a network as OpenVINO runs it, each thread with buffers of its own."""
    openvino = _openvino()
    shown = torch.zeros(1, size_px, size_px, dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the size is one number for all frames, as the tracer is told to take it
        converted = openvino.convert_model(network, example_input=shown, input=[(-1, size_px, size_px)])
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "INFERENCE_NUM_THREADS": n_threads,
        "NUM_STREAMS": n_threads,
    }
    compiled, of_thread = openvino.Core().compile_model(converted, "CPU", settings), threading.local()

    def forward(images: Tensor) -> NetworkOutput:
        if not hasattr(of_thread, "request"):
            of_thread.request = compiled.create_infer_request()
        said = of_thread.request.infer({0: images.numpy()})
        return NetworkOutput(*(torch.from_numpy(said[place]) for place in range(3)))

    return forward


def _apart(network: TwoBranchNetwork, forward: Forward, *, size_px: int, bf16: bool) -> tuple[float, float]:
    """Return how far an engine, and torch in the same precision, are from float32 on made-up vessels, in mean probability."""
    images = torch.from_numpy(_vessels(size_px))
    with torch.inference_mode():
        exact = network(images).probabilities
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            own = network(images).probabilities
        other = forward(images).probabilities
    return float((other - exact).abs().mean()), float((own - exact).abs().mean())


def _vessels(size_px: int) -> NDArray[np.uint8]:
    """Return frames of vessels that were never imaged: dark blood in a bright wall, in speckle, uint8 (n, s, s)."""
    y, x = np.indices((size_px, size_px)) / size_px - 0.5
    inner = np.linspace(0.1, 0.3, PROBE_FRAMES)[:, None, None]
    wall = np.exp(-(((np.hypot(x, y) - inner) / 0.08) ** 2))  # (n, s, s)
    speckle = np.random.default_rng(0).rayleigh(1.0, wall.shape)
    return np.asarray(np.clip(255.0 * (0.1 + 0.4 * wall) * speckle, 0.0, 255.0), dtype=np.uint8)


def _openvino() -> Any:  # noqa: ANN401  a module
    """Return OpenVINO.

    Raises:
        IvsqaError: it is not installed.
    """
    try:
        import openvino
    except ImportError:
        hint = "install it with: pip install 'ivsqa[openvino]'; or use --engine torch"
        raise IvsqaError("OpenVINO is not installed", hint=hint) from None
    return openvino
