"""The training of the starter model: each branch learns for itself, on a core of its own, from phantoms that keep coming.

No gradient runs between the branches, so nothing is lost by training them apart; each sees the frames in an order of its own. The
newest chunks are a window that moves evenly over the training, so that a frame is met a few times, varied anew, and then never
again.
"""

from __future__ import annotations

import copy
import hashlib
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import configs
import numpy as np
import safetensors.torch
import torch
from starter_frames import PULLBACKS, SIZE_PX, Chunk, folder, kept
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ivsqa.io.atomic import write_bytes
from ivsqa.io.project.starter import starter_weights
from ivsqa.model.augmentation import apply, sample
from ivsqa.model.config import NetworkConfig
from ivsqa.model.corruption import corrupt, sample_corruption
from ivsqa.model.data import rng_for
from ivsqa.model.losses import segmentation_loss
from ivsqa.model.network import EncoderDecoder
from ivsqa.model.objective import Lesson, new_network
from ivsqa.model.state import TrainedModel
from ivsqa.model.training import learning_rate

NAME = "coronary-ivus"
WINDOW = 16
SAVE_EVERY = 250
GRADIENT_NORM = 1.0
AVERAGE_DECAY = 0.999
BRANCHES = ("first", "second")
_FRAMES, _AUGMENTATION, _CORRUPTION, _DROPOUT = 11, 12, 13, 14


@dataclass(frozen=True)
class Recipe:
    """What determines the starter model.

    Attributes:
        widths: Channels of each level of either branch.
        steps: Optimiser steps of each branch.
        batch: Frames a step.
        rate: Learning rate at its highest.
        chunks: Chunks of phantoms, see `starter_frames`.
        pullbacks: In each chunk.
        begins_with: SHA-256 of the weights of the package that it goes on from; empty: from scratch.
    """

    widths: tuple[int, ...] = (24, 48, 96, 144)
    steps: int = 16_000
    batch: int = 8
    rate: float = 2e-3
    chunks: int = 160
    pullbacks: int = PULLBACKS
    begins_with: str = ""

    @property
    def network(self) -> NetworkConfig:
        """The network."""
        return NetworkConfig(n_structures=2, size_px=SIZE_PX, widths=self.widths)

    @property
    def name(self) -> str:
        """A folder's name that no other recipe has."""
        frames = f"{self.chunks}x{self.pullbacks}{self.begins_with[:8]}"
        return f"{'-'.join(map(str, self.widths))}-{self.steps}x{self.batch}-{self.rate}-{frames}"

    def first_chunk(self, step: int) -> int:
        """Return the oldest chunk that a step may see."""
        return max(0, (self.chunks - WINDOW) * step // self.steps)


def train_branch(recipe: Recipe, number: int, *, device: str = "cpu") -> None:
    """Train a branch to its end, from where it was stopped."""
    torch.set_num_threads(1 if device == "cpu" else 4)
    branch = new_network(recipe.network, seed=0).branches[number].to(device)
    if recipe.begins_with:
        branch.load_state_dict(_packaged(recipe, number))
    averaged = copy.deepcopy(branch).requires_grad_(requires_grad=False)
    optimizer = torch.optim.AdamW(branch.parameters(), lr=recipe.rate, weight_decay=1e-2, fused=True)
    step = _restore(state_path(recipe, number), branch, averaged, optimizer)
    chunks: OrderedDict[int, Chunk] = OrderedDict()
    losses: list[float] = []
    while step < recipe.steps:
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * _share(recipe, step)
        lesson = _lesson(recipe, number, step, chunks, device)
        torch.manual_seed(int(rng_for(number, _DROPOUT, step).integers(2**63)))
        with torch.autocast(device, torch.bfloat16):
            output = branch(lesson.frames).output
        loss = segmentation_loss(output, lesson.wanted, lesson.known)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(branch.parameters(), GRADIENT_NORM)
        optimizer.step()
        step += 1
        update = get_ema_multi_avg_fn(min(AVERAGE_DECAY, (1.0 + step) / (10.0 + step)))
        update(list(averaged.parameters()), list(branch.parameters()), step)
        losses.append(float(loss.detach()))
        if step % SAVE_EVERY == 0 or step == recipe.steps:
            print(f"branch {number}, step {step}: loss {np.mean(losses[-SAVE_EVERY:]):.3f}", flush=True)
            _save(state_path(recipe, number), step, branch, averaged, optimizer)


def trained(recipe: Recipe) -> TrainedModel:
    """Return the network of both branches' running means, rounded to what the package stores."""
    weights = {}
    for number, name in enumerate(BRANCHES):
        state = safetensors.torch.load_file(state_path(recipe, number))
        weights |= {
            key.replace("average", name, 1): value.half().float()
            for key, value in state.items()
            if key.startswith("average.")
        }
    return TrainedModel(recipe.network, weights)


def is_trained(recipe: Recipe, number: int) -> bool:
    """Return whether a branch has taken all its steps."""
    path = state_path(recipe, number)
    return path.is_file() and int(safetensors.torch.load_file(path)["step"]) >= recipe.steps


def state_path(recipe: Recipe, number: int) -> Path:
    """Return where a branch is kept while it learns."""
    return folder() / recipe.name / f"branch-{number}.safetensors"


def package_hash() -> str:
    """Return the hash of the weights in the package."""
    return hashlib.sha256(starter_weights(NAME).read_bytes()).hexdigest()


def _packaged(recipe: Recipe, number: int) -> dict[str, torch.Tensor]:
    """Return a branch of the weights in the package."""
    if package_hash() != recipe.begins_with:
        sys.exit(f"the weights in the package are not those that this recipe goes on from, {recipe.begins_with}")
    weights = TrainedModel.from_bytes(starter_weights(NAME).read_bytes()).weights
    start = f"{BRANCHES[number]}."
    return {key.removeprefix(start): value for key, value in weights.items() if key.startswith(start)}


def _share(recipe: Recipe, step: int) -> float:
    """Return the learning rate of a step as a share of its highest."""
    config = configs.training(learning_rate=1.0)
    return learning_rate(config, step, n_steps=recipe.steps)


def _lesson(recipe: Recipe, number: int, step: int, chunks: OrderedDict[int, Chunk], device: str) -> Lesson:
    """Return the frames of a step, varied and damaged as in any training."""
    first = recipe.first_chunk(step)
    # The window grows to its width first: a training need not wait for the renderer.
    open_chunks = range(
        first, min(first + WINDOW, recipe.chunks, 1 + step * recipe.chunks // recipe.steps + WINDOW // 4)
    )
    for old in [one for one in chunks if one < first]:
        del chunks[old]
    for new in open_chunks:
        if new not in chunks:
            chunks[new] = kept(new, recipe.pullbacks)
    rng = rng_for(number, _FRAMES, step)
    picked = [chunks[open_chunks[i]] for i in rng.integers(len(open_chunks), size=recipe.batch)]
    rows = [int(rng.integers(len(chunk.images))) for chunk in picked]
    images, labels = (
        torch.from_numpy(np.stack([getattr(chunk, part)[row] for chunk, row in zip(picked, rows, strict=True)])).to(
            device
        )
        for part in ("images", "labels")
    )
    settings = configs.augmentation()
    images, labels = apply(images, labels, sample(rng_for(number, _AUGMENTATION, step), recipe.batch, settings))
    damage = sample_corruption(rng_for(number, _CORRUPTION, step), recipe.batch, settings.corruption)
    return Lesson.of_annotations(corrupt(images, damage), labels, recipe.network.n_rings)


def _save(path: Path, step: int, branch: EncoderDecoder, averaged: EncoderDecoder, optimizer: Optimizer) -> None:
    """Keep a state, whole or not at all."""
    tensors = {"step": torch.tensor(step)}
    for name, part in (("weights", branch), ("average", averaged)):
        tensors |= {f"{name}.{key}": value for key, value in part.state_dict().items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in moments.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, safetensors.torch.save({key: value.detach().cpu() for key, value in tensors.items()}))


def _restore(path: Path, branch: EncoderDecoder, averaged: EncoderDecoder, optimizer: Optimizer) -> int:
    """Go back to the state that was kept, and return its step; 0 where none was."""
    if not path.is_file():
        return 0
    state = safetensors.torch.load_file(path)
    for name, part in (("weights", branch), ("average", averaged)):
        part.load_state_dict(
            {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
        )
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        if key.startswith("optimizer."):
            _, number, moment = key.split(".")
            moments.setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return int(state["step"])
