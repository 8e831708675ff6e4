"""The four data sets that a network and its judgement of itself are measured on, dealt by subject.

    carotid     lumen of the carotid artery, 19 series of real ultrasound (a series stands for a subject)
    camus       endocardium and epicardium of the left ventricle, 416 patients, two views at two phases each
    bus-bra     breast lesions, 845 patients; two GE scanners to learn from, a Toshiba to be surprised by
    phantoms    lumen and EEM of our phantoms; four consoles to learn from, the fifth to be surprised by

A fold deals learning, calibration and test subjects, of which no two parts share one. What is tried is tried on folds that are
not sealed: their test frames are of subjects that no sealed fold is judged on (carotid has too few subjects for that; there the
folds are dealt by other seeds). Frames on the working grid are kept in benchmarks/work, since reading them takes longer than
learning them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import carotid
import configs
import numpy as np
from numpy.typing import NDArray
from phantoms import NAMES, phantom_frames
from PIL import Image
from report import SHARED_DATA, WORK

from ivsqa.domain.grid import working_grid
from ivsqa.io.atomic import write_bytes
from ivsqa.model.augmentation import AugmentationConfig
from ivsqa.model.data import SampleSet
from ivsqa.phantom import CONSOLES

CAMUS, BUS_BRA = SHARED_DATA / "camus", SHARED_DATA / "bus-bra"
FOLDS = (0, 1, 2, 3, 4)
CALIBRATION_FRAMES, TEST_FRAMES = 80, 200
UNSEEN_SCANNER = "toshiba-aplio-300"
PHANTOM_PULLBACKS = 12
HAND_HELD = carotid.AUGMENTATION
"""A probe held by hand has an upright, and no catheter throws a shadow."""


@dataclass(frozen=True)
class Frames:
    """Frames with expert labels on the working grid.

    Attributes:
        images: uint8 (n, s, s).
        labels: Ring labels, uint8 (n, s, s).
        subjects: Whose frame it is, (n,).
        groups: What subjects are told apart by, a scanner or a console, (n,).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    subjects: NDArray[np.str_]
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Frames:
        return Frames(self.images[rows], self.labels[rows], self.subjects[rows], self.groups[rows])

    @property
    def samples(self) -> SampleSet:
        """The frames as a network learns from them."""
        return SampleSet(self.images, self.labels, np.ones(len(self), dtype=np.float32))


@dataclass(frozen=True)
class Study:
    """One fold: frames to learn from, frames nobody drew of the same subjects, and frames of other subjects."""

    structures: tuple[str, ...]
    learning: Frames
    unannotated: NDArray[np.uint8]
    calibration: Frames
    test: Frames
    augmentation: AugmentationConfig


def study_of(data: str, fold: int, *, size_px: int, n_labels: int, sealed: bool) -> Study:
    """Return a fold of a data set.

    Args:
        data: One of `DATA`.
        fold: From 0.
        size_px: Side of the working grid.
        n_labels: Annotated frames to learn from; 0: all.
        sealed: False for folds to try things on.
    """
    return DATA[data](fold, size_px, n_labels, sealed)


def real_frames(data: str, size_px: int) -> tuple[tuple[str, ...], Frames]:
    """Return the structures, and all frames there are, of a data set of real ultrasound."""
    structures, read = REAL[data]
    return structures, _kept(data, size_px, read)


def available() -> list[str]:
    """Return the data sets that are here, and say of the others that they are not."""
    folders = {"carotid": carotid.CAROTID, "camus": CAMUS, "bus-bra": BUS_BRA}
    for name, folder in folders.items():
        if not folder.is_dir():
            print(f"skipped: no {name} frames in {folder}")
    return [name for name in DATA if name not in folders or folders[name].is_dir()]


def _carotid(fold: int, size_px: int, n_labels: int, sealed: bool) -> Study:
    structures, frames = real_frames("carotid", size_px)
    if sealed:
        order = np.random.default_rng(0).permutation(np.unique(frames.subjects))
        test = order[fold :: len(FOLDS)]
        rest = np.random.default_rng(fold).permutation(np.setdiff1d(order, test))
    else:
        order = np.random.default_rng(1000 + fold).permutation(np.unique(frames.subjects))
        test, rest = order[:4], order[4:]
    return _dealt(structures, frames, (rest[4:], rest[:4], test), n_labels, HAND_HELD)


def _camus(fold: int, size_px: int, n_labels: int, sealed: bool) -> Study:
    structures, frames = real_frames("camus", size_px)
    order = np.random.default_rng(0).permutation(np.unique(frames.subjects))
    judged = order[fold * 32 : (fold + 1) * 32] if sealed else order[160 + fold * 32 : 160 + (fold + 1) * 32]
    # Nobody learns from, or is tried on, what a sealed fold is judged on.
    rest = np.random.default_rng(fold).permutation(np.setdiff1d(order[160:], judged))
    return _dealt(structures, frames, (rest[40:], rest[:40], judged), n_labels, HAND_HELD)


def _bus_bra(fold: int, size_px: int, n_labels: int, sealed: bool) -> Study:
    structures, frames = real_frames("bus-bra", size_px)
    if sealed:
        known, test = frames.groups != UNSEEN_SCANNER, np.unique(frames.subjects[frames.groups == UNSEEN_SCANNER])
    else:
        known = frames.groups == "ge-logiq-5"
        test = np.random.default_rng(fold).permutation(np.unique(frames.subjects[frames.groups == "ge-logiq-7"]))[:100]
    rest = np.random.default_rng(fold).permutation(np.unique(frames.subjects[known]))
    return _dealt(structures, frames, (rest[60:], rest[:60], test), n_labels, HAND_HELD)


def _phantoms(fold: int, size_px: int, n_labels: int, sealed: bool) -> Study:
    seed = fold if sealed else 1000 + fold
    consoles = list(np.random.default_rng(0).permutation(sorted(CONSOLES)))
    unseen = consoles.pop(fold)
    if not sealed:  # a console of the four stands for the unseen one
        unseen = consoles.pop(fold % len(consoles))
    parts = [
        _phantom_part(seed, tuple(looks), size_px, n, first)
        for looks, n, first in ((consoles, 480, 0), (consoles, 84, 50), ([unseen], 156, 100))
    ]
    shown = _spread(len(parts[0]), n_labels or len(parts[0]))
    unannotated = np.delete(parts[0].images, shown, axis=0)
    return Study(NAMES, parts[0][shown], unannotated, parts[1], parts[2], configs.augmentation())


DATA: dict[str, Callable[[int, int, int, bool], Study]] = {
    "carotid": _carotid,
    "camus": _camus,
    "bus-bra": _bus_bra,
    "phantoms": _phantoms,
}


def _dealt(
    structures: tuple[str, ...],
    frames: Frames,
    parts: tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.str_]],
    n_labels: int,
    augmentation: AugmentationConfig,
) -> Study:
    """Return a study from the subjects of its learning, calibration and test parts."""
    learning, calibration, test = (frames[np.isin(frames.subjects, some)] for some in parts)
    shown = _by_subject(learning.subjects, n_labels or len(learning))
    return Study(
        structures,
        learning[shown],
        np.delete(learning.images, shown, axis=0)[:600],
        calibration[_by_subject(calibration.subjects, CALIBRATION_FRAMES)],
        test[_by_subject(test.subjects, TEST_FRAMES)],
        augmentation,
    )


def _by_subject(subjects: NDArray[np.str_], k: int) -> NDArray[np.intp]:
    """Return k rows, as many subjects among them as there can be, evenly spread over each one's frames."""
    rows_of = {one: np.flatnonzero(subjects == one) for one in np.unique(subjects)}
    # The m-th frame that a subject gives is the one farthest from those it gave: by halving.
    ranked = []
    for number, rows in enumerate(rows_of.values()):
        turned = np.roll(rows, number)  # so that subjects do not all begin with their first view
        order = sorted(range(len(turned)), key=lambda place: _halving(place, len(turned)))
        ranked += [(turn, number, int(turned[place])) for turn, place in enumerate(order)]
    return np.sort([row for _, _, row in sorted(ranked)[:k]])


def _halving(place: int, n: int) -> float:
    """Return the rank of a place in a sequence that halves the widest gap first."""
    width = 1 << max(1, n - 1).bit_length()
    return int(f"{place % width:0{width.bit_length() - 1}b}"[::-1], 2)


def _spread(n: int, k: int) -> NDArray[np.intp]:
    """Return k of n rows, evenly spread; all where there are fewer."""
    return np.unique(np.linspace(0, n - 1, min(k, n)).round().astype(np.intp))


@lru_cache(maxsize=4)
def _kept(name: str, size_px: int, read: Callable[[int], Frames]) -> Frames:
    """Return frames that were put on the grid before, or read them and keep them."""
    path = WORK / "frames" / f"{name}-{size_px}.npz"
    if not path.is_file():
        _keep(path, read(size_px))
    kept = np.load(path)
    return Frames(kept["images"], kept["labels"], kept["subjects"], kept["groups"])


def _keep(path: Path, frames: Frames) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, **vars(frames))
    write_bytes(path, stream.getvalue())


def _read_carotid(size_px: int) -> Frames:
    frames = carotid.read_carotid(size_px)
    subjects = np.array([f"{number:02d}" for number in frames.series])
    return Frames(frames.images, frames.masks.astype(np.uint8), subjects, np.full(len(subjects), "carotid"))


def _read_camus(size_px: int) -> Frames:
    folders = sorted(path for path in CAMUS.iterdir() if path.is_dir())
    paths = [path for folder in folders for path in sorted((folder / "frames").glob("*.png"))]
    return _read(paths, ("endo", "epi"), size_px, lambda path: (path.parents[1].name, "camus"))


def _read_bus_bra(size_px: int) -> Frames:
    paths = sorted(BUS_BRA.glob("*/*/frames/*.png"))
    # A folder is a patient and an image of that patient.
    return _read(
        paths, ("lesion",), size_px, lambda path: (path.parents[1].name.rpartition("-")[0], path.parents[2].name)
    )


def _read(
    paths: list[Path], structures: tuple[str, ...], size_px: int, whose: Callable[[Path], tuple[str, str]]
) -> Frames:
    """Return frames beside whose folder lies a folder of masks for each structure, innermost first."""
    images, labels, subjects, groups = [], [], [], []
    for path in paths:
        frame = np.asarray(Image.open(path).convert("L"))
        grid = working_grid(frame.shape, size_px=size_px)
        rings = np.zeros((size_px, size_px), dtype=np.uint8)
        for number in range(len(structures), 0, -1):
            mask = np.asarray(Image.open(path.parents[1] / structures[number - 1] / path.name).convert("L")) > 0
            rings[grid.sample(mask.astype(np.uint8) * 255) > 127] = number
        images.append(grid.sample(frame))
        labels.append(rings)
        subject, group = whose(path)
        subjects.append(subject)
        groups.append(group)
    return Frames(np.stack(images), np.stack(labels), np.array(subjects), np.array(groups))


REAL: dict[str, tuple[tuple[str, ...], Callable[[int], Frames]]] = {
    "carotid": (("lumen",), _read_carotid),
    "camus": (("endo", "epi"), _read_camus),
    "bus-bra": (("lesion",), _read_bus_bra),
}


@lru_cache(maxsize=8)
def _phantom_part(seed: int, consoles: tuple[str, ...], size_px: int, n: int, first: int) -> Frames:
    """Return phantom frames of twelve pullbacks, the consoles in turn."""
    path = WORK / "frames" / f"phantoms-{seed}-{'-'.join(consoles)}-{size_px}-{n}-{first}.npz"
    if not path.is_file():
        made = phantom_frames(seed, consoles, size_px, n, first=first)
        pullbacks = np.repeat(np.arange(PHANTOM_PULLBACKS), n // PHANTOM_PULLBACKS)
        looks = np.array([consoles[number % len(consoles)] for number in pullbacks])
        _keep(path, Frames(made.images, made.labels, np.array([f"{first + number}" for number in pullbacks]), looks))
    kept = np.load(path)
    # A number of a pullback is that of another subject under another seed.
    subjects = np.array([f"{seed}-{name}" for name in kept["subjects"]])
    return Frames(kept["images"], kept["labels"], subjects, kept["groups"])
