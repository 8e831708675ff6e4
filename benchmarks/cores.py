"""How many frames a second scoring keeps up with where the network takes no time, as beside a GPU: on one core, and on several.

    python benchmarks/cores.py

All that `score` does but the network: frames are read from the disk and sampled, borders laid through what the network said of
them before, judged, and written. As threads of one process, which take turns at Python's lock, and as processes, which do not.
The best of several spans of time counts, since others use the cores too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import count, takewhile
from pathlib import Path

import numpy as np
from report import print_table, write_json
from score import N_CHUNK_FRAMES, project_with

from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.domain.quality.predicted_quality import ErrorCalibration
from ivsqa.io.parallel import in_parallel
from ivsqa.io.project.project import open_project
from ivsqa.model.device import keep_memory
from ivsqa.workflow.predicting.networks import load_predictor
from ivsqa.workflow.predicting.prediction import FramePostprocessor, border_priors
from ivsqa.workflow.predicting.signals import frame_signals
from ivsqa.workflow.scoring.score import score_frames
from ivsqa.workflow.scoring.work import BATCH_FRAMES

START_S = 15.0
"""Enough for all processes to load what they need."""
SPAN_S, N_SPANS = 2.0, 8
N_SAID = 4
"""Batches that the network sees; what it says of them is said of the others too."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start-at", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    study = project_with(N_CHUNK_FRAMES)
    if options.start_at is not None:
        print(json.dumps(frames_a_second(study, 1, start_at=options.start_at)))
        return
    score_frames(open_project(study), top=0, device="cpu")
    n_cores = len(os.sched_getaffinity(0))
    result = {
        "one thread": max(frames_a_second(study, 1)),
        "a thread a core": max(frames_a_second(study, n_cores)),
        "a process a core": max(in_processes(n_cores)),
    }
    print_table(("all but the network", f"frames/s, {n_cores} cores"), list(result.items()))
    write_json("cores", {"frames_a_second": result})


def in_processes(n: int) -> list[float]:
    """Return what processes of one thread each keep up with together, frames/s in each span."""
    line = [sys.executable, __file__, "--start-at", str(time.time() + START_S)]
    running = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(n)]
    return [
        sum(rates) for rates in zip(*(json.loads(one.communicate()[0].split("\n")[-2]) for one in running), strict=True)
    ]


def frames_a_second(study: Path, n_workers: int, *, start_at: float = 0.0) -> list[float]:
    """Return what so many threads of this process keep up with, frames/s in each span.

    Args:
        study: A pullback.
        n_workers: Threads.
        start_at: When they begin, in seconds since 1970.
    """
    keep_memory()  # as scoring does
    project = open_project(study)
    model, record = project.get_model(None), project.pullbacks()[0]
    postprocessor = FramePostprocessor(
        project.structures, ErrorCalibration.from_dict(model.error_calibration or {}), border_priors(model)
    )
    store, predictor = project.scores(model), load_predictor(project, model, device="cpu", by_workers=True)
    n_batches = N_CHUNK_FRAMES // BATCH_FRAMES
    said = [predictor(record.grid.sample_each(record.frames[_frames_of(number)])) for number in range(N_SAID)]

    def run(number: int) -> list[FrameScore]:
        frames, prediction = _frames_of(number % n_batches), said[number % N_SAID]
        record.grid.sample_each(record.frames[frames])
        keys = [FrameKey(record.pullback_id, index) for index in range(frames.start, frames.stop)]
        borders, signals = postprocessor.borders(prediction.probabilities), frame_signals(prediction)
        return postprocessor.scores(keys, record.grid, prediction.probabilities, borders, prediction.features, signals)

    run(0)
    time.sleep(max(0.0, start_at - time.time()))
    began, done_at, chunk = time.perf_counter(), [], []
    numbers = takewhile(lambda _: time.perf_counter() - began < SPAN_S * N_SPANS, count())
    for scores in in_parallel(numbers, run, n_workers=n_workers):
        chunk += scores
        if len(chunk) == N_CHUNK_FRAMES:
            store.write_chunk(record.frames_sha256, chunk)
            chunk = []
        done_at.append(time.perf_counter() - began)
    n_batches_done, _ = np.histogram(done_at, N_SPANS, (0.0, SPAN_S * N_SPANS))
    return [BATCH_FRAMES * n / SPAN_S for n in n_batches_done.tolist()]


def _frames_of(batch: int) -> slice:
    """Return the frames of a batch."""
    return slice(batch * BATCH_FRAMES, (batch + 1) * BATCH_FRAMES)


if __name__ == "__main__":
    main()
