"""What a GPU is worth: the bare network, copies to and fro, scoring, training, and training by several GPUs through NCCL.

    python benchmarks/gpu.py                        # where there is a GPU: at most eight minutes
    python benchmarks/gpu.py --device cpu --quick   # the same calls, small, to see that they run

Whatever those eight minutes do not suffice for is named in the result.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pydicom
import torch
from report import print_table, write_json
from shell import ivsqa

from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.settings import TrainingSettings
from ivsqa.io.ranks import this_rank
from ivsqa.model.config import NetworkConfig, Precision, TrainingConfig
from ivsqa.model.data import SampleSet
from ivsqa.model.device import uses_bf16
from ivsqa.model.inference import Predictor
from ivsqa.model.network import TwoBranchNetwork
from ivsqa.model.objective import lesson_loss, new_network
from ivsqa.model.ranks import ALONE, Ranks, joined
from ivsqa.model.state import StepReport, TrainedModel
from ivsqa.model.task import Task, annotated_lesson
from ivsqa.model.training import train
from ivsqa.workflow.predicting.networks import training_config
from ivsqa.workflow.scoring.score import score_frames

BUDGET_S = 480
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


@dataclass(frozen=True)
class Bench:
    """What is measured on, and how large.

    Attributes:
        device: Where networks compute.
        network: Which.
        batches: Frames a batch, of the first scoring takes as many.
        n_steps: Steps of a training, the first tenth not timed.
        n_score: Frames that are scored.
        at_least_s: How long a rate is taken over.
        compiler: What torch.compile ends in.
    """

    device: torch.device
    network: NetworkConfig
    batches: tuple[int, ...]
    n_steps: int
    n_score: int
    at_least_s: float
    compiler: str

    @classmethod
    def of(cls, device: torch.device, *, quick: bool) -> Bench:
        """Return the measurement of a device; a quick one says nothing but that it runs."""
        if quick:
            return cls(device, NetworkConfig(2, 32, (4, 8)), (4,), 10, 16, 0.0, "eager")
        return cls(device, NetworkConfig(2, 96, (24, 48, 96, 144)), (32, 128), 60, 4096, 2.0, "inductor")

    def rate(self, run: Callable[[], object], n_frames: int) -> float:
        """Return frames a second of a call, warmed up."""
        for _ in range(3):
            run()
        self.wait()
        started, n_runs = time.perf_counter(), 0
        while n_runs == 0 or time.perf_counter() - started < self.at_least_s:
            run()
            n_runs += 1
            if n_runs % 10 == 0:
                self.wait()
        self.wait()
        return n_runs * n_frames / (time.perf_counter() - started)

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def autocast(self, precision: Precision) -> AbstractContextManager[object]:
        """Return the block in which a precision holds."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=uses_bf16(precision, self.device))


def frames_of(bench: Bench, n: int) -> SampleSet:
    """Return rings in noise: how fast they are computed does not depend on what they show."""
    size = bench.network.size_px
    rng = np.random.default_rng(0)
    images = rng.integers(1, 255, (n, size, size), dtype=np.uint8)
    radius = np.hypot(*np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j])
    labels = np.broadcast_to(np.digitize(radius, [0.4, 0.7])[::1], images.shape)
    return SampleSet(images, ((3 - labels) % 3).astype(np.uint8), np.ones(n, np.float32))


def config_of(bench: Bench, *, precision: Precision, batch: int) -> TrainingConfig:
    """Return a training on annotations alone."""
    settings = TrainingSettings(precision=precision, batch_size=batch, self_train="none")
    return training_config(settings, seed=0, max_steps=bench.n_steps)


def bare_network(bench: Bench, *, compiled: bool) -> list[dict[str, Any]]:
    """Frames a second of the forward pass alone, on frames that are on the device."""
    rows = []
    for precision in PRECISIONS:
        for batch in bench.batches[: 1 if compiled else None]:
            network = TwoBranchNetwork(bench.network).eval().to(bench.device)
            run = torch.compile(network, backend=bench.compiler) if compiled else network
            images = torch.from_numpy(frames_of(bench, batch).images).to(bench.device)
            with torch.inference_mode(), bench.autocast(precision):
                rate = bench.rate(partial(run, images), batch)
            rows.append({"precision": precision, "batch": batch, "frames_per_s": rate})
    return rows


def copies(bench: Bench) -> list[dict[str, Any]]:
    """Frames a second from arrays to arrays: through pinned memory as `Predictor` does, and through any."""
    batch = bench.batches[0]
    images = frames_of(bench, batch).images
    network = new_network(bench.network, seed=0)
    predictor = Predictor(TrainedModel(bench.network, network.state_dict()), bench.network, device=str(bench.device))

    def through_any_memory() -> object:
        with torch.inference_mode(), bench.autocast("auto"):
            output = predictor.network(torch.from_numpy(images).to(bench.device))
        return output.probabilities.cpu(), output.bottleneck.cpu()

    ways = {"predictor": lambda: predictor(images), "pageable": through_any_memory}
    return [{"copies": name, "batch": batch, "frames_per_s": bench.rate(run, batch)} for name, run in ways.items()]


def scoring(bench: Bench) -> list[dict[str, Any]]:
    """Frames a second of `score`, files and contours included, and its share of the bare network of the starter model."""
    with tempfile.TemporaryDirectory() as folder:
        phantoms, study = Path(folder) / "phantoms", Path(folder) / "study"
        ivsqa("phantom", phantoms, "--pullbacks", 1, "--frames", 8, "--size", 512)
        (path,) = phantoms.glob("*.dcm")
        long = pydicom.dcmread(path)
        times = max(1, bench.n_score // 8)
        long.PixelData, long.NumberOfFrames = long.PixelData * times, 8 * times
        long.save_as(path)
        project = create_project(study, template="coronary-ivus")
        ivsqa("import", path, "--subject-from", "(?P<pullback>(?P<subject>S[0-9]+)-P[0-9]+)", project=study)
        score_frames(project, top=0, device=str(bench.device))
        done = score_frames(project, top=0, again=True, device=str(bench.device))
        config = NetworkConfig.from_dict(project.get_model(None).network)
    network = TwoBranchNetwork(config).eval().to(bench.device)
    images = torch.zeros(32, config.size_px, config.size_px, device=bench.device)
    with torch.inference_mode(), bench.autocast("auto"):
        bare = bench.rate(lambda: network(images), len(images))
    rate = done.n_scored / done.seconds
    return [{"n_frames": done.n_scored, "frames_per_s": rate, "bare_frames_per_s": bare, "share_of_bare": rate / bare}]


def steps_of(bench: Bench, config: TrainingConfig, ranks: Ranks = ALONE) -> dict[str, Any]:
    """Train; return steps a second behind the first tenth, and the losses."""
    reports: list[tuple[float, StepReport]] = []
    train(
        bench.network,
        config,
        frames_of(bench, 256),
        None,
        device=ranks.device if ranks.size > 1 else str(bench.device),
        on_step=lambda report: reports.append((time.perf_counter(), report)),
        ranks=ranks,
    )
    timed = reports[len(reports) // 10 :]
    rate = (len(timed) - 1) / (timed[-1][0] - timed[0][0])
    return {"steps_per_s": rate, "losses": [report.loss for _, report in reports]}


def training(bench: Bench) -> list[dict[str, Any]]:
    """Steps a second of a training, and how long its frames take to prepare in each."""
    rows = []
    for precision in PRECISIONS:
        for batch in bench.batches:
            config = config_of(bench, precision=precision, batch=batch)
            steps = steps_of(bench, config)
            task, share = Task(bench.network, config, frames_of(bench, 256), None, None, None), ALONE.share(batch)
            lessons = bench.rate(partial(annotated_lesson, task, 0, share, bench.device), 1)
            rate = steps["steps_per_s"]
            row = {"precision": precision, "batch": batch, "steps_per_s": rate, "frames_per_s": rate * batch}
            rows.append(row | {"share_of_preparation": rate / lessons, "last_loss": steps["losses"][-1]})
    return rows


def compiled_step(bench: Bench) -> list[dict[str, Any]]:
    """Frames a second forward and back, as it is and with both branches compiled."""
    batch = bench.batches[0]
    config = config_of(bench, precision="bf16", batch=batch)
    share = ALONE.share(batch)
    task = Task(bench.network, config, frames_of(bench, 256), None, None, None)
    lesson = annotated_lesson(task, 0, share, bench.device)

    def step(network: TwoBranchNetwork) -> None:
        with bench.autocast("bf16"):
            loss = lesson_loss(network, lesson, share, ALONE)
        network.zero_grad()
        loss.backward()

    rows = []
    for compiled in (False, True):
        network = new_network(bench.network, seed=0).to(bench.device)
        for branch in network.branches if compiled else ():
            branch.compile(backend=bench.compiler)

        rows.append({"compiled": compiled, "batch": batch, "frames_per_s": bench.rate(partial(step, network), batch)})
    return rows


def several(bench: Bench, *, quick: bool) -> list[dict[str, Any]]:
    """Steps a second of one process and of one a GPU, of the same batches in float32, and how far their losses part."""
    n = torch.cuda.device_count() if bench.device.type == "cuda" else 2
    if n < 2:
        print("one GPU: several were not measured")
        return []
    launch = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(n), __file__, "--as-rank"]
    words = ["--device", bench.device.type, *(["--quick"] if quick else [])]
    done = subprocess.run([sys.executable, "-m", *launch, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    together = json.loads(done.stdout)
    alone = steps_of(bench, config_of(bench, precision="fp32", batch=bench.batches[-1]))
    apart = np.abs(np.subtract(together["losses"], alone["losses"])).max()
    return [
        {
            "processes": n,
            "batch": bench.batches[-1],
            "steps_per_s": together["steps_per_s"],
            "steps_per_s_alone": alone["steps_per_s"],
            "largest_difference_of_losses": float(apart),
        }
    ]


def as_rank(bench: Bench, device: str) -> None:
    """Train as one of several processes; the first prints what it measured."""
    rank = this_rank()
    with joined(rank.number, rank.of, on_machine=rank.on_machine, device=device) as ranks:
        steps = steps_of(bench, config_of(bench, precision="fp32", batch=bench.batches[-1]), ranks)
    if rank.is_first:
        print(json.dumps(steps))


def measured(bench: Bench, *, quick: bool) -> dict[str, Any]:
    """Return the rows of each part that there was time for; how long compiling takes nobody knows, so it is last."""
    parts = {
        "bare_network": partial(bare_network, compiled=False),
        "copies": copies,
        "scoring": scoring,
        "training": training,
        "several": partial(several, quick=quick),
        "compiled_network": partial(bare_network, compiled=True),
        "compiled_step": compiled_step,
    }
    started, result = time.perf_counter(), {}
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(BUDGET_S)
    with suppress(TimeoutError):
        for name, part in parts.items():
            result[name] = rows = part(bench)
            print(f"\n{name}, after {time.perf_counter() - started:.0f} s")
            if rows:
                print_table(list(rows[0]), [list(row.values()) for row in rows])
    signal.alarm(0)
    left_out = [name for name in parts if name not in result]
    return result | {"left_out": left_out, "seconds": round(time.perf_counter() - started, 1)}


def too_late(*_: object) -> NoReturn:
    """End the measurement."""
    raise TimeoutError


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    parser.add_argument("--as-rank", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU here: nothing was measured; --device cpu --quick shows that it would run")
        return
    device = torch.device(options.device)
    bench = Bench.of(device, quick=options.quick)
    if options.as_rank:
        as_rank(bench, options.device)
        return
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    result = measured(bench, quick=options.quick)
    write_json("gpu", {"device": name, "torch": torch.__version__, "quick": options.quick} | result)


if __name__ == "__main__":
    main()
