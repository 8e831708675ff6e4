"""Scoring against the bare network forward, in one run, and its memory over a 5,000-frame pullback.

    python benchmarks/score.py [--frames 1500] [--long 5000]

Both run the same network on the same frames at the same batch and precision, in turn, several times; the ratio is by pairs.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from report import WORK, print_table, write_json
from shell import IVSQA, ivsqa

from ivsqa.io.project.project import open_project
from ivsqa.workflow.predicting.networks import load_predictor
from ivsqa.workflow.scoring.score import score_frames
from ivsqa.workflow.scoring.work import BATCH_FRAMES

N_PAIRS = 5


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--long", type=int, default=5000)
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        score_frames(open_project(options.memory_of), again=True)
        # Of this address space alone: ru_maxrss would begin with what the parent had when it started us.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        print(status.split("VmHWM:")[1].split()[0])
        return
    study = project_with(options.frames, "score")
    pairs = [measure_pair(study) for _ in range(N_PAIRS)]
    rows = [[f"{bare:.1f}", f"{scored:.1f}", round(scored / bare, 3)] for bare, scored in pairs]
    print_table(("bare forward frames/s", "score frames/s", "ratio"), rows)
    ratio = float(np.median([scored / bare for bare, scored in pairs]))
    long_study = project_with(options.long, "score-long")
    done = subprocess.run(
        [sys.executable, __file__, "--memory-of", str(long_study)], capture_output=True, text=True, check=True
    )
    peak_gb = int(done.stdout.split()[-1]) * 1024 / 1e9
    print(f"median ratio {ratio:.3f}; peak memory over {options.long} frames {peak_gb:.2f} GB")
    write_json("score", {"pairs": pairs, "median_ratio": ratio, "n_frames_long": options.long, "peak_gb": peak_gb})


def project_with(n_frames: int, name: str) -> Path:
    """Return a project with one pullback of that many 512 × 512 frames and a briefly trained model."""
    study = WORK / name
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


def measure_pair(study: Path) -> tuple[float, float]:
    """Return frames a second of the bare forward and of scoring."""
    import torch

    from ivsqa.model.device import uses_bf16

    project = open_project(study)
    model = project.get_model(None)
    record = project.pullbacks()[0]
    predictor = load_predictor(project, model, device="cpu")
    grid = record.grid
    batch = torch.from_numpy(np.stack([grid.sample(frame) for frame in record.frames[:BATCH_FRAMES]]))
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
