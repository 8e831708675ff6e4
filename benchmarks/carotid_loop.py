"""The loop on real ultrasound, by shell: 5 % labels to start, two rounds of 5 %, Dice on sealed series before and after.

580 carotid frames in 19 series with expert lumen masks, split by series. Labels come through the packets: each LabelMe file is
filled from the expert mask by a simulated annotator, as a person would fill it. Beside predicted error (sqa) runs the same budget
drawn stratified at random, and the model that had every training frame.

    python benchmarks/carotid_loop.py [--seeds 3] [--arms sqa stratified full]
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from report import SHARED_DATA, WORK, print_table, write_json
from shell import ivsqa

from ivsqa.domain.contour import Contours, contour_from_mask
from ivsqa.io.formats.files import natural_key
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import open_project
from ivsqa.workflow.demo.simulated_annotator import Annotator, annotate_packet

CAROTID = SHARED_DATA / "carotid"
SUBJECT = "(?P<pullback>(?P<subject>[^/]+))$"
SHARE = 0.05
N_ROUNDS = 2
TRAIN_STEPS, FINETUNE_STEPS = 400, 200
READER = Annotator(tolerance_px=1.5, hand_px=0.5, n_vertices=32)


def main() -> None:
    """Run the arms for each seed, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", default=["sqa", "stratified", "full"])
    options = parser.parse_args()
    if not CAROTID.is_dir():
        raise SystemExit(f"needs the carotid frames in {CAROTID}")
    rows = [row for seed in range(1, options.seeds + 1) for arm in options.arms for row in run_once(arm, seed)]
    columns = ("arm", "seed", "stage", "labels", "dice", "hd95_px", "missing", "auroc", "error_auprc", "entropy_auprc")
    print_table(columns, [[row[column] for column in columns] for row in rows])
    summary = summarise(rows)
    print_table(("arm", "stage", "labels", "mean dice", "lowest", "highest"), summary)
    write_json("carotid_loop", {"rows": rows, "summary": summary, "share": SHARE, "n_rounds": N_ROUNDS})


def run_once(arm: str, seed: int) -> list[dict[str, object]]:
    """Return the rows of one arm with one seed; what was run before is kept in the work folder until that is removed."""
    kept = WORK / f"carotid-{arm}-{seed}.json"
    if not kept.is_file():
        rows = run(arm, seed)
        kept.write_text(json.dumps(rows), encoding="utf-8")
    found: list[dict[str, object]] = json.loads(kept.read_text(encoding="utf-8"))
    return found


def run(arm: str, seed: int) -> list[dict[str, object]]:
    """Run one arm with one seed: the split, the draws and the training all follow the seed."""
    study = WORK / f"carotid-{arm}-{seed}"
    shutil.rmtree(study, ignore_errors=True)
    new_study(study, seed)
    ivsqa("import", CAROTID, "--annotations", "none", "--subject-from", SUBJECT, project=study)
    splits = {record.pullback_id: record.split for record in open_project(study).pullbacks()}
    for series, split in splits.items():
        if split == "test" or arm == "full":
            ivsqa("import", CAROTID / series, "--subject-from", SUBJECT, project=study)
    status = ivsqa("status", project=study)
    truth = expert_contours()
    n_pool = sum(len(truth[series]) for series, split in splits.items() if split != "test")
    n_validation = max(1, round(SHARE * n_pool * 0.25))
    n_train = round(SHARE * n_pool) - n_validation
    rng = np.random.default_rng(seed)
    if arm == "full":
        answer = ivsqa("train", "--steps", TRAIN_STEPS, project=study)
        return [measure(study, arm, seed, "all labels", answer["n_training_frames"])]
    annotate(study, truth, n_validation, "validation", "stratified", rng)
    annotate(study, truth, n_train, "train", "stratified", rng)
    answer = ivsqa("train", "--steps", TRAIN_STEPS, project=study)
    print(
        f"{arm} seed {seed}: {status['n_annotated']}, {answer['n_training_frames']} + {n_validation} labels", flush=True
    )
    rows = [measure(study, arm, seed, "start", answer["n_training_frames"])]
    for number in range(1, N_ROUNDS + 1):
        ivsqa("score", project=study)
        annotate(study, truth, round(SHARE * n_pool), "train", arm, rng)
        answer = ivsqa("finetune", "--steps", FINETUNE_STEPS, project=study)
        rows.append(measure(study, arm, seed, f"round {number}", answer["n_training_frames"]))
        print(f"{arm} seed {seed} round {number}: Dice {rows[-1]['dice']:.3f}; {answer['verdict']}", flush=True)
    return rows


def new_study(study: Path, seed: int) -> None:
    """Make the project with the seed, and a small gap, for the frames are thinned out."""
    seeds = {"split": {"seed": seed}, "training": {"seed": seed}}
    create_project(study, template="lumen-only", settings={**seeds, "selection": {"min_gap_frames": 2}})


def annotate(
    study: Path, truth: dict[str, dict[int, Contours]], n: int, split: str, strategy: str, rng: np.random.Generator
) -> None:
    """Open a round, fill its packet from the expert masks, and take it back."""
    chosen = ivsqa("select", "-n", n, "--split", split, "--strategy", strategy, project=study)
    packet = ivsqa("export-for-annotation", project=study)
    annotate_packet(Path(packet["packet"]), truth, rng=rng, annotator=READER)
    ivsqa("import-annotations", packet["packet"], "--round", chosen["round_id"], "--reader", "expert", project=study)


def measure(study: Path, arm: str, seed: int, stage: str, n_labels: int) -> dict[str, object]:
    """Evaluate the current model on the sealed series."""
    answer = ivsqa("evaluate", project=study)
    lumen, sqa = answer["segmentation"]["lumen"], answer["sqa"]
    return {
        "arm": arm,
        "seed": seed,
        "stage": stage,
        "labels": n_labels,
        "n_test_frames": answer["n_frames"],
        "dice": lumen["dice"],
        "hd95_px": lumen["hd95_px"],
        "missing": lumen["n_missing"],
        "auroc": sqa["auroc"],
        "error_auprc": sqa["error_map_auprc"],
        "entropy_auprc": sqa["entropy_auprc"],
        "spearman": sqa["spearman"],
        "entropy_spearman": sqa["entropy_spearman"],
        "mae": sqa["mae"],
    }


def expert_contours() -> dict[str, dict[int, Contours]]:
    """Return the expert's contours by series and frame index, from the masks."""
    from PIL import Image

    truth: dict[str, dict[int, Contours]] = {}
    for series in sorted(CAROTID.iterdir()):
        if series.is_dir():
            paths = sorted((series / "frames").glob("*.png"), key=lambda path: natural_key(path.name))
            truth[series.name] = {}
            for index, path in enumerate(paths):
                contour = contour_from_mask(np.asarray(Image.open(series / "lumen" / path.name)) > 0)
                truth[series.name][index] = {} if contour is None else {"lumen": contour}
    return truth


def summarise(rows: list[dict[str, object]]) -> list[list[object]]:
    """Return mean and range of Dice over seeds, by arm and stage."""
    keys = list(dict.fromkeys((row["arm"], row["stage"]) for row in rows))
    found = []
    for arm, stage in keys:
        some = [row for row in rows if (row["arm"], row["stage"]) == (arm, stage)]
        dice = [float(row["dice"]) for row in some]  # type: ignore[arg-type]
        labels = float(np.mean([float(row["labels"]) for row in some]))  # type: ignore[arg-type]
        found.append([arm, stage, round(labels, 1), float(np.mean(dice)), min(dice), max(dice)])
    return found


if __name__ == "__main__":
    main()
