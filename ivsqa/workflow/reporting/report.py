"""The report: the study on one page, from what lies in the project; computes no network and changes nothing but that page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ivsqa
from ivsqa.errors import IvsqaError
from ivsqa.io import atomic
from ivsqa.io.outside import apart
from ivsqa.io.project.annotation_records import RevisionRecord
from ivsqa.io.project.annotation_status import Standings
from ivsqa.io.project.evaluations import KeptSimulation, find_evaluation, find_simulations
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import SPLITS, ModelRecord, RoundRecord
from ivsqa.pages.report import PullbackRow, SplitCount, Study, report_page
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.readers.read_twice import FrameReadTwice, between_readers, frames_read_twice
from ivsqa.workflow.reporting.readings import read_readings
from ivsqa.workflow.reporting.report_pullbacks import pullback_pages
from ivsqa.workflow.reporting.status import Status, project_status


@dataclass(frozen=True)
class ReportResult:
    """The page that was written.

    Attributes:
        page: Where it lies.
        n_bytes: Its size.
        model_id: The model in use; None before the first.
        n_pullbacks: Pullbacks of the study.
        shown: Those that the page shows; the others are listed in it.
        failed: What could not be read, and is missing on the page.
    """

    page: Path
    n_bytes: int
    model_id: str | None
    n_pullbacks: int
    shown: list[str]
    failed: list[IvsqaError]


def write_report(
    project: Project,
    *,
    pullback_ids: Sequence[str] = (),
    top: int = 8,
    out: Path | None = None,
    context: Context = DEFAULT_CONTEXT,
) -> ReportResult:
    """Write the study on one page; the same project gives the same bytes.

    Writes `reports/report.html`, or `out`.

    Args:
        project: The project.
        pullback_ids: Pullbacks to show; empty: the worst of training subjects. Those held out are never ranked.
        top: How many those are.
        out: Where to write.
        context: Progress.

    Raises:
        NotFoundError: no such pullback.
        StateError: the model in use was trained for other structures or on another grid.
    """
    # Looked up first: a name that is not known ends here, not after the work.
    wanted = [project.pullback(pullback_id).pullback_id for pullback_id in dict.fromkeys(pullback_ids)]
    status, failed = project_status(project), list[IvsqaError]()
    records = project.pullbacks()
    histories = project.annotations.histories(record.pullback_id for record in records)
    revisions = [revision for history in histories.values() for revision in history.revisions]
    standings = {pullback_id: history.standings() for pullback_id, history in histories.items()}
    rows = pullback_rows(project, records, standings, status.current_model)
    ranked = sorted((row for row in rows if row.split == "train"), key=_worst_first)
    held_out = [row for row in rows if row.split != "train"]
    shown = wanted or [row.pullback_id for row in ranked[:top]]
    models = project.ready_models()
    evaluations = _evaluations(project, models, failed)
    simulations = _simulations(project, failed)
    with context.progress("Comparing with what was sent", len(revisions), "revision") as advance:
        readings = read_readings(project, standings.values(), failed, advance)
    by_id = {record.pullback_id: record for record in records}
    twice = _read_twice(project, failed)
    pages = pullback_pages(project, [by_id[name] for name in shown], status.current_model, failed, context)
    failed = list({str(error): error for error in failed}.values())  # a broken file may be met on two ways
    study = Study(
        name=status.name,
        # The newest date in the study, not today's: the same project gives the same bytes.
        as_of=max(_dates(records, revisions, models, status.rounds), default=""),
        version=ivsqa.__version__,
        splits=_split_counts(status),
        n_without_spacing=status.n_without_spacing,
        current=status.current_model.model_id if status.current_model else None,
        models=models,
        evaluations=evaluations,
        simulations=simulations,
        rounds=status.rounds,
        readings=readings,
        reading=project.settings.reading.cost_model,
        readers=between_readers(twice),
        again=between_readers(twice, is_repeat=True),
        colors={structure.name: structure.color for structure in project.structures.structures},
        n_imported=_n_imported(standings),
        outlook=status.outlook,
        finishing=status.finishing,
        pool_quality=np.concatenate([np.empty(0), *(row.quality_left for row in ranked)]),
        next_step=status.next_step,
        how_chosen=_how_chosen(len(shown), ranked, is_named=bool(wanted)),
        pullbacks=pages,
        rest=[row for row in (*ranked, *held_out) if row.pullback_id not in shown],
        failures=[_in_project(project, error) for error in failed],
    )
    path, text = out or project.layout.report, report_page(study)
    atomic.write_text(path, text)
    n_bytes = len(text.encode())
    return ReportResult(path, n_bytes, study.current, len(records), [page.pullback_id for page in pages], failed)


def _dates(
    records: Sequence[Pullback],
    revisions: Sequence[RevisionRecord],
    models: Sequence[ModelRecord],
    rounds: Sequence[RoundRecord],
) -> Iterator[str]:
    """Yield when each thing of the study was made, ISO 8601."""
    listed: tuple[Sequence[Pullback | RevisionRecord | ModelRecord | RoundRecord], ...]
    listed = (records, revisions, [model for model in models if not model.is_starter], rounds)
    yield from (record.provenance.created_at for made in listed for record in made)


def _split_counts(status: Status) -> list[SplitCount]:
    """Return subjects, pullbacks, frames and annotated frames of each split."""
    counts = (status.n_subjects, status.n_pullbacks, status.n_frames, status.n_annotated)
    return [SplitCount(split, *(of[split] for of in counts)) for split in SPLITS]


def pullback_rows(
    project: Project, pullbacks: Sequence[Pullback], standings: Standings, model: ModelRecord | None
) -> list[PullbackRow]:
    """Return a row a pullback: its annotated frames, and where all are scored the quality of those that nobody read."""
    scores = project.scores(model) if model else None
    whole = {
        pullback.pullback_id: pullback.n_frames
        for pullback in pullbacks
        if scores and scores.is_whole(pullback.pullback_id, pullback.n_frames)
    }
    # Only where all is scored: a mean over part of a pullback would change with how far scoring has come.
    columns = scores.columns(whole, ["quality"]) if scores and whole else {}
    return [
        PullbackRow(
            pullback.pullback_id,
            pullback.subject_id,
            pullback.split,
            pullback.n_frames,
            sum(one.is_annotated(index) for index, one in standings[pullback.pullback_id].items()),
            columns[pullback.pullback_id]["quality"][pullback.all_but(standings[pullback.pullback_id])]
            if pullback.pullback_id in columns
            else np.empty(0),
        )
        for pullback in pullbacks
    ]


def _worst_first(row: PullbackRow) -> tuple[bool, float, int, str]:
    """Return the sort key of a pullback: lowest predicted Dice first; behind these, most annotated frames first."""
    return row.quality is None, row.quality or 0.0, -row.n_annotated, row.pullback_id


def _evaluations(
    project: Project, models: Sequence[ModelRecord], failed: list[IvsqaError]
) -> dict[str, dict[str, Any]]:
    """Return the evaluations on test subjects that can be read, by model."""
    evaluations = {}
    for model in models:
        with apart(failed):
            evaluation = find_evaluation(project.layout.evaluation(model.model_id, "test"))
            if evaluation is not None:
                evaluations[model.model_id] = evaluation
    return evaluations


def _simulations(project: Project, failed: list[IvsqaError]) -> list[KeptSimulation]:
    """Return the simulations, none where one cannot be read."""
    simulations: list[KeptSimulation] = []
    with apart(failed):
        simulations += find_simulations(project.layout.reports)
    return simulations


def _read_twice(project: Project, failed: list[IvsqaError]) -> list[FrameReadTwice]:
    """Return the frames that were read twice; none where a reading cannot be read."""
    twice: list[FrameReadTwice] = []
    with apart(failed):
        twice += frames_read_twice(project)
    return twice


def _n_imported(standings: Standings) -> int:
    """Return the number of frames that count as annotated by contours that came with them."""
    return sum(
        standing.is_annotated(index) and standing.current is not None and standing.current.round_id is None
        for of_pullback in standings.values()
        for index, standing in of_pullback.items()
    )


def _how_chosen(n_shown: int, ranked: Sequence[PullbackRow], *, is_named: bool) -> str:
    """Return a sentence about the choice of pullbacks that the page shows, and how to see others."""
    measured = "Measures of all of them are in the tables that ivsqa measure writes."
    if is_named:
        return f"{n_shown} shown, as asked for. {measured}"
    if not n_shown:
        return f"None is shown; ivsqa report --pullback ID shows one. {measured}"
    by = "expected to be worst" if any(row.quality is not None for row in ranked) else "with most frames drawn"
    return (
        f"Those {by} are shown: {n_shown} of the {len(ranked)} of training subjects. Subjects held out are never ranked. To see"
        f" another: ivsqa report --pullback ID. {measured}"
    )


def _in_project(project: Project, error: IvsqaError) -> str:
    """Return an error with its path inside the project: the page names no folder of this machine."""
    path = error.path
    inside = path.relative_to(project.root).as_posix() if path and path.is_relative_to(project.root) else ""
    place = ", ".join(part for part in (inside, error.where) if part)
    return f"{place}: {error.message}" if place else error.message
