"""How good are the contours, and does the network know where they are wrong, on subjects and scanners it has never seen?

Four data sets of `studies`, five sealed folds each. One network a fold; all signals are of it, calibrated on the same subjects,
turned into an expected Dice by the same code, and judged on the same frames and the same drawn contours. So a signal wins by what
it knows.

Contours, each against the annotation:

    one branch       the line at one half of the first branch, smoothed: what ivsqa drew until both branches drew together
    ensemble of two  the mean of both branches' probabilities, smoothed: the common way to use two networks
    ivsqa            both branches pooled, borders laid with what annotated borders look like

Signals of what is left in ivsqa's contours:

    error map        calibrated probability that a pixel lies on the wrong side of what is drawn
    entropy, margin  of the same probabilities
    mc-dropout       entropy of the mean over ten draws

Each (data, fold, labels, self-training) is kept in benchmarks/work/sqa and not run again, so that a stop loses one at most. With
a GPU, `--device cuda --jobs 1`.

    python benchmarks/sqa.py --jobs 2                                # two hours on two cores, at most
    python benchmarks/sqa.py --jobs 2 --labels 16 32 64 --data camus carotid --self-train none accepted --name sqa_self_training
    python benchmarks/sqa.py --table

Kept results of an earlier form, in which the second branch was for the error map alone: sqa_ablations.json, sqa_committee.json,
sqa_known_consoles.json and sqa_width.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias

import configs
import numpy as np
import torch
from numpy.typing import NDArray
from report import WORK, print_table, write_json
from studies import DATA, FOLDS, Frames, Study, available, study_of

from ivsqa.domain.agreement.contour_agreement import contour_agreement, mask_dice
from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.border_prior import BorderPrior, outline, priors_of_labels
from ivsqa.domain.geometry.laid_borders import LaidBorders, borders_of_frames
from ivsqa.domain.geometry.topology import nested_lines
from ivsqa.domain.quality.predicted_quality import (
    CalibrationFrame,
    ErrorCalibration,
    assess,
    fit_error_calibration,
    raw_error,
    region_of_frame,
)
from ivsqa.domain.quality.review_curve import review_shares
from ivsqa.domain.quality.uncertainty import entropy_levels
from ivsqa.domain.statistics.correlation import (
    auroc,
    average_precision_from_histograms,
    mean_absolute_error,
    spearman,
)
from ivsqa.domain.structures import masks_of_rings
from ivsqa.io.atomic import write_bytes, write_text
from ivsqa.model.inference import Predictor
from ivsqa.model.network import nested_probabilities, normalized
from ivsqa.model.state import TrainedModel
from ivsqa.model.training import train

CELLS = WORK / "sqa"
BATCH = 32
SETTINGS = ("size", "steps", "batch", "rate")
WAYS = ("one branch", "ensemble of two", "ivsqa")
SIGNALS = ("error map", "entropy", "margin", "mc-dropout")
BAD_DICE = 0.9

Cell: TypeAlias = tuple[str, int, int, str]
"""Data, fold, labels, self-training."""
Maps: TypeAlias = NDArray[np.uint8]
"""Raw signal, (n, K, s, s), levels on any scale."""
Probabilities: TypeAlias = NDArray[np.float32]
"""Of each structure with what it encloses, (n, K, s, s)."""


def batches(images: NDArray[np.uint8], said: Callable[[NDArray[np.uint8]], Any]) -> list[Any]:
    """Return what is said of frames, batch by batch."""
    return [said(images[first : first + BATCH]) for first in range(0, len(images), BATCH)]


@torch.inference_mode()
def opinions(predictor: Predictor, images: NDArray[np.uint8]) -> list[Probabilities]:
    """Return what each branch says for itself."""
    frames = normalized(torch.from_numpy(images).to(predictor.device))
    rings = [torch.softmax(branch(frames).output.float(), dim=1) for branch in predictor.network.branches]
    return [nested_probabilities(one).cpu().numpy() for one in rings]


def smoothed(probabilities: NDArray[np.floating]) -> list[Contour | None]:
    """Return the lines at one half of a frame, (K, s, s), smoothed."""
    return nested_lines([outline(one) for one in probabilities])


def masks_of(contours: Sequence[Contour | None], size_px: int) -> NDArray[np.bool_]:
    """Return the pixels inside each contour, (K, s, s)."""
    nothing = np.zeros((size_px, size_px), dtype=np.bool_)
    return np.stack([nothing if contour is None else contour.mask((size_px, size_px)) for contour in contours])


def priors_of(study: Study) -> tuple[BorderPrior, ...]:
    """Return what borders look like in the frames that are learnt from."""
    return priors_of_labels(study.learning.labels, len(study.structures), rotation_deg=study.augmentation.rotation_deg)


def truth_of(frames: Frames, n_structures: int) -> NDArray[np.bool_]:
    """Return the reference masks, (n, K, s, s)."""
    return np.stack(masks_of_rings(frames.labels, n_structures), axis=1)


def contour_figures(
    drawn: Sequence[Sequence[Contour | None]], truth: NDArray[np.bool_], size_px: int
) -> dict[str, Any]:
    """Return Dice and HD95 by structure: Dice over all frames that have it, HD95 over those where it was found."""
    dice = np.stack([mask_dice(masks_of(contours, size_px), true) for contours, true in zip(drawn, truth, strict=True)])
    agreements = [
        [contour_agreement(contour, outline(mask)) for contour, mask in zip(contours, true, strict=True)]
        for contours, true in zip(drawn, truth, strict=True)
    ]
    hd95 = [
        [frame[index].hd95_px for frame in agreements if frame[index].is_comparison] for index in range(truth.shape[1])
    ]
    return {"dice": np.nanmean(dice, axis=0).tolist(), "hd95_px": [float(np.mean(one)) for one in hd95]}


def drawn_by(
    predictor: Predictor, frames: Frames, priors: Sequence[BorderPrior]
) -> tuple[Probabilities, list[LaidBorders], Maps]:
    """Return pooled probabilities, laid borders, and the raw error map, (n, K, s, s)."""
    p: Probabilities = np.concatenate(batches(frames.images, lambda images: predictor(images).probabilities))
    borders = borders_of_frames(p, priors)
    return p, borders, raw_error(p, np.stack([laid.masks for laid in borders]))


def signals_of(
    predictor: Predictor, frames: Frames, priors: Sequence[BorderPrior]
) -> tuple[Probabilities, list[LaidBorders], dict[str, Maps]]:
    """Return pooled probabilities, laid borders, and the raw map of each signal."""
    p, borders, raw = drawn_by(predictor, frames, priors)
    draws = batches(frames.images, lambda images: predictor.sample(images, 10, 0).mean(axis=0))
    return (
        p,
        borders,
        {
            "error map": raw,
            "entropy": entropy_levels(p),
            "margin": np.repeat(margin(p)[:, None], p.shape[1], axis=1),
            "mc-dropout": entropy_levels(np.concatenate(draws)),
        },
    )


def margin(p: Probabilities) -> Maps:
    """Return how near the second most probable ring is to the first, (n, s, s), on a fourth-root scale."""
    outer_first = np.concatenate([np.ones_like(p[:, :1]), p[:, ::-1], np.zeros_like(p[:, :1])], axis=1)
    rings = np.sort(-np.diff(outer_first, axis=1), axis=1)
    return np.asarray(np.clip(1.0 - rings[:, -1] + rings[:, -2], 0.0, 1.0) ** 0.25 * 255.0 + 0.5, dtype=np.uint8)


def calibrated(study: Study, raw: Maps, masks: NDArray[np.bool_]) -> ErrorCalibration:
    """Return the calibration of one signal on the calibration subjects."""
    truth = truth_of(study.calibration, len(study.structures))
    return fit_error_calibration(
        [
            CalibrationFrame(
                *(dict(zip(study.structures, maps, strict=True)) for maps in frame), subject_id=str(subject)
            )
            for *frame, subject in zip(raw, masks, truth, study.calibration.subjects, strict=True)
        ],
        study.structures,
    )


def judged(
    study: Study, calibration: ErrorCalibration, raw: Maps, masks: NDArray[np.bool_], truth: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return how well one signal tells wrong pixels and bad frames; a frame is as good as its worst structure."""
    counts = np.zeros((len(study.structures), 2, 256))
    predicted = np.zeros(masks.shape[:2])
    for row, drawn in enumerate(masks):
        region = region_of_frame(list(drawn))
        for index, name in enumerate(study.structures):
            quality = assess(raw[row, index], drawn[index], calibration.structures[name], region)
            predicted[row, index] = quality.dice
            wrong = drawn[index] != truth[row, index]
            for side, where in enumerate((wrong, ~wrong)):
                counts[index, side] += np.bincount(quality.error_map[where], minlength=256)
    dice = mask_dice(masks, truth)  # (n, K)
    said, true = predicted.min(axis=1), np.fmin.reduce(dice, axis=1)
    shares = review_shares(true, said)
    figures = {
        "auprc": float(np.mean([average_precision_from_histograms(*one) for one in counts])),
        "spearman": spearman(said, true),
        "auroc": auroc(-said, true < BAD_DICE),
        "mae": mean_absolute_error(predicted.ravel(), dice.ravel()),
        "bad": float((true < BAD_DICE).mean()),
        "mended": shares.predicted,
        "mended_random": shares.random,
        "mended_truth": shares.truth,
        "lowest_predicted": float(predicted.min()),
        "lowest_true": float(np.nanmin(dice)),
    }
    return {key: None if np.isnan(value) else value for key, value in figures.items()}


def trained(
    cell: Cell, study: Study, options: argparse.Namespace
) -> tuple[Predictor, tuple[BorderPrior, ...], float | None]:
    """Return the network of a cell, what it knows of borders, and the CPU seconds of its training; None where it was there."""
    _, fold, _, self_train = cell
    torch.set_num_threads(1 if options.device == "cpu" else 4)
    network, priors = configs.network(len(study.structures), size_px=options.size), priors_of(study)
    path = path_of(cell, options).with_suffix(".safetensors")
    if path.is_file():
        model = TrainedModel.from_bytes(path.read_bytes())
        return Predictor(model, network, device=options.device), priors, None
    config = configs.training(
        max_steps=options.steps,
        batch_size=options.batch,
        learning_rate=options.rate,
        eval_every=options.steps,
        seed=fold,
        self_train=self_train,
        augmentation=study.augmentation,
    )
    began = time.process_time()
    result = train(
        network,
        config,
        study.learning.samples,
        None,
        unannotated=study.unannotated,
        device=options.device,
    )
    write_bytes(path, result.model.to_bytes())
    spent = time.process_time() - began
    return Predictor(result.model, network, device=options.device), priors, spent


def run(cell: Cell, options: argparse.Namespace) -> str:
    """Train one network, judge contours and signals, keep the figures; return a line to say."""
    data, fold, n_labels, self_train = cell
    study = study_of(data, fold, size_px=options.size, n_labels=n_labels, sealed=True)
    predictor, priors, spent = trained(cell, study, options)
    truth = truth_of(study.test, len(study.structures))
    _, calibration_borders, calibration_raw = signals_of(predictor, study.calibration, priors)
    _, borders, raw = signals_of(predictor, study.test, priors)
    alone = [
        np.concatenate(one)
        for one in zip(*batches(study.test.images, lambda one: opinions(predictor, one)), strict=True)
    ]
    drawn = {
        "one branch": [smoothed(one) for one in alone[0]],
        "ensemble of two": [smoothed(one) for one in np.mean(alone, axis=0)],
        "ivsqa": [laid.contours for laid in borders],
    }
    masks, calibration_masks = (
        np.stack([np.stack(laid.masks) for laid in some]) for some in (borders, calibration_borders)
    )
    signals = {
        name: judged(study, calibrated(study, calibration_raw[name], calibration_masks), raw[name], masks, truth)
        for name in SIGNALS
    }
    figures = {
        "data": data,
        "fold": fold,
        "labels": n_labels,
        "self_train": self_train,
        "structures": list(study.structures),
        "n_test": len(study.test),
        "train_cpu_s": spent,
        "on_rays": float(np.mean([laid.on_rays for laid in borders])),
        "contours": {way: contour_figures(some, truth, options.size) for way, some in drawn.items()},
        "signals": signals,
    }
    write_text(path_of(cell, options), json.dumps(figures, indent=1) + "\n")
    own, plain = signals["error map"], signals["entropy"]
    dice = ", ".join(f"{value:.3f}" for value in figures["contours"]["ivsqa"]["dice"])
    return f"{_name(cell)}: Dice {dice}, AUPRC {own['auprc']:.3f} against {plain['auprc']:.3f}"


def _name(cell: Cell) -> str:
    data, fold, n_labels, self_train = cell
    return f"{data}, fold {fold}, {n_labels} labels, self-training {self_train}"


def path_of(cell: Cell, options: argparse.Namespace) -> Path:
    """Return where the figures of a cell are kept."""
    folder = CELLS / "-".join(f"{name}-{getattr(options, name)}" for name in SETTINGS)
    return folder / f"{'-'.join(map(str, cell))}.json"


def planned(options: argparse.Namespace) -> list[Cell]:
    """Return the cells in the order they are run: every data set first."""
    data = [name for name in available() if name in options.data]
    order = product(options.labels, options.folds, options.self_train, data)
    return [(name, fold, n_labels, self_train) for n_labels, fold, self_train, name in order]


def report(options: argparse.Namespace) -> None:
    """Print the tables of what has been run, and write the JSON."""
    kept = [(cell, path_of(cell, options)) for cell in planned(options)]
    cells = [json.loads(path.read_text(encoding="utf-8")) for _, path in kept if path.is_file()]
    not_run = [_name(cell) for cell, path in kept if not path.is_file()]
    groups: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for cell in cells:
        groups.setdefault((cell["data"], cell["labels"], cell["self_train"]), []).append(cell)
    contours, signals = [], []
    for (data, labels, self_train), some in groups.items():
        about = {"data": data, "labels": labels, "self_train": self_train, "folds": len(some)}
        for way, (index, structure) in product(WAYS, enumerate(some[0]["structures"])):
            figures = [cell["contours"][way] for cell in some]
            means = {key: _mean([one[key][index] for one in figures]) for key in ("dice", "hd95_px")}
            contours.append(about | {"contours": way, "structure": structure} | means)
        for signal in SIGNALS:
            means = {key: _mean([cell["signals"][signal][key] for cell in some]) for key in some[0]["signals"][signal]}
            above = {
                f"{key}_above_entropy": [
                    cell["signals"][signal][key] - cell["signals"]["entropy"][key] for cell in some
                ]
                for key in ("auprc", "spearman")
            }
            # Of the means: in a fold where nearly nothing is to be mended a ratio says nothing.
            ratio = means["mended"] / means["mended_truth"] if means["mended_truth"] else None
            signals.append(about | {"signal": signal} | means | {"mended_by_truth": ratio} | above)
    columns = ("data", "labels", "self_train", "folds")
    ways = (*columns, "contours", "structure", "dice", "hd95_px")
    told = (
        *columns,
        "signal",
        "auprc",
        "spearman",
        "auroc",
        "mae",
        "mended",
        "mended_random",
        "mended_truth",
        "mended_by_truth",
    )
    print_table(ways, [[_short(row[key]) for key in ways] for row in contours])
    print_table(told, [[_short(row[key]) for key in told] for row in signals])
    for one in not_run:
        print(f"not run: {one}")
    settings = {name: getattr(options, name) for name in SETTINGS}
    write_json(
        options.name,
        {"settings": settings, "contours": contours, "signals": signals, "not_run": not_run, "cells": cells},
    )


def _short(value: Any) -> Any:
    return "–" if value is None else round(value, 3) if isinstance(value, float) else value


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def main() -> None:
    """Run what has not been run, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--name", default="sqa", help="of the JSON")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=1, help="cells at once, each on one core")
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS), choices=FOLDS)
    parser.add_argument("--labels", type=int, nargs="+", default=[64])
    parser.add_argument("--self-train", nargs="+", default=["none"], choices=["none", "accepted", "all"])
    parser.add_argument("--table", action="store_true", help="run nothing: the tables of what has been run")
    options = parser.parse_args()
    cells = [] if options.table else [cell for cell in planned(options) if not path_of(cell, options).is_file()]
    if cells:
        path_of(cells[0], options).parent.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            for line in pool.map(run, cells, [options] * len(cells)):
                print(line, flush=True)
    report(options)


if __name__ == "__main__":
    main()
