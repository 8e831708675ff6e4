"""The command that brings pullbacks in: import, and what it would do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import DryRunOption, JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, say, say_json, say_table, tell
from ivsqa.errors import EXIT_INTERRUPTED, BatchError, IvsqaError

if TYPE_CHECKING:
    from ivsqa.workflow.importing.import_pullbacks import ImportResult
    from ivsqa.workflow.importing.plan import ImportPlan, PlannedPullback

AnnotationsOption = Annotated[
    str,
    typer.Option(
        metavar="auto|none|PATH",
        help="Masks and contours: those beside the frames, none, or from a path. Formats are recognised.",
    ),
]
RepairOption = Annotated[
    bool, typer.Option("--repair", help="Mend contours that cross themselves or their outer border.")
]
MaskTextOption = Annotated[
    bool, typer.Option("--mask-text", help="Blacken text that seems to be burned into the frames.")
]
GatedOption = Annotated[
    bool, typer.Option("--gated", help="Find end-diastolic frames in the images where the files name none.")
]
JobsOption = Annotated[int, typer.Option(min=1, metavar="N", help="Processes at once, each decoding a pullback.")]


def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(help="DICOM files, frame folders, volumes, videos, or folders of them.", metavar="PATH..."),
    ],
    project: ProjectOption = None,
    spacing_mm: Annotated[
        str | None,
        typer.Option(metavar="MM", help="mm per pixel where the files do not say: 0.02, or 0.02,0.025 for x,y."),
    ] = None,
    pullback_speed: Annotated[
        float | None, typer.Option(metavar="MM/S", help="Catheter speed where the files do not say.")
    ] = None,
    subject_from: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN|TABLE.csv",
            help="Who is who: a pattern with (?P<subject>…) and perhaps (?P<pullback>…), or a table path,subject_id,pullback_id.",
            show_default="the patient identifier in the header, pseudonymised",
        ),
    ] = None,
    annotations: AnnotationsOption = "auto",
    repair: RepairOption = False,
    mask_text: MaskTextOption = False,
    gated: GatedOption = False,
    jobs: JobsOption = 1,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Import pullbacks with their masks and contours. DICOM, folders of frames, volumes and video are recognised."""
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
    from ivsqa.workflow.importing.plan import plan_import

    study = opened(project)
    options = ImportOptions(
        spacing_mm=_spacing(spacing_mm),
        pullback_speed_mm_s=pullback_speed,
        subject_from=subject_from,
        with_annotations=annotations != "none",
        annotations=None if annotations in ("auto", "none") else Path(annotations),
        repair=repair,
        mask_text=mask_text,
        gated=gated,
        n_jobs=jobs,
    )
    if dry_run:
        with command_context() as context:
            plan = plan_import(study, paths, options, context)
        _say_import_plan(plan, as_json=as_json)
        return
    with command_context() as context:
        result = import_pullbacks(study, paths, options, context)
    if as_json:
        say_json(_import_as_plain(result))
    else:
        _say_import(result)
    if result.failed:
        raise BatchError(f"{count(len(result.failed), 'failure')}; what could be read is in the project", result.failed)
    if not result.finished:
        raise typer.Exit(EXIT_INTERRUPTED)


def _say_import_plan(plan: ImportPlan, *, as_json: bool) -> None:
    """Print what an import would do."""
    if as_json:
        say_json(
            {
                "would_import": [str(one.path) for one in plan.pullbacks if one.is_new],
                "plan": [_planned_as_plain(one) for one in plan.pullbacks],
                "failed": _failures_as_plain(plan.failed),
            }
        )
    else:
        if plan.pullbacks:
            common = Path(os.path.commonpath([one.path.parent for one in plan.pullbacks]))
            say(f"in {common}:")
            columns = ("file", "is", ">frames", ">px", ">mm/px", "console", "subject", "split", "then")
            say_table(columns, [_planned_cells(one, common) for one in plan.pullbacks])
        n_new = sum(one.is_new for one in plan.pullbacks)
        n_unchanged = len(plan.pullbacks) - n_new
        say(f"{count(n_new, 'pullback')} to import, {n_unchanged} unchanged, {len(plan.failed)} refused")
        if any(one.is_guess for one in plan.pullbacks):
            tell(
                "note: nothing says whose the guessed ones are; each would count as its own subject: see --subject-from"
            )
    if plan.failed:
        raise BatchError(f"{count(len(plan.failed), 'path')} cannot be imported", plan.failed)


def _planned_as_plain(one: PlannedPullback) -> dict[str, object]:
    """Return a pullback of a plan for --json."""
    return {
        "path": str(one.path),
        "kind": one.kind,
        "n_frames": one.facts.n_frames,
        "height_px": one.facts.height_px,
        "width_px": one.facts.width_px,
        "spacing_mm": one.facts.spacing_mm,
        "spacing_source": one.facts.spacing_source,
        "console": one.facts.manufacturer_model,
        "subject_id": one.subject_id,
        "is_guess": one.is_guess,
        "split": one.split,
        "pullback_id": one.pullback_id,
        "is_new": one.is_new,
    }


def _planned_cells(one: PlannedPullback, common: Path) -> tuple[str, ...]:
    """Return the cells of a pullback of a plan."""
    return (
        str(one.path.relative_to(common)),
        one.kind,
        str(one.facts.n_frames),
        f"{one.facts.width_px} × {one.facts.height_px}",
        _spacing_cell(one.facts.spacing_mm),
        one.facts.manufacturer_model or "–",
        f"{one.subject_id}{' (guessed)' if one.is_guess else ''}",
        one.split,
        "import" if one.is_new else f"here as {one.pullback_id}",
    )


def _spacing_cell(spacing_mm: tuple[float, float] | None) -> str:
    """Return mm per pixel as people read it."""
    return "unknown" if spacing_mm is None else f"{spacing_mm[0]:.5g}"


def _import_as_plain(result: ImportResult) -> dict[str, object]:
    """Return what an import did for --json."""
    return {
        "imported": [record.pullback_id for record in result.imported],
        "unchanged": result.unchanged,
        "failed": _failures_as_plain(result.failed),
        "n_annotations": result.n_annotations,
        "notes": [
            {"pullback_id": pullback_id, "note": note} for pullback_id, notes in result.notes.items() for note in notes
        ],
    }


def _failures_as_plain(failed: Sequence[IvsqaError]) -> list[dict[str, str]]:
    """Return errors for --json."""
    return [{"path": str(error.path or ""), "error": str(error)} for error in failed]


def _say_import(result: ImportResult) -> None:
    """Print what an import did."""
    rows = [
        (
            record.pullback_id,
            record.subject_id,
            record.split,
            str(record.n_frames),
            f"{record.width_px} × {record.height_px}",
            _spacing_cell(record.spacing_mm),
            record.spacing_source,
        )
        for record in result.imported
    ]
    if rows:
        say_table(("pullback", "subject", "split", ">frames", ">px", ">mm/px", "spacing from"), rows)
    say(
        f"{count(len(result.imported), 'pullback')} imported, {len(result.unchanged)} unchanged, "
        f"{len(result.failed)} failed; {count(result.n_annotations, 'frame')} newly annotated"
    )
    for pullback_id, notes in result.notes.items():
        for note in notes:
            tell(f"note: {pullback_id}: {note}")
    if result.n_guessed_subjects:
        tell(
            f"note: nothing says whose {count(result.n_guessed_subjects, 'pullback')} these are; each counts as its own subject. "
            "If one person has several, import with --subject-from before you train"
        )
    say("next: ivsqa status")


def _spacing(text: str | None) -> tuple[float, float] | None:
    """Return (x, y) mm per pixel from one number or two."""
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 2) or not all(0.0 < value < 100.0 for value in values):
        raise typer.BadParameter(f"{text!r}: wanted 0.02, or 0.02,0.025 for x,y", param_hint="--spacing-mm")
    return values[0], values[-1]
