"""Measuring: the clinical numbers of frames, lesions and pullbacks, each with how sure it is, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from math import nan
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ivsqa.domain.contour import Contours
from ivsqa.domain.measures.frame_measures import CODES, column, frame_measures, frame_measures_of
from ivsqa.domain.measures.intervals import COVERAGE, MeasureCalibration
from ivsqa.domain.measures.pullback_measures import Course, LesionRule
from ivsqa.errors import IvsqaError, StateError
from ivsqa.io.project.frames_in_use import standing_frames
from ivsqa.io.project.measure_tables import TABLE_FORMATS, TableFormat, table, write_tables
from ivsqa.io.project.model_fit import check_fits
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord, provenance
from ivsqa.workflow.context import DEFAULT_CONTEXT, Advance, Context
from ivsqa.workflow.measuring.rows import (
    frame_columns,
    frame_rows,
    lesion_columns,
    lesion_rows,
    pullback_columns,
    pullback_row,
)
from ivsqa.workflow.predicting.predicted_measures import predicted_measures

Source: TypeAlias = Literal["annotation", "prediction", "unreadable", "missing"]
"""Where the contours of a frame come from; the last two have none."""


@dataclass(frozen=True)
class MeasureOptions:
    """What to measure, and how.

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
        """Return what is bridged: with few frames measured, at least the step between them."""
        beat = np.median(np.diff(course.position_mm)) if self.gated and len(course.position_mm) > 1 else 0.0
        return max(self.max_gap_mm, 1.5 * (self.every_mm or 0.0), 1.5 * float(np.nan_to_num(beat)))


@dataclass(frozen=True)
class Measures:
    """What was measured, as tables.

    Attributes:
        model_id: Whose predictions were used; None: drawn contours only.
        frames: One row a frame.
        lesions: One row a lesion.
        pullbacks: One row a pullback.
        n_calibration_subjects: Subjects behind the intervals; 0: there are none.
        failed: Pullbacks that could not be measured.
    """

    model_id: str | None
    frames: pl.DataFrame
    lesions: pl.DataFrame
    pullbacks: pl.DataFrame
    n_calibration_subjects: int
    failed: list[IvsqaError]

    def n_frames_from(self, source: Source) -> int:
        """Return how many frames have their contours from there."""
        return int((self.frames["source"] == source).sum())


@dataclass(frozen=True)
class MeasureResult(Measures):
    """What was measured, and written down.

    Attributes:
        folder: Where the tables lie.
        files: What was written.
    """

    folder: Path
    files: list[Path]


def measure_pullbacks(
    project: Project,
    *,
    pullback_ids: Sequence[str] = (),
    model_id: str | None = None,
    options: MeasureOptions | None = None,
    out: Path | None = None,
    context: Context = DEFAULT_CONTEXT,
) -> MeasureResult:
    """Measure pullbacks, from what people drew, and where nobody drew from what a model predicts.

    Writes `reports/measures-<model>/`, or `out`; running it again gives the same.

    Args:
        project: The project.
        pullback_ids: Which; empty: all.
        model_id: Whose predictions; None: the current model's, if there is one.
        options: What to measure, and how.
        out: Where to write.
        context: Clock, progress.

    Raises:
        NotFoundError: no such pullback or model.
        StateError: nothing is drawn or scored, or the model was trained for other structures or on another grid.
    """
    options = options or MeasureOptions()
    records = [project.pullback(pullback_id) for pullback_id in dict.fromkeys(pullback_ids) or project.pullback_ids()]
    model = project.get_model(model_id) if model_id else project.current_model()
    measures = measures_of(project, records, model, options, context)
    _check_something(project, measures)
    tables = {name: getattr(measures, name) for name in ("frames", "lesions", "pullbacks")}
    folder = out or project.layout.measures(measures.model_id)
    files = write_tables(folder, tables, _about(project, model, options, context), options.formats)
    return MeasureResult(**vars(measures), folder=folder, files=files)


def measures_of(
    project: Project,
    records: Sequence[Pullback],
    model: ModelRecord | None,
    options: MeasureOptions,
    context: Context,
) -> Measures:
    """Return the measures of some pullbacks; writes nothing.

    Raises:
        StateError: the model was trained for other structures or on another grid.
    """
    reader = _Reader(project, model)
    names = project.structures.names
    frames, lesions, pullbacks, failed = [], [], [], []
    with context.progress("Measuring", sum(record.n_frames for record in records), "frame") as advance:
        for record in records:
            try:
                course, sources = reader.course(record, options, advance)
            except IvsqaError as error:
                failed.append(error)
                continue
            step = options.widest_step_mm(course)
            found = lesion_rows(record, course, names, options.rule, step)
            lesions += found
            pullbacks.append(
                pullback_row(record, course, sources, names, step) | {"n_lesions": _n_lesions(course, found)}
            )
            frames.append(table(frame_rows(record, course, sources, names), frame_columns(names)))
    return Measures(
        model_id=model.model_id if model else None,
        frames=pl.concat(frames) if frames else table([], frame_columns(names)),
        lesions=table(lesions, lesion_columns(names)),
        pullbacks=table(pullbacks, pullback_columns(names)),
        n_calibration_subjects=reader.calibration.n_subjects if reader.calibration.factors else 0,
        failed=failed,
    )


class _Reader:
    """Reads the contours of pullbacks and measures them."""

    def __init__(self, project: Project, model: ModelRecord | None) -> None:
        self._project = project
        if model is not None:
            check_fits(project, model)
        self._names = project.structures.names
        self._annotations = project.annotations
        self._scores = project.scores(model) if model else None
        self.calibration = MeasureCalibration.from_dict(model.measure_calibration if model else None)

    def course(self, record: Pullback, options: MeasureOptions, advance: Advance) -> tuple[Course, list[Source]]:
        """Return the measures of a pullback's frames, and where each frame's contours come from."""
        known = record.positions_mm()
        positions = np.full(record.n_frames, nan) if known is None else known
        wanted = standing_frames(record, gated=options.gated, every_mm=options.every_mm)
        drawn = self._annotations.current(record.pullback_id)
        unreadable = set(self._annotations.unreadable_frames(record.pullback_id))
        row_of = {int(index): row for row, index in enumerate(wanted)}
        sources: list[Source] = ["unreadable" if index in unreadable else "missing" for index in row_of]
        values, scales = (
            {name: np.full(len(wanted), nan) for name in frame_measures_of(self._names)} for _ in ("value", "scale")
        )

        def put(columns: Mapping[str, NDArray[np.float64]], index: int, found: Mapping[str, float]) -> None:
            for measure, one in found.items():
                columns[measure][row_of[index]] = one

        for index in drawn.keys() & row_of.keys():
            put(values, index, self._of_drawn(record, drawn[index].contours))
            sources[row_of[index]] = "annotation"
        for index, found, off in self._predicted(record, row_of.keys() - drawn.keys() - unreadable):
            put(values, index, found)
            put(scales, index, off)
            sources[row_of[index]] = "prediction"
        advance(record.n_frames)
        is_drawn = np.array([source == "annotation" for source in sources], dtype=np.bool_)
        return Course(wanted, positions[wanted], is_drawn, values, scales, self.calibration), sources

    def _of_drawn(self, record: Pullback, contours: Contours) -> dict[str, float]:
        """Return the measures of drawn contours; they have no interval, since how far readers differ is not known."""
        known = {name: contours[name] for name in self._names if name in contours}
        return frame_measures(known, record.spacing_mm)

    def _predicted(
        self, record: Pullback, frames: Set[int]
    ) -> Iterator[tuple[int, dict[str, float], dict[str, float]]]:
        """Yield the measures of those frames that are scored, with how far each is expected to be off."""
        store = self._scores
        if store is None or not frames:
            return
        for first, last in store.chunks(record.n_frames):
            inside = sorted(index for index in frames if first <= index <= last)
            if not inside or not store.has_chunk(record.pullback_id, first, last):
                continue
            for score in store.read(record.pullback_id, inside):
                error_px = {
                    name: float(error_map.sum(dtype=np.int64)) / 255.0
                    for name, error_map in zip(self._names, score.error_maps, strict=True)
                }
                found, off = predicted_measures(record, score.contours, error_px)
                yield score.frame_index, found, off


def _check_something(project: Project, measures: Measures) -> None:
    """Check that there is something to measure.

    Raises:
        StateError: there are no pullbacks, or no frame has contours.
    """
    if not project.pullback_ids():
        raise StateError("there are no pullbacks yet", hint="import some with: ivsqa import PATH")
    if not measures.failed and not measures.n_frames_from("annotation") + measures.n_frames_from("prediction"):
        raise StateError(
            "no frame has contours yet: none is annotated, none is scored",
            hint="predict them with: ivsqa score; or import contours with: ivsqa import PATH --annotations CONTOURS",
        )


def _n_lesions(course: Course, found: Sequence[dict[str, Any]]) -> int | None:
    """Return the number of lesions; None where they cannot be looked for."""
    if np.isnan(course.position_mm).any() or not len(course.known("plaque_burden")):
        return None
    return len(found)


def _about(
    project: Project,
    model: ModelRecord | None,
    options: MeasureOptions,
    context: Context,
) -> dict[str, Any]:
    """Return how the tables came about, what their measures are called in DICOM, and what made them."""
    calibration = MeasureCalibration.from_dict(model.measure_calibration if model else None)
    return {
        "version": 1,
        "model_id": model.model_id if model else None,
        "weights_sha256": model.weights_sha256 if model else None,
        "coverage": COVERAGE if calibration.factors else None,
        "calibration": calibration.to_dict(),
        "options": asdict(options),
        "structures": project.structures.names,
        "codes": {column(measure): asdict(code) for measure, code in CODES.items()},
        "provenance": provenance(context.clock(), "numpy", "polars").model_dump(mode="json"),
    }
