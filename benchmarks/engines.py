"""Which engine runs the network fastest on a CPU, and whether it draws the same? One thread, batches of 32, in turn.

    pip install openvino
    python benchmarks/engines.py [--rounds 9] [--compile]

`--compile` adds torch.compile, which needs a C++ compiler and two minutes. Each engine is judged by the share of pixels that it
puts on the other side of one half than torch in float32, on phantoms, where the network is one that learnt to draw them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeAlias

import configs
import numpy as np
import torch
from numpy.typing import NDArray
from report import print_table, write_json

from ivsqa.io.project.starter import starter_weights
from ivsqa.model.network import TwoBranchNetwork
from ivsqa.model.objective import new_network
from ivsqa.model.state import TrainedModel
from ivsqa.phantom import iter_frames, phantom_pullback

BATCH = 32
NETWORKS = {"starter, 96 px": ((24, 48, 96, 144), 96), "default, 128 px": ((16, 32, 64, 96), 128)}

Run: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def torch_engine(network: torch.nn.Module, *, bf16: bool) -> Run:
    """Return what draws with torch."""

    @torch.inference_mode()
    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return np.asarray(network(torch.from_numpy(images)).probabilities.numpy())

    return run


def openvino_engine(network: TwoBranchNetwork, size_px: int, precision: str) -> Run:
    """Return what draws with OpenVINO."""
    import openvino

    shown = torch.zeros(BATCH, size_px, size_px, dtype=torch.uint8)
    with torch.inference_mode():
        converted = openvino.convert_model(network, example_input=shown, input=[(-1, size_px, size_px)])
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    request = openvino.Core().compile_model(converted, "CPU", settings).create_infer_request()

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(request.infer({0: images})[1])

    return run


def network_of(widths: tuple[int, ...], size_px: int) -> tuple[TwoBranchNetwork, bool]:
    """Return the starter model and True, or a network of other widths with its first weights: what it costs is the same."""
    starter = TrainedModel.from_bytes(starter_weights("coronary-ivus").read_bytes())
    network = new_network(configs.network(2, size_px, widths=widths), seed=0)
    is_starter = starter.config.widths == widths
    if is_starter:
        network.load_state_dict(dict(starter.weights))
    return network.eval().requires_grad_(requires_grad=False), is_starter


def engines_of(network: TwoBranchNetwork, size_px: int, *, compiled: bool) -> dict[str, Run]:
    """Return the engines there are, the one that ivsqa uses first."""
    engines = {
        "torch bfloat16": torch_engine(network, bf16=True),
        "torch float32": torch_engine(network, bf16=False),
    }
    if compiled:
        engines["torch.compile bfloat16"] = torch_engine(torch.compile(network), bf16=True)
    if find_spec("openvino"):
        engines |= {
            f"OpenVINO {name}": openvino_engine(network, size_px, hint)
            for name, hint in (("bfloat16", "bf16"), ("float32", "f32"))
        }
    else:
        print("skipped: openvino is not installed")
    return engines


def measured(name: str, rounds: int, *, compiled: bool) -> list[dict[str, Any]]:
    """Return the time of each engine on one network, a row each: the least of several rounds, in which they take turns."""
    widths, size_px = NETWORKS[name]
    network, is_taught = network_of(widths, size_px)
    pullback = phantom_pullback(seed=0, index=0, n_frames=BATCH, size_px=size_px)
    images = np.stack(list(iter_frames(pullback)))
    engines = engines_of(network, size_px, compiled=compiled)
    drawn = {engine: run(images) > 0.5 for engine, run in engines.items()}
    times = dict.fromkeys(engines, np.inf)
    for _ in range(rounds):
        for engine, run in engines.items():
            began = time.process_time()
            run(images)
            times[engine] = min(times[engine], time.process_time() - began)
    return [
        {
            "network": name,
            "engine": engine,
            "ms_a_frame": 1e3 * seconds / BATCH,
            "times_as_fast": times["torch bfloat16"] / seconds,
            "flipped": float((drawn[engine] != drawn["torch float32"]).mean()) if is_taught else None,
        }
        for engine, seconds in times.items()
    ]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for name in NETWORKS for row in measured(name, options.rounds, compiled=options.compile)]
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    write_json("engines", {"rows": rows})


if __name__ == "__main__":
    main()
