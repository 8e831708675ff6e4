"""Measures as tables of frames, lesions and pullbacks: from the contours of people, else from those of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from math import nan
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from ivsqa.domain.measures.frame_measures import frame_measures, frame_measures_of
from ivsqa.domain.measures.intervals import MeasureCalibration
from ivsqa.domain.measures.pullback_measures import Course, LesionRule
from ivsqa.errors import IvsqaError
from ivsqa.io.outside import apart
from ivsqa.io.project.certificates import CertificateRecord
from ivsqa.io.project.measure_tables import TABLE_FORMATS, TableFormat, table
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord
from ivsqa.workflow.context import Context
from ivsqa.workflow.measuring.rows import (
    frame_columns,
    frame_rows,
    lesion_columns,
    lesion_rows,
    pullback_columns,
    pullback_row,
)
from ivsqa.workflow.predicting.predicted_measures import measure_calibration, predicted_measures

Source: TypeAlias = Literal["annotation", "accepted", "prediction", "unreadable", "missing"]
"""Where the contours of a frame come from: a person, a model by way of a certificate, or the model; the last two have none."""
Tables: TypeAlias = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
"""Of a pullback: its frames, its lesions, and itself."""
Calibrated: TypeAlias = Literal["study", "phantoms"]
"""On what intervals were calibrated: validation subjects of the study, or the phantoms that taught the starter model."""


@dataclass(frozen=True)
class MeasureOptions:
    """Options of measuring.

    Attributes:
        every_mm: Only frames about so far apart; None: every frame.
        gated: Only end-diastolic frames.
        max_gap_mm: Widest stretch without a value that its neighbours may stand in for.
        rule: What counts as a lesion.
        formats: Of the tables.
    """

    every_mm: float | None = None
    gated: bool = False
    max_gap_mm: float = 1.0
    rule: LesionRule = field(default_factory=LesionRule)
    formats: tuple[TableFormat, ...] = TABLE_FORMATS

    def widest_step_mm(self, course: Course) -> float:
        """Return the widest gap to bridge; where few frames are measured, at least the step between them."""
        # Half a step more, as frames are only about so far apart.
        beat = np.median(np.diff(course.position_mm)) if self.gated and len(course.position_mm) > 1 else 0.0
        return max(self.max_gap_mm, 1.5 * (self.every_mm or 0.0), 1.5 * float(np.nan_to_num(beat)))


@dataclass(frozen=True)
class Measures:
    """The measures of pullbacks, as tables.

    Attributes:
        model_id: Whose predictions were used; None: drawn contours only.
        frames: One row a frame.
        lesions: One row a lesion.
        pullbacks: One row a pullback.
        n_calibration_subjects: Subjects or phantoms behind the intervals; 0: there are none.
        calibrated_on: Which of the two; None where there are none.
        failed: Pullbacks that could not be measured.
    """

    model_id: str | None
    frames: pl.DataFrame
    lesions: pl.DataFrame
    pullbacks: pl.DataFrame
    n_calibration_subjects: int
    calibrated_on: Calibrated | None
    failed: list[IvsqaError]

    def n_frames_from(self, source: Source) -> int:
        """Return the number of frames with contours from a source."""
        return int((self.frames["source"] == source).sum())

    @property
    def n_predicted(self) -> int:
        """The number of frames whose contours are a model's, accepted or not."""
        return self.n_frames_from("accepted") + self.n_frames_from("prediction")


def measures_of(
    project: Project,
    pullbacks: Sequence[Pullback],
    model: ModelRecord | None,
    options: MeasureOptions,
    context: Context,
    *,
    certificate: CertificateRecord | None = None,
    kept: Callable[[Pullback, Callable[[], Tables]], Tables] = lambda _, measured: measured(),
) -> Measures:
    """Return the measures of some pullbacks; writes nothing.

    Args:
        project: The project.
        pullbacks: Which.
        model: Whose predictions, where nobody drew and nothing was accepted; None: nobody's.
        options: What to measure, and how.
        context: Progress.
        certificate: What it accepts comes before other predictions; None: there is none.
        kept: Given a pullback, and what measures it, returns its tables: those that are kept, where that is known to be the same.

    Raises:
        StateError: the model was trained for other structures or on another grid.
    """
    if model is not None:
        project.check_fits(model)
    names = project.structures.names
    calibration = measure_calibration(model)
    tables, failed = list[Tables](), list[IvsqaError]()
    with context.progress("Measuring", sum(pullback.n_frames for pullback in pullbacks), "frame") as advance:
        for pullback in pullbacks:
            # One broken pullback must not cost the tables of the others.
            with apart(failed):
                run = partial(_tables_of, project, pullback, model, certificate, options, calibration)
                tables.append(kept(pullback, run))
                advance(pullback.n_frames)
    of_nothing = (frame_columns(names), lesion_columns(names), pullback_columns(names))
    listed = [tuple(table([], columns) for columns in of_nothing), *tables]
    frames, lesions, totals = (pl.concat(of_one_kind) for of_one_kind in zip(*listed, strict=True))
    return Measures(
        model_id=model.model_id if model else None,
        frames=frames,
        lesions=lesions,
        pullbacks=totals,
        n_calibration_subjects=calibration.n_subjects if calibration.factors else 0,
        calibrated_on=_calibrated_on(model) if calibration.factors else None,
        failed=failed,
    )


def _tables_of(
    project: Project,
    pullback: Pullback,
    model: ModelRecord | None,
    certificate: CertificateRecord | None,
    options: MeasureOptions,
    calibration: MeasureCalibration,
) -> Tables:
    """Return the tables of frames, of lesions and of the whole of one pullback."""
    names = project.structures.names
    course, sources = _course(project, pullback, model, certificate, options, calibration)
    step = options.widest_step_mm(course)
    lesions = lesion_rows(pullback, course, names, options.rule, step)
    total = pullback_row(pullback, course, sources, names, step) | {"n_lesions": _n_lesions(course, len(lesions))}
    return (
        table(frame_rows(pullback, course, sources, names), frame_columns(names)),
        table(lesions, lesion_columns(names)),
        table([total], pullback_columns(names)),
    )


def _calibrated_on(model: ModelRecord | None) -> Calibrated:
    """Return on what a model was calibrated."""
    return "phantoms" if model is not None and model.is_starter else "study"


def _course(
    project: Project,
    pullback: Pullback,
    model: ModelRecord | None,
    certificate: CertificateRecord | None,
    options: MeasureOptions,
    calibration: MeasureCalibration,
) -> tuple[Course, list[Source]]:
    """Return the measures of a pullback's frames, and where each frame's contours come from."""
    names, known = project.structures.names, pullback.positions_mm()
    positions = np.full(pullback.n_frames, nan) if known is None else known
    wanted = pullback.frames_in_use(gated=options.gated, every_mm=options.every_mm)
    drawn = pullback.annotations
    unreadable = set(project.annotations.unreadable_frames(pullback.pullback_id))
    row_of = {int(index): row for row, index in enumerate(wanted)}
    sources: list[Source] = ["unreadable" if index in unreadable else "missing" for index in row_of]
    values, scales = ({name: np.full(len(wanted), nan) for name in frame_measures_of(names)} for _ in range(2))
    for index in drawn.keys() & row_of.keys():
        # Annotations outlive settings: they may hold a structure that project.yaml names no more.
        contours = {name: contour for name, contour in drawn[index].contours.items() if name in names}
        for measure, value in frame_measures(contours, pullback.spacing_mm).items():
            values[measure][row_of[index]] = value  # without a scale: how far readers differ is not known
        sources[row_of[index]] = "annotation"
    # What a person drew or gave up counts before what was accepted, and that before any other prediction.
    accepted = row_of.keys() & pullback.accepted_contours(certificate).keys()
    left = row_of.keys() - drawn.keys() - unreadable - accepted
    by_model: list[tuple[Source, ModelRecord, Set[int]]] = []
    if certificate is not None and accepted:
        by_model.append(("accepted", project.get_model(certificate.model_id), accepted))
    if model is not None and left:
        by_model.append(("prediction", model, left))
    for source, by, frames in by_model:
        own = measure_calibration(by)
        for index, measured, errors in _predicted(project, pullback, by, frames):
            for measure in measured:
                values[measure][row_of[index]] = measured[measure]
            for measure in errors:
                scales[measure][row_of[index]] = errors[measure] * own.in_scales_of(calibration, measure)
            sources[row_of[index]] = source
    is_drawn = np.array([source == "annotation" for source in sources], dtype=np.bool_)
    return Course(wanted, positions[wanted], is_drawn, values, scales, calibration), sources


def _predicted(
    project: Project, pullback: Pullback, model: ModelRecord, frames: Set[int]
) -> Iterator[tuple[int, dict[str, float], dict[str, float]]]:
    """Yield the measures of those frames that are scored, with how far each is expected to be off."""
    store = project.scores(model)
    for first, last in store.chunks(pullback.n_frames):
        inside = sorted(index for index in frames if first <= index <= last)
        # What is scored of a pullback is measured, though its scoring was stopped.
        if not inside or not store.has_chunk(pullback.pullback_id, first, last):
            continue
        for score in store.read(pullback.pullback_id, inside):
            # Maps hold probabilities of error, 255 for certain: their sum is the number of wrong pixels to expect.
            error_px = {
                name: float(error_map.sum(dtype=np.int64)) / 255.0
                for name, error_map in zip(project.structures.names, score.error_maps, strict=True)
            }
            yield score.frame_index, *predicted_measures(pullback, score.contours, error_px)


def _n_lesions(course: Course, n_found: int) -> int | None:
    """Return the number of lesions; None where they cannot be looked for."""
    if np.isnan(course.position_mm).any() or not len(course.known("plaque_burden")):
        return None
    return n_found
