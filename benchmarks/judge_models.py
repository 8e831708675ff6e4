"""Judges of what two networks have drawn together: each says anew of every pixel whether it lies inside a structure.

A judge sees a frame and what both networks say of it, and learns from lessons: frames with labels, drawn by networks. Where it
differs from what is drawn, it holds that for wrong. So what a judge says can be a map of doubt, and a drawing as well.

Shapes in comments: b frames or bands, m bands, s side of the working grid, K structures, N normals of a border, O offsets.

Source: attention over probabilities, after the position and channel attention of Fu et al., Dual attention network, CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import configs
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import cKDTree
from segmenters import learnt
from torch import Tensor, nn
from torch.nn import functional as F

from ivsqa.domain.contour import contour_from_mask
from ivsqa.domain.quality.predicted_quality import region_of_frame
from ivsqa.model.augmentation import AugmentationConfig, apply, sample
from ivsqa.model.config import TrainingConfig
from ivsqa.model.corruption import corrupt, sample_corruption
from ivsqa.model.losses import known_pixels, ring_masks, structure_masks
from ivsqa.model.network import EncoderDecoder, nested_probabilities, normalized, pooled

JUDGE_STEPS, JUDGE_RATE = 300, 3e-3
COPIES = 12
"""Lessons of one labelled frame, each varied and damaged anew."""
PASS = 32
"""Frames or bands that go through a network at a time."""

Floats = NDArray[np.float32]


class Lessons(NamedTuple):
    """Frames with labels, and what two networks say of them."""

    images: Tensor  # (n, s, s), uint8
    opinions: Tensor  # (n, 2, K+1, s, s), ring logits, half precision
    labels: Tensor  # (n, s, s), uint8 ring labels


@torch.inference_mode()
def opinions_of(networks: tuple[EncoderDecoder, ...], images: Tensor) -> Tensor:
    """Return the ring logits of each network, (n, 2, K+1, s, s), for frames (n, s, s), grey 0 to 255."""
    parts = images.split(PASS)
    return torch.cat([torch.stack([one(normalized(part)).output for one in networks], dim=1) for part in parts])


def together(opinions: Tensor) -> Tensor:
    """Return the pooled probability of each structure, (n, K, s, s), for two opinions (n, 2, K+1, s, s)."""
    return nested_probabilities(torch.softmax(pooled(*opinions.unbind(1)), dim=1))


def lessons_of(
    networks: tuple[EncoderDecoder, ...],
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    augmentation: AugmentationConfig,
) -> Lessons:
    """Return what two networks say of labelled frames (n, s, s), varied and damaged as in training, COPIES times."""
    copies = []
    for number in range(COPIES):
        rng = np.random.default_rng(number)
        varied, moved = apply(
            torch.from_numpy(images), torch.from_numpy(labels), sample(rng, len(images), augmentation)
        )
        damaged = corrupt(varied, sample_corruption(rng, len(images), augmentation.corruption)).to(torch.uint8)
        copies.append(Lessons(damaged, opinions_of(networks, damaged).half(), moved))
    return joined(copies)


def joined(some: list[Lessons]) -> Lessons:
    """Return all lessons as one."""
    return Lessons(*(torch.cat(parts) for parts in zip(*some, strict=True)))


def judge_training(steps: int = JUDGE_STEPS, rate: float = JUDGE_RATE) -> TrainingConfig:
    """Return how a judge is taught."""
    return configs.training(max_steps=steps, learning_rate=rate, eval_every=steps, seed=0)


def log_odds(probabilities: Tensor) -> Tensor:
    """Return log-odds within ± 9.2."""
    return torch.logit(probabilities.clamp(1e-4, 1.0 - 1e-4))


# The image judge: a small U-Net that sees the frame and both opinions.


class ProbabilityAttention(nn.Module):
    """Lets each place see the places, and each ring the rings, that were judged alike; with weights learnt from 0.

    Attention is computed on a small grid, since it compares all pairs of cells, and added at full resolution.
    """

    GRID_PX = 16

    def __init__(self) -> None:
        super().__init__()
        self.spatial, self.channel = (nn.Parameter(torch.zeros(())) for _ in range(2))

    def forward(self, rings: Tensor) -> Tensor:
        """Return refined ring maps (b, K+1, s, s) for ring probabilities of the same shape."""
        small = F.avg_pool2d(rings, max(1, rings.shape[-1] // self.GRID_PX))  # (b, K+1, g, g)
        p = small.flatten(2)  # (b, K+1, g²)
        places = torch.softmax(p.transpose(1, 2) @ p, dim=-1)  # (b, g², g²), each cell's weights over the others
        alike = torch.softmax(p @ p.transpose(1, 2) / p.shape[-1], dim=-1)  # (b, K+1, K+1), of mean products
        refined = self.spatial * (p @ places.transpose(1, 2)) + self.channel * (alike @ p)  # (b, K+1, g²)
        return rings + F.interpolate(refined.view_as(small), size=rings.shape[-2:], mode="bilinear")  # (b, K+1, s, s)


class ImageJudge(nn.Module):
    """Says what to add to the pooled log-probabilities of the rings; at first nothing."""

    WIDTHS = (8, 16, 24)
    LEAST_LOG = -11.0

    def __init__(self, n_rings: int, *, attention: bool) -> None:
        super().__init__()
        self.attention = ProbabilityAttention() if attention else nn.Identity()
        self.change = EncoderDecoder(1 + 3 * n_rings, n_rings, self.WIDTHS)
        nn.init.zeros_(self.change.head.weight)
        nn.init.zeros_(self.change.head.bias)

    def forward(self, images: Tensor, opinions: Tensor) -> Tensor:
        """Return ring logits (b, K+1, s, s) for frames (b, s, s) and opinions (b, 2, K+1, s, s)."""
        each = F.log_softmax(opinions, dim=2).clamp(min=self.LEAST_LOG).flatten(1, 2) / 4.0  # (b, 2·(K+1), s, s)
        both = F.log_softmax(pooled(*opinions.unbind(1)), dim=1).clamp(min=self.LEAST_LOG)  # (b, K+1, s, s)
        seen = torch.cat([normalized(images), each, self.attention(both.exp())], dim=1)  # (b, 1+3·(K+1), s, s)
        return both + self.change(seen).output


def image_judge(lessons: Lessons, n_structures: int, *, attention: bool) -> ImageJudge:
    """Return an image judge taught by lessons."""
    torch.manual_seed(0)
    judge = ImageJudge(n_structures + 1, attention=attention)

    def loss_of_step(_: int) -> Tensor:
        rows = torch.randint(len(lessons.images), (8,))
        said = F.log_softmax(judge(lessons.images[rows], lessons.opinions[rows].float()), dim=1)
        known = known_pixels(lessons.labels[rows])
        return -(said * ring_masks(lessons.labels[rows], n_structures + 1) * known).sum() / known.sum()

    return learnt(judge, loss_of_step, judge_training())


@torch.inference_mode()
def by_image(judge: ImageJudge, images: Tensor, opinions: Tensor) -> Floats:
    """Return the probability of lying inside each structure, (n, K, s, s)."""
    parts = zip(images.split(PASS), opinions.split(PASS), strict=True)
    return torch.cat([nested_probabilities(torch.softmax(judge(*part), dim=1)) for part in parts]).numpy()


# The border judge: says on normals of the drawn border where the true one runs.

N_NORMALS = 64
OUTWARD_PX = np.array([0.3, 0.9, 1.5, 2.2, 3.0, 4.0, 5.5, 7.5, 10.0, 14.0, 20.0])
OFFSETS_PX = np.concatenate([-OUTWARD_PX[::-1], OUTWARD_PX])
"""Distances from the drawn border, outwards positive: close where it mostly is, (O,)."""
FAR_PX = 24.0
"""Pixels farther from every normal are what they are drawn as."""


@dataclass(frozen=True)
class Bands:
    """What lies along the normals of drawn borders; a structure that is not drawn has no band.

    Attributes:
        maps: Half precision, (m, 6, N, O): the frame, log-odds of both opinions, of their pool, of the next structures inwards
            and outwards.
        frames: Which frame, (m,).
        structures: Which structure, (m,).
        places: (x, y) in px, (m, N, O, 2).
    """

    maps: Tensor
    frames: Tensor
    structures: Tensor
    places: Tensor


def places_on_normals(probability: Floats) -> NDArray[np.float64] | None:
    """Return the places along the normals of a border, (N, O, 2), for probabilities (s, s); None where there is no border."""
    outline = contour_from_mask(probability)
    if outline is None:
        return None
    points = outline.smoothed(2 * N_NORMALS, 16).resampled(N_NORMALS).points_px  # (N, 2)
    along = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    normals = np.column_stack([along[:, 1], -along[:, 0]]) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
    if ((points - points.mean(axis=0)) * normals).sum() < 0.0:
        normals = -normals
    return points[:, None] + OFFSETS_PX[:, None] * normals[:, None]


def sampled(maps: Tensor, places: Tensor) -> Tensor:
    """Return maps (b, c, s, s) at places (b, N, O, 2), as (b, c, N, O)."""
    grid = (places + 0.5) * (2.0 / maps.shape[-1]) - 1.0
    return F.grid_sample(maps.float(), grid, padding_mode="border", align_corners=False)


@torch.inference_mode()
def bands_of(images: Tensor, opinions: Tensor) -> Bands:
    """Return the bands of all that is drawn in frames (n, s, s) by opinions (n, 2, K+1, s, s)."""
    opinions = opinions.float()
    drawn = together(opinions)  # (n, K, s, s)
    each = [nested_probabilities(torch.softmax(one, dim=1)) for one in opinions.unbind(1)]
    found = [
        (frame, structure, places)
        for frame in range(len(drawn))
        for structure in range(drawn.shape[1])
        if (places := places_on_normals(drawn[frame, structure].numpy())) is not None
    ]
    frames, structures = (torch.tensor(column) for column in list(zip(*found, strict=True))[:2])
    places = torch.from_numpy(np.stack([one[2] for one in found])).float()
    echo, one = normalized(images)[:, 0], torch.ones_like(drawn[:, :1])
    nested = torch.cat(
        [torch.zeros_like(one), drawn, one], dim=1
    )  # (n, K+2, s, s), what lies inside and outside of all
    parts = []
    for rows in torch.arange(len(frames)).split(128):
        f, k = frames[rows], structures[rows]
        probabilities = (each[0][f, k], each[1][f, k], drawn[f, k], nested[f, k], nested[f, k + 2])
        maps = torch.stack([echo[f], *(log_odds(one) / 3.0 for one in probabilities)], dim=1)
        parts.append(sampled(maps, places[rows]).half())
    return Bands(torch.cat(parts), frames, structures, places)


class BorderJudge(nn.Module):
    """A U-Net on bands: says between which two offsets the true border crosses each normal."""

    WIDTHS = (8, 12, 16, 24)
    GAIN = 4.0

    def __init__(self, n_structures: int) -> None:
        super().__init__()
        self.n_structures = n_structures
        widths = self.WIDTHS
        self.first = _RoundConvolution(6 + 1 + n_structures, widths[0])
        self.encoder = nn.ModuleList(
            nn.Sequential(_RoundConvolution(fine, coarse, stride), _RoundConvolution(coarse, coarse))
            for (fine, coarse), stride in zip(pairwise(widths), ((2, 2), (2, 2), (2, 1)), strict=True)
        )
        self.decoder = nn.ModuleList(_RoundConvolution(fine + coarse, fine) for fine, coarse in pairwise(widths))
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, maps: Tensor, structures: Tensor) -> Tensor:
        """Return the probability of lying inside, (b, N, O), never rising outwards, for bands (b, 6, N, O)."""
        b, _, n, o = maps.shape
        offset = torch.linspace(-1.0, 1.0, o).expand(b, 1, n, o)
        which = F.one_hot(structures, self.n_structures).float()[:, :, None, None].expand(-1, -1, n, o)
        x = self.first(torch.cat([maps, offset, which], dim=1))
        skips = []
        for block in self.encoder:
            skips.append(x)
            x = block(x)
        for block in reversed(self.decoder):
            skip = skips.pop()
            x = block(torch.cat([F.interpolate(x, size=skip.shape[-2:], mode="nearest"), skip], dim=1))
        logits = self.GAIN * self.head(x)[:, 0]  # (b, N, O): the border runs just inside of each offset
        beyond = torch.zeros_like(logits[..., :1])  # … or outside of the last
        crossing = torch.softmax(torch.cat([logits, beyond], dim=-1), dim=-1)  # (b, N, O+1)
        return 1.0 - crossing.cumsum(dim=-1)[..., :-1]


class _RoundConvolution(nn.Module):
    """A 3×3 convolution whose first axis runs round the border and closes."""

    def __init__(self, n_in: int, n_out: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3, stride=stride, bias=False)
        self.norm = nn.GroupNorm(1, n_out)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(F.pad(x, (1, 1, 0, 0)), (0, 0, 1, 1), mode="circular")
        return F.relu(self.norm(self.convolution(x)))


def border_judge(lessons: Lessons, n_structures: int) -> BorderJudge:
    """Return a border judge taught by lessons."""
    bands = bands_of(lessons.images, lessons.opinions)
    inside = structure_masks(lessons.labels, n_structures)[bands.frames, bands.structures].unsqueeze(1)
    known = known_pixels(lessons.labels)[bands.frames]
    wanted, counted = (
        torch.cat([sampled(*part)[:, 0] for part in zip(maps.split(128), bands.places.split(128), strict=True)])
        for maps in (inside, known)
    )  # (m, N, O)
    counted = (counted > 0.99).float()
    torch.manual_seed(0)
    judge = BorderJudge(n_structures)

    def loss_of_step(_: int) -> Tensor:
        rows = torch.randint(len(bands.maps), (32,))
        maps, truth, counts = bands.maps[rows].float(), wanted[rows], counted[rows]
        if torch.rand(()) < 0.5:  # a border may be walked round either way
            maps, truth, counts = maps.flip(2), truth.flip(1), counts.flip(1)
        said = judge(maps, bands.structures[rows]).clamp(1e-5, 1.0 - 1e-5)
        return F.binary_cross_entropy(said, truth, weight=counts, reduction="sum") / counts.sum().clamp(min=1.0)

    return learnt(judge, loss_of_step, judge_training())


@torch.inference_mode()
def by_border(judge: BorderJudge, images: Tensor, opinions: Tensor) -> Floats:
    """Return the probability of lying inside each structure, (n, K, s, s): of each pixel that at the nearest normal."""
    drawn = (together(opinions) > 0.5).numpy()
    bands = bands_of(images, opinions)
    parts = zip(bands.maps.split(PASS), bands.structures.split(PASS), strict=True)
    said = torch.cat([judge(maps.float(), structures) for maps, structures in parts]).numpy()  # (m, N, O)
    inside = drawn.astype(np.float32)
    side = drawn.shape[-1]
    pixels = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)  # (s², 2), as (x, y)
    middle = len(OFFSETS_PX) // 2
    borders = bands.places[:, :, middle - 1 : middle + 1].mean(dim=2).numpy()  # (m, N, 2)
    for border, values, frame, structure in zip(borders, said, bands.frames, bands.structures, strict=True):
        mask = drawn[frame, structure].ravel()
        distance, normal = cKDTree(border).query(pixels, distance_upper_bound=FAR_PX)
        near = np.flatnonzero(np.isfinite(distance))
        offset = np.where(mask[near], -distance[near], distance[near])
        after = np.clip(np.searchsorted(OFFSETS_PX, offset), 1, len(OFFSETS_PX) - 1)
        share = np.clip((offset - OFFSETS_PX[after - 1]) / (OFFSETS_PX[after] - OFFSETS_PX[after - 1]), 0.0, 1.0)
        on = normal[near]
        inside[frame, structure].ravel()[near] = values[on, after - 1] * (1.0 - share) + values[on, after] * share
    return inside


# Pixel regression: learns on validation frames, from what is seen around each pixel, how often it is wrong.

N_SUBJECT_FOLDS = 5
PIXELS_A_STEP, PIXEL_STEPS, PIXEL_RATE = 4096, 600, 5e-3


def pixel_features(images: Tensor, opinions: Tensor) -> Floats:
    """Return eleven features of each pixel and structure, (n, K, s, s, 11)."""
    drawn = together(opinions)
    masks = (drawn > 0.5).numpy()
    odds = log_odds(drawn).numpy()
    each = [log_odds(nested_probabilities(torch.softmax(one, dim=1))).numpy() for one in opinions.unbind(1)]
    towards = np.where(masks, 1.0, -1.0)  # odds of what is drawn
    doubt = np.minimum(drawn, 1.0 - drawn).numpy()
    features = np.empty((*masks.shape, 11), dtype=np.float32)
    features[..., 0] = towards * odds / 4.0
    features[..., 1] = masks
    features[..., 2] = np.abs(each[0] - each[1]) / 4.0
    features[..., 3] = towards * np.minimum(towards * each[0], towards * each[1]) / 4.0
    for number, width_px in ((4, 2.0), (5, 6.0)):
        features[..., number] = np.log(gaussian_filter(doubt, (0.0, 0.0, width_px, width_px)) + 1e-4) / 3.0
    of_size = doubt.sum((2, 3)) / np.sqrt(masks.sum((2, 3)).clip(min=1))
    features[..., 6] = np.log(of_size + 1e-3)[:, :, None, None]
    for at in np.ndindex(masks.shape[:2]):
        features[at][..., 7] = (distance_transform_edt(masks[at]) + distance_transform_edt(~masks[at])) / 5.0
    echo = normalized(images)[:, 0].numpy()
    around, squares = (gaussian_filter(one, (0.0, 4.0, 4.0)) for one in (echo, echo**2))
    slope = np.hypot(*np.gradient(gaussian_filter(echo, (0.0, 1.0, 1.0)), axis=(1, 2)))
    spread = np.sqrt((squares - around**2).clip(min=0.0))
    features[..., 8:] = np.stack([slope, around, spread], axis=-1)[:, None]
    return features


def pixel_regression(features: Floats, wrong: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
    """Return what says how likely pixels (m, 11) are wrong, taught by pixels of which that is known, (m,)."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-5
    seen, wanted = torch.from_numpy((features - mean) / spread), torch.from_numpy(wrong).float()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(11, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))

    def loss_of_step(_: int) -> Tensor:
        rows = torch.randint(len(seen), (PIXELS_A_STEP,))
        return F.binary_cross_entropy_with_logits(network(seen[rows])[:, 0], wanted[rows])

    done = learnt(network, loss_of_step, judge_training(PIXEL_STEPS, PIXEL_RATE))

    def said(pixels: Floats) -> Floats:
        with torch.inference_mode():
            return torch.sigmoid(done(torch.from_numpy((pixels - mean) / spread))[:, 0]).numpy()

    return said


def by_pixels(
    calibration: tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]],
    subjects: NDArray[np.str_],
    test: tuple[Floats, NDArray[np.bool_]],
) -> tuple[Floats, Floats]:
    """Return the probability of lying inside each structure, (n, K, s, s), on calibration and on test frames.

    Of calibration frames it is said by regressions that other subjects taught.

    Args:
        calibration: Features, what is drawn, and what is true.
        subjects: Of the calibration frames.
        test: Features, and what is drawn.
    """
    features, drawn, truth = calibration
    regions = np.stack([region_of_frame(list(masks)) for masks in drawn])
    fold_of = np.unique(subjects, return_inverse=True)[1] % N_SUBJECT_FOLDS
    wrong = np.zeros(drawn.shape, dtype=np.float32), np.zeros(test[1].shape, dtype=np.float32)
    for k in range(drawn.shape[1]):
        for fold in [*range(N_SUBJECT_FOLDS), None]:  # None: the whole, for test frames
            others = np.ones(len(drawn), dtype=np.bool_) if fold is None else fold_of != fold
            rows = regions & others[:, None, None]
            taught = pixel_regression(features[:, k][rows], (drawn[:, k] != truth[:, k])[rows])
            judged, said = (test[0], wrong[1]) if fold is None else (features, wrong[0])
            for frame in range(len(judged)):
                if fold is None or fold_of[frame] == fold:
                    said[frame, k] = taught(judged[frame, k].reshape(-1, 11)).reshape(said.shape[2:])
    inside = [np.where(masks, 1.0 - one, one) for masks, one in zip((drawn, test[1]), wrong, strict=True)]
    return inside[0], inside[1]
