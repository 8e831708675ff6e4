"""How long `ivsqa select` takes, as a whole process, and its memory, over tables of made-up scores.

    python benchmarks/selection.py [--frames 40000 10000000]

The project is a real one; its pullbacks are of 3,000 frames each, or fewer, without pixels: choosing never looks at any.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import polars as pl
from report import WORK, print_table, write_json
from shell import IVSQA

from ivsqa.domain.quality.frame_score import SIGNALS
from ivsqa.io.project.layout import ProjectLayout
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import open_project
from ivsqa.io.project.records import ModelRecord, Provenance, PullbackRecord, Split
from ivsqa.io.project.scores import ScoreStore

N_CHOSEN = 50
PULLBACK_FRAMES = 3000
STRATEGIES = ("sqa", "stratified", "entropy", "coreset")
MADE = Provenance(created_at="2026-01-01T00:00:00+00:00", ivsqa_version="0")


def study_with(n_frames: int) -> Path:
    """Return a project with that many scored frames of training subjects."""
    root = WORK / f"select-{n_frames}"
    if (root / "done").is_file():
        return root
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run([*IVSQA, "init", str(root)], check=True, capture_output=True)
    layout = ProjectLayout(root)
    structures = open_project(root).structures.names
    write_manifest(layout.model_record("m001"), _model(structures))
    store = ScoreStore(layout, "m001", structures)
    rng = np.random.default_rng(0)
    for number, first in enumerate(range(0, n_frames, PULLBACK_FRAMES)):
        n = min(PULLBACK_FRAMES, n_frames - first)
        record = _pullback(number, n, "train")
        write_manifest(layout.pullback_record(record.pullback_id), record)
        for begin, last in store.chunks(n):
            path = layout.score_chunk("m001", record.pullback_id, begin, last)
            path.parent.mkdir(parents=True, exist_ok=True)
            _rows(record, begin, last, structures, rng).write_parquet(
                path, compression="zstd", compression_level=1, statistics=False
            )
            # Reasons are told from the error maps of what is chosen.
            maps = [bytes(len(structures) * 16)] * (last - begin + 1)
            pl.DataFrame(
                {"frame_index": range(begin, last + 1), "error_maps": maps}, schema_overrides={"frame_index": pl.Int32}
            ).write_parquet(layout.error_map_chunk("m001", record.pullback_id, begin, last))
    (root / "done").touch()
    return root


def _pullback(number: int, n_frames: int, split: Split) -> PullbackRecord:
    return PullbackRecord(
        pullback_id=f"S{number:05d}-P1",
        subject_id=f"S{number:05d}",
        split=split,
        n_frames=n_frames,
        height_px=512,
        width_px=512,
        spacing_mm=(0.02, 0.02),
        spacing_source="user",
        frame_interval_s=1 / 30,
        frame_time_s=None,
        frame_time_source="FrameTime",
        pullback_speed_mm_s=0.5,
        pullback_speed_source="user",
        start_frame_index=None,
        stop_frame_index=None,
        manufacturer_model="",
        notes=(),
        frames_sha256="a" * 64,
        source_sha256="b" * 64,
        provenance=MADE,
    )


def _model(structures: tuple[str, ...]) -> ModelRecord:
    return ModelRecord(
        model_id="m001",
        state="ready",
        parent=None,
        request_sha256="c" * 64,
        seed=0,
        structures=structures,
        network={},
        training={},
        image={},
        n_training_frames=1,
        n_validation_frames=0,
        n_subjects=1,
        accepted=True,
        weights_sha256="d" * 64,
        provenance=MADE,
    )


def _rows(
    record: PullbackRecord, first: int, last: int, structures: tuple[str, ...], rng: np.random.Generator
) -> pl.DataFrame:
    """Return a chunk as scoring writes it, contours left out."""
    n = last - first + 1
    table = pl.DataFrame(
        {
            "pullback_id": [record.pullback_id] * n,
            "frame_index": np.arange(first, last + 1, dtype=np.int32),
            "frames_sha256": [record.frames_sha256] * n,
            "quality": rng.random(n),
            "expected_error_px": rng.random(n),
            "n_regions": np.zeros(n, dtype=np.int32),
            **{name: rng.random(n) for name in SIGNALS},
        }
    )
    features = pl.Series("features", rng.normal(size=(n, 96)).astype(np.float32)).cast(pl.List(pl.Float32))
    return table.with_columns(
        features,
        *(pl.lit(0.5).alias(f"{column}_{name}") for name in structures for column in ("dice", "dice_lower")),
        *(pl.lit(None, dtype=pl.Binary).alias(f"contour_{name}") for name in structures),
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[40_000, 10_000_000])
    options = parser.parse_args()
    rows = []
    for n_frames in sorted(options.frames):
        study = study_with(n_frames)
        for strategy in STRATEGIES:
            began = time.perf_counter()
            subprocess.run(
                [*IVSQA, "select", "-n", str(N_CHOSEN), "--strategy", strategy, "--dry-run", "--project", str(study)],
                check=True,
                capture_output=True,
            )
            seconds = time.perf_counter() - began
            # The largest of all children so far: studies come in rising size.
            peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
            rows.append({"frames": n_frames, "strategy": strategy, "seconds": seconds, "peak_gb": peak_gb})
            print_table(list(rows[-1]), [list(rows[-1].values())])
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    write_json("selection", {"n_chosen": N_CHOSEN, "rows": rows})


if __name__ == "__main__":
    main()
