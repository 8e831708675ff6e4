"""What each command costs as a study grows: whole processes, in processor time and peak memory, from 1,000 frames on.

    python benchmarks/scale.py [--frames 1000 40000 200000] [--only "select sqa"] [--work DIR]
    python benchmarks/scale.py --shards      # two processes that score, beside one: where two cores are free

A study of N frames has a pullback for every 100 of them, 4,000 at most, each of its own subject, with one annotated frame. Its
frames are files of zeros that take no room; its scores, under the name of the starter model, are made up: those of the first
pullback are written by what writes those of `score`, the others are tables like these. 1,000,000 and 10,000,000 frames are made
where they are asked for; the latter take three minutes and 4 GB. What was measured of other sizes stays in the result.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from report import RESULTS, WORK, print_table, write_json
from shell import IVSQA

from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import frames_sha256
from ivsqa.domain.quality.frame_score import SIGNALS, FrameScore
from ivsqa.io.ledger import doors
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.layout import ProjectLayout
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.records import Provenance, PullbackRecord, ScoresRecord, Split

MADE = Provenance(created_at="2026-01-01T00:00:00+00:00", ivsqa_version="0")
SIDE_PX, MAP_PX, N_FEATURES = 512, 96, 96
ANNOTATED_FRAME = 50
MOST_PULLBACKS = 4_000
COMMANDS = {
    "status": "status",
    "why": "why S00002-P1:7",
    "select stratified": "select -n 50 --strategy stratified --dry-run",
    "select sqa": "select -n 50 --strategy sqa --dry-run",
    "select coreset": "select -n 50 --strategy coreset --dry-run",
    "score, nothing to do": "score --top 10",
    "check --quick": "check --quick",
    "report": "report",
    "export, 50 frames": "export-for-annotation --format labelme",
    "evaluate": "evaluate",
    "measure a pullback": "measure S00002-P1",
    "train, to its first step": "train --steps 1",
    "train, one step": "train --steps 1",
}
"""What is run, in this order, by its name in the table; `export` sends a round of 50 frames that is chosen before."""
ONCE = ("export, 50 frames", "train, to its first step", "train, one step")
"""These change the study."""
RUNS, ENOUGH_S = 5, 10.0
"""Of several runs the quickest counts, as other machines use the same processor: so many, or for so long."""
WITH_PEAK = """
import atexit, sys
from pathlib import Path
from ivsqa.cli.main import main
# Of this address space alone: ru_maxrss would begin with what the parent had when it started us.
atexit.register(lambda: print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0], file=sys.stderr))
main()
"""


TO_FIRST_STEP = """
import os
from ivsqa.model.optimizer import AdamW
AdamW.step = lambda *_: (atexit._run_exitfuncs(), os._exit(0))
"""


def circle(radius_px: float) -> Contour:
    """Return a circle about the centre of a frame."""
    angle = np.linspace(0.0, 2.0 * np.pi, 120, endpoint=False)
    return Contour.from_points(SIDE_PX / 2 + radius_px * np.stack([np.cos(angle), np.sin(angle)], axis=1))


DRAWN = {"lumen": circle(70.0), "eem": circle(110.0)}
CORRECTED = {"lumen": circle(80.0), "eem": circle(115.0)}


def study_with(n_frames: int, work: Path) -> Path:
    """Return a study of that many frames; what a run before has left in it is removed."""
    root = work / f"scale-{n_frames}"
    if not (root / "done").is_file():
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run([*IVSQA, "init", str(root)], check=True, capture_output=True)
        # Made beside the study, where no line of a ledger is written for each file, which takes longer than the file.
        beside = root / ".made"
        add_pullbacks(Project(ProjectLayout(beside), open_project(root).settings), n_frames)
        for made in beside.iterdir():
            made.rename(root / made.name)
        shutil.rmtree(root / "ledger")
        doors.begin(root)
        # It leaves its index of qualities.
        subprocess.run([*IVSQA, "score", "--top", "0"], check=True, capture_output=True, cwd=root)
        shutil.copytree(root / "ledger", root / ".ledger")
        (root / "done").touch()
    # The ledger of then knows nothing of them.
    for made in ("models", "rounds", "reports", "ledger"):
        shutil.rmtree(root / made, ignore_errors=True)
    shutil.copytree(root / ".ledger", root / "ledger")
    return root


def add_pullbacks(project: Project, n_frames: int) -> None:
    """Add pullbacks of so many frames in all."""
    starter = project.starter()
    assert starter is not None
    assert starter.weights_sha256 is not None
    record = ScoresRecord(
        model_id=starter.model_id,
        weights_sha256=starter.weights_sha256,
        structures=starter.structures,
        image=starter.image,
        provenance=MADE,
    )
    write_manifest(project.layout.scores_record(starter.model_id), record)
    n_pullbacks = min(MOST_PULLBACKS, n_frames // 100)
    rng = np.random.default_rng(0)
    first = add_pullback(project, 0, n_frames // n_pullbacks)
    add_scores(project, first, starter.model_id, rng)
    for number in range(1, n_pullbacks):
        add_scores_like(project, first, add_pullback(project, number, first.n_frames), starter.model_id, rng)


@cache
def hash_of_zeros(shape: tuple[int, int, int]) -> str:
    """Return the hash of frames of zeros, which `evaluate` proves."""
    return frames_sha256(np.zeros(shape, dtype=np.uint8))


def add_pullback(project: Project, number: int, n_frames: int) -> PullbackRecord:
    """Add a pullback of zeros with one annotated frame."""
    split: Split = "test" if number % 10 == 0 else "validation" if number % 10 == 1 else "train"
    shape = (n_frames, SIDE_PX, SIDE_PX)
    record = PullbackRecord(
        pullback_id=f"S{number:05d}-P1", subject_id=f"S{number:05d}", split=split, n_frames=n_frames, height_px=SIDE_PX,
        width_px=SIDE_PX, spacing_mm=(0.02, 0.02), spacing_source="user", frame_interval_s=1 / 30, frame_time_s=None,
        frame_time_source="FrameTime", pullback_speed_mm_s=0.5, pullback_speed_source="user", start_frame_index=None,
        stop_frame_index=None, manufacturer_model="", notes=(), frames_sha256=hash_of_zeros(shape),
        source_sha256="b" * 64, provenance=MADE,
    )  # fmt: skip
    write_manifest(project.layout.pullback_record(record.pullback_id), record)
    np.lib.format.open_memmap(project.layout.frames(record.pullback_id), mode="w+", dtype=np.uint8, shape=shape)
    project.annotations.append(
        record.pullback_id,
        {ANNOTATED_FRAME: NewAnnotation(CORRECTED, "edited")},
        reader="anna",
        source="csv",
        made=MADE,
        spacing_mm=record.spacing_mm,
    )
    return record


def add_scores(project: Project, record: PullbackRecord, model_id: str, rng: np.random.Generator) -> None:
    """Score a pullback to its end, by what writes the scores of `score`."""
    store, names = project.scores(model_id), project.structures.names
    error_maps = np.zeros((len(names), MAP_PX, MAP_PX), dtype=np.uint8)
    error_maps[:, 40:44, 20:70] = 90
    for first, last in store.chunks(record.n_frames):
        quality = rng.random(last - first + 1).tolist()
        features = rng.normal(size=(last - first + 1, N_FEATURES)).astype(np.float32)
        store.write_chunk(
            record.frames_sha256,
            [
                FrameScore(
                    pullback_id=record.pullback_id, frame_index=index, quality=quality[row],
                    dice=dict.fromkeys(names, quality[row]), dice_lower=dict.fromkeys(names), expected_error_px=200.0,
                    n_regions=1, signals=dict.fromkeys(SIGNALS, 1.0 - quality[row]), features=features[row], contours=DRAWN,
                    error_maps=error_maps,
                )
                for row, index in enumerate(range(first, last + 1))
            ],
        )  # fmt: skip


def add_scores_like(
    project: Project, first: PullbackRecord, record: PullbackRecord, model_id: str, rng: np.random.Generator
) -> None:
    """Score a pullback as the first one, with qualities and descriptions of its own; the rest is copied."""
    layout, names = project.layout, project.structures.names
    for chunk in project.scores(model_id).chunks(record.n_frames):
        rows = table_in(layout.score_chunk(model_id, first.pullback_id, *chunk))
        quality, features = rng.random(len(rows)), rng.normal(size=(len(rows), N_FEATURES)).astype(np.float32)
        own = rows.with_columns(
            pl.lit(record.pullback_id).alias("pullback_id"),
            *(pl.Series(name, quality) for name in ("quality", *(f"dice_{name}" for name in names))),
            *(pl.Series(name, 1.0 - quality) for name in SIGNALS),
            pl.Series("features", features).cast(pl.List(pl.Float32)),
        )
        path = layout.score_chunk(model_id, record.pullback_id, *chunk)
        path.parent.mkdir(exist_ok=True)
        own.write_parquet(path, compression="zstd", compression_level=1, statistics=False)
        maps = layout.error_map_chunk(model_id, first.pullback_id, *chunk)
        shutil.copyfile(maps, layout.error_map_chunk(model_id, record.pullback_id, *chunk))


@cache
def table_in(path: Path) -> pl.DataFrame:
    """Return the table in a file."""
    return pl.read_parquet(path)


def cost_of(name: str, study: Path) -> dict[str, float]:
    """Return processor seconds of a command and all it starts, seconds, and its peak memory; a failure stops the benchmark."""
    arguments, script = COMMANDS[name].split(), WITH_PEAK
    if name.endswith("first step"):
        script = script.replace("main()\n", f"{TO_FIRST_STEP}main()\n")
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False, cwd=study
    )
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"ivsqa {' '.join(arguments)} → {done.returncode}\n{done.stdout}\n{done.stderr}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_s": cpu_s, "seconds": seconds, "peak_mb": int(done.stderr.split()[-1]) / 1024}


def measured(n_frames: int, work: Path, only: list[str]) -> list[dict[str, Any]]:
    """Return the cost of each command in a study of that many frames."""
    study = study_with(n_frames, work)
    rows: list[dict[str, Any]] = []
    for name in COMMANDS:
        if only and name not in only:
            continue
        if name.startswith("export"):
            subprocess.run([*IVSQA, "select", "-n", "50"], check=True, capture_output=True, cwd=study)
        costs = [cost_of(name, study)]
        while name not in ONCE and len(costs) < RUNS and sum(cost["cpu_s"] for cost in costs) < ENOUGH_S:
            costs.append(cost_of(name, study))
        rows.append({"frames": n_frames, "command": name} | min(costs, key=lambda cost: cost["cpu_s"]))
        print_table(list(rows[-1]), [list(rows[-1].values())])
    return rows


def frames_a_second(n_processes: int, work: Path) -> float:
    """Return the frames a second that processes score together, each a shard on a core of its own, without their start."""
    study = work / "shards"
    shutil.rmtree(study, ignore_errors=True)
    subprocess.run([*IVSQA, "phantom", str(study / "phantoms"), "--pullbacks", "4", "--frames", "400"], check=True)
    subprocess.run([*IVSQA, "init", str(study)], check=True, capture_output=True)
    subprocess.run([*IVSQA, "import", str(study / "phantoms")], check=True, capture_output=True, cwd=study)
    tasks = []
    for number in range(1, n_processes + 1):
        alone = ["taskset", "--cpu-list", str(number - 1), *IVSQA]
        line = [*alone, "score", "--shard", f"{number}/{n_processes}", "--json"]
        tasks.append(subprocess.Popen(line, cwd=study, stdout=subprocess.PIPE))
    answers = [json.loads(task.communicate()[0]) for task in tasks]
    return sum(answer["n_scored"] for answer in answers) / max(answer["seconds"] for answer in answers)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[1_000, 40_000, 200_000])
    parser.add_argument("--only", nargs="+", default=[], choices=COMMANDS)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--shards", action="store_true", help="only how much faster two processes score than one")
    options = parser.parse_args()
    if options.shards:
        one, two = (frames_a_second(n_processes, options.work) for n_processes in (1, 2))
        print(f"{one:.1f} frames a second by one process, {two:.1f} by two: {two / one:.2f} times as fast")
        write_json("shards", {"frames_a_second_by_one": one, "by_two": two, "times_as_fast": two / one})
        return
    rows = [row for n_frames in options.frames for row in measured(n_frames, options.work, options.only)]
    before = RESULTS / "scale.json"
    kept = json.loads(before.read_text(encoding="utf-8"))["rows"] if before.is_file() else []
    again = {(row["frames"], row["command"]) for row in rows}
    rows += [row for row in kept if (row["frames"], row["command"]) not in again]
    order = list(COMMANDS)
    rows.sort(key=lambda row: (row["frames"], order.index(row["command"])))
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    write_json("scale", {"rows": rows})


if __name__ == "__main__":
    main()
