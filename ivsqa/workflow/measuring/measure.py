"""Measuring: clinical numbers of frames, lesions and pullbacks with their intervals, written as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ivsqa.domain.measures.frame_measures import CODES, column
from ivsqa.domain.measures.intervals import COVERAGE
from ivsqa.domain.shards import WHOLE, Shard
from ivsqa.errors import StateError
from ivsqa.io.project.certificates import CertificateRecord
from ivsqa.io.project.measure_tables import write_tables
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import ModelRecord, provenance
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.measuring.measures import MeasureOptions, Measures, measures_of
from ivsqa.workflow.measuring.parts import KeptParts
from ivsqa.workflow.predicting.predicted_measures import measure_calibration


@dataclass(frozen=True)
class MeasureResult(Measures):
    """The measures of pullbacks, and the files they were written to.

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
    shard: Shard = WHOLE,
    model_id: str | None = None,
    options: MeasureOptions | None = None,
    out: Path | None = None,
    context: Context = DEFAULT_CONTEXT,
) -> MeasureResult:
    """Measure pullbacks, from the contours of people, else from those that a certificate accepts, else from predicted ones.

    Writes `reports/measures-<model>/`, or `out`; running it again gives the same. Several processes may measure a shard each, in
    any order: the tables are then put together by a call without one, which measures what is not there, or not any more.

    Args:
        project: The project.
        pullback_ids: Which; empty: all.
        shard: Only its share of them, and no tables.
        model_id: Whose predictions, accepted or not; None: what is accepted, and those of the current model, if there is one.
        options: What to measure, and how.
        out: Where to write.
        context: Clock, progress.

    Raises:
        NotFoundError: no such pullback or model.
        StateError: nothing is drawn or scored, or the model was trained for other structures or on another grid.
    """
    options = options or MeasureOptions()
    # A pullback that is named twice is measured once.
    records = [project.pullback(pullback_id) for pullback_id in dict.fromkeys(pullback_ids) or project.pullback_ids()]
    own = set(shard.share({record.pullback_id: record.n_frames for record in records}))
    records = [record for record in records if record.pullback_id in own]
    model = project.get_model(model_id) if model_id else project.current_model()
    # Who asks for a model wants to see what it says, accepted or not.
    certificate = None if model_id else project.certificates.in_force()
    folder = out or project.layout.measures(model.model_id if model else None)
    parts = KeptParts(project, folder, model, certificate, options, shard)
    measures = measures_of(project, records, model, options, context, certificate=certificate, kept=parts)
    if shard != WHOLE:
        return MeasureResult(**vars(measures), folder=folder, files=[])
    _check_something(project, measures)
    tables = {name: getattr(measures, name) for name in ("frames", "lesions", "pullbacks")}
    files = write_tables(
        folder, tables, _about(project, model, certificate, measures, options, context), options.formats
    )
    parts.remove()
    return MeasureResult(**vars(measures), folder=folder, files=files)


def _check_something(project: Project, measures: Measures) -> None:
    """Check that there is something to measure.

    Raises:
        StateError: there are no pullbacks, or no frame has contours.
    """
    if not project.pullback_ids():
        raise StateError("there are no pullbacks yet", hint="import some with: ivsqa import PATH")
    # Where pullbacks failed, their errors say more than that nothing is there.
    if not measures.failed and not measures.n_frames_from("annotation") + measures.n_predicted:
        raise StateError(
            "no frame has contours yet: none is annotated, none is scored",
            hint="predict them with: ivsqa score; or import contours with: ivsqa import PATH --annotations CONTOURS",
        )


def _about(
    project: Project,
    model: ModelRecord | None,
    certificate: CertificateRecord | None,
    measures: Measures,
    options: MeasureOptions,
    context: Context,
) -> dict[str, Any]:
    """Return the facts beside the tables: model, options, DICOM codes of the measures, provenance."""
    calibration = measure_calibration(model)
    return {
        "version": 1,
        "model_id": model.model_id if model else None,
        "weights_sha256": model.weights_sha256 if model else None,
        "certificate_id": certificate.certificate_id if certificate else None,
        "coverage": COVERAGE if calibration.factors else None,
        "calibrated_on": measures.calibrated_on,
        "calibration": calibration.to_dict(),
        "options": asdict(options),
        "structures": project.structures.names,
        "codes": {column(measure): asdict(code) for measure, code in CODES.items()},
        "provenance": provenance(context.clock(), "numpy", "polars").model_dump(mode="json"),
    }
