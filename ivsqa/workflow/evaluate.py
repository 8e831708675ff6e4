"""Evaluation: accuracy of the contours on sealed subjects, and how good the predicted quality is, beside entropy."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.metrics import (
    AgreementSummary,
    ContourAgreement,
    auroc,
    average_precision_from_histograms,
    contour_agreement,
    mean_absolute_error,
    pearson,
    plaque_burden,
    spearman,
    summary_by_mean,
)
from ivsqa.domain.quality import ErrorCalibration
from ivsqa.errors import StateError
from ivsqa.io import atomic
from ivsqa.io.project import Project
from ivsqa.io.records import Split
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.networks import load_predictor
from ivsqa.workflow.prediction import FramePostprocessor, predicted_masks
from ivsqa.workflow.training_data import AnnotatedFrame, annotated_frames

GOOD_DICE = 0.9
"""Below this a frame counts as bad when the estimate of quality is judged (AUROC)."""


@dataclass(frozen=True)
class SqaQuality:
    """How well the model knows its own errors. NaN where it cannot be said (one class, constant).

    Attributes:
        pearson: Predicted against true Dice of the worst structure, over frames.
        spearman: The same by rank.
        mae: Mean absolute difference of the two.
        auroc: How well predicted Dice finds frames with Dice below 0.9.
        error_map_auprc: Area under precision-recall of the error maps against wrong pixels.
        entropy_auprc: The same for the entropy of the probabilities.
        entropy_spearman: Negative mean entropy against true Dice, by rank.
    """

    pearson: float
    spearman: float
    mae: float
    auroc: float
    error_map_auprc: float
    entropy_auprc: float
    entropy_spearman: float


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        model_id: The model.
        split: The split.
        n_frames: Annotated frames of the split.
        n_subjects: Their subjects.
        segmentation: Mean agreement by structure.
        plaque_burden_mae: Mean absolute error of plaque burden, a fraction; NaN without two structures.
        sqa: How good the estimate of quality is.
        frames: Dice by structure and predicted quality of each frame, as (pullback_id, frame_index, dice, quality).
    """

    model_id: str
    split: Split
    n_frames: int
    n_subjects: int
    segmentation: dict[str, AgreementSummary]
    plaque_burden_mae: float
    sqa: SqaQuality
    frames: list[tuple[str, int, dict[str, float], float]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain values, the same on every command line; what is unknown is None."""
        return {
            "model_id": self.model_id,
            "split": self.split,
            "n_frames": self.n_frames,
            "n_subjects": self.n_subjects,
            "segmentation": {name: _plain_summary(summary) for name, summary in self.segmentation.items()},
            "plaque_burden_mae": _known(self.plaque_burden_mae),
            "sqa": {name: _known(value) for name, value in vars(self.sqa).items()},
        }


def evaluate_model(
    project: Project,
    *,
    model_id: str | None = None,
    split: Split = "test",
    device: str = "auto",
    context: Context = DEFAULT_CONTEXT,
) -> Evaluation:
    """Measure a model on the annotated frames of a split.

    Writes `reports/evaluation-<model>-<split>.json`; running it again gives the same.

    Raises:
        StateError: no frame of that split is annotated, or there is no model.
    """
    model = project.get_model(model_id)
    frames = annotated_frames(project, split)
    if not frames:
        raise StateError(
            f"no frame of a {split} subject is annotated",
            hint=f"choose some with: ivsqa select -n 30 --split {split} --strategy stratified",
        )
    predictor = load_predictor(project, model, device=device)
    tally = _Tally(project, ErrorCalibration.from_dict(model.error_calibration or {}))
    with context.progress("Evaluating", len(frames), "frame") as advance:
        for frame in frames:
            grid = project.grid(frame.pullback)
            image = grid.sample(project.frames(frame.pullback)[frame.annotation.frame_index])
            prediction = predictor(image[None])
            tally.add(frame, prediction.probabilities[0], prediction.error[0], prediction.features[0])
            advance(1)
    evaluation = Evaluation(
        model_id=model.model_id,
        split=split,
        n_frames=len(frames),
        n_subjects=len({frame.pullback.subject_id for frame in frames}),
        segmentation=tally.segmentation(),
        plaque_burden_mae=float(np.mean(tally.burden_errors)) if tally.burden_errors else math.nan,
        sqa=tally.sqa(),
        frames=tally.rows,
    )
    text = json.dumps({"version": 1} | evaluation.to_dict(), indent=2) + "\n"
    atomic.write_text(project.layout.evaluation(model.model_id, split), text)
    return evaluation


class _Tally:
    """Collects agreement over frames."""

    def __init__(self, project: Project, calibration: ErrorCalibration) -> None:
        self._project = project
        self._names = project.structures.names
        self._postprocessor = FramePostprocessor(project.structures, calibration)
        self._agreements: dict[str, list[ContourAgreement]] = {name: [] for name in self._names}
        self._error_counts = np.zeros((2, 256), dtype=np.int64)  # wrong, right pixels by level of the error map
        self._entropy_counts = np.zeros((2, 256), dtype=np.int64)
        self._mean_entropy: list[float] = []
        self.burden_errors: list[float] = []
        self.rows: list[tuple[str, int, dict[str, float], float]] = []

    def add(
        self,
        frame: AnnotatedFrame,
        probabilities: NDArray[np.float32],
        raw_errors: NDArray[np.uint8],
        features: NDArray[np.float32],
    ) -> None:
        """Count one frame."""
        grid = self._project.grid(frame.pullback)
        score = self._postprocessor.score(frame.key, grid, probabilities, raw_errors, features)
        reference = frame.annotation.contours
        dice: dict[str, float] = {}
        for name in self._names:
            agreement = contour_agreement(
                score.contours.get(name), reference.get(name), spacing_mm=frame.pullback.spacing_mm
            )
            self._agreements[name].append(agreement)
            if not math.isnan(agreement.dice):
                dice[name] = agreement.dice
        self.rows.append((*frame.key, dice, score.quality))
        if len(self._names) > 1 and len(reference) == len(score.contours) == len(self._names):
            predicted = plaque_burden(score.contours[self._names[0]], score.contours[self._names[-1]])
            self.burden_errors.append(
                abs(predicted - plaque_burden(reference[self._names[0]], reference[self._names[-1]]))
            )
        size = probabilities.shape[-1]
        self._mean_entropy.append(float(entropy(probabilities).mean()))
        for index, (name, mask) in enumerate(zip(self._names, predicted_masks(probabilities), strict=True)):
            if name not in reference:
                continue
            wrong = mask != grid.contour_to_grid(reference[name]).mask((size, size))
            self._error_counts += _counts_by_level(score.error_maps[index], wrong)
            level = (entropy(probabilities[index : index + 1]) * 255.0 + 0.5).astype(np.uint8)
            self._entropy_counts += _counts_by_level(level, wrong)

    def segmentation(self) -> dict[str, AgreementSummary]:
        """Return the mean agreement by structure."""
        return {name: summary_by_mean(agreements) for name, agreements in self._agreements.items()}

    def sqa(self) -> SqaQuality:
        """Return how good the predicted quality is."""
        true = np.array([min(dice.values(), default=math.nan) for _, _, dice, _ in self.rows])
        predicted = np.array([quality for *_, quality in self.rows])
        return SqaQuality(
            pearson=pearson(predicted, true),
            spearman=spearman(predicted, true),
            mae=mean_absolute_error(predicted, true),
            auroc=auroc(-predicted, true < GOOD_DICE),
            error_map_auprc=average_precision_from_histograms(*self._error_counts),
            entropy_auprc=average_precision_from_histograms(*self._entropy_counts),
            entropy_spearman=spearman(-np.array(self._mean_entropy), true),
        )


def entropy(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest binary entropy over structures in bits, (s, s) in [0, 1], from (K, s, s) probabilities."""
    p = np.clip(probabilities, 1e-6, 1.0 - 1e-6)
    bits = -(p * np.log2(p) + (1.0 - p) * np.log2(1.0 - p))
    return np.asarray(bits.max(axis=0), dtype=np.float32)


def _counts_by_level(level: NDArray[np.uint8], wrong: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of wrong and of right pixels at each level, (2, 256)."""
    return np.stack([np.bincount(level[wrong], minlength=256), np.bincount(level[~wrong], minlength=256)])


def _plain_summary(summary: AgreementSummary) -> dict[str, Any]:
    """Return a summary under the fixed keys."""
    values = {name: _known(value) for name, value in vars(summary.mean).items()}
    return values | {"n_frames": summary.n_frames, "n_missing": summary.n_missing}


def _known(value: float) -> float | None:
    """Return a number, or None for what JSON cannot say."""
    return round(value, 6) if math.isfinite(value) else None
