"""Measures of predicted contours with their expected errors, and the calibration of these on validation frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from ivsqa.domain.contour import Contours
from ivsqa.domain.measures.frame_measures import frame_measures
from ivsqa.domain.measures.intervals import MeasureCalibration, MeasuredFrame, fit_measure_calibration, measure_scales
from ivsqa.domain.quality.predicted_quality import CalibrationFrame, held_out_error_px
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import AnnotatedFrame, Pullback
from ivsqa.io.project.records import ModelRecord


@dataclass(frozen=True)
class PredictedFrame:
    """The prediction of a model for a frame that a person annotated.

    Attributes:
        annotated: The frame.
        contours: Predicted contours in frame px.
        on_grid: Raw error, predicted and reference masks on the working grid.
    """

    annotated: AnnotatedFrame
    contours: Contours
    on_grid: CalibrationFrame


def predicted_measures(
    pullback: Pullback, contours: Contours, error_px: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the measures of predicted contours, and the scale of each one's error.

    Args:
        pullback: Whose frame it is; without spacing, lengths come in px of the frame.
        contours: Predicted contours in frame px.
        error_px: Expected wrong pixels on the working grid, by structure.
    """
    values = frame_measures(contours, pullback.spacing_mm)
    x_scale, y_scale = pullback.grid.scale
    x_spacing, y_spacing = pullback.spacing_mm or (1.0, 1.0)
    pixel_area = x_scale * x_spacing * y_scale * y_spacing
    wrong_area = {name: count * pixel_area for name, count in error_px.items()}
    return values, measure_scales(values, wrong_area, sqrt(pixel_area))


def measure_calibration(model: ModelRecord | None) -> MeasureCalibration:
    """Return how far off the measures of a model's contours have been; nothing without a model, and for an older one."""
    return MeasureCalibration.from_dict(None if model is None or model.is_older else model.measure_calibration)


def calibrate_measures(project: Project, frames: Sequence[PredictedFrame]) -> MeasureCalibration:
    """Return the calibration of measures, from annotated validation frames.

    The expected error of each frame is read from curves that its subject had no part in, as it will be for new subjects.
    """
    errors = held_out_error_px([frame.on_grid for frame in frames], project.structures.names)
    measured = []
    for frame, error_px in zip(frames, errors, strict=True):
        pullback = frame.annotated.pullback
        values, scales = predicted_measures(pullback, frame.contours, error_px)
        drawn = frame_measures(frame.annotated.annotation.contours, pullback.spacing_mm)
        measured.append(MeasuredFrame(values, drawn, scales, pullback.subject_id, pullback.pullback_id))
    return fit_measure_calibration(measured)
