"""The tally of an evaluation, kept frame by frame, and the figures made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.agreement.contour_agreement import (
    AgreementSummary,
    ContourAgreement,
    contour_agreement,
    plaque_burden,
    summary_by_mean,
)
from ivsqa.domain.agreement.reader_agreement import BlandAltman, bland_altman
from ivsqa.domain.contour import Contour, Mask
from ivsqa.domain.geometry.border_prior import BorderPrior
from ivsqa.domain.geometry.laid_borders import LaidBorders
from ivsqa.domain.geometry.topology import enclosed_area
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.domain.quality.judged_estimate import (
    Estimate,
    EstimateFigures,
    JudgedFrame,
    Stratum,
    counts_by_level,
    judged_draws,
    strata_by,
    tercile_labels,
)
from ivsqa.domain.quality.predicted_quality import ErrorCalibration
from ivsqa.domain.quality.review_curve import ReviewFigures, review_curve, review_figures
from ivsqa.domain.quality.uncertainty import binary_entropy
from ivsqa.domain.statistics.bootstrap import Measured, means_over_subjects, subject_numbers
from ivsqa.domain.statistics.correlation import average_precision_from_histograms, spearman
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import AnnotatedFrame
from ivsqa.workflow.predicting.prediction import FramePostprocessor, assess_frames
from ivsqa.workflow.predicting.signals import ERROR_MAP, RawMaps, reference_masks

FRAME = "frame"
"""Scope of an estimate that is about the worst structure of a frame."""
TRUTH = "truth"
"""Order of a review by the true Dice."""
N_SURPRISES = 10
BOOTSTRAP_SEED = 0
"""The same subjects are drawn for every measure and signal, so that their intervals can be compared."""


@dataclass(frozen=True)
class SqaQuality:
    """Figures of predicted quality; NaN where there is none (one class, constant).

    Attributes:
        pearson: Predicted against true Dice of the worst structure, over frames.
        spearman: The same by rank.
        mae: Mean absolute difference of the two.
        auroc: How well predicted Dice finds frames with Dice below 0.9.
        error_map_auprc: Area under precision-recall of the error maps against wrong pixels.
        entropy_auprc: The same for the entropy of the probabilities as it is, without calibration.
        entropy_spearman: Negative mean entropy against true Dice, by rank.
    """

    pearson: float
    spearman: float
    mae: float
    auroc: float
    error_map_auprc: float
    entropy_auprc: float
    entropy_spearman: float


class Tally:
    """Counts and figures of an evaluation, collected frame by frame.

    Args:
        project: The project.
        calibrations: Of each signal.
        priors: What borders of each structure look like, as the model learnt it.
        frames: The frames that will come, to know their subjects.
    """

    def __init__(
        self,
        project: Project,
        calibrations: dict[str, ErrorCalibration],
        priors: Sequence[BorderPrior] | None,
        frames: list[AnnotatedFrame],
    ) -> None:
        self._project = project
        self._names = project.structures.names
        self._calibrations = calibrations
        self._postprocessor = FramePostprocessor(project.structures, calibrations[ERROR_MAP], priors)
        self._subjects = subject_numbers([frame.pullback.subject_id for frame in frames])
        # One unit for all, or sizes could not be put in order.
        self._in_mm = all(frame.pullback.spacing_mm is not None for frame in frames)
        n_subjects = int(self._subjects.max()) + 1
        # By subject, as intervals draw subjects; counts by level take the place of all pixels.
        self.counts = {
            (signal, name): np.zeros((n_subjects, 2, 256), dtype=np.int64)
            for signal in calibrations
            for name in self._names
        }
        self._entropy_counts = np.zeros((2, 256), dtype=np.int64)
        self._mean_entropy: list[float] = []
        self.burden_errors: list[float] = []
        self.areas_mm2: list[dict[str, tuple[float, float]]] = []
        self.frames: list[JudgedFrame] = []
        self.surprises: list[Surprise] = []

    def add(
        self,
        frame: AnnotatedFrame,
        probabilities: NDArray[np.float32],
        borders: LaidBorders,
        maps: RawMaps,
        features: NDArray[np.float32],
    ) -> None:
        """Count one frame."""
        grid = frame.pullback.grid
        [score] = self._postprocessor.scores([frame.key], grid, probabilities[None], [borders], features[None], [{}])
        predicted = self._count_pixels(frame, probabilities, borders.masks, maps, score)
        reference, spacing_mm = frame.annotation.contours, frame.pullback.spacing_mm
        judged = JudgedFrame(
            pullback_id=frame.pullback.pullback_id,
            frame_index=frame.annotation.frame_index,
            subject_id=frame.pullback.subject_id,
            console=frame.pullback.manufacturer_model,
            area=self._reference_area(frame),
            agreements={
                name: contour_agreement(score.contours.get(name), reference.get(name), spacing_mm=spacing_mm)
                for name in self._names
            },
            predicted=predicted,
        )
        self.frames.append(judged)
        self.areas_mm2.append(
            {name: _areas_mm2(score.contours.get(name), reference.get(name), spacing_mm) for name in self._names}
        )
        self._keep_surprise(frame, judged, score)
        if len(self._names) > 1 and len(reference) == len(score.contours) == len(self._names):
            inner, outer = self._names[0], self._names[-1]
            burden = plaque_burden(score.contours[inner], score.contours[outer])
            self.burden_errors.append(abs(burden - plaque_burden(reference[inner], reference[outer])))

    def _count_pixels(
        self,
        frame: AnnotatedFrame,
        probabilities: NDArray[np.float32],
        masks: Mask,
        maps: RawMaps,
        score: FrameScore,
    ) -> dict[str, dict[str, float]]:
        """Count wrong and right pixels by level of each signal, and return the Dice each signal predicts."""
        references = reference_masks(self._project, frame)
        # Where nobody drew a structure, nothing says which of its pixels are wrong.
        wrong = {
            name: mask != references[name] for name, mask in zip(self._names, masks, strict=True) if name in references
        }
        # Frames come in the order of their subjects, and this one is not among `frames` yet.
        subject = self._subjects[len(self.frames)]
        predicted = {ERROR_MAP: score.dice}  # the very estimate that scoring gives
        calibrated = {ERROR_MAP: dict(zip(self._names, score.error_maps, strict=True))}
        for signal, calibration in self._calibrations.items():
            if signal != ERROR_MAP:
                [qualities] = assess_frames(self._names, maps[signal][None], masks[None], calibration)
                predicted[signal] = {name: quality.dice for name, quality in qualities.items()}
                calibrated[signal] = {name: quality.error_map for name, quality in qualities.items()}
        for (signal, name), counts in self.counts.items():
            if name in wrong:
                counts[subject] += counts_by_level(calibrated[signal][name], wrong[name])
        bits = binary_entropy(probabilities)
        self._mean_entropy.append(float(bits.max(axis=0).mean()))
        for index, name in enumerate(self._names):
            if name in wrong:
                level = (bits[index] * 255.0 + 0.5).astype(np.uint8)
                self._entropy_counts += counts_by_level(level, wrong[name])
        return predicted

    def _reference_area(self, frame: AnnotatedFrame) -> float:
        """Return the area of the innermost reference: mm² if spacing is known of every frame, else px²."""
        contour = frame.annotation.contours.get(self._names[0])
        if contour is None:
            return math.nan
        spacing_mm = frame.pullback.spacing_mm if self._in_mm else None
        x, y = spacing_mm or (1.0, 1.0)
        return contour.area_px2 * x * y

    def _keep_surprise(self, frame: AnnotatedFrame, judged: JudgedFrame, score: FrameScore) -> None:
        """Keep the frame if it is among those most unlike their estimate so far."""
        structure = judged.most_surprising(ERROR_MAP)
        if structure:
            # Only these keep their maps, so that memory does not grow with the frames.
            surprise = Surprise(frame, score, structure, score.dice[structure], judged.true_dice[structure])
            self.surprises = sorted([*self.surprises, surprise], key=lambda kept: -kept.size)[:N_SURPRISES]

    def area_agreement(self) -> dict[str, BlandAltman]:
        """Return how predicted areas agree with drawn ones by structure, in mm²; of no frame where spacing is unknown."""
        return {name: bland_altman(*np.array([areas[name] for areas in self.areas_mm2]).T) for name in self._names}

    def segmentation(self) -> dict[str, AgreementSummary]:
        """Return the mean agreement by structure."""
        return {name: summary_by_mean(frame.agreements[name] for frame in self.frames) for name in self._names}

    def intervals(self) -> dict[str, dict[str, Measured]]:
        """Return the means with their intervals, over frames in which both contours are there."""
        measures = [measure.name for measure in fields(ContourAgreement)]
        intervals = {}
        for name in self._names:
            agreements = [frame.agreements[name] for frame in self.frames]
            # Where only the model or only the person drew it, it counts as missing, and is in no mean.
            table = [astuple(row) if row.is_comparison else (math.nan,) * len(measures) for row in agreements]
            means = means_over_subjects(np.array(table), self._subjects, rng=_rng())
            intervals[name] = dict(zip(measures, means, strict=True))
        return intervals

    def estimates(self) -> tuple[dict[tuple[str, str], EstimateFigures], dict[tuple[str, str], EstimateFigures]]:
        """Return the figures of each signal, by structure and for frames, and the gain of the error map over each other one."""
        scopes = (*self._names, FRAME)
        draws = {
            (signal, scope): judged_draws(
                self._estimate(signal, scope), self._true_dice(scope), self._subjects, rng=_rng()
            )
            for signal in self._calibrations
            for scope in scopes
        }
        figures = {key: EstimateFigures.of(drawn) for key, drawn in draws.items()}
        gains = {
            (signal, scope): EstimateFigures.of(draws[ERROR_MAP, scope] - draws[signal, scope])
            for signal, scope in draws
            if signal != ERROR_MAP
        }
        return figures, gains

    def review(self) -> ReviewFigures:
        """Return the shares of the frames to mend, by the error map, at random and knowing the truth."""
        said = self._estimate(ERROR_MAP, FRAME).predicted
        return review_figures(self._true_dice(FRAME), said, self._subjects, rng=_rng())

    def review_curves(self) -> dict[str, NDArray[np.float64]]:
        """Return the review curve by each signal, and last by the truth."""
        true = self._true_dice(FRAME)
        curves = {signal: review_curve(true, self._estimate(signal, FRAME).predicted) for signal in self._calibrations}
        return curves | {TRUTH: review_curve(true, true)}

    def _estimate(self, signal: str, scope: str) -> Estimate:
        """Return the estimate by a signal of a structure, or of the worst structure of each frame."""
        if scope == FRAME:
            pooled = np.sum([self.counts[signal, name] for name in self._names], axis=0)
            return Estimate([frame.quality(signal) for frame in self.frames], pooled)
        return Estimate([frame.predicted[signal][scope] for frame in self.frames], self.counts[signal, scope])

    def _true_dice(self, scope: str) -> list[float]:
        """Return the Dice of a structure, or of the worst one, of each frame."""
        if scope == FRAME:
            return [frame.worst_dice for frame in self.frames]
        return [frame.agreements[scope].dice for frame in self.frames]

    def sqa(self, own: EstimateFigures) -> SqaQuality:
        """Return the figures of predicted quality, from those of the network's own error map."""
        return SqaQuality(
            pearson=own.pearson.value,
            spearman=own.spearman.value,
            mae=own.mae.value,
            auroc=own.auroc.value,
            error_map_auprc=own.auprc.value,
            entropy_auprc=average_precision_from_histograms(*self._entropy_counts),
            entropy_spearman=spearman(-np.array(self._mean_entropy), [frame.worst_dice for frame in self.frames]),
        )

    def strata(self) -> list[Stratum]:
        """Return figures by console, size of the innermost structure, and subject."""
        by_size = sorted(self.frames, key=lambda frame: frame.area)
        sizes = tercile_labels([frame.area for frame in by_size], "mm²" if self._in_mm else "px²")
        by_console = sorted(self.frames, key=lambda frame: frame.console)
        return [
            *strata_by("console", [frame.console for frame in by_console], by_console, signal=ERROR_MAP),
            *strata_by(f"{self._names[0]} size", sizes, by_size, signal=ERROR_MAP),
            *strata_by("subject", [frame.subject_id for frame in self.frames], self.frames, signal=ERROR_MAP),
        ]


def _areas_mm2(
    predicted: Contour | None, drawn: Contour | None, spacing_mm: tuple[float, float] | None
) -> tuple[float, float]:
    """Return what a predicted and a drawn contour enclose; NaN where one is absent or spacing is unknown."""
    x, y = spacing_mm or (math.nan, math.nan)
    first, second = (math.nan if one is None else float(enclosed_area(one).area) * x * y for one in (predicted, drawn))
    return first, second


def _rng() -> np.random.Generator:
    """Return the randomness of every interval."""
    return np.random.default_rng(BOOTSTRAP_SEED)


@dataclass(frozen=True, eq=False)
class Surprise:
    """A frame whose true Dice was far from the predicted one.

    Attributes:
        frame: The frame, with what was drawn.
        score: What the model says of it.
        structure: The structure with the largest difference.
        predicted_dice: Its predicted Dice.
        dice: Its true Dice.
    """

    frame: AnnotatedFrame
    score: FrameScore
    structure: str
    predicted_dice: float
    dice: float

    @property
    def size(self) -> float:
        """The difference of the two."""
        return abs(self.predicted_dice - self.dice)
