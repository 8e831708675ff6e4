"""Does the network know where it is wrong, on series and consoles it has never seen, better than its uncertainty tells?

Carotid lumen, split by series; phantoms of a console that no training frame is from; and phantoms of new subjects on the
consoles that were learnt from (known-consoles). Folds with a seed each. Every signal is a map of one network: calibrated on
the same validation subjects, turned into an expected Dice by the same code, and judged on the same frames. So a signal wins by
what it knows.

    error map        the error branch, as ivsqa uses it
    entropy, margin  of the segmenter's probabilities
    mc-dropout       entropy of the mean over ten draws
    ensemble         the segmenter and its committee: three passes, what the error branch could at best come near to
    dice regression  ridge regression from the network's description of a frame to its Dice: no map

Ablations change one thing of the network or its training. Each (data, fold, labels, variant) is kept in benchmarks/work/sqa
and not run again, so that a stop loses one at most; what matters most is run first. With a GPU, `--device cuda --jobs 1`.

    python benchmarks/sqa.py --jobs 2
    python benchmarks/sqa.py --table

Three forms that fit two hours on two cores together: the signals at every number of labels, the ablations on smaller frames,
and what the committee is worth with few labels and with more.

    python benchmarks/sqa.py --jobs 2 --size 96 --steps 300 --variants ivsqa --data carotid phantoms
    python benchmarks/sqa.py --jobs 2 --size 64 --steps 200 --labels 64 16 0 --name sqa_ablations
    python benchmarks/sqa.py --jobs 2 --size 96 --steps 300 --labels 16 64 --ablate-at 16 64 \
        --variants ivsqa "no committee" --data carotid phantoms --name sqa_committee

Kept results: sqa_width.json compares "half the channels" in the same way (--labels and --ablate-at 16 32 64 128 0), and
sqa_ablations.json was run while half the channels were what ivsqa had; with today's network it comes out different.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias

import configs
import numpy as np
import torch
from carotid import AUGMENTATION, CAROTID, Frames, read_carotid, samples
from numpy.typing import NDArray
from phantoms import NAMES, phantom_frames
from report import WORK, print_table, write_json

from ivsqa.domain.quality.calibration import fit_isotonic
from ivsqa.domain.quality.predicted_quality import CalibrationFrame, assess, fit_error_calibration, region_of_frame
from ivsqa.domain.quality.uncertainty import entropy_levels
from ivsqa.domain.statistics.correlation import (
    auroc,
    average_precision_from_histograms,
    mean_absolute_error,
    pearson,
    spearman,
)
from ivsqa.io.atomic import write_bytes, write_text
from ivsqa.model.augmentation import AugmentationConfig
from ivsqa.model.corruption import corrupt, sample_corruption
from ivsqa.model.data import SampleSet
from ivsqa.model.inference import Predictor
from ivsqa.model.losses import structure_masks
from ivsqa.model.network import nested_probabilities, new_segmenter, normalized
from ivsqa.model.state import TrainedModel
from ivsqa.model.training import train
from ivsqa.phantom import CONSOLES

CELLS = WORK / "sqa"
ALL = 0
"""As a number of labels: every frame there is."""
LABELS = (64, 16, ALL, 32, 128)
FOLDS = (0, 1, 2)
CALIBRATION_FRAMES, TEST_FRAMES = 80, 160
BATCH = 32
SETTINGS = ("size", "steps", "batch", "rate")

Maps: TypeAlias = NDArray[np.uint8]
"""Raw signal, (n, K, s, s), levels on any scale."""

VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # changes of the network, of its training, and of the augmentation
    "ivsqa": ({}, {}, {}),
    "half the channels": ({"error_widths": (8, 16, 24, 32)}, {}, {}),
    "no committee": ({}, {"committee": 0}, {}),
    "no damage": ({}, {}, {"corruption": 0.0}),
    "sees probabilities": ({"error_inputs": "probabilities"}, {}, {}),
    "sees probabilities, no attention": ({"error_inputs": "probabilities", "pam": "none"}, {}, {}),
    "sees probabilities, spatial attention": ({"error_inputs": "probabilities", "pam": "spatial"}, {}, {}),
    "sees probabilities, channel attention": ({"error_inputs": "probabilities", "pam": "channel"}, {}, {}),
    "sees features": ({"error_inputs": "features"}, {}, {}),
    "sees both": ({"error_inputs": "both"}, {}, {}),
}
FULL = "ivsqa"
ABLATED = ("carotid", "phantoms")


@dataclass(frozen=True)
class Study:
    """Frames of one fold: to learn from, to calibrate on, and to be judged on, each of other subjects."""

    structures: tuple[str, ...]
    training: SampleSet
    unannotated: NDArray[np.uint8]
    calibration: SampleSet
    calibration_subjects: NDArray[np.intp]
    test: SampleSet
    augmentation: AugmentationConfig


@lru_cache(maxsize=1)
def _carotid(size_px: int) -> Frames:
    return read_carotid(size_px)


def carotid_study(fold: int, size_px: int, n_labels: int) -> Study:
    """Return lumen on real ultrasound: 8 series to learn from, 5 to calibrate on, the other 6 or 7 of the fold to judge."""
    frames = _carotid(size_px)
    order = np.random.default_rng(0).permutation(np.unique(frames.series))
    test, rest = order[fold :: len(FOLDS)], np.setdiff1d(order, order[fold :: len(FOLDS)])
    rest = np.random.default_rng(fold).permutation(rest)
    learning, calibration, judging = (
        frames[np.flatnonzero(np.isin(frames.series, some))] for some in (rest[5:], rest[:5], test)
    )
    shown = _spread(len(learning.images), n_labels or len(learning.images))
    chosen = calibration[_spread(len(calibration.images), CALIBRATION_FRAMES)]
    return Study(
        ("lumen",),
        samples(learning[shown]),
        np.delete(learning.images, shown, axis=0),
        samples(chosen),
        chosen.series,
        samples(judging[_spread(len(judging.images), TEST_FRAMES)]),
        AUGMENTATION,
    )


def phantom_study(fold: int, size_px: int, n_labels: int, *, known: bool = False) -> Study:
    """Return lumen and EEM on phantoms: four consoles to learn from and to calibrate on, the fifth to judge."""
    consoles = list(np.random.default_rng(0).permutation(list(CONSOLES)))
    unseen = consoles.pop(fold)
    pool = _phantoms(fold, tuple(consoles), size_px, 480, 0)
    shown = _spread(len(pool), n_labels or len(pool))
    return Study(
        NAMES,
        SampleSet(pool.images[shown], pool.labels[shown], pool.weights[shown]),
        np.delete(pool.images, shown, axis=0),
        _phantoms(fold, tuple(consoles), size_px, 84, 50),
        np.repeat(np.arange(12), 7),
        _phantoms(fold, tuple(consoles) if known else (unseen,), size_px, 156, 100),
        configs.augmentation(),
    )


def known_consoles_study(fold: int, size_px: int, n_labels: int) -> Study:
    """Return the same, but to be judged on other subjects of the four consoles."""
    return phantom_study(fold, size_px, n_labels, known=True)


@lru_cache(maxsize=3)
def _phantoms(seed: int, consoles: tuple[str, ...], size_px: int, n: int, first: int) -> SampleSet:
    """Return phantom frames, made once and kept, since making them takes longer than learning them."""
    path = WORK / "phantoms" / f"{seed}-{'-'.join(consoles)}-{size_px}-{n}-{first}.npz"
    if not path.is_file():
        made = phantom_frames(seed, consoles, size_px, n, first=first)
        stream = io.BytesIO()
        np.savez_compressed(stream, images=made.images, labels=made.labels)
        write_bytes(path, stream.getvalue())
    kept = np.load(path)
    return SampleSet(kept["images"], kept["labels"], np.ones(len(kept["images"]), dtype=np.float32))


STUDIES: dict[str, Callable[[int, int, int], Study]] = {
    "carotid": carotid_study,
    "phantoms": phantom_study,
    "known-consoles": known_consoles_study,
}


def _spread(n: int, k: int) -> NDArray[np.intp]:
    """Return k of n rows, evenly spread; all where there are fewer."""
    return np.unique(np.linspace(0, n - 1, min(k, n)).round().astype(np.intp))


@dataclass(frozen=True)
class Seen:
    """What a network and its signals say of some frames.

    Attributes:
        probabilities: (n, K, s, s).
        features: (n, F).
        signals: Raw maps by name.
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    signals: dict[str, Maps]

    @property
    def masks(self) -> NDArray[np.bool_]:
        return self.probabilities > 0.5


def look(model: TrainedModel, predictor: Predictor, images: NDArray[np.uint8], *, everything: bool) -> Seen:
    """Return what is said of frames, with the error map and the entropy alone or with every signal."""
    parts = [predictor(images[first : first + BATCH]) for first in range(0, len(images), BATCH)]
    p = np.concatenate([part.probabilities for part in parts])
    signals = {"error map": np.concatenate([part.error for part in parts]), "entropy": entropy_levels(p)}
    if everything:
        signals["margin"] = np.repeat(_margin(p)[:, None], p.shape[1], axis=1)
        draws = [predictor.sample(images[first : first + BATCH], 10, 0) for first in range(0, len(images), BATCH)]
        signals["mc-dropout"] = entropy_levels(np.concatenate([one.mean(axis=0) for one in draws]))
        members = [_member(model, number, images, predictor.device) for number in (0, 1)]
        mean = np.mean([p, *members], axis=0)
        signals["ensemble"] = _levels(np.where(p > 0.5, 1.0 - mean, mean))
    return Seen(p, np.concatenate([part.features for part in parts]), signals)


def _margin(p: NDArray[np.float32]) -> Maps:
    """Return how near the second most probable ring is to the first, (n, s, s)."""
    outer_first = np.concatenate([np.ones_like(p[:, :1]), p[:, ::-1], np.zeros_like(p[:, :1])], axis=1)
    rings = np.sort(-np.diff(outer_first, axis=1), axis=1)
    return _levels(1.0 - (rings[:, -1] - rings[:, -2]))


def _levels(share: NDArray[np.floating]) -> Maps:
    """Return a share as a raw map, on a fourth-root scale."""
    return np.asarray(np.clip(share, 0.0, 1.0) ** 0.25 * 255.0 + 0.5, dtype=np.uint8)


@torch.inference_mode()
def _member(model: TrainedModel, number: int, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    """Return what a member of the committee says of frames."""
    prefix = f"committee.{number}."
    segmenter = new_segmenter(model.config)
    segmenter.load_state_dict(
        {name.removeprefix(prefix): value for name, value in model.weights.items() if name.startswith(prefix)}
    )
    segmenter.eval().to(device)
    said = [
        torch.softmax(segmenter(normalized(torch.from_numpy(images[first : first + BATCH]).to(device))).output, dim=1)
        for first in range(0, len(images), BATCH)
    ]
    return nested_probabilities(torch.cat(said)).cpu().numpy()


def dice_of(masks: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the Dice of the worst structure of each frame, (n,)."""
    both = np.count_nonzero(masks & truth, axis=(2, 3))
    return (2.0 * both / (np.count_nonzero(masks, axis=(2, 3)) + np.count_nonzero(truth, axis=(2, 3)))).min(axis=1)


def truth_of(frames: SampleSet, n_structures: int) -> NDArray[np.bool_]:
    return structure_masks(torch.from_numpy(frames.labels), n_structures).numpy()


def judge(name: str, study: Study, calibration: Seen, test: Seen) -> dict[str, Any]:
    """Return how well one signal tells wrong pixels and bad frames."""
    fitted = _fit(name, study, calibration)
    truth = truth_of(study.test, len(study.structures))
    counts = np.zeros((len(study.structures), 2, 256))
    predicted = np.zeros(len(truth))
    for row, masks in enumerate(test.masks):
        qualities = _qualities(test.signals[name][row], masks, fitted, study.structures)
        predicted[row] = min(quality.dice for quality in qualities)
        for index, quality in enumerate(qualities):
            wrong = masks[index] != truth[row, index]
            for side, where in enumerate((wrong, ~wrong)):
                counts[index, side] += np.bincount(quality.error_map[where], minlength=256)
    areas = [average_precision_from_histograms(*one) for one in counts]
    return {"auprc": float(np.mean(areas)), **_frame_figures(predicted, dice_of(test.masks, truth))}


def _fit(name: str, study: Study, seen: Seen) -> Any:
    """Return the calibration of one signal."""
    truth = truth_of(study.calibration, len(study.structures))
    return fit_error_calibration(
        [
            CalibrationFrame(
                *(dict(zip(study.structures, maps, strict=True)) for maps in (raw, masks, true)),
                subject_id=str(subject),
            )
            for raw, masks, true, subject in zip(
                seen.signals[name], seen.masks, truth, study.calibration_subjects, strict=True
            )
        ],
        study.structures,
    )


def _qualities(raw: Maps, masks: NDArray[np.bool_], fitted: Any, names: Sequence[str]) -> list[Any]:
    region = region_of_frame(list(masks))
    return [assess(raw[index], masks[index], fitted.structures[name], region) for index, name in enumerate(names)]


def _frame_figures(predicted: NDArray[np.float64], true: NDArray[np.float64]) -> dict[str, Any]:
    """Return how well predicted Dice tells true Dice."""
    figures = {
        "pearson": pearson(predicted, true),
        "spearman": spearman(predicted, true),
        "mae": mean_absolute_error(predicted, true),
        "auroc_90": auroc(-predicted, true < 0.9),
        "auroc_80": auroc(-predicted, true < 0.8),
        "bad_90": float((true < 0.9).mean()),
    }
    return {key: None if np.isnan(value) else value for key, value in figures.items()}


def dice_regression(predictor: Predictor, study: Study, calibration: Seen, test: Seen) -> dict[str, Any]:
    """Return how well a regression tells bad frames: learnt on damaged training frames, corrected on calibration subjects."""
    images = np.concatenate([study.training.images] * max(1, 400 // len(study.training)))
    labels = np.concatenate([study.training.labels] * max(1, 400 // len(study.training)))
    damage = sample_corruption(np.random.default_rng(0), len(images), 0.7)
    damaged = corrupt(torch.from_numpy(images), damage).to(torch.uint8).numpy()
    parts = [predictor(damaged[first : first + BATCH]) for first in range(0, len(damaged), BATCH)]
    p = np.concatenate([part.probabilities for part in parts])
    truth = structure_masks(torch.from_numpy(labels), len(study.structures)).numpy()
    target = dice_of(p > 0.5, truth)
    known = np.isfinite(target)
    x = _described(p, np.concatenate([part.features for part in parts]))[known]
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    z = (x - mean) / spread
    offset = target[known].mean()
    weights = np.linalg.solve(z.T @ z + 0.1 * len(z) * np.eye(z.shape[1]), z.T @ (target[known] - offset))
    said = [
        (_described(seen.probabilities, seen.features) - mean) / spread @ weights + offset
        for seen in (calibration, test)
    ]
    true = dice_of(calibration.masks, truth_of(study.calibration, len(study.structures)))
    curve = fit_isotonic(said[0], true, np.ones(len(true)), centred=True)
    return {
        "auprc": None,
        **_frame_figures(curve(said[1]), dice_of(test.masks, truth_of(study.test, len(study.structures)))),
    }


def _described(p: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what the regression sees of each frame: features, mean entropy and area of each structure."""
    doubt = (entropy_levels(p) / 255.0).mean(axis=(2, 3))
    return np.concatenate([features, doubt, (p > 0.5).mean(axis=(2, 3))], axis=1).astype(np.float64)


def damage_table(
    study: Study, other: NDArray[np.uint8], predictor: Predictor, calibration: Seen
) -> list[dict[str, Any]]:
    """Return true and predicted Dice of test frames damaged in one way at a time."""
    fitted = _fit("error map", study, calibration)
    truth = truth_of(study.test, len(study.structures))
    rows = []
    for kind, images in _damaged(study.test.images, other):
        parts = [predictor(images[first : first + BATCH]) for first in range(0, len(images), BATCH)]
        masks = np.concatenate([part.probabilities for part in parts]) > 0.5
        raw = np.concatenate([part.error for part in parts])
        predicted = [
            min(quality.dice for quality in _qualities(one, mask, fitted, study.structures))
            for one, mask in zip(raw, masks, strict=True)
        ]
        true = None if kind == "another organ" else float(dice_of(masks, truth).mean())
        rows.append({"damage": kind, "true": true, "predicted": float(np.mean(predicted))})
    return rows


def _damaged(images: NDArray[np.uint8], other: NDArray[np.uint8]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield frames damaged in one way at a time."""
    rng = np.random.default_rng(0)
    grey = images.astype(np.float32)
    side = images.shape[-1]

    def frames(values: NDArray[np.floating]) -> NDArray[np.uint8]:
        return np.clip(values, 0.0, 255.0).astype(np.uint8)

    yield "none", images
    for spread in (20.0, 60.0):
        yield f"noise, {spread:g} of 255", frames(grey + rng.normal(0.0, spread, grey.shape))
    for coarse in (4, 8):
        blurred = torch.nn.functional.avg_pool2d(torch.from_numpy(grey)[:, None], coarse)
        stretched = torch.nn.functional.interpolate(blurred, size=(side, side), mode="bilinear")
        yield f"blur, {coarse} px", frames(stretched[:, 0].numpy())
    for share in (0.25, 0.5):
        blanked = grey.copy()
        blanked[:, :, : round(share * side)] = 0.0
        yield f"no signal in {share:.0%}", frames(blanked)
    for gain in (0.3, 3.0):
        yield f"gain × {gain:g}", frames(grey * gain)
    yield "contrast flipped", frames(255.0 - grey)
    yield "another organ", other


def run(cell: tuple[str, int, int, str], options: argparse.Namespace) -> str:
    """Train one network, judge its signals, and keep the figures; return a line to say."""
    data, fold, n_labels, variant = cell
    torch.set_num_threads(1 if options.device == "cpu" else 4)
    study = STUDIES[data](fold, options.size, n_labels)
    network_changes, training_changes, augmentation_changes = VARIANTS[variant]
    network = configs.network(len(study.structures), size_px=options.size, **network_changes)
    config = configs.training(
        **{
            "max_steps": options.steps,
            "batch_size": options.batch,
            "learning_rate": options.rate,
            "eval_every": options.steps,
            "seed": fold,
            "augmentation": replace(study.augmentation, **augmentation_changes),
            **training_changes,
        }
    )
    began = time.process_time()
    result = train(
        network,
        config,
        study.training,
        None,
        unannotated=study.unannotated,
        device=options.device,
        save=lambda _: None,
        should_stop=lambda: False,
        on_step=lambda _: None,
        save_every_s=float("inf"),
    )
    spent = time.process_time() - began
    predictor = Predictor(result.model, network, device=options.device)
    full = variant == FULL
    calibration, test = (
        look(result.model, predictor, frames.images, everything=full) for frames in (study.calibration, study.test)
    )
    signals = {name: judge(name, study, calibration, test) for name in test.signals}
    if full:
        signals["dice regression"] = dice_regression(predictor, study, calibration, test)
    figures: dict[str, Any] = {
        "data": data,
        "fold": fold,
        "labels": n_labels,
        "n_labels": len(study.training),
        "variant": variant,
        "dice": float(np.nanmean(dice_of(test.masks, truth_of(study.test, len(study.structures))))),
        "train_cpu_s": spent,
        "signals": signals,
    }
    if full:
        another = phantom_study if data == "carotid" else carotid_study
        if data == "carotid" or CAROTID.is_dir():
            other = another(fold, options.size, 16).test.images
            figures["damage"] = damage_table(study, other, predictor, calibration)
    write_text(_kept(cell, options), json.dumps(figures, indent=1) + "\n")
    own, plain = signals["error map"], signals["entropy"]
    return f"{_name(cell)}: Dice {figures['dice']:.3f}, AUPRC {own['auprc']:.3f} against {plain['auprc']:.3f}"


def _name(cell: tuple[str, int, int, str]) -> str:
    data, fold, n_labels, variant = cell
    return f"{data}, fold {fold}, {n_labels or 'all'} labels, {variant}"


def _kept(cell: tuple[str, int, int, str], options: argparse.Namespace) -> Path:
    """Return where the figures of a cell are kept."""
    data, fold, n_labels, variant = cell
    folder = CELLS / "-".join(f"{name}-{getattr(options, name)}" for name in SETTINGS)
    return folder / f"{data}-{fold}-{n_labels or 'all'}-{variant.replace(',', '').replace(' ', '-')}.json"


def planned(options: argparse.Namespace) -> list[tuple[str, int, int, str]]:
    """Return the cells in the order they are run: every number of labels first, then the ablations."""
    data = [name for name in options.data if name != "carotid" or CAROTID.is_dir()]
    if "carotid" in options.data and "carotid" not in data:
        print(f"skipped: no carotid frames in {CAROTID}")
    grid = [(one, fold, n, FULL) for n, fold, one in product(options.labels, options.folds, data)]
    ablations = [
        (one, fold, n, variant)
        for n, variant, fold, one in product(options.ablate_at, options.variants, options.folds, data)
        if variant != FULL and one in ABLATED
    ]
    return grid + ablations


def report(options: argparse.Namespace) -> None:
    """Print the tables of what has been run, and write the JSON."""
    paths = [(cell, _kept(cell, options)) for cell in planned(options)]
    cells = [json.loads(path.read_text(encoding="utf-8")) for _, path in paths if path.is_file()]
    not_run = [_name(cell) for cell, path in paths if not path.is_file()]
    signals = list(_summary([one for one in cells if one["variant"] == FULL], by="signal"))
    variants = list(_summary([one for one in cells if one["labels"] in options.ablate_at], by="variant"))
    damage = list(_damage_summary(cells))
    columns = ("data", "labels", "signal", "folds", "Dice", "AUPRC", "Spearman", "MAE", "AUROC 0.9", "AUROC 0.8")
    keys = ("data", "labels", "of", "folds", "dice", "auprc", "spearman", "mae", "auroc_90", "auroc_80")
    print_table(columns, [[_short(row[key]) for key in keys] for row in signals])
    print_table((*columns[:2], "variant", *columns[3:]), [[_short(row[key]) for key in keys] for row in variants])
    print_table(
        ("data", "damage", "true Dice", "predicted"), [[_short(value) for value in row.values()] for row in damage]
    )
    for one in not_run:
        print(f"not run: {one}")
    settings = {name: getattr(options, name) for name in SETTINGS}
    write_json(
        options.name,
        {
            "settings": settings,
            "signals": signals,
            "variants": variants,
            "damage": damage,
            "not_run": not_run,
            "cells": cells,
        },
    )


def _short(value: Any) -> Any:
    return "–" if value is None else round(value, 3) if isinstance(value, float) else value


def _summary(cells: list[dict[str, Any]], *, by: str) -> Iterator[dict[str, Any]]:
    """Yield means over folds by data, labels, and signal or variant; of a variant, its error map."""
    groups: dict[tuple[str, int, str], list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for cell in cells:
        for signal, figures in cell["signals"].items():
            if by == "signal" or signal == "error map":
                of = signal if by == "signal" else cell["variant"]
                groups.setdefault((cell["data"], cell["labels"], of), []).append((cell, figures))
    for (data, labels, of), rows in groups.items():
        means = {
            key: _mean([figures[key] for _, figures in rows])
            for key in ("auprc", "spearman", "pearson", "mae", "auroc_90", "auroc_80")
        }
        above = [
            None if figures["auprc"] is None else figures["auprc"] - cell["signals"]["entropy"]["auprc"]
            for cell, figures in rows
        ]
        yield {"data": data, "labels": labels or "all", "of": of, "folds": len(rows)} | {
            "dice": _mean([cell["dice"] for cell, _ in rows]),
            **means,
            "auprc_above_entropy": above,
        }


def _damage_summary(cells: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the mean true and predicted Dice by data and damage, over all cells that have it."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        for row in cell.get("damage", []):
            groups.setdefault((cell["data"], row["damage"]), []).append(row)
    for (data, kind), rows in groups.items():
        yield {"data": data, "damage": kind} | {key: _mean([row[key] for row in rows]) for key in ("true", "predicted")}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def main() -> None:
    """Run what has not been run, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(STUDIES), choices=list(STUDIES))
    parser.add_argument("--name", default="sqa", help="of the JSON")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=1, help="cells at once, each on one core")
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS), choices=FOLDS)
    parser.add_argument("--labels", type=int, nargs="+", default=list(LABELS), help="0: all")
    parser.add_argument(
        "--ablate-at", type=int, nargs="+", help="labels at which variants are run (default: the first)"
    )
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--table", action="store_true", help="run nothing: the tables of what has been run")
    options = parser.parse_args()
    options.ablate_at = options.ablate_at or options.labels[:1]
    cells = [] if options.table else [cell for cell in planned(options) if not _kept(cell, options).is_file()]
    if cells:
        _kept(cells[0], options).parent.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            for line in pool.map(run, cells, [options] * len(cells)):
                print(line, flush=True)
    report(options)


if __name__ == "__main__":
    main()
