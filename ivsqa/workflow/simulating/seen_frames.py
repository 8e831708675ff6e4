"""Labelled frames as a model sees them and as they are: what finishing a study is replayed on, and what it is calibrated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contours
from ivsqa.domain.geometry.border_prior import BorderPrior, outline
from ivsqa.domain.geometry.laid_borders import borders_of_frames, laid_borders
from ivsqa.domain.quality.predicted_quality import (
    CalibrationFrame,
    ErrorCalibration,
    fit_error_calibration,
    frame_quality,
    raw_error,
)
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.model.inference import Predictor
from ivsqa.workflow.predicting.prediction import assess_frames
from ivsqa.workflow.simulating.labelled_study import LabelledStudy

BATCH_FRAMES = 32


@dataclass(frozen=True, eq=False)
class SeenFrames:
    """The n frames of a study that is to be finished, on the working grid.

    Attributes:
        structures: Innermost first.
        probabilities: (n, K, s, s) of each structure with what it encloses: what points are set by.
        drawn: What the model drew in each frame.
        reference: What is right in each frame.
        quality: (n,) predicted Dice of the worst structure; NaN where nothing can be said.
        pullback_ids: (n,).
        subject_ids: (n,).
        frame_index: (n,).
        position_mm: (n,) place along the pullback; NaN where unknown.
        px_mm: (n,) side of a pixel of the grid; NaN where unknown.
    """

    structures: StructureSet
    probabilities: NDArray[np.floating]
    drawn: Sequence[Contours]
    reference: Sequence[Contours]
    quality: NDArray[np.float64]
    pullback_ids: NDArray[np.str_]
    subject_ids: NDArray[np.str_]
    frame_index: NDArray[np.intp]
    position_mm: NDArray[np.float64]
    px_mm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.quality)


def seen_frames(
    study: LabelledStudy,
    rows: NDArray[np.intp],
    predictor: Predictor,
    priors: Sequence[BorderPrior],
    calibration: ErrorCalibration,
) -> SeenFrames:
    """Return some frames of a study as a model sees them.

    Args:
        study: The frames.
        rows: (n,) which.
        predictor: The model.
        priors: What it knows of borders.
        calibration: What its error maps have meant so far.
    """
    names = study.structures
    said, drawn, quality = [], [], []
    for first in range(0, len(rows), BATCH_FRAMES):
        probabilities = predictor(study.images[rows[first : first + BATCH_FRAMES]]).probabilities
        borders = borders_of_frames(probabilities, priors)
        masks = np.stack([laid.masks for laid in borders])
        judged = assess_frames(names, raw_error(probabilities, masks), masks, calibration)
        quality += [frame_quality(qualities.values()) for qualities in judged]
        drawn += [
            {name: line for name, line in zip(names, laid.contours, strict=True) if line is not None}
            for laid in borders
        ]
        said.append(probabilities.astype(np.float16))  # a pool has thousands of frames
    right = (map(outline, masks) for masks in study.masks(rows))
    return SeenFrames(
        StructureSet(tuple(Structure(name, "#808080") for name in names)),
        np.concatenate(said),
        drawn,
        [{name: line for name, line in zip(names, lines, strict=True) if line is not None} for lines in right],
        np.array(quality),
        study.pullback_ids[rows],
        study.subject_ids[rows],
        study.frame_index[rows],
        np.full(len(rows), np.nan) if study.position_mm is None else study.position_mm[rows],
        study.px_mm[rows],
    )


def calibration_on(
    study: LabelledStudy, rows: NDArray[np.intp], predictor: Predictor, priors: Sequence[BorderPrior]
) -> ErrorCalibration:
    """Return the calibration of error maps, from some frames of a study."""
    frames = []
    for row, reference in zip(rows, study.masks(rows), strict=True):
        prediction = predictor(study.images[row : row + 1])
        masks = laid_borders(prediction.probabilities[0], priors).masks
        maps = (raw_error(prediction.probabilities[0], masks), masks, reference)
        raw, predicted, true = (dict(zip(study.structures, layers, strict=True)) for layers in maps)
        frames.append(CalibrationFrame(raw, predicted, true, str(study.subject_ids[row])))
    return fit_error_calibration(frames, study.structures)
