"""Does our small segmenter draw as well as larger peers, and what does the second branch bring and cost?

Our network with one branch and with both beside MONAI's DynUNet and nnU-Net's PlainConvUNet, both given the channels of our
levels, and beside nnU-Net's in the width that nnU-Net itself would choose. The same frames in the same order, augmentation,
loss, optimiser, schedule, running mean of the weights, precision and steps for all. With both branches it is `train` as
ivsqa runs it; the others run through a loop of their own, and that the two loops agree is shown by the weights of our segmenter,
which must come out of both bit by bit.

Four data sets of `studies`, sealed folds: test frames are of subjects that no training frame is from, on bus-bra and phantoms
of a scanner or console that no training frame is from either. Differences to our network are taken subject by subject, with 95 %
intervals over subjects. Seconds are those of one CPU thread. Each (data, fold, network) is kept in benchmarks/work/segmentation
and not run again. What is widest runs for one fold only.

The peers are for this script only; one that is absent is skipped. They are installed without what they ask for, since that
would replace torch:

    pip install --no-deps monai dynamic-network-architectures
    python benchmarks/segmentation.py    # on one core, in two hours
    python benchmarks/segmentation.py --folds 0 --rate 1e-3    # adds rows: is our rate unfair to the peers?
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import configs
import numpy as np
import studies
import torch
from numpy.typing import NDArray
from report import WORK, print_table, write_json
from segmenters import BOTH, OURS, SEGMENTERS, WIDE, predict, train_alone, train_both

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.contour import contour_from_mask
from ivsqa.domain.statistics.bootstrap import paired_bootstrap_difference
from ivsqa.io.atomic import write_text
from ivsqa.model.losses import structure_masks

CELLS = WORK / "segmentation"
FIRST_FOLD_ONLY = WIDE  # a step of it takes longer than one of all the others together
SETTINGS = ("size", "steps", "batch", "labels", "precision")
SPEEDS = ("train_cpu_s_a_step", "inference_frames_a_cpu_s")

Cell: TypeAlias = dict[str, Any]
"""The figures of one training, as JSON keeps them."""


def judge(probabilities: NDArray[np.float32], study: studies.Study) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the agreement of each structure: Dice over all frames that have it, HD95 over those where it was found."""
    wanted = structure_masks(torch.from_numpy(study.test.labels), len(study.structures)).numpy()
    for index, name in enumerate(study.structures):
        agreements = [
            contour_agreement(contour_from_mask(one), contour_from_mask(true))
            for one, true in zip(probabilities[:, index], wanted[:, index], strict=True)
        ]
        dice = np.array([one.dice for one in agreements])
        found = [one.hd95_px for one in agreements if one.is_comparison]
        yield (
            name,
            {
                "dice": float(np.nanmean(dice)),
                "hd95_px": float(np.mean(found)) if found else None,
                "missing": len(agreements) - len(found),
                "dice_of_subjects": {
                    str(subject): float(np.nanmean(dice[(study.test.subjects == subject) & ~np.isnan(dice)]))
                    for subject in np.unique(study.test.subjects[~np.isnan(dice)])
                },
            },
        )


def run(fold: int, data: str, name: str, options: argparse.Namespace) -> None:
    """Train one network, judge it, and keep the figures; what was run before with the same settings is left alone."""
    slug = "-".join(name.replace(",", "").replace("+ ", "").lower().split())
    kept = folder_of(options) / f"{data}-{fold}-{slug}-{options.rate:g}.json"
    if kept.is_file():
        return
    study = studies.study_of(data, fold, size_px=options.size, n_labels=options.labels, sealed=True)
    config = configs.training(
        max_steps=options.steps,
        batch_size=options.batch,
        learning_rate=options.rate,
        eval_every=options.steps,
        seed=fold,
        self_train="none",  # the peers have none
        precision=options.precision,
        augmentation=study.augmentation,
    )
    trained = train_both(study, config) if name == BOTH else train_alone(SEGMENTERS[name], study, config)
    probabilities, frames_a_s = predict(trained, study.test.images)
    figures = {
        "data": data,
        "fold": fold,
        "network": name,
        "rate": options.rate,
        "widths": list(SEGMENTERS[name].widths),
        "n_parameters": trained.n_parameters,
        "train_cpu_s_a_step": trained.train_cpu_s / options.steps,
        "inference_frames_a_cpu_s": frames_a_s,
        "agreement": dict(judge(probabilities, study)),
        "weights_sha256": trained.weights_sha256,
    }
    write_text(kept, json.dumps(figures, indent=1) + "\n")
    said = ", ".join(f"{structure} {one['dice']:.4f}" for structure, one in figures["agreement"].items())
    print(f"{data}, fold {fold}, {name}: Dice {said}", flush=True)


def folder_of(options: argparse.Namespace) -> Path:
    """Return where trainings with these settings are kept, whatever their learning rate."""
    return CELLS / "-".join(f"{name}-{getattr(options, name)}" for name in SETTINGS)


def kept_cells(options: argparse.Namespace) -> list[Cell]:
    """Return what has been run with these settings at any learning rate, in the order of the table."""
    cells: list[Cell] = [json.loads(path.read_text(encoding="utf-8")) for path in folder_of(options).glob("*.json")]
    order = list(SEGMENTERS)
    return sorted(cells, key=lambda one: (one["data"], -one["rate"], order.index(one["network"]), one["fold"]))


def summarise(cells: list[Cell]) -> list[Cell]:
    """Return a row for each data set, rate, network and structure: means over folds, and ours in the same folds beside them."""
    groups: dict[tuple[str, float, str], list[Cell]] = {}
    for one in cells:
        groups.setdefault((one["data"], one["rate"], one["network"]), []).append(one)
    rows = []
    for (data, rate, network), some in groups.items():
        ours = {one["fold"]: one for one in groups.get((data, rate, OURS), [])}
        pairs = [(one, ours[one["fold"]]) for one in some if one["fold"] in ours]
        for structure in some[0]["agreement"]:
            dice, hd95_px, missing = (
                [one["agreement"][structure][key] for one in some] for key in ("dice", "hd95_px", "missing")
            )
            found_px = [value for value in hd95_px if value is not None]
            row = {"data": data, "rate": rate, "network": network, "folds": [one["fold"] for one in some]}
            row |= {"n_parameters": some[0]["n_parameters"], "structure": structure}
            row |= {"dice": float(np.mean(dice)), "dice_range": [min(dice), max(dice)]}
            row |= {"hd95_px": float(np.mean(found_px)) if found_px else None, "missing": sum(missing)}
            row |= above_ours(pairs, structure) if network != OURS else {}
            for key in SPEEDS:
                row[f"{key}_ratio"] = float(np.mean([one[key] / our[key] for one, our in pairs])) if pairs else None
            rows.append(row)
    return rows


def above_ours(pairs: list[tuple[Cell, Cell]], structure: str) -> Cell:
    """Return how much Dice is above that of our network, on the mean over subjects, with its interval over them.

    A subject that is judged in several folds counts once, with its mean.
    """
    differences: dict[str, list[float]] = {}
    for one, our in pairs:
        ours = our["agreement"][structure]["dice_of_subjects"]
        for subject, dice in one["agreement"][structure]["dice_of_subjects"].items():
            differences.setdefault(subject, []).append(dice - ours[subject])
    if not differences:
        return {}
    means = [float(np.mean(some)) for some in differences.values()]
    interval = paired_bootstrap_difference(means, [0.0] * len(means), rng=np.random.default_rng(0))
    return {"above_ours": float(np.mean(means)), "above_ours_interval": list(interval), "n_subjects": len(means)}


def agreement_of_loops(cells: list[Cell]) -> str:
    """Return in how many runs our segmenter came out the same from `train` and from `train_alone`.

    Raises:
        SystemExit: in one it did not, so that the table would compare two ways of training.
    """
    weights: dict[tuple[str, int, float], dict[str, str]] = {}
    for one in cells:
        key = one["data"], one["fold"], one["rate"]
        weights.setdefault(key, {})[one["network"]] = one["weights_sha256"]
    both = {key: pair for key, pair in weights.items() if OURS in pair and BOTH in pair}
    differing = [key for key, pair in both.items() if pair[OURS] != pair[BOTH]]
    if differing:
        raise SystemExit(f"the two ways of training gave our segmenter other weights: {differing}")
    return f"in all of {len(both)} runs"


def planned(options: argparse.Namespace) -> list[tuple[int, str, str]]:
    """Return (fold, data, network) in the order they are run; a peer or data set that is absent is named and left out."""
    absent = {one.package for one in SEGMENTERS.values() if importlib.util.find_spec(one.package) is None}
    for package in sorted(absent):
        print(f"skipped: {package} is not installed (pip install --no-deps {package.replace('_', '-')})")
    there = [name for name in studies.available() if name in options.data]
    names = [name for name in options.networks if SEGMENTERS[name].package not in absent]
    return [
        (fold, data, name)
        for fold, data, name in product(options.folds, there, names)
        if name != FIRST_FOLD_ONLY or fold == options.folds[0]
    ]


def report(options: argparse.Namespace) -> None:
    """Print the table of all that has been run with these settings, say what has not, and write the JSON."""
    cells = kept_cells(options)
    rows = summarise(cells)
    columns = (
        "data",
        "rate",
        "network",
        "folds",
        "parameters",
        "structure",
        "Dice",
        "lowest–highest",
        "HD95 px",
        "missing",
        "Dice above ours",
    )
    table = []
    for row in rows:
        lowest, highest = row["dice_range"]
        line = [row["data"], row["rate"], row["network"], len(row["folds"]), row["n_parameters"], row["structure"]]
        line += [f"{row['dice']:.3f}", f"{lowest:.3f}–{highest:.3f}", row["hd95_px"], row["missing"]]
        line.append(_interval(row))
        table.append(line + [row[f"{key}_ratio"] for key in SPEEDS])
    print_table((*columns, "s/step ÷ ours", "frames/s ÷ ours"), table)
    same = agreement_of_loops(cells)
    print(f"the first branch's weights are the same alone and beside the second {same}")
    known = {(one["fold"], one["data"], one["network"]) for one in cells if one["rate"] == options.rate}
    wanted = product(options.folds, studies.DATA, SEGMENTERS)
    not_run = [f"{data}, fold {fold}, {name}" for fold, data, name in wanted if (fold, data, name) not in known]
    for one in not_run:
        print(f"not run: {one}")
    settings = {name: getattr(options, name) for name in SETTINGS}
    result: dict[str, object] = {
        "settings": settings,
        "summary": rows,
        "same_weights": same,
        "not_run": not_run,
        "cells": cells,
    }
    write_json("segmentation", result)


def _interval(row: Cell) -> str:
    """Return how much a row is above ours, in points of Dice."""
    if "above_ours" not in row:
        return ""
    low, high = row["above_ours_interval"]
    return f"{100 * row['above_ours']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def main() -> None:
    """Run what has not been run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(studies.DATA), choices=list(studies.DATA))
    parser.add_argument("--folds", type=int, nargs="+", default=list(studies.FOLDS), choices=studies.FOLDS)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--labels", type=int, default=64)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "fp32"])
    parser.add_argument("--networks", nargs="+", default=list(SEGMENTERS), choices=list(SEGMENTERS))
    parser.add_argument("--table", action="store_true", help="run nothing: the table of what has been run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder_of(options).mkdir(parents=True, exist_ok=True)
    for fold, data, name in [] if options.table else planned(options):
        run(fold, data, name, options)
    report(options)


if __name__ == "__main__":
    main()
