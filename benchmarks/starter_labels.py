"""What is the starter model worth once a study has labels? Fine-tuned from it, against trained from scratch.

    held-out   lumen and EEM of phantoms of the held-out family, all on one console, another in each fold
    carotid    lumen of the carotid artery, real ultrasound of another organ, from the starter's lumen

Both ways are of the starter's widths, see the same frames, and are judged by the Dice of laid borders on subjects that neither
learns from. No labels: the starter as it comes.

    python benchmarks/starter_labels.py                        # an hour on two cores
    python benchmarks/starter_labels.py --table
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import configs
import numpy as np
import torch
from numpy.typing import NDArray
from phantoms import NAMES
from report import WORK, print_table, write_json
from starter_frames import SIZE_PX, rendered
from studies import study_of

from ivsqa.domain.agreement.contour_agreement import mask_dice
from ivsqa.domain.geometry.border_prior import priors_of_labels
from ivsqa.domain.geometry.laid_borders import laid_borders
from ivsqa.domain.structures import masks_of_rings
from ivsqa.io.atomic import write_text
from ivsqa.io.project.starter import starter_weights
from ivsqa.model.augmentation import AugmentationConfig
from ivsqa.model.config import NetworkConfig
from ivsqa.model.data import SampleSet
from ivsqa.model.inference import Predictor
from ivsqa.model.state import TrainedModel
from ivsqa.model.training import train
from ivsqa.model.warm_start import refitted

KEPT = WORK / "starter-labels"
LEARNING_SEED = 3
BATCH, RATE = 8, 3e-3
STEPS = {"starter": 200, "scratch": 600}
"""Where the starter begins there is less to learn; its rate of learning is that of a fine-tuning."""
STARTER_RATE = 1e-3
DATA = ("held-out", "carotid")


@dataclass(frozen=True)
class Material:
    """Frames to learn from and to be judged on, of subjects apart."""

    structures: tuple[str, ...]
    learning: SampleSet
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    augmentation: AugmentationConfig


@lru_cache(maxsize=2)
def material(data: str, fold: int, n_labels: int) -> Material:
    """Return the frames of a fold; of each subject as few as the labels allow."""
    if data == "carotid":
        study = study_of("carotid", fold, size_px=SIZE_PX, n_labels=n_labels or 1, sealed=False)
        return Material(
            study.structures, study.learning.samples, study.test.images, study.test.labels, study.augmentation
        )
    pool = rendered(0, seed=LEARNING_SEED, held_out=True, console=fold)
    order = np.random.default_rng(fold).permutation(len(pool.images))
    first = [rows[0] for rows in (order[pool.pullbacks[order] == one] for one in np.unique(pool.pullbacks))]
    shown = np.array([*first, *np.setdiff1d(order, first, assume_unique=True)])[: n_labels or 1]
    test = rendered(1, seed=LEARNING_SEED, held_out=True, console=fold)
    learning = SampleSet(pool.images[shown], pool.labels[shown], np.ones(len(shown), dtype=np.float32))
    return Material(NAMES, learning, test.images, test.labels, configs.augmentation())


def run(data: str, fold: int, n_labels: int, way: str) -> list[float]:
    """Return the mean Dice of each structure."""
    torch.set_num_threads(1)
    frames = material(data, fold, n_labels)
    starter = TrainedModel.from_bytes(starter_weights("coronary-ivus").read_bytes())
    network = NetworkConfig(len(frames.structures), SIZE_PX, starter.config.widths)
    start = refitted(starter, network, range(len(frames.structures))) if way == "starter" else None
    outputs = None
    if n_labels == 0:  # as it comes: its own lumen, not one of a network for the lumen alone
        model, network, outputs = starter, starter.config, range(len(frames.structures))
    else:
        config = configs.training(
            max_steps=STEPS[way],
            batch_size=BATCH,
            learning_rate=STARTER_RATE if start else RATE,
            eval_every=STEPS[way],
            seed=fold,
            self_train="none",
            augmentation=frames.augmentation,
        )
        model = train(network, config, frames.learning, None, start=start, device="cpu").model
    predictor = Predictor(model, network, device="cpu", outputs=outputs)
    priors = priors_of_labels(
        frames.learning.labels, len(frames.structures), rotation_deg=frames.augmentation.rotation_deg
    )
    dice = []
    for first in range(0, len(frames.test_images), 32):
        part = slice(first, first + 32)
        for probabilities, labels in zip(
            predictor(frames.test_images[part]).probabilities, frames.test_labels[part], strict=True
        ):
            masks = np.stack(laid_borders(probabilities, priors).masks)
            dice.append(mask_dice(masks, np.stack(masks_of_rings(labels, len(frames.structures)))))
    return np.nanmean(dice, axis=0).tolist()


def path_of(data: str, fold: int, n_labels: int, way: str) -> Path:
    """Return where a result is kept."""
    return KEPT / f"{data}-{fold}-{n_labels}-{way}.json"


def keep(cell: tuple[str, int, int, str]) -> str:
    """Run a cell and keep its result; return a line to say."""
    dice = run(*cell)
    write_text(path_of(*cell), json.dumps(dice) + "\n")
    return f"{cell}: {', '.join(f'{value:.3f}' for value in dice)}"


def main() -> None:
    """Run what has not been run, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--labels", type=int, nargs="+", default=[0, 4, 8, 16, 32, 64])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="run nothing: the table of what has been run")
    options = parser.parse_args()
    cells = [
        (data, fold, n_labels, way)
        for fold, data, n_labels, way in product(options.folds, options.data, options.labels, STEPS)
        if n_labels or way == "starter"
    ]
    missing = [] if options.table else [cell for cell in cells if not path_of(*cell).is_file()]
    if missing:
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            for line in pool.map(keep, missing):
                print(line, flush=True)
    rows: list[dict[str, Any]] = []
    for data, n_labels, way in product(options.data, options.labels, STEPS):
        paths = [path_of(data, fold, n_labels, way) for fold in options.folds]
        dice = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
        if dice:
            mean = np.mean(dice, axis=0).tolist()
            rows.append({"data": data, "labels": n_labels, "from": way, "folds": len(dice), "dice": mean})
    print_table(
        ("data", "labels", "from", "folds", "dice"),
        [(*list(row.values())[:-1], ", ".join(f"{value:.3f}" for value in row["dice"])) for row in rows],
    )
    write_json("starter_labels", {"steps": STEPS, "rows": rows})


if __name__ == "__main__":
    main()
