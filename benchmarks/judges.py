"""Can a judge of what is left wrong know more than the entropy of the drawing itself?

Two networks, alike but for their first weights and the order of their frames, draw by their pooled opinion. Each judge looks at
the same frames, says anew what lies inside, and holds for wrong what is drawn otherwise. Entropy and judges are calibrated by the
same code on the same frames, so that one wins by what it knows. Folds that are not sealed, since judges were made up on them.

    entropy             the pooled probabilities themselves, which order pixels as their entropy does: no judge at all
    border, own         a U-Net on normals of the drawn border, taught by what the two networks draw on their own training
                        frames, varied and damaged anew
    border, crossed     the same, taught by two pairs of networks, each on the half of the subjects that it did not learn from
    image, own          a small U-Net that sees the frame and both opinions; lessons as above
    image, crossed      the same with crossed lessons
    image, crossed, PAM the same with attention over the pooled probabilities
    pixels              a small regression on eleven features of a pixel, taught by the calibration frames
    all labels          no judge to be had: a network taught by every label of the subjects to learn from. What could be known

Costs are CPU seconds of teaching over those of a step of one network. The networks that draw take 1,800 steps together. Each
(data, fold, judge) and each network is kept in benchmarks/work/judges and not run again.

    python benchmarks/judges.py    # on one core, in two hours
    python benchmarks/judges.py --table

Kept results: carotid, bus-bra and four judges of camus, fold 1, were judged while an isotonic curve still turned expected Dice
into predicted Dice. AUPRC is the same by either curve; Spearman, AUROC and shares of camus differ by at most 0.003.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import configs
import numpy as np
import safetensors.torch
import studies
import torch
from judge_models import (
    Floats,
    Lessons,
    border_judge,
    by_border,
    by_image,
    by_pixels,
    image_judge,
    joined,
    lessons_of,
    opinions_of,
    pixel_features,
    together,
)
from numpy.typing import NDArray
from report import WORK, print_table, write_json
from segmenters import batch, learnt
from torch import Tensor

from ivsqa.domain.agreement.contour_agreement import mask_dice
from ivsqa.domain.quality.predicted_quality import (
    CalibrationFrame,
    assess,
    fit_error_calibration,
    raw_error,
    region_of_frame,
)
from ivsqa.domain.quality.review_curve import review_shares
from ivsqa.domain.statistics.correlation import auroc, average_precision_from_histograms, spearman
from ivsqa.io.atomic import write_bytes, write_text
from ivsqa.model.config import TrainingConfig
from ivsqa.model.losses import known_pixels, ring_masks, segmentation_loss, structure_masks
from ivsqa.model.network import EncoderDecoder, new_segmenter, normalized

CELLS = WORK / "judges"
FOLDS = (0, 1)
SIZE_PX, LABELS, STEPS = 96, 64, 900
HALF_STEPS = STEPS // 2
"""Of a network that learns from half of the subjects."""
BOUND_STEPS, MANY_LABELS, MANY_STEPS = 2000, 600, 3000
"""Of the network that learns from all labels: more where there are many."""
GOOD_DICE = 0.9
SPEED_STEPS = 20

Cell = dict[str, Any]


class Network(NamedTuple):
    """A network that a fold needs; its number and the fold are its seed."""

    number: int
    steps: int


DRAWING = (Network(0, STEPS), Network(1, STEPS))
CROSSED = tuple(tuple(Network(10 + 10 * half + one, HALF_STEPS) for one in (0, 1)) for half in (0, 1))
BOUND = 7


@dataclass(frozen=True)
class Seen:
    """Frames with what the networks say of them."""

    images: Tensor  # (n, s, s), uint8
    opinions: Tensor  # (n, 2, K+1, s, s)
    probabilities: Floats  # (n, K, s, s), pooled
    truth: NDArray[np.bool_]  # (n, K, s, s)

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """The drawing, (n, K, s, s)."""
        return self.probabilities > 0.5


class TimedLessons(NamedTuple):
    """Lessons, and the CPU seconds that drawing them took."""

    lessons: Lessons
    cpu_s: float


@dataclass(frozen=True)
class Case:
    """A fold of a data set, with its networks and the lessons of its judges, each made when first asked for."""

    data: str
    fold: int

    @cached_property
    def study(self) -> studies.Study:
        return self._study(LABELS)

    def _study(self, n_labels: int) -> studies.Study:
        return studies.study_of(self.data, self.fold, size_px=SIZE_PX, n_labels=n_labels, sealed=False)

    @property
    def n_structures(self) -> int:
        return len(self.study.structures)

    @cached_property
    def drawing(self) -> tuple[EncoderDecoder, ...]:
        """The two networks that draw."""
        return tuple(self.network(one, self.study.learning) for one in DRAWING)

    @cached_property
    def calibration(self) -> Seen:
        return self._seen(self.study.calibration)

    @cached_property
    def test(self) -> Seen:
        return self._seen(self.study.test)

    def _seen(self, frames: studies.Frames) -> Seen:
        images = torch.from_numpy(frames.images)
        opinions = opinions_of(self.drawing, images)
        truth = structure_masks(torch.from_numpy(frames.labels), self.n_structures).numpy()
        return Seen(images, opinions, together(opinions).numpy(), truth)

    @cached_property
    def own_lessons(self) -> TimedLessons:
        """What the two networks say of the frames that taught them."""
        return self._lessons((self.drawing, self.study.learning))

    @cached_property
    def crossed_lessons(self) -> TimedLessons:
        """What pairs of networks say of the frames of the subjects that did not teach them."""
        subjects = np.random.default_rng(5).permutation(np.unique(self.study.learning.subjects))
        halves = [self.study.learning[np.isin(self.study.learning.subjects, subjects[half::2])] for half in (0, 1)]
        pairs = [tuple(self.network(one, halves[half]) for one in CROSSED[half]) for half in (0, 1)]
        return self._lessons((pairs[0], halves[1]), (pairs[1], halves[0]))

    def _lessons(self, *parts: tuple[tuple[EncoderDecoder, ...], studies.Frames]) -> TimedLessons:
        began = time.process_time()
        drawn = [lessons_of(one, frames.images, frames.labels, self.study.augmentation) for one, frames in parts]
        return TimedLessons(joined(drawn), time.process_time() - began)

    @cached_property
    def bound(self) -> tuple[EncoderDecoder, int]:
        """A network taught by all labels, and its steps."""
        frames = self._study(0).learning
        steps = MANY_STEPS if len(frames) >= MANY_LABELS else BOUND_STEPS
        return self.network(Network(BOUND, steps), frames), steps

    def network(self, one: Network, frames: studies.Frames) -> EncoderDecoder:
        """Return a network taught by some frames, kept from before or taught now."""
        path = CELLS / "networks" / f"{self.data}-{self.fold}-{one.number}.safetensors"
        if not path.is_file():
            taught = self.taught(one, frames)
            write_bytes(path, safetensors.torch.save({k: v.contiguous() for k, v in taught.state_dict().items()}))
        network = self._new()
        network.load_state_dict(safetensors.torch.load(path.read_bytes()))
        return network.eval().requires_grad_(requires_grad=False)

    def _new(self) -> EncoderDecoder:
        return new_segmenter(configs.network(self.n_structures, size_px=SIZE_PX))

    def taught(self, one: Network, frames: studies.Frames) -> EncoderDecoder:
        """Return a network taught as ivsqa teaches a branch."""
        config: TrainingConfig = configs.training(
            max_steps=one.steps,
            batch_size=8,
            learning_rate=3e-3,
            eval_every=one.steps,
            seed=100 * self.fold + one.number,
            augmentation=self.study.augmentation,
        )
        torch.manual_seed(config.seed)
        network = self._new()

        def loss_of_step(step: int) -> Tensor:
            images, labels = batch(frames.samples, config, step)
            frames_seen, wanted = normalized(images), ring_masks(labels, self.n_structures + 1)
            with torch.autocast("cpu", torch.bfloat16):
                return segmentation_loss(network(frames_seen).output, wanted, known_pixels(labels))

        return learnt(network, loss_of_step, config)

    @cached_property
    def step_cpu_s(self) -> float:
        """CPU seconds of one step of a network, to measure what judges cost by."""
        began = time.process_time()
        self.taught(Network(0, SPEED_STEPS), self.study.learning)
        return (time.process_time() - began) / SPEED_STEPS


class Said(NamedTuple):
    """What a judge says, and what it took to teach it."""

    calibration: Floats  # (n, K, s, s), probability of lying inside
    test: Floats
    cpu_s: float = 0.0
    network_steps: int = 0  # of further networks


def entropy(case: Case) -> Said:
    return Said(case.calibration.probabilities, case.test.probabilities)


def border(case: Case, timed: TimedLessons, network_steps: int) -> Said:
    began = time.process_time()
    judge = border_judge(timed.lessons, case.n_structures)
    spent = timed.cpu_s + time.process_time() - began
    said = (by_border(judge, seen.images, seen.opinions) for seen in (case.calibration, case.test))
    return Said(*said, spent, network_steps)


def image(case: Case, timed: TimedLessons, network_steps: int, *, attention: bool = False) -> Said:
    began = time.process_time()
    judge = image_judge(timed.lessons, case.n_structures, attention=attention)
    spent = timed.cpu_s + time.process_time() - began
    said = (by_image(judge, seen.images, seen.opinions) for seen in (case.calibration, case.test))
    return Said(*said, spent, network_steps)


def pixels(case: Case) -> Said:
    began = time.process_time()
    features = [pixel_features(seen.images, seen.opinions) for seen in (case.calibration, case.test)]
    calibration = features[0], case.calibration.drawn, case.calibration.truth
    said = by_pixels(calibration, case.study.calibration.subjects, (features[1], case.test.drawn))
    return Said(*said, time.process_time() - began)


def all_labels(case: Case) -> Said:
    network, steps = case.bound
    said = (together(opinions_of((network,) * 2, seen.images)).numpy() for seen in (case.calibration, case.test))
    return Said(*said, network_steps=steps)


ENTROPY = "entropy"
JUDGES: dict[str, Callable[[Case], Said]] = {
    ENTROPY: entropy,
    "border, own": lambda case: border(case, case.own_lessons, 0),
    "image, own": lambda case: image(case, case.own_lessons, 0),
    "pixels": pixels,
    "border, crossed": lambda case: border(case, case.crossed_lessons, 4 * HALF_STEPS),
    "image, crossed": lambda case: image(case, case.crossed_lessons, 4 * HALF_STEPS),
    "image, crossed, PAM": lambda case: image(case, case.crossed_lessons, 4 * HALF_STEPS, attention=True),
    "all labels": all_labels,
}


def figures_of(case: Case, said: Said) -> Cell:
    """Return how well a judge knows what is wrong with the drawing, and how well it draws itself."""
    names, seen = case.study.structures, (case.calibration, case.test)
    raw = [
        np.stack([raw_error(frame, list(masks)) for frame, masks in zip(inside, one.drawn, strict=True)])
        for one, inside in zip(seen, said[:2], strict=True)
    ]
    fitted = fit_error_calibration(
        [
            CalibrationFrame(*(dict(zip(names, maps, strict=True)) for maps in frame), subject_id=str(subject))
            for *frame, subject in zip(
                raw[0], case.calibration.drawn, case.calibration.truth, case.study.calibration.subjects, strict=True
            )
        ],
        names,
    )
    drawn, truth = case.test.drawn, case.test.truth
    n_levels = np.zeros((len(names), 2, 256))  # pixels by level of the error map, (K, right/wrong, levels)
    predicted = np.zeros(drawn.shape[:2])
    for frame, masks in enumerate(drawn):
        region = region_of_frame(list(masks))
        for k, name in enumerate(names):
            quality = assess(raw[1][frame, k], masks[k], fitted.structures[name], region)
            predicted[frame, k] = quality.dice
            wrong = masks[k] != truth[frame, k]
            for side, where in enumerate((~wrong, wrong)):
                n_levels[k, side] += np.bincount(quality.error_map[where], minlength=256)
    dice = mask_dice(drawn, truth)
    worst, expected = np.nanmin(dice, axis=1), predicted.min(axis=1)
    shares = review_shares(worst, expected)
    return {
        "auprc": float(np.mean([average_precision_from_histograms(one[1], one[0]) for one in n_levels])),
        "spearman": spearman(expected, worst),
        "auroc": auroc(-expected, worst < GOOD_DICE),
        "share_to_mend": shares.predicted,
        "share_to_mend_random": shares.random,
        "share_to_mend_truth": shares.truth,
        "dice_drawn": float(np.nanmean(dice)),
        "dice_redrawn": float(np.nanmean(mask_dice(said.test > 0.5, truth))),
        "n_frames": len(drawn),
    }


@lru_cache(maxsize=1)
def case_of(data: str, fold: int) -> Case:
    return Case(data, fold)


def run(fold: int, data: str, judge: str) -> None:
    """Teach a judge and keep its figures; what was run before is left alone."""
    kept = path_of(data, fold, judge)
    if kept.is_file():
        return
    case = case_of(data, fold)
    said = JUDGES[judge](case)
    cell = {"data": data, "fold": fold, "judge": judge, **figures_of(case, said)}
    cell["cost_in_steps"] = said.network_steps + (said.cpu_s / case.step_cpu_s if said.cpu_s else 0.0)
    write_text(kept, json.dumps(cell, indent=1) + "\n")
    print(f"{data}, fold {fold}, {judge}: AUPRC {cell['auprc']:.3f}, Spearman {cell['spearman']:.2f}", flush=True)


def path_of(data: str, fold: int, judge: str) -> Path:
    return CELLS / f"{data}-{fold}-{'-'.join(judge.replace(',', '').lower().split())}.json"


FIGURES = ("auprc", "spearman", "auroc", "share_to_mend", "dice_redrawn", "cost_in_steps")


def summarise(cells: dict[tuple[str, int, str], Cell]) -> list[Cell]:
    """Return a row for each data set and judge, and one for each judge over data sets: means over the folds there are.

    What is above entropy is taken fold by fold, so it stays fair where a judge was run in fewer folds.
    """
    rows = []
    for data, judge in product([*studies.DATA, "all"], JUDGES):
        folds = sorted(key[:2] for key in cells if key[2] == judge and data in (key[0], "all"))
        some = [(cells[*at, judge], cells[*at, ENTROPY]) for at in folds if (*at, ENTROPY) in cells]
        if not some:
            continue
        row: Cell = {"data": data, "judge": judge, "folds": len(some)}
        row |= {name: float(np.nanmean([one[name] for one, _ in some])) for name in FIGURES}
        for name in FIGURES[:4]:
            row[f"{name}_above"] = float(np.nanmean([one[name] - base[name] for one, base in some]))
        row["folds_above"] = sum(one["auprc"] > base["auprc"] for one, base in some)
        row["dice_drawn"] = float(np.mean([one["dice_drawn"] for one, _ in some]))
        rows.append(row)
    return rows


def report() -> None:
    """Print the table of all that has been run, say what has not, and write the JSON."""
    wanted = [(data, fold, judge) for fold, data, judge in product(FOLDS, studies.DATA, JUDGES)]
    cells = {key: json.loads(path_of(*key).read_text("utf-8")) for key in wanted if path_of(*key).is_file()}
    rows = summarise(cells)
    columns = ("data", "judge", "folds", "AUPRC", "above entropy", "in folds", "Spearman", "AUROC", "to mend")
    table = []
    for row in rows:
        line = [row["data"], row["judge"], row["folds"], f"{row['auprc']:.3f}", f"{row['auprc_above']:+.3f}"]
        line += [row["folds_above"], f"{row['spearman']:.2f}", f"{row['auroc']:.2f}", f"{row['share_to_mend']:.3f}"]
        line += [f"{row['dice_drawn']:.4f}", f"{row['dice_redrawn']:.4f}", f"{row['cost_in_steps']:.0f}"]
        table.append(line)
    print_table((*columns, "Dice", "redrawn", "cost in steps"), table)
    not_run = [f"{data}, fold {fold}, {judge}" for data, fold, judge in wanted if (data, fold, judge) not in cells]
    for one in not_run:
        print(f"not run: {one}")
    settings = {"size_px": SIZE_PX, "labels": LABELS, "steps": STEPS, "half_steps": HALF_STEPS}
    settings |= {"bound_steps": BOUND_STEPS, "bound_steps_of_many_labels": MANY_STEPS}
    write_json("judges", {"settings": settings, "summary": rows, "not_run": not_run, "cells": list(cells.values())})


def main() -> None:
    """Run what has not been run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(studies.DATA), choices=list(studies.DATA))
    parser.add_argument("--folds", type=int, nargs="+", default=list(FOLDS), choices=FOLDS)
    parser.add_argument("--judges", nargs="+", default=list(JUDGES), choices=list(JUDGES))
    parser.add_argument("--table", action="store_true", help="run nothing: the table of what has been run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    (CELLS / "networks").mkdir(parents=True, exist_ok=True)
    there = [] if options.table else [name for name in studies.available() if name in options.data]
    for fold, data, judge in product(options.folds, there, options.judges):
        run(fold, data, judge)
    report()


if __name__ == "__main__":
    main()
