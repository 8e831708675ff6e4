"""Does it pay to learn from frames nobody drew before the first annotation is seen? Denoising pretraining on the pool.

Both branches first learn to take noise out of all frames of the learning subjects, annotated or not; then their heads are made
anew and they are trained on few annotations, as ever. Compared with the same training from fresh weights, on folds that are not
sealed, by the Dice of the line at one half.

    python benchmarks/pretraining.py            # half an hour on one core
    python benchmarks/pretraining.py --table

Published for IVUS with a fifth of the labels (after Brempong et al., "Denoising
pretraining for semantic segmentation", CVPR workshops 2022): noise is added to the frame, and the whole network predicts the
clean one. Noise is white, of 0.3 to 1.5 times the spread of the frame's echo.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import configs
import numpy as np
import torch
from numpy.typing import NDArray
from report import WORK, print_table, write_json
from studies import Study, available, study_of
from torch import Tensor, nn
from torch.nn import functional as F

from ivsqa.domain.agreement.contour_agreement import mask_dice
from ivsqa.domain.structures import masks_of_rings
from ivsqa.io.atomic import write_text
from ivsqa.model.augmentation import apply, sample
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.inference import Predictor
from ivsqa.model.network import normalized
from ivsqa.model.objective import new_network
from ivsqa.model.state import TrainedModel
from ivsqa.model.training import learning_rate, train

SIZE_PX, STEPS, BATCH, RATE = 96, 600, 8, 3e-3
DENOISING_STEPS, DENOISING_RATE = 500, 1e-3
NOISE = (0.3, 1.5)
DATA = ("camus", "carotid")


def denoised(network: NetworkConfig, config: TrainingConfig, frames: NDArray[np.uint8]) -> TrainedModel:
    """Return a network that has learnt to take noise out of frames, uint8 (n, s, s), with a fresh head."""
    fresh = new_network(network, seed=config.seed)
    learner = new_network(network, seed=config.seed).train()
    heads = [nn.Conv2d(network.widths[0], 4, 1) for _ in learner.branches]
    features: dict[int, Tensor] = {}
    for number, branch in enumerate(learner.branches):
        branch.head.register_forward_hook(lambda _, seen, __, number=number: features.update({number: seen[0]}))
    parameters = [*learner.parameters(), *(p for head in heads for p in head.parameters())]
    optimizer = torch.optim.AdamW(parameters, weight_decay=0.0)
    rng = np.random.default_rng(config.seed)
    for step in range(DENOISING_STEPS):
        share = learning_rate(config, step, n_steps=DENOISING_STEPS) / config.learning_rate
        for group in optimizer.param_groups:
            group["lr"] = DENOISING_RATE * share
        rows = rng.choice(len(frames), BATCH, replace=len(frames) < BATCH)
        images = torch.from_numpy(frames[rows])
        images, _ = apply(images, torch.zeros_like(images), sample(rng, BATCH, config.augmentation))
        clean = normalized(images)  # (b, 1, s, s)
        losses = []
        for number, (branch, head) in enumerate(zip(learner.branches, heads, strict=True)):
            noise = torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32))
            strength = torch.from_numpy(rng.uniform(*NOISE, (BATCH, 1, 1, 1)).astype(np.float32))
            with torch.autocast("cpu", torch.bfloat16):
                branch(clean + strength * noise)
            said = F.pixel_shuffle(head(features[number].float()), 2)  # (b, 1, s, s)
            losses.append(F.smooth_l1_loss(said, clean))
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    heads_anew = {name: value for name, value in fresh.state_dict().items() if ".head." in name}
    return TrainedModel(network, {name: value.detach() for name, value in learner.state_dict().items()} | heads_anew)


def run(study: Study, fold: int, *, pretrained: bool) -> list[float]:
    """Return the mean Dice of each structure on the test frames of a fold."""
    network = configs.network(len(study.structures), size_px=SIZE_PX)
    config = configs.training(
        max_steps=STEPS,
        batch_size=BATCH,
        learning_rate=RATE,
        eval_every=STEPS,
        seed=fold,
        self_train="none",
        augmentation=study.augmentation,
    )
    pool = np.concatenate([study.unannotated, study.learning.images])
    start = denoised(network, config, pool) if pretrained else None
    model = train(network, config, study.learning.samples, None, start=start, device="cpu").model
    predictor = Predictor(model, network, device="cpu")
    firsts = range(0, len(study.test), 32)
    said = np.concatenate([predictor(study.test.images[first : first + 32]).probabilities for first in firsts])
    truth = np.stack(masks_of_rings(study.test.labels, len(study.structures)), axis=1)
    return np.nanmean(mask_dice(said > 0.5, truth), axis=0).tolist()


def path_of(data: str, fold: int, labels: int, way: str) -> Path:
    """Return where a result is kept."""
    return WORK / "pretraining" / f"{data}-{fold}-{labels}-{way}.json"


def main() -> None:
    """Run what has not been run, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--labels", type=int, nargs="+", default=[16])
    parser.add_argument("--table", action="store_true", help="run nothing: the table of what has been run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for fold, labels, data, way in product(
        options.folds, options.labels, [name for name in DATA if name in available()], ("fresh", "denoised")
    ):
        path = path_of(data, fold, labels, way)
        if not path.is_file() and not options.table:
            study = study_of(data, fold, size_px=SIZE_PX, n_labels=labels, sealed=False)
            write_text(path, json.dumps(run(study, fold, pretrained=way == "denoised")) + "\n")
        if path.is_file():
            dice = json.loads(path.read_text(encoding="utf-8"))
            rows.append({"data": data, "fold": fold, "labels": labels, "weights": way, "dice": dice})
    print_table(
        ("data", "fold", "labels", "weights", "dice"),
        [(*list(row.values())[:-1], ", ".join(f"{value:.3f}" for value in row["dice"])) for row in rows],
    )
    write_json("pretraining", {"denoising_steps": DENOISING_STEPS, "steps": STEPS, "cells": rows})


if __name__ == "__main__":
    main()
