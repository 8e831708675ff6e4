"""The networks that `segmentation.py` compares, each trained from the same draws, and how fast they predict.

Our network with both branches goes through `train`; every other through `train_alone`, which does for one segmenter what
`train` does for ours. For ours the two must give the same weights bit by bit.
"""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import configs
import numpy as np
import torch
from numpy.typing import NDArray
from studies import Study
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ivsqa.model.augmentation import apply, sample
from ivsqa.model.config import TrainingConfig
from ivsqa.model.corruption import corrupt, sample_corruption
from ivsqa.model.data import SampleSet, batch_indices, rng_for
from ivsqa.model.device import deterministic, uses_bf16
from ivsqa.model.inference import Predictor
from ivsqa.model.losses import known_pixels, ring_masks, segmentation_loss
from ivsqa.model.network import EncoderDecoder, nested_probabilities, new_segmenter, normalized
from ivsqa.model.training import GRADIENT_NORM, learning_rate, train

CPU = torch.device("cpu")
AUGMENTATION_DRAWS, CORRUPTION_DRAWS, DROPOUT_DRAWS = 2, 3, 4
"""The purposes for which `ivsqa.model.training` draws; were they others, weights would not agree bit by bit."""

OURS, BOTH, WIDE = "ivsqa, one branch", "ivsqa, both branches", "nnU-Net, own width"
WIDTHS = configs.network(1, size_px=96).widths
OWN_WIDTHS = (32, 64, 128, 256, 512)
"""Channels nnU-Net would choose for 96² px: 32, doubled at each of the halvings that leave 4 px or more."""

INFERENCE_BATCH = 16

Net = TypeVar("Net", bound=nn.Module)

Probabilities = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Nested probabilities (b, K, s, s) for frames, uint8 (b, s, s)."""


@dataclass(frozen=True)
class Trained:
    """A segmenter that can predict, and what it took."""

    probabilities: Probabilities
    n_parameters: int
    train_cpu_s: float
    weights_sha256: str


def dyn_unet(n_out: int, widths: tuple[int, ...]) -> nn.Module:
    """Return MONAI's DynUNet at full resolution, its other settings its own."""
    from monai.networks.nets import DynUNet

    strides = [1] + [2] * (len(widths) - 1)
    return DynUNet(2, 1, n_out, [3] * len(widths), strides, strides[1:], filters=list(widths))


def nnunet(n_out: int, widths: tuple[int, ...]) -> nn.Module:
    """Return the network of nnU-Net's plans for 2-D frames, with their norm, activation and first weights."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    network = PlainConvUNet(
        input_channels=1,
        n_stages=len(widths),
        features_per_stage=widths,
        conv_op=nn.Conv2d,
        kernel_sizes=3,
        strides=[1] + [2] * (len(widths) - 1),
        n_conv_per_stage=2,
        num_classes=n_out,
        n_conv_per_stage_decoder=2,
        conv_bias=True,
        norm_op=nn.InstanceNorm2d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    )
    return network.apply(network.initialize)


def ours(n_out: int, widths: tuple[int, ...]) -> nn.Module:
    """Return the segmenter of ivsqa."""
    return new_segmenter(configs.network(n_out - 1, size_px=96, widths=widths))


@dataclass(frozen=True)
class Segmenter:
    """How to build one, and the package it needs."""

    build: Callable[[int, tuple[int, ...]], nn.Module]
    package: str = "ivsqa"
    widths: tuple[int, ...] = WIDTHS


SEGMENTERS = {
    OURS: Segmenter(ours),
    BOTH: Segmenter(ours),
    "MONAI DynUNet": Segmenter(dyn_unet, "monai"),
    "nnU-Net": Segmenter(nnunet, "dynamic_network_architectures"),
    WIDE: Segmenter(nnunet, "dynamic_network_architectures", OWN_WIDTHS),
}


def logits(network: nn.Module, images: Tensor) -> Tensor:
    """Return ring logits (b, K+1, s, s) for frames (b, s, s), grey 0 to 255."""
    output = network(normalized(images))
    return output.output if isinstance(network, EncoderDecoder) else output


def train_alone(segmenter: Segmenter, study: Study, config: TrainingConfig) -> Trained:
    """Train one segmenter as `ivsqa.model.training` trains each branch."""
    training = study.learning.samples
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = segmenter.build(len(study.structures) + 1, segmenter.widths)
    began = time.process_time()

    def loss_of_step(step: int) -> Tensor:
        images, labels = batch(training, config, step)
        with torch.autocast("cpu", torch.bfloat16, enabled=uses_bf16(config.precision, CPU)):
            wanted = ring_masks(labels, len(study.structures) + 1)
            return segmentation_loss(logits(network, images), wanted, known_pixels(labels))

    averaged = learnt(network, loss_of_step, config)
    spent = time.process_time() - began
    return Trained(predictor_of(averaged, config), n_parameters(network), spent, sha256(averaged.state_dict()))


def learnt(network: Net, loss_of_step: Callable[[int], Tensor], config: TrainingConfig) -> Net:
    """Return the running mean of a network's weights after the last step, with ivsqa's optimiser and schedule."""
    averaged = copy.deepcopy(network).requires_grad_(requires_grad=False)
    groups = [
        {"params": [p for p in network.parameters() if (p.ndim > 1) == shrinks], "weight_decay": decay}
        for shrinks, decay in ((True, config.weight_decay), (False, 0.0))
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    with deterministic(CPU):
        for step in range(config.max_steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(config, step, n_steps=config.max_steps)
            torch.manual_seed(int(rng_for(config.seed, DROPOUT_DRAWS, step).integers(2**63)))
            loss = loss_of_step(step)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
            optimizer.step()
            decay = min(config.average_decay, (2.0 + step) / (11.0 + step))
            get_ema_multi_avg_fn(decay)(list(averaged.parameters()), list(network.parameters()), step + 1)
    return averaged.eval()


def batch(training: SampleSet, config: TrainingConfig, step: int) -> tuple[Tensor, Tensor]:
    """Return the varied and damaged frames of a step, and their labels."""
    chosen = batch_indices(training.weights, step=step, batch_size=config.batch_size, seed=config.seed)
    drawn = sample(rng_for(config.seed, AUGMENTATION_DRAWS, step), len(chosen), config.augmentation)
    images, labels = apply(torch.from_numpy(training.images[chosen]), torch.from_numpy(training.labels[chosen]), drawn)
    damage = sample_corruption(
        rng_for(config.seed, CORRUPTION_DRAWS, step), len(chosen), config.augmentation.corruption
    )
    return corrupt(images, damage), labels


def predictor_of(network: nn.Module, config: TrainingConfig) -> Probabilities:
    """Return what predicts with a network, in the precision that ivsqa predicts in."""
    network = network.eval()

    @torch.inference_mode()
    def probabilities(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.autocast("cpu", torch.bfloat16, enabled=uses_bf16(config.precision, CPU)):
            rings = torch.softmax(logits(network, torch.from_numpy(images)).float(), dim=1)
        return nested_probabilities(rings).numpy()

    return probabilities


def train_both(study: Study, config: TrainingConfig) -> Trained:
    """Train both branches as ivsqa does, without self-training."""
    network = configs.network(len(study.structures), size_px=study.learning.images.shape[-1])
    began = time.process_time()
    result = train(
        network,
        config,
        study.learning.samples,
        None,
        device="cpu",
    )
    spent = time.process_time() - began
    predictor = Predictor(result.model, network, device="cpu", precision=config.precision)
    first = {
        name.removeprefix("first."): value for name, value in result.model.weights.items() if name.startswith("first.")
    }
    return Trained(
        lambda images: predictor(images).probabilities, n_parameters(predictor.network), spent, sha256(first)
    )


def n_parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def sha256(weights: dict[str, Tensor]) -> str:
    """Return the hash of named weights."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def predict(trained: Trained, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """Return probabilities (n, K, s, s) and frames a second of CPU time, the better of two runs."""
    spent = []
    for _ in range(2):
        began = time.process_time()
        parts = [
            trained.probabilities(images[first : first + INFERENCE_BATCH])
            for first in range(0, len(images), INFERENCE_BATCH)
        ]
        spent.append(time.process_time() - began)
    return np.concatenate(parts), len(images) / min(spent)
