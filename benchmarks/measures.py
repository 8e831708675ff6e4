"""Do intervals of clinical measures hold the truth? Coverage on phantom subjects that no part of a model has seen.

For each seed a study of phantoms through the commands' own functions: import, a small network trained on some subjects and
calibrated on others, scores and measures of the rest. Frames are half a second apart, so that a pullback shows 10 mm and more.
Printed for each measure, over seeds: the share of intervals that hold the true value (wanted: 90 %), the lowest and the
highest seed, the mean width, the mean error, and the bias, predicted minus true. Frames of a subject are alike, and a seed has
a dozen test subjects: single seeds scatter.

"Along a pullback" are minimum lumen area, whose interval spans all frames that could hold it, and volumes, whose errors cancel
out as far as they did on validation pullbacks.

    python benchmarks/measures.py
    python benchmarks/measures.py --seeds 1 --steps 50    # a quick look
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import torch
from report import print_table, write_json

from ivsqa.domain.contour import Contours
from ivsqa.domain.measures.frame_measures import column, frame_measures, frame_measures_of
from ivsqa.domain.measures.intervals import COVERAGE
from ivsqa.domain.measures.pullback_measures import Course
from ivsqa.io.atomic import write_bytes, write_text
from ivsqa.io.formats.contours_csv import contours_csv_text
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PullbackRecord, Split
from ivsqa.phantom import PhantomPullback, phantom_pullback
from ivsqa.phantom.files import dicom_bytes
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.measuring.measures import MeasureOptions
from ivsqa.workflow.measuring.rows import pullback_row
from ivsqa.workflow.scoring.score import score_frames
from ivsqa.workflow.training.train import train_model

N_PULLBACKS, N_FRAMES, FRAME_STEP = 55, 40, 15
SUBJECTS = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"
ANNOTATED_EVERY: dict[Split, int] = {"train": 6, "validation": 5}
MAX_GAP_MM = 2.0
ALONG = ("mla", "lumen_volume", "eem_volume", "plaque_media_volume", "atheroma_volume_fraction")

Hit: TypeAlias = tuple[float, float, float]
"""Of an interval: whether it held the truth, its width, and how much too large the value was."""
Hits: TypeAlias = dict[str, list[Hit]]
"""By measure."""


def thinned(pullback: PhantomPullback, step: int) -> PhantomPullback:
    """Return every `step`-th frame of a phantom, as a slower console would have stored them."""
    by_frame = {name: values for name, values in vars(pullback._path).items() if isinstance(values, np.ndarray)}
    path = replace(pullback._path, **{name: values[::step] for name, values in by_frame.items()})
    rate = pullback.frame_rate_hz / step
    return replace(
        pullback, n_frames=len(path.place_mm), frame_rate_hz=rate, contours=pullback.contours[::step], _path=path
    )


def study(folder: Path, seed: int, size_px: int) -> tuple[Project, dict[str, tuple[Contours, ...]]]:
    """Return a project with phantoms, annotated on training and validation subjects, and the truth of all."""
    truth: dict[str, tuple[Contours, ...]] = {}
    for index in range(N_PULLBACKS):
        long = phantom_pullback(seed=seed, index=index, n_frames=N_FRAMES * FRAME_STEP, size_px=2 * size_px)
        pullback = thinned(long, FRAME_STEP)
        truth[pullback.name] = pullback.contours
        write_bytes(folder / "phantoms" / f"{pullback.name}.dcm", dicom_bytes(pullback))
    settings = {
        "image": {"working_size_px": size_px},
        "network": {"widths": [16, 32, 64, 96], "starter": "none"},
        "split": {"train": 0.46, "validation": 0.27, "test": 0.27, "seed": seed},
        "training": {"batch_size": 8, "learning_rate": 0.003, "seed": seed},
    }
    project = create_project(folder / "study", template="coronary-ivus", settings=settings)
    phantoms, options = folder / "phantoms", ImportOptions(subject_from=SUBJECTS)
    records = import_pullbacks(project, [phantoms], options).imported
    rows = [
        (record.pullback_id, index, truth[record.pullback_id][index])
        for record in records
        if record.split in ANNOTATED_EVERY
        for index in range(0, record.n_frames, ANNOTATED_EVERY[record.split])
    ]
    write_text(folder / "drawn.csv", contours_csv_text(rows))
    import_pullbacks(project, [phantoms], replace(options, annotations=folder / "drawn.csv"))
    return project, truth


def true_course(record: PullbackRecord, contours: tuple[Contours, ...]) -> Course:
    """Return the true measures of a pullback, as if they were drawn."""
    names = frame_measures_of(("lumen", "eem"))
    measured = [frame_measures(one, record.spacing_mm) for one in contours]
    values = {name: np.array([one[name] for one in measured]) for name in names}
    positions = np.array([record.position_mm(index) for index in range(len(contours))], dtype=np.float64)
    return Course(np.arange(len(contours)), positions, np.ones(len(contours), dtype=np.bool_), values)


def compared(row: Mapping[str, Any], measure: str, true: float | None) -> Iterator[Hit]:
    """Yield what became of an interval; nothing where there is none."""
    value, low, high = (row[name] for name in (column(measure), column(measure, "low"), column(measure, "high")))
    if low is not None and high is not None and true is not None:
        yield float(low <= true <= high), high - low, value - true


def judge(seed: int, size_px: int, steps: int) -> tuple[Hits, dict[str, float]]:
    """Return what became of every interval on the test subjects of one study, and facts about it."""
    with tempfile.TemporaryDirectory() as folder:
        project, truth = study(Path(folder), seed, size_px)
        model = train_model(project, max_steps=steps, device="cpu").model
        records = project.pullbacks("test")
        ids = [record.pullback_id for record in records]
        score_frames(project, pullback_ids=ids, top=0, device="cpu")
        options = MeasureOptions(max_gap_mm=MAX_GAP_MM, formats=("parquet",))
        result = measure_pullbacks(project, pullback_ids=ids, options=options)
        hits: Hits = {}
        for record in records:
            course = true_course(record, truth[record.pullback_id])
            for row in result.frames.filter(pl.col("pullback_id") == record.pullback_id).iter_rows(named=True):
                for measure, values in course.values.items():
                    hits.setdefault(measure, []).extend(compared(row, measure, values[row["frame_index"]]))
            sources = ["annotation"] * len(course.frame_index)
            true = pullback_row(record, course, sources, project.structures.names, MAX_GAP_MM)
            (row,) = result.pullbacks.filter(pl.col("pullback_id") == record.pullback_id).iter_rows(named=True)
            for measure in ALONG:
                hits.setdefault(measure, []).extend(compared(row, measure, true[column(measure)]))
    return hits, {
        "validation_dice": float(model.validation_dice or np.nan),
        "validation_subjects": result.n_calibration_subjects,
        "test_subjects": len({record.subject_id for record in records}),
    }


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started, runs = time.process_time(), {}
    for seed in options.seeds:
        runs[seed] = judge(seed, options.size, options.steps)
        print(f"seed {seed}: {runs[seed][1]}, {time.process_time() - started:.0f} s of processor time", flush=True)
    rows: list[dict[str, Any]] = []
    for measure in next(iter(runs.values()))[0]:
        a_seed = [np.array(hits[measure]).reshape(-1, 3) for hits, _ in runs.values()]
        a_seed = [one for one in a_seed if len(one)]
        if a_seed:
            held = [float(one[:, 0].mean()) for one in a_seed]
            _, width, error = np.concatenate(a_seed).T
            rows.append(
                {
                    "measure": column(measure),
                    "scope": "along a pullback" if measure in ALONG else "frame",
                    "n": sum(len(one) for one in a_seed),
                    "coverage": float(np.mean(held)),
                    "lowest_seed": min(held),
                    "highest_seed": max(held),
                    "mean_width": float(width.mean()),
                    "mean_error": float(np.abs(error).mean()),
                    "bias": float(error.mean()),
                }
            )
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    facts = {str(seed): one for seed, (_, one) in runs.items()}
    settings = {"steps": options.steps, "size_px": options.size, "frames_a_pullback": N_FRAMES}
    seconds = round(time.process_time() - started)
    write_json(
        "measures",
        {"wanted": COVERAGE, "settings": settings, "runs": facts, "cpu_seconds": seconds, "measures": rows},
    )


if __name__ == "__main__":
    main()
