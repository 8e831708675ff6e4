"""How many frames a second scoring keeps up with where the network takes no time, as beside a GPU: on one core, and on several.

    python benchmarks/cores.py [--seconds 8]

All that `score` does but the network: frames are read from the disk and sampled, borders laid through what the network said of
them before, judged, and written. As threads of one process, which take turns at Python's lock, and as processes, which do not.
Needs cores that are free.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from itertools import count, takewhile
from pathlib import Path

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


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--start-at", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    study = project_with(1024)
    if options.start_at is not None:
        print(frames_a_second(study, 1, options.seconds, start_at=options.start_at))
        return
    score_frames(open_project(study), top=0, device="cpu")
    several = len(os.sched_getaffinity(0))
    result = {
        "n_cores": several,
        "one_thread": frames_a_second(study, 1, options.seconds),
        "threads": frames_a_second(study, several, options.seconds),
        "processes": in_processes(several, options.seconds),
    }
    rows = [[f"{name} ({several})" if name in ("threads", "processes") else name, n] for name, n in result.items()]
    print_table(("all but the network", "frames/s"), rows[1:])
    write_json("cores", result)


def in_processes(n: int, seconds: float) -> float:
    """Return what processes of one thread each keep up with together, frames/s."""
    line = [sys.executable, __file__, "--seconds", str(seconds), "--start-at", str(time.time() + START_S)]
    running = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(n)]
    return sum(float(one.communicate()[0].split()[-1]) for one in running)


def frames_a_second(study: Path, n_workers: int, seconds: float, *, start_at: float = 0.0) -> float:
    """Return what so many threads of this process keep up with, frames/s.

    Args:
        study: A scored pullback.
        n_workers: Threads.
        seconds: How long they work.
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
    said = [predictor(record.grid.sample_each(record.frames[_frames_of(number)])) for number in range(n_batches)]

    def run(number: int) -> list[FrameScore]:
        frames, prediction = _frames_of(number % n_batches), said[number % n_batches]
        record.grid.sample_each(record.frames[frames])
        keys = [FrameKey(record.pullback_id, index) for index in range(frames.start, frames.stop)]
        borders, signals = postprocessor.borders(prediction.probabilities), frame_signals(prediction)
        return postprocessor.scores(keys, record.grid, prediction.probabilities, borders, prediction.features, signals)

    run(0)
    time.sleep(max(0.0, start_at - time.time()))
    began, n_done, chunk = time.perf_counter(), 0, []
    numbers = takewhile(lambda _: time.perf_counter() - began < seconds, count())
    for scores in in_parallel(numbers, run, n_workers=n_workers):
        chunk += scores
        if len(chunk) == N_CHUNK_FRAMES:
            store.write_chunk(record.frames_sha256, chunk)
            chunk = []
        n_done += len(scores)
    return n_done / (time.perf_counter() - began)


def _frames_of(batch: int) -> slice:
    """Return the frames of a batch."""
    return slice(batch * BATCH_FRAMES, (batch + 1) * BATCH_FRAMES)


if __name__ == "__main__":
    main()
