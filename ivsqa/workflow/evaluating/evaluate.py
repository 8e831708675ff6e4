"""Evaluation: accuracy of the contours on sealed subjects, and how good the predicted quality is, beside other signals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ivsqa.domain.agreement.contour_agreement import AgreementSummary
from ivsqa.domain.agreement.reader_agreement import BlandAltman
from ivsqa.domain.quality.judged_estimate import EstimateFigures, JudgedFrame, Stratum, reliability
from ivsqa.domain.quality.predicted_quality import ErrorCalibration
from ivsqa.domain.quality.review_curve import GOAL_DICE, ReviewFigures
from ivsqa.domain.statistics.bootstrap import Measured
from ivsqa.drawing.charts import Point, Series, reliability_chart, review_chart, scatter_chart
from ivsqa.drawing.encoded import jpeg_bytes
from ivsqa.drawing.pictures import comparison
from ivsqa.errors import StateError
from ivsqa.io import atomic
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import Split
from ivsqa.pages.evaluation import SurprisePicture, evaluation_page
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.evaluating.collector import FRAME, TRUTH, SqaQuality, Surprise, Tally
from ivsqa.workflow.predicting.networks import load_predictor
from ivsqa.workflow.predicting.prediction import border_priors
from ivsqa.workflow.predicting.signals import ENTROPY, ERROR_MAP, MC_DROPOUT, N_DRAWS, FrameSignals
from ivsqa.workflow.readers.read_twice import FrameReadTwice, between_readers, frames_read_twice

NAMES = {ERROR_MAP: "error map", ENTROPY: "entropy", MC_DROPOUT: "MC-dropout", TRUTH: "truth"}
"""Orders of a review, as its diagram names them."""


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        model_id: The model.
        split: The split.
        n_frames: Annotated frames of the split.
        n_subjects: Their subjects.
        segmentation: Mean agreement by structure.
        intervals: The same means with their intervals over subjects, by structure, then measure.
        areas: How predicted areas agree with drawn ones, mm², by structure.
        plaque_burden_mae: Mean absolute error of plaque burden, a fraction; NaN without two structures.
        sqa: How good the estimate of quality is.
        estimate: How good each signal is, by (signal, structure or "frame").
        gain: How much better the error map is than each other signal, by (other signal, structure or "frame").
        review: How many frames people mend until their mean Dice is 0.95, of the worst structure of each.
        n_calibration_frames: Annotated validation frames on which the other signals were calibrated.
        strata: Figures by console, lumen size and subject.
        surprises: The frames that turned out most unlike their estimate, worst first.
        page: Where the page lies, relative to the project.
        frames: Every frame, with what was predicted of it and what turned out.
        areas_mm2: The areas predicted and drawn in each of them, by structure; NaN where not known.
    """

    model_id: str
    split: Split
    n_frames: int
    n_subjects: int
    segmentation: dict[str, AgreementSummary]
    intervals: dict[str, dict[str, Measured]]
    areas: dict[str, BlandAltman]
    plaque_burden_mae: float
    sqa: SqaQuality
    estimate: dict[tuple[str, str], EstimateFigures]
    gain: dict[tuple[str, str], EstimateFigures]
    review: ReviewFigures
    n_calibration_frames: int
    strata: list[Stratum]
    surprises: list[Surprise]
    page: str
    frames: list[JudgedFrame]
    areas_mm2: list[dict[str, tuple[float, float]]]

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain values, the same on every command line; what is unknown is None."""
        has_dropout = any(signal == MC_DROPOUT for signal, _ in self.estimate)
        return {
            "model_id": self.model_id,
            "split": self.split,
            "n_frames": self.n_frames,
            "n_subjects": self.n_subjects,
            "segmentation": {
                name: _plain(vars(summary.mean))
                | {"n_frames": summary.n_frames, "n_missing": summary.n_missing}
                | {"area_mm2": _plain(vars(self.areas[name])), "interval": _intervals(self.intervals[name])}
                for name, summary in self.segmentation.items()
            },
            "plaque_burden_mae": _plain(self.plaque_burden_mae),
            "sqa": _plain(vars(self.sqa)),
            "estimate": [
                {"signal": signal, "scope": scope} | _plain_figures(vars(figures))
                for (signal, scope), figures in self.estimate.items()
            ],
            "gain": [
                {"over": signal, "scope": scope} | _plain_figures(vars(figures))
                for (signal, scope), figures in self.gain.items()
            ],
            "review": {"goal": GOAL_DICE} | _plain_figures(vars(self.review)),
            "n_calibration_frames": self.n_calibration_frames,
            "n_dropout_draws": N_DRAWS if has_dropout else None,
            "strata": [_plain(vars(stratum)) for stratum in self.strata],
            "surprises": [
                surprise.score.key._asdict()
                | {"structure": surprise.structure}
                | _plain({"predicted_dice": surprise.predicted_dice, "dice": surprise.dice})
                for surprise in self.surprises
            ],
            "frames": [
                frame.key._asdict()
                | _plain(
                    {
                        "quality": frame.quality(ERROR_MAP),
                        "dice": {name: agreement.dice for name, agreement in frame.agreements.items()},
                        "area_mm2": areas,
                    }
                )
                for frame, areas in zip(self.frames, self.areas_mm2, strict=True)
            ],
            "page": self.page,
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

    Writes `reports/evaluation-<model>-<split>.json` and, for people, `reports/evaluation-<model>-<split>/index.html`;
    running it again gives the same.

    Raises:
        StateError: no frame of that split is annotated, or there is no model.
        IntegrityError: frames of the split are not those that were imported.
    """
    model = project.get_model(model_id)
    frames = project.annotated_frames(split)
    if not frames:
        raise StateError(
            f"no frame of a {split} subject is annotated",
            hint=f"choose some with: ivsqa select -n 30 --split {split} --strategy stratified",
        )
    # A model is judged on what readers saw, or not at all.
    for pullback in {frame.pullback.pullback_id: frame.pullback for frame in frames}.values():
        pullback.check_frames(deep=True)
    twice = list(frames_read_twice(project, split=split))
    priors = border_priors(model)
    signals = FrameSignals(project, load_predictor(project, model, device=device), priors)
    validation = project.annotated_frames("validation")
    # The other signals get the calibration that the error map had, from validation subjects, so that they compete on a par.
    with context.progress("Evaluating", len(validation) + len(frames), "frame") as advance:
        own = ErrorCalibration.from_dict(model.error_calibration or {})
        tally = Tally(project, signals.calibrations(validation, own, advance), priors, frames)
        for frame in frames:
            prediction, borders, maps = signals(frame)
            tally.add(frame, prediction.probabilities[0], borders, maps, prediction.features[0])
            advance(1)
    estimate, gain = tally.estimates()
    page = project.layout.evaluation_page(model.model_id, split)
    evaluation = Evaluation(
        model_id=model.model_id,
        split=split,
        n_frames=len(frames),
        n_subjects=len({frame.pullback.subject_id for frame in frames}),
        segmentation=tally.segmentation(),
        intervals=tally.intervals(),
        areas=tally.area_agreement(),
        plaque_burden_mae=float(np.mean(tally.burden_errors)) if tally.burden_errors else math.nan,
        sqa=tally.sqa(estimate[ERROR_MAP, FRAME]),
        estimate=estimate,
        gain=gain,
        review=tally.review(),
        n_calibration_frames=len(validation),
        strata=tally.strata(),
        surprises=tally.surprises,
        page=page.relative_to(project.root).as_posix(),
        frames=tally.frames,
        areas_mm2=tally.areas_mm2,
    )
    # The page shows the very values of the JSON, rounded alike.
    answer = {"version": 1} | evaluation.to_dict()
    atomic.write_text(page, _page(project, answer, tally, twice))
    # Last: status takes a model for evaluated once this is there, and its page must be, too.
    atomic.write_text(project.layout.evaluation(model.model_id, split), json.dumps(answer, indent=2) + "\n")
    return evaluation


def _page(project: Project, answer: Mapping[str, Any], tally: Tally, twice: Sequence[FrameReadTwice]) -> str:
    """Return the page of an evaluation: diagrams, and pictures of the greatest surprises."""
    colors = {structure.name: structure.color for structure in project.structures.structures}
    scatter = [
        Series(
            name,
            color,
            [
                Point(frame.true_dice[name], frame.predicted[ERROR_MAP][name])
                for frame in tally.frames
                if name in frame.true_dice
            ],
        )
        for name, color in colors.items()
    ]
    # Over all subjects: wrong and right pixels by level of the calibrated error map.
    bins = {name: reliability(tally.counts[ERROR_MAP, name].sum(axis=0)) for name in colors}
    curves = [
        Series(name, color, [Point(level.predicted, level.observed, level.n_pixels) for level in bins[name]])
        for name, color in colors.items()
    ]
    return evaluation_page(
        answer,
        scatter=scatter_chart(scatter),
        reliability=reliability_chart(curves),
        reliability_bins=bins,
        review=review_chart({NAMES[order]: curve for order, curve in tally.review_curves().items()}, goal=GOAL_DICE),
        pictures=[_picture(project, surprise) for surprise in tally.surprises],
        colors=colors,
        readers=between_readers(twice),
        again=between_readers(twice, is_repeat=True),
    )


def _picture(project: Project, surprise: Surprise) -> SurprisePicture:
    """Return a surprise drawn: both contours on the frame, and the error map beside it."""
    record = surprise.frame.pullback
    panels = comparison(
        record.frames[surprise.score.frame_index],
        surprise.score.contours,
        surprise.frame.annotation.contours,
        record.error_maps_of(surprise.score),
        structures=project.structures,
        spacing_mm=record.spacing_mm,
    )
    return SurprisePicture(
        title=f"{record.pullback_id} frame {surprise.score.frame_index}",
        structure=surprise.structure,
        predicted_dice=surprise.predicted_dice,
        dice=surprise.dice,
        panels=tuple(jpeg_bytes(panel) for panel in panels),
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  whatever JSON holds
    """Return values with floats rounded, and None for those that JSON cannot say."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _plain_figures(figures: dict[str, Measured]) -> dict[str, Any]:
    """Return measures by name, and their intervals beside them."""
    return {name: _plain(measured.value) for name, measured in figures.items()} | {"interval": _intervals(figures)}


def _intervals(figures: Mapping[str, Measured]) -> dict[str, list[float] | None]:
    """Return [low, high] by measure; None where there is no interval."""
    return {
        name: [round(measured.low, 6), round(measured.high, 6)] if math.isfinite(measured.low) else None
        for name, measured in figures.items()
    }
