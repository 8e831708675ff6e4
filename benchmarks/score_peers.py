"""Scoring as MONAI Label does it, beside ours, in one run on the same frames.

    python benchmarks/score_peers.py [--frames 8]      # after: pip install --no-deps monai

MONAI Label's epistemic scoring takes one image after another, runs a network with dropout over it again and again, in
float32 at batch 1, and scores by the entropy of the mean. The loop is written here with MONAI's own network, transforms and
inferer, and leaves out its server, its files, and that it reads and transforms an image anew for each draw. The network is
once that of its app DeepEdit, for frames instead of volumes, at the size which that infers at, and once one with the
channels of ours at our size. Ours is `score` whole, from frames on disk to contours, error maps and quality on disk. They
take turns; what counts is CPU time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from report import print_table, write_json
from score import project_with
from torch import nn

from ivsqa.io.project.project import open_project
from ivsqa.model.device import keep_memory, one_thread
from ivsqa.workflow.scoring.score import score_frames

N_DRAWS = 10
DROPOUT = 0.2
N_PAIRS = 3
DEEPEDIT_SIZE_PX, DEEPEDIT_LEVELS = 128, 6


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=8, help="that MONAI's loop takes; ours takes the whole pullback")
    options = parser.parse_args()
    if find_spec("monai") is None:
        print("skipped: there is no MONAI here (pip install --no-deps monai)")
        return
    project = open_project(project_with(1500))
    record = project.pullbacks()[0]
    size_px, widths = project.settings.image.working_size_px, project.settings.network.widths
    frames = np.array(record.frames[: options.frames])
    n_out = len(project.structures.names) + 1
    alike = dyn_unet(n_out, len(widths), widths)
    peers = {
        f"DeepEdit's network, {DEEPEDIT_SIZE_PX} px": epistemic(dyn_unet(n_out, DEEPEDIT_LEVELS), DEEPEDIT_SIZE_PX),
        f"channels of ours, {size_px} px": epistemic(alike, size_px),
        f"channels of ours, {size_px} px, in bfloat16": epistemic(alike, size_px, bf16=True),
    }
    times_ms: dict[str, list[float]] = {"ours": [], **{name: [] for name in peers}}
    keep_memory()
    with one_thread():
        for peer in peers.values():
            peer(frames[:1])
        for _ in range(N_PAIRS):
            times_ms["ours"].append(
                cpu_ms(lambda: score_frames(project, again=True, top=0, device="cpu"), record.n_frames)
            )
            for name, peer in peers.items():
                times_ms[name].append(cpu_ms(lambda peer=peer: peer(frames), len(frames)))
    least = {name: min(times) for name, times in times_ms.items()}
    times_ours = {name: ms / least["ours"] for name, ms in least.items()}
    print_table(("way", "CPU ms a frame", "times ours"), [[name, ms, times_ours[name]] for name, ms in least.items()])
    result = {"n_draws": N_DRAWS, "monai": version("monai"), "cpu_ms_a_frame": times_ms, "times_ours": times_ours}
    write_json("score_peers", result)


def dyn_unet(n_out: int, n_levels: int, widths: Sequence[int] | None = None) -> nn.Module:
    """Return MONAI's DynUNet with dropout, for frames; None: widths and blocks are those of MONAI Label's app DeepEdit."""
    from monai.networks.nets import DynUNet

    strides = [1] + [2] * (n_levels - 1)
    network: nn.Module = DynUNet(
        2, 1, n_out, [3] * n_levels, strides, strides[1:], filters=widths, dropout=DROPOUT, norm_name="instance",
        res_block=widths is None,
    )  # fmt: skip
    return network


def epistemic(network: nn.Module, size_px: int, *, bf16: bool = False) -> Callable[[NDArray[np.uint8]], list[float]]:
    """Return what scores frames, uint8 (n, height, width), one after the other, by draws of a network at a size."""
    from monai.inferers import SimpleInferer
    from monai.transforms import Activations, Compose, EnsureType, Resize, ScaleIntensity

    network.train()  # dropout stays on; its norms are the same either way
    prepared = Compose([EnsureType(), ScaleIntensity(), Resize((size_px, size_px), mode="area")])
    softmax, inferer = Activations(softmax=True), SimpleInferer()

    @torch.no_grad()
    def scored(frame: NDArray[np.uint8]) -> float:
        image = prepared(frame[None].astype(np.float32))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            said = [inferer(image[None], network)[0] for _ in range(N_DRAWS)]
        draws = torch.stack([softmax(one.float()) for one in said])[:, 1:].numpy()
        mean = np.maximum(draws, 5e-5).mean(axis=0)
        return float(np.nanmean(-(mean * np.log(mean)).sum(axis=0)))

    return lambda frames: [scored(frame) for frame in frames]


def cpu_ms(run: Callable[[], object], n_frames: int) -> float:
    """Return the CPU time a frame of a call, ms."""
    started = time.process_time()
    run()
    return 1e3 * (time.process_time() - started) / n_frames


if __name__ == "__main__":
    main()
