"""Scoring against the bare network forward, in one run, what each stage takes, and memory over a 5,000-frame pullback.

    python benchmarks/score.py [--frames 3000] [--long 5000]
    python benchmarks/score.py --stages              # the stages alone, which a busy machine allows too
    python benchmarks/score.py --heatmaps            # what an error picture takes

Both run the same network on the same frames at the same batch and precision, in turn, several times; the ratio is by pairs.
Stages are CPU time of one thread, the quickest of several runs. Of what comes after the network it is told as well how long it
holds the lock of Python: a thread that counts loses as many counts as it may not run. That needs a second core that is free.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from report import WORK, print_table, write_json
from shell import IVSQA, ivsqa

from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.domain.quality.predicted_quality import ErrorCalibration
from ivsqa.drawing.encoded import png_bytes
from ivsqa.io.ledger.rooms import LEDGER_FOLDER
from ivsqa.io.project.project import open_project
from ivsqa.workflow.predicting.error_maps import heatmap_of_score
from ivsqa.workflow.predicting.networks import load_predictor
from ivsqa.workflow.predicting.prediction import FramePostprocessor, border_priors
from ivsqa.workflow.predicting.signals import frame_signals
from ivsqa.workflow.scoring.score import score_frames, write_heatmaps
from ivsqa.workflow.scoring.work import BATCH_FRAMES

N_PAIRS = 5
N_STAGE_RUNS = 7
N_HEATMAPS = 50
N_CHUNK_FRAMES = 1024
COUNTED_S = 2.0


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--long", type=int, default=5000)
    parser.add_argument("--stages", action="store_true", help="stages alone; nothing is written")
    parser.add_argument("--heatmaps", action="store_true", help="error pictures alone")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        score_frames(open_project(options.memory_of), again=True)
        # Of this address space alone: ru_maxrss would begin with what the parent had when it started us.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        print(status.split("VmHWM:")[1].split()[0])
        return
    if options.heatmaps:
        heatmaps = measure_heatmaps(project_with(options.frames))
        print_table(("a heatmap", ""), list(heatmaps.items()))
        write_json("heatmaps", heatmaps)
        return
    study = project_with(options.frames)
    stages = measure_stages(study)
    print_table(("stage", "CPU ms a frame, one thread"), [[name, round(ms, 3)] for name, ms in stages.items()])
    if options.stages:
        return
    pairs = [measure_pair(study) for _ in range(N_PAIRS)]
    rows = [[f"{bare:.1f}", f"{scored:.1f}", round(scored / bare, 3)] for bare, scored in pairs]
    print_table(("bare forward frames/s", "score frames/s", "ratio"), rows)
    ratio = float(np.median([scored / bare for bare, scored in pairs]))
    long_study = project_with(options.long)
    done = subprocess.run(
        [sys.executable, __file__, "--memory-of", str(long_study)], capture_output=True, text=True, check=True
    )
    peak_gb = int(done.stdout.split()[-1]) * 1024 / 1e9
    print(f"median ratio {ratio:.3f}; peak memory over {options.long} frames {peak_gb:.2f} GB")
    result = {"pairs": pairs, "median_ratio": ratio, "stages_ms": stages, "n_frames_long": options.long}
    write_json("score", result | {"peak_gb": peak_gb})


def project_with(n_frames: int) -> Path:
    """Return a project with one pullback of that many 512 × 512 frames and a briefly trained model."""
    study = WORK / f"score-{n_frames}"
    if (study / "models").is_dir():
        return study
    shutil.rmtree(study, ignore_errors=True)
    phantoms = WORK / "score-phantoms"
    subprocess.run([*IVSQA, "init", str(study)], check=True, capture_output=True)
    ivsqa("phantom", phantoms, "--pullbacks", 4, "--frames", 40, "--size", 512)
    ivsqa(
        "import", phantoms, "--annotations", phantoms / "truth",
        "--subject-from", "(?P<pullback>(?P<subject>S[0-9]+)-P[0-9]+)", project=study,
    )  # fmt: skip
    ivsqa("train", "--steps", 60, project=study)
    lengthen(study, n_frames)
    return study


def lengthen(study: Path, n_frames: int) -> None:
    """Turn the first training pullback into a long one, frames repeated, and leave out the others."""
    shutil.rmtree(study / LEDGER_FOLDER)  # it would name what is gone
    project = open_project(study)
    for record in project.pullbacks()[1:]:
        shutil.rmtree(study / "pullbacks" / record.pullback_id)
    record = project.pullbacks()[0]
    frames = np.array(record.frames)
    path = project.layout.frames(record.pullback_id)
    path.unlink()
    longer = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(n_frames, *frames.shape[1:]))
    for index in range(n_frames):
        longer[index] = frames[index % len(frames)]
    longer.flush()
    manifest = project.layout.pullback_record(record.pullback_id)
    text = manifest.read_text(encoding="utf-8").replace(f"n_frames: {record.n_frames}", f"n_frames: {n_frames}")
    manifest.write_text(text, encoding="utf-8")


def measure_stages(study: Path) -> dict[str, float]:
    """Return the CPU time a frame of each stage, ms, and of what comes after the network how long Python's lock is held."""
    import torch

    from ivsqa.model.device import keep_memory, one_thread, uses_bf16

    project = open_project(study)
    model, record = project.get_model(None), project.pullbacks()[0]
    predictor, grid = load_predictor(project, model, device="cpu"), record.grid
    calibration = ErrorCalibration.from_dict(model.error_calibration or {})
    postprocessor = FramePostprocessor(project.structures, calibration, border_priors(model))
    keys = [FrameKey(record.pullback_id, index) for index in range(BATCH_FRAMES)]
    frames = np.array(record.frames[:BATCH_FRAMES])
    images = grid.sample_each(frames)
    prediction = predictor(images)
    borders = postprocessor.borders(prediction.probabilities)

    def bare() -> object:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return predictor.network(torch.from_numpy(images))

    def judged() -> list[FrameScore]:
        signals = frame_signals(prediction)
        return postprocessor.scores(keys, grid, prediction.probabilities, borders, prediction.features, signals)

    def after_network() -> None:
        postprocessor.borders(prediction.probabilities)
        judged()

    keep_memory()  # as scoring does
    bf16 = uses_bf16(project.settings.training.precision, torch.device("cpu"))
    score_frames(project, top=0, device="cpu")
    chunk = list(project.scores(model).read(record.pullback_id, range(min(N_CHUNK_FRAMES, record.n_frames))))
    with one_thread():
        stages = {
            "sampling": _cpu_ms(lambda: grid.sample_each(frames), BATCH_FRAMES),
            "bare network": _cpu_ms(bare, BATCH_FRAMES),
            "description and signals": 0.0,
            "borders": _cpu_ms(lambda: postprocessor.borders(prediction.probabilities), BATCH_FRAMES),
            "quality": _cpu_ms(judged, BATCH_FRAMES),
            "files": _cpu_ms(lambda: project.scores(model).write_chunk(record.frames_sha256, chunk), len(chunk)),
        }
        stages["description and signals"] = _cpu_ms(lambda: predictor(images), BATCH_FRAMES) - stages["bare network"]
        bare_share = stages["bare network"] / sum(stages.values())
        held_ms = _held_ms(after_network, BATCH_FRAMES)
    return stages | {"share of the bare network": bare_share, "borders and quality, lock held": held_ms}


def measure_heatmaps(study: Path) -> dict[str, float]:
    """Return what a heatmap takes of one core, of that its PNG, and how much sooner all are drawn on all cores than on one."""
    project = open_project(study)
    worst = score_frames(project, top=N_HEATMAPS, device="cpu").frames
    record = project.pullback(worst[0].pullback_id)
    score = next(project.scores("m001").read(worst[0].pullback_id, [worst[0].frame_index]))
    picture = Image.open(io.BytesIO(heatmap_of_score(project, record, score)))
    picture.load()

    def drawn_s() -> float:
        started = time.perf_counter()
        write_heatmaps(project, "m001", worst)
        return time.perf_counter() - started

    cores, on_one, on_all = os.sched_getaffinity(0), [], []
    for _ in range(N_PAIRS):
        os.sched_setaffinity(0, {min(cores)})
        on_one.append(drawn_s())
        os.sched_setaffinity(0, cores)
        on_all.append(drawn_s())
    return {
        "cpu_ms": _cpu_ms(lambda: write_heatmaps(project, "m001", worst), len(worst)),
        "png_cpu_ms": _cpu_ms(lambda: png_bytes(picture), 1),
        "png_kb": len(png_bytes(picture)) / 1e3,
        "n_cores": len(cores),
        "times_as_fast_on_all_cores": min(on_one) / min(on_all),
    }


def _cpu_ms(run: Callable[[], object], n_frames: int) -> float:
    """Return the CPU time a frame of a call, ms, the least of several."""
    least = float("inf")
    for _ in range(N_STAGE_RUNS):
        started = time.process_time()
        run()
        least = min(least, time.process_time() - started)
    return 1e3 * least / n_frames


def _held_ms(run: Callable[[], object], n_frames: int) -> float:
    """Return how long a call holds Python's lock, ms a frame: what a thread beside it cannot count meanwhile."""
    counts, stop, before = [0], threading.Event(), sys.getswitchinterval()

    def count() -> None:
        while not stop.is_set():
            counts[0] += 1

    counter = threading.Thread(target=count, daemon=True)
    sys.setswitchinterval(1e-5)
    try:
        counter.start()
        begun = time.perf_counter()
        time.sleep(COUNTED_S)
        alone = counts[0] / (time.perf_counter() - begun)
        first, begun, n_runs = counts[0], time.perf_counter(), 0
        while time.perf_counter() - begun < COUNTED_S:
            run()
            n_runs += 1
        lasted = time.perf_counter() - begun
        return 1e3 * (lasted - (counts[0] - first) / alone) / (n_runs * n_frames)
    finally:
        stop.set()
        counter.join()
        sys.setswitchinterval(before)


def measure_pair(study: Path) -> tuple[float, float]:
    """Return frames a second of the bare forward and of scoring."""
    import torch

    from ivsqa.model.device import keep_memory, uses_bf16

    keep_memory()  # as scoring does
    project = open_project(study)
    model = project.get_model(None)
    record = project.pullbacks()[0]
    predictor = load_predictor(project, model, device="cpu", by_workers=True)  # on all cores
    grid = record.grid
    batch = torch.from_numpy(grid.sample_each(record.frames[:BATCH_FRAMES]))
    n_batches = max(1, record.n_frames // BATCH_FRAMES)
    bf16 = uses_bf16(project.settings.training.precision, torch.device("cpu"))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        predictor.network(batch)
        started = time.perf_counter()
        for _ in range(n_batches):
            predictor.network(batch)
        bare = n_batches * BATCH_FRAMES / (time.perf_counter() - started)
    result = score_frames(project, again=True, top=0, device="cpu")
    return bare, result.n_scored / result.seconds


if __name__ == "__main__":
    main()
