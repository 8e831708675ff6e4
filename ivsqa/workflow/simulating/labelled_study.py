"""Frames whose annotations are known, dealt into parts by subject, and a simulated reader who corrects what a network drew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.agreement.effort import corrected_mask, length_to_move, points_to_set
from ivsqa.domain.contour import Mask
from ivsqa.domain.geometry.border_prior import outline
from ivsqa.domain.geometry.laid_borders import LaidBorders
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.structures import masks_of_rings
from ivsqa.io.packets.thinning import kept_vertices

EDITOR_PX = 512
"""Side of a frame as an editor shows it: so many vertices does a border have that is drawn anew."""


@dataclass(frozen=True, eq=False)
class LabelledStudy:
    """Frames on the working grid whose annotations are known.

    Attributes:
        structures: Names, innermost first.
        images: uint8 (n, s, s).
        labels: Ring labels, uint8 (n, s, s).
        pullback_ids: (n,).
        subject_ids: (n,).
        frame_index: (n,).
        px_mm: Side of a pixel of the grid, (n,); NaN where spacing is unknown.
        position_mm: Place along the pullback, (n,); NaN where unknown; None: of no frame.
    """

    structures: tuple[str, ...]
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    pullback_ids: NDArray[np.str_]
    subject_ids: NDArray[np.str_]
    frame_index: NDArray[np.intp]
    px_mm: NDArray[np.float64]
    position_mm: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def masks(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return the reference masks of some frames, (m, K, s, s)."""
        return np.stack(masks_of_rings(self.labels[rows], len(self.structures)), axis=1)

    def key(self, row: np.intp) -> FrameKey:
        """Return the name of a frame."""
        return FrameKey(str(self.pullback_ids[row]), int(self.frame_index[row]))


@dataclass(frozen=True, eq=False)
class Parts:
    """Rows of a study, by subject: to choose from, to calibrate on, and held back to be judged on."""

    pool: NDArray[np.intp]
    calibration: NDArray[np.intp]
    held_back: NDArray[np.intp]


def deal(study: LabelledStudy, seed: int, *, calibration: float = 0.2, held_back: float = 0.25) -> Parts:
    """Return the parts of a study for a seed; each part has at least one subject.

    Raises:
        ValueError: fewer than three subjects.
    """
    subjects = np.unique(study.subject_ids)
    if len(subjects) < 3:
        raise ValueError("a simulation needs annotated frames of at least three subjects")
    # By subject: frames of one vessel in two parts would flatter every way of choosing.
    order = np.random.default_rng(seed).permutation(subjects)
    n_back, n_calibration = (max(1, round(share * len(subjects))) for share in (held_back, calibration))
    back, calibrating, learning = np.split(order, [n_back, n_back + n_calibration])
    return Parts(*(np.flatnonzero(np.isin(study.subject_ids, part)) for part in (learning, calibrating, back)))


@dataclass(frozen=True)
class SimulatedReader:
    """The habits of a simulated reader.

    Attributes:
        tolerance_mm: A border nearer than this to the right place is left, where spacing is known.
        tolerance_share: The same as a share of the grid's side, where it is not.
    """

    tolerance_mm: float = 0.1
    tolerance_share: float = 0.01

    def tolerance_px(self, px_mm: float, size_px: int) -> float:
        """Return the tolerance in px of a grid of that side."""
        return self.tolerance_share * size_px if np.isnan(px_mm) else self.tolerance_mm / px_mm


@dataclass(frozen=True)
class Effort:
    """The effort of a reader on annotated frames.

    Attributes:
        length: Border drawn by who redraws what is wrong, mm where spacing is known of every frame, else px of the grid.
        clicks: Points set by who sets points, and vertices of the borders that no points put right.
    """

    length: float = 0.0
    clicks: int = 0

    def __add__(self, other: Effort) -> Effort:
        return Effort(self.length + other.length, self.clicks + other.clicks)


@dataclass(frozen=True, eq=False)
class Shown:
    """What a reader is shown of a frame.

    Attributes:
        probabilities: Of each structure with what it encloses, (K, s, s): what points are set by.
        borders: As laid.
    """

    probabilities: NDArray[np.float32]
    borders: LaidBorders


def effort_of(study: LabelledStudy, row: int, shown: Shown | None, reader: SimulatedReader) -> Effort:
    """Return the effort for a frame shown with the contours of a model; None: shown without any."""
    px_mm = float(study.px_mm[row])
    wanted = [outline(mask) for mask in study.masks(np.array([row]))[0]]
    drawn = [None] * len(wanted) if shown is None else shown.borders.contours
    tolerance_px = reader.tolerance_px(px_mm, study.images.shape[-1])
    length_px = sum(
        length_to_move(one, after, tolerance_px=tolerance_px) for one, after in zip(drawn, wanted, strict=True)
    )
    right, before = (
        {name: contour for name, contour in zip(study.structures, contours, strict=True) if contour is not None}
        for contours in (wanted, drawn)
    )
    clicks, by_hand = 0, [name for name in right if name not in before]
    if shown is not None:
        fields = dict(zip(study.structures, shown.probabilities, strict=True))
        clicks, left = points_to_set(fields, before, right, tolerance_px=tolerance_px)
        by_hand += left
    scale = EDITOR_PX / study.images.shape[-1]
    clicks += sum(len(kept_vertices(right[name].mapped((scale, scale), (0.0, 0.0)))) for name in by_hand)
    # One unit for all frames, or their efforts would not add up.
    in_mm = not np.isnan(study.px_mm).any()
    return Effort(length_px * px_mm if in_mm else length_px, clicks)


def left_by_reader(study: LabelledStudy, row: int, drawn: Mask, reader: SimulatedReader) -> NDArray[np.uint8]:
    """Return the ring labels of a frame once a reader has been at it, (s, s)."""
    tolerance_px = reader.tolerance_px(float(study.px_mm[row]), study.images.shape[-1])
    wanted = study.masks(np.array([row]))[0]
    labels = np.array(study.labels[row], dtype=np.uint8)
    inside = np.zeros(labels.shape, dtype=np.bool_)
    known = labels <= len(study.structures)  # the others, 255, are where nobody knows: they stay so
    labels[known] = 0
    for number, (before, after) in enumerate(zip(drawn, wanted, strict=True), start=1):
        # What the inner border encloses belongs to the outer one too.
        mask = corrected_mask(before, after, tolerance_px=tolerance_px) | inside
        labels[mask & ~inside & known] = number
        inside = mask
    return labels
