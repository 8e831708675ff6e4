"""Networks and frames for `refinement.py` and `carry.py`: trained once, kept in benchmarks/work/refinement, unseen subjects.

The true borders are kept as lines: those that phantoms are drawn from, and the outlines of the carotid masks at full size.
A label map on the working grid would add errors as large as those that are measured.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import configs
import numpy as np
from carotid import AUGMENTATION, CAROTID, NAME
from numpy.typing import NDArray
from phantoms import BOTH, FRAMES_A_PULLBACK, PULLBACKS
from PIL import Image
from report import WORK

from ivsqa.domain.contour import Contour, contour_from_mask
from ivsqa.domain.grid import working_grid
from ivsqa.domain.structures import Structure, StructureSet, training_labels
from ivsqa.io.atomic import write_bytes
from ivsqa.model.augmentation import AugmentationConfig
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.data import SampleSet
from ivsqa.model.inference import Predictor
from ivsqa.model.state import TrainedModel
from ivsqa.model.training import train
from ivsqa.phantom import CONSOLES, iter_frames, phantom_pullback

SIZE_PX = 96
FIELD_OF_VIEW_MM = 10.0
BATCH = 8
STEPS = {"carotid": 300, "phantoms": 600}
LABELS = {"carotid": 64, "phantoms": 240}
VALIDATION_FRAMES, TEST_FRAMES = 84, 156
FOLDS = 3
KEPT = WORK / "refinement"


@dataclass(frozen=True)
class Judged:
    """Frames to judge on, all in pixels of the working grid.

    Attributes:
        images: uint8 (n, s, s).
        truth: The true borders of each frame.
    """

    images: NDArray[np.uint8]
    truth: list[dict[str, Contour]]


@dataclass(frozen=True)
class Study:
    """One fold: what is learnt, what costs are tuned on, and what is reported; no series or subject in two of them.

    Attributes:
        structures: What is drawn.
        spacing_mm: mm a grid pixel; None where unknown.
        training: What the network learns from.
        validation: To tune on.
        test: To report.
        augmentation: How training frames are varied.
    """

    structures: StructureSet
    spacing_mm: float | None
    training: SampleSet
    validation: Judged
    test: Judged
    augmentation: AugmentationConfig


@lru_cache(maxsize=1)
def carotid_frames() -> tuple[Judged, NDArray[np.int64], NDArray[np.int64]]:
    """Return every carotid frame, the number of its series, and its own in that."""
    images, truth, series, numbers = [], [], [], []
    for number, folder in enumerate(sorted(path for path in CAROTID.iterdir() if path.is_dir())):
        for path in sorted((folder / "frames").glob("*.png")):
            frame = np.asarray(Image.open(path).convert("L"))
            outline = contour_from_mask(np.asarray(Image.open(folder / NAME / path.name).convert("L")) > 0)
            if outline is None:
                continue
            grid = working_grid(frame.shape, size_px=SIZE_PX)
            images.append(grid.sample(frame))
            truth.append({NAME: grid.contour_to_grid(outline)})
            series.append(number)
            numbers.append(int(path.stem.rpartition("_")[2]))
    return Judged(np.stack(images), truth), np.array(series), np.array(numbers)


def carotid_parts(fold: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the series to learn from, to tune on, and to judge in a fold."""
    order = np.random.default_rng(0).permutation(np.unique(carotid_frames()[1]))
    test, rest = order[fold::FOLDS], np.setdiff1d(order, order[fold::FOLDS])
    rest = np.random.default_rng(fold).permutation(rest)
    return rest[5:], rest[:5], test


def carotid_study(fold: int) -> Study:
    """Return the lumen on real ultrasound: 8 series to learn from, 5 to tune on, the other 6 or 7 of the fold to judge."""
    frames, series, _ = carotid_frames()
    rows = [np.flatnonzero(np.isin(series, some)) for some in carotid_parts(fold)]
    learnt, tuned, judged = (
        subset(frames, one[_spread(len(one), n)])
        for one, n in zip(rows, (LABELS["carotid"], VALIDATION_FRAMES, TEST_FRAMES), strict=True)
    )
    lumen = StructureSet((Structure(NAME, "#56b4e9"),))
    return Study(lumen, None, samples(learnt, lumen), tuned, judged, AUGMENTATION)


def phantom_study(fold: int) -> Study:
    """Return lumen and EEM on phantoms of all consoles: other subjects to learn from, to tune on, and to judge."""
    learnt, tuned, judged = (
        _phantoms(fold, n, first) for n, first in ((LABELS["phantoms"], 0), (VALIDATION_FRAMES, 50), (TEST_FRAMES, 100))
    )
    return Study(BOTH, FIELD_OF_VIEW_MM / SIZE_PX, samples(learnt, BOTH), tuned, judged, configs.augmentation())


def _phantoms(seed: int, n: int, first: int) -> Judged:
    """Return frames of twelve phantom pullbacks, all consoles in turn; kept, as they take longer to make than to learn."""
    path = KEPT / f"phantoms-{seed}-{n}-{first}.npz"
    if not path.is_file():
        images, borders, consoles = [], [], list(CONSOLES)
        for number in range(PULLBACKS):
            pullback = phantom_pullback(
                seed=seed,
                index=first + number,
                n_frames=FRAMES_A_PULLBACK,
                console=consoles[number % len(consoles)],
                size_px=2 * SIZE_PX,
            )
            grid = working_grid(
                pullback.frame_shape,
                size_px=SIZE_PX,
                spacing_mm=pullback.spacing_mm,
                field_of_view_mm=FIELD_OF_VIEW_MM,
            )
            chosen = set(np.linspace(0, FRAMES_A_PULLBACK - 1, max(1, n // PULLBACKS)).round().astype(int).tolist())
            for index, frame in enumerate(iter_frames(pullback)):
                if index in chosen:
                    images.append(grid.sample(frame))
                    drawn = pullback.contours[index]
                    borders.append([grid.contour_to_grid(drawn[name]).resampled(256).points_px for name in BOTH.names])
        stream = io.BytesIO()
        np.savez_compressed(stream, images=np.stack(images), borders=np.array(borders))
        write_bytes(path, stream.getvalue())
    kept = np.load(path)
    truth = [dict(zip(BOTH.names, map(Contour.from_points, lines), strict=True)) for lines in kept["borders"]]
    return Judged(kept["images"], truth)


STUDIES: dict[str, Callable[[int], Study]] = {"carotid": carotid_study, "phantoms": phantom_study}


def predictor_of(data: str, fold: int, study: Study) -> Predictor:
    """Return the network of a fold, trained where it is not kept yet."""
    return Predictor(model_of(data, fold, study, STEPS[data]), network_of(study), device="cpu", precision="fp32")


def network_of(study: Study) -> NetworkConfig:
    """Return the network that learns a study."""
    return configs.network(len(study.structures), size_px=SIZE_PX)


def model_of(data: str, fold: int, study: Study, steps: int) -> TrainedModel:
    """Return the weights of a fold, trained where they are not kept yet."""
    path = KEPT / f"{data}-{fold}-{steps}.safetensors"
    if not path.is_file():
        config = configs.training(
            max_steps=steps,
            batch_size=BATCH,
            learning_rate=3e-3,
            eval_every=steps,
            seed=fold,
            self_train="none",
            augmentation=study.augmentation,
        )
        write_bytes(path, trained(study, config, study.training).to_bytes())
    return TrainedModel.from_bytes(path.read_bytes())


def trained(study: Study, config: TrainingConfig, learnt: SampleSet, start: TrainedModel | None = None) -> TrainedModel:
    """Return a network after all steps of a training."""
    return train(
        network_of(study),
        config,
        learnt,
        None,
        start=start,
        device="cpu",
    ).model


def samples(frames: Judged, structures: StructureSet) -> SampleSet:
    """Return frames as the network trains on them."""
    labels = [training_labels(structures, drawn, (SIZE_PX, SIZE_PX)) for drawn in frames.truth]
    return SampleSet(frames.images, np.stack(labels), np.ones(len(labels), dtype=np.float32))


def subset(frames: Judged, rows: NDArray[np.integer]) -> Judged:
    """Return some of the frames."""
    return Judged(frames.images[rows], [frames.truth[row] for row in rows.tolist()])


def _spread(n: int, k: int) -> NDArray[np.intp]:
    """Return k of n rows, evenly spread; all where there are fewer."""
    return np.unique(np.linspace(0, n - 1, min(k, n)).round().astype(np.intp))
