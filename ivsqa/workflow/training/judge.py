"""Judging a new model on validation frames, beside the one that it began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ivsqa.domain.agreement.contour_agreement import mask_dice, mean_known
from ivsqa.domain.contour import Mask
from ivsqa.domain.geometry.border_prior import BorderPrior
from ivsqa.domain.geometry.laid_borders import laid_borders
from ivsqa.domain.quality.predicted_quality import CalibrationFrame, raw_error
from ivsqa.domain.statistics.bootstrap import paired_bootstrap_difference
from ivsqa.io.project.project import Project
from ivsqa.model.data import Samples
from ivsqa.model.inference import Predictor
from ivsqa.model.state import TrainedModel
from ivsqa.workflow.predicting.networks import start_weights, starter_to_begin_with
from ivsqa.workflow.predicting.predicted_measures import PredictedFrame
from ivsqa.workflow.predicting.prediction import border_priors, contours_on_frame
from ivsqa.workflow.training.request import Request

NON_INFERIORITY_MARGIN = 0.01
"""A fine-tuned model is accepted unless its validation Dice is surely (95 %) lower than the parent's by more than this."""


def predict_validation(
    project: Project,
    request: Request,
    model: TrainedModel,
    priors: Sequence[BorderPrior] | None,
    validation: Samples,
    device: str,
) -> list[PredictedFrame]:
    """Return the prediction of each validation frame beside its reference."""
    names = project.structures.names
    predictor = Predictor(model, request.network, device=device, precision=request.config.precision)
    frames = []
    for row, frame in enumerate(request.validation):
        images, labels = validation.take(np.array([row]))
        prediction = predictor(images)
        borders = laid_borders(prediction.probabilities[0], priors)
        predicted = dict(zip(names, borders.masks, strict=True))
        # A structure that nobody drew is absent, not empty: it has no Dice.
        reference = {
            name: mask
            for name, mask in project.structures.masks_from_label_map(labels[0]).items()
            if name in frame.annotation.contours
        }
        errors = dict(zip(names, raw_error(prediction.probabilities[0], borders.masks), strict=True))
        contours = contours_on_frame(project.structures, frame.pullback.grid, borders)
        on_grid = CalibrationFrame(errors, predicted, reference, frame.pullback.subject_id)
        frames.append(PredictedFrame(frame, contours, on_grid))
    return frames


def dice_of(frames: Sequence[PredictedFrame]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the mean Dice of each frame; NaN where nothing was drawn."""
    return np.array([_mean_dice(frame.on_grid.predicted, frame.on_grid.reference) for frame in frames])


def known_dice(frames: Sequence[PredictedFrame]) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Return the mean Dice of each frame, NaN where nothing was drawn; None where that is so of all."""
    dice = dice_of(frames)
    return None if np.isnan(dice).all() else dice


def _mean_dice(predicted: Mapping[str, Mask], reference: Mapping[str, Mask]) -> float:
    """Return the mean Dice over the structures that were drawn; NaN where none was."""
    return mean_known([mask_dice(predicted[name], mask) for name, mask in reference.items()])


def judge(
    project: Project,
    request: Request,
    dice: np.ndarray[Any, np.dtype[np.float64]] | None,
    validation: Samples | None,
    device: str,
) -> tuple[str, bool, float | None]:
    """Return the verdict on a model against its parent, whether it becomes current, and the parent's validation Dice."""
    if request.parent is None:
        why = starter_to_begin_with(project)[1]
        return f"trained from scratch{why and f': {why}'}", True, None
    if dice is None or validation is None:
        return "accepted unseen: no border of a validation frame is annotated", True, None
    if not request.config.max_steps:
        on = f"{len(request.validation)} validation frames"
        return f"the weights of {request.parent.model_id}, calibrated on {on}", True, None
    parent = start_weights(project, request.parent)
    # Not what its record says: frames may have been annotated or corrected since.
    parent_dice = dice_of(
        predict_validation(project, request, parent, border_priors(request.parent), validation, device)
    )
    low, high = paired_bootstrap_difference(dice, parent_dice, rng=np.random.default_rng(request.config.seed))
    accepted = high >= -NON_INFERIORITY_MARGIN
    change = float(np.nanmean(dice) - np.nanmean(parent_dice))
    word = "accepted" if accepted else "not accepted"
    verdict = f"{word}: validation Dice {change:+.4f} against {request.parent.model_id} (95 % interval {low:+.4f} to {high:+.4f})"
    return verdict, accepted, round(float(np.nanmean(parent_dice)), 6)
