"""Does our small segmenter draw as well as larger peers, and what does the error branch cost?

Our network without and with its error branch beside MONAI's DynUNet and nnU-Net's PlainConvUNet, both given the channels of our
levels, and beside nnU-Net's in the width that nnU-Net itself would choose. The same frames in the same order, augmentation,
loss, optimiser, schedule, running mean of the weights, precision and steps for all. With the error branch it is `train` as
ivsqa runs it; the others run through a loop of their own, and that the two loops agree is shown by the weights of our segmenter,
which must come out of both bit by bit.

Test frames are of carotid series, or of phantom consoles, that no training frame is from. Seconds are those of one CPU thread.
Each (data, seed, network) is kept in benchmarks/work/segmentation and not run again. What is widest runs for one seed only.

The peers are for this script only; one that is absent is skipped. They are installed without what they ask for, since that
would replace torch:

    pip install --no-deps monai dynamic-network-architectures
    python benchmarks/segmentation.py
    python benchmarks/segmentation.py --seeds 0 --rate 1e-3    # adds rows: is our rate unfair to the peers?
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import configs
import numpy as np
import torch
from carotid import AUGMENTATION, CAROTID, deal, read_carotid, samples
from numpy.typing import NDArray
from phantoms import NAMES, phantom_frames
from report import WORK, print_table, write_json
from segmenters import OURS, OURS_WITH_ERROR, SEGMENTERS, WIDE, Task, predict, train_alone, train_with_error_branch

from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.contour import contour_from_mask
from ivsqa.io.atomic import write_text
from ivsqa.model.losses import structure_masks
from ivsqa.phantom import CONSOLES

CELLS = WORK / "segmentation"
FIRST_SEED_ONLY = WIDE  # a step of it takes longer than one of all the others together
TRAINING_LOOKS = 3
SETTINGS = ("size", "steps", "batch", "labels", "test", "precision")
SPEEDS = ("train_cpu_s_a_step", "inference_frames_a_cpu_s")

Cell: TypeAlias = dict[str, Any]
"""The figures of one training, as JSON keeps them."""


@lru_cache(maxsize=1)
def carotid_task(seed: int, size_px: int, n_labels: int, n_test: int) -> Task:
    """Return the lumen on real ultrasound, split by series."""
    training, _, test = deal(read_carotid(size_px), seed, n_labels, n_test)
    return Task(("lumen",), samples(training), samples(test), AUGMENTATION)


@lru_cache(maxsize=1)
def phantom_task(seed: int, size_px: int, n_labels: int, n_test: int) -> Task:
    """Return lumen and EEM on phantoms: three looks to learn from, the other two to be judged on, dealt by the seed."""
    looks = list(np.random.default_rng(seed).permutation(list(CONSOLES)))
    training = phantom_frames(seed, looks[:TRAINING_LOOKS], size_px, n_labels, first=0)
    test = phantom_frames(seed, looks[TRAINING_LOOKS:], size_px, n_test, first=100)
    return Task(NAMES, training, test, configs.augmentation())


TASKS: dict[str, Callable[[int, int, int, int], Task]] = {"carotid": carotid_task, "phantoms": phantom_task}


def judge(probabilities: NDArray[np.float32], task: Task) -> Iterator[tuple[str, dict[str, float | None]]]:
    """Yield the agreement of each structure: Dice over all frames that have it, HD95 over those where it was found."""
    wanted = structure_masks(torch.from_numpy(task.test.labels), len(task.structures)).numpy()
    for index, name in enumerate(task.structures):
        agreements = [
            contour_agreement(contour_from_mask(one), contour_from_mask(true))
            for one, true in zip(probabilities[:, index], wanted[:, index], strict=True)
        ]
        found = [one.hd95_px for one in agreements if one.is_comparison]
        yield (
            name,
            {
                "dice": float(np.nanmean([one.dice for one in agreements])),
                "hd95_px": float(np.mean(found)) if found else None,
                "missing": len(agreements) - len(found),
            },
        )


def run(seed: int, data: str, name: str, options: argparse.Namespace) -> None:
    """Train one network, judge it, and keep the figures; what was run before with the same settings is left alone."""
    slug = "-".join(name.replace(",", "").replace("+ ", "").lower().split())
    kept = folder_of(options) / f"{data}-{seed}-{slug}-{options.rate:g}.json"
    if kept.is_file():
        return
    task = TASKS[data](seed, options.size, options.labels, options.test)
    config = configs.training(
        max_steps=options.steps,
        batch_size=options.batch,
        learning_rate=options.rate,
        eval_every=options.steps,
        seed=seed,
        committee=0,  # it teaches the error branch alone, and would only take time
        precision=options.precision,
        augmentation=task.augmentation,
    )
    with_error = name == OURS_WITH_ERROR
    trained = train_with_error_branch(task, config) if with_error else train_alone(SEGMENTERS[name], task, config)
    probabilities, frames_a_s = predict(trained, task.test.images)
    figures = {
        "data": data,
        "seed": seed,
        "network": name,
        "rate": options.rate,
        "widths": list(SEGMENTERS[name].widths),
        "n_parameters": trained.n_parameters,
        "train_cpu_s_a_step": trained.train_cpu_s / options.steps,
        "inference_frames_a_cpu_s": frames_a_s,
        "agreement": dict(judge(probabilities, task)),
        "weights_sha256": trained.weights_sha256,
    }
    write_text(kept, json.dumps(figures, indent=1) + "\n")
    said = ", ".join(f"{structure} {one['dice']:.4f}" for structure, one in figures["agreement"].items())
    print(f"{data}, seed {seed}, {name}: Dice {said}", flush=True)


def folder_of(options: argparse.Namespace) -> Path:
    """Return where trainings with these settings are kept, whatever their learning rate."""
    return CELLS / "-".join(f"{name}-{getattr(options, name)}" for name in SETTINGS)


def kept_cells(options: argparse.Namespace) -> list[Cell]:
    """Return what has been run with these settings at any learning rate, in the order of the table."""
    cells: list[Cell] = [json.loads(path.read_text(encoding="utf-8")) for path in folder_of(options).glob("*.json")]
    order = list(SEGMENTERS)
    return sorted(cells, key=lambda one: (one["data"], -one["rate"], order.index(one["network"]), one["seed"]))


def summarise(cells: list[Cell]) -> list[Cell]:
    """Return a row for each data set, rate, network and structure: means over seeds, and ratios to ours with the same seed."""
    groups: dict[tuple[str, float, str], list[Cell]] = {}
    for one in cells:
        groups.setdefault((one["data"], one["rate"], one["network"]), []).append(one)
    rows = []
    for (data, rate, network), some in groups.items():
        ours = {one["seed"]: one for one in groups.get((data, rate, OURS), [])}
        pairs = [(one, ours[one["seed"]]) for one in some if one["seed"] in ours]
        for structure in some[0]["agreement"]:
            dice, hd95_px, missing = (
                [one["agreement"][structure][key] for one in some] for key in ("dice", "hd95_px", "missing")
            )
            found_px = [value for value in hd95_px if value is not None]
            row = {"data": data, "rate": rate, "network": network, "seeds": [one["seed"] for one in some]}
            row |= {"n_parameters": some[0]["n_parameters"], "structure": structure}
            row |= {"dice": float(np.mean(dice)), "dice_range": [min(dice), max(dice)]}
            row |= {"hd95_px": float(np.mean(found_px)) if found_px else None, "missing": sum(missing)}
            for key in SPEEDS:
                row[f"{key}_ratio"] = float(np.mean([one[key] / our[key] for one, our in pairs])) if pairs else None
            rows.append(row)
    return rows


def agreement_of_loops(cells: list[Cell]) -> str:
    """Return in how many runs our segmenter came out the same from `train` and from `train_alone`.

    Raises:
        SystemExit: in one it did not, so that the table would compare two ways of training.
    """
    weights: dict[tuple[str, int, float], dict[str, str]] = {}
    for one in cells:
        key = one["data"], one["seed"], one["rate"]
        weights.setdefault(key, {})[one["network"]] = one["weights_sha256"]
    both = {key: pair for key, pair in weights.items() if OURS in pair and OURS_WITH_ERROR in pair}
    differing = [key for key, pair in both.items() if pair[OURS] != pair[OURS_WITH_ERROR]]
    if differing:
        raise SystemExit(f"the two ways of training gave our segmenter other weights: {differing}")
    return f"in all of {len(both)} runs"


def planned(options: argparse.Namespace) -> list[tuple[int, str, str]]:
    """Return (seed, data, network) in the order they are run; a peer or data set that is absent is named and left out."""
    absent = {one.package for one in SEGMENTERS.values() if importlib.util.find_spec(one.package) is None}
    for package in sorted(absent):
        print(f"skipped: {package} is not installed (pip install --no-deps {package.replace('_', '-')})")
    tasks = [name for name in TASKS if name != "carotid" or CAROTID.is_dir()]
    if "carotid" not in tasks:
        print(f"skipped: no carotid frames in {CAROTID}")
    names = [name for name in options.networks if SEGMENTERS[name].package not in absent]
    return [
        (seed, data, name)
        for seed, data, name in product(options.seeds, tasks, names)
        if name != FIRST_SEED_ONLY or seed == options.seeds[0]
    ]


def report(options: argparse.Namespace) -> None:
    """Print the table of all that has been run with these settings, say what has not, and write the JSON."""
    cells = kept_cells(options)
    rows = summarise(cells)
    columns = (
        "data",
        "rate",
        "network",
        "seeds",
        "parameters",
        "structure",
        "Dice",
        "lowest–highest",
        "HD95 px",
        "missing",
    )
    table = []
    for row in rows:
        lowest, highest = row["dice_range"]
        line = [row["data"], row["rate"], row["network"], len(row["seeds"]), row["n_parameters"], row["structure"]]
        line += [f"{row['dice']:.3f}", f"{lowest:.3f}–{highest:.3f}", row["hd95_px"], row["missing"]]
        table.append(line + [row[f"{key}_ratio"] for key in SPEEDS])
    print_table((*columns, "s/step ÷ ours", "frames/s ÷ ours"), table)
    same = agreement_of_loops(cells)
    print(f"our segmenter's weights are the same with and without the error branch {same}")
    known = {(one["seed"], one["data"], one["network"]) for one in cells if one["rate"] == options.rate}
    wanted = product(options.seeds, TASKS, SEGMENTERS)
    not_run = [f"{data}, seed {seed}, {name}" for seed, data, name in wanted if (seed, data, name) not in known]
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


def main() -> None:
    """Run what has not been run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--test", type=int, default=120)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "fp32"])
    parser.add_argument("--networks", nargs="+", default=list(SEGMENTERS), choices=list(SEGMENTERS))
    parser.add_argument("--table", action="store_true", help="run nothing: the table of what has been run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder_of(options).mkdir(parents=True, exist_ok=True)
    for seed, data, name in [] if options.table else planned(options):
        run(seed, data, name, options)
    report(options)


if __name__ == "__main__":
    main()
