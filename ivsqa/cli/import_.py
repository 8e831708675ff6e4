"""`ivsqa import`: pullbacks with their masks and contours, and the plan of an import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ivsqa.cli.options import (
    DryRunOption,
    JsonOption,
    ProjectOption,
    RepairOption,
    ShardOption,
    opened,
    shard_of,
)
from ivsqa.cli.output import count, failures_as_plain, note, picked, say, say_json, say_table
from ivsqa.cli.progress import command_context, resumable_context
from ivsqa.domain.shards import WHOLE, Shard
from ivsqa.errors import EXIT_INTERRUPTED, BatchError

if TYPE_CHECKING:
    from ivsqa.domain.pullback import PullbackFacts
    from ivsqa.io.project.project import Project
    from ivsqa.io.project.records import PullbackRecord
    from ivsqa.workflow.importing.import_pullbacks import ImportResult
    from ivsqa.workflow.importing.options import ImportOptions
    from ivsqa.workflow.importing.plan import ImportPlan, PlannedPullback

UNKNOWN = "unknown"
SOURCES = "spacing, time and speed from"
AnnotationsOption = Annotated[
    str,
    typer.Option(
        metavar="auto|none|PATH",
        help="Masks and contours: those beside the frames, none, or from a path. Formats are recognised.",
    ),
]
MaskTextOption = Annotated[
    bool, typer.Option("--mask-text", help="Blacken text that seems to be burned into the frames.")
]
GatedOption = Annotated[
    bool, typer.Option("--gated", help="Find end-diastolic frames in the images where the files name none.")
]
SpacingOption = Annotated[
    str | None,
    typer.Option(metavar="MM", help="mm per pixel where the files do not say: 0.02, or 0.02,0.025 for x,y."),
]
SpeedOption = Annotated[float | None, typer.Option(metavar="MM/S", help="Catheter speed where the files do not say.")]
RateOption = Annotated[
    float | None, typer.Option(metavar="HZ", min=1e-3, help="Frames a second where the files do not say.")
]
SpacingFromOption = Annotated[
    Literal["frames", "beside"],
    typer.Option(
        metavar="frames|beside",
        help="Take the spacing by what the frames say, or by what files of other tools beside them do: echoPlaque, AIVUS.",
    ),
]
JobsOption = Annotated[int, typer.Option(min=1, metavar="N", help="Processes at once, each decoding a pullback.")]
SubjectFromOption = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN|TABLE.csv",
        help="Who is who: a pattern with (?P<subject>…) and perhaps (?P<pullback>…), or a table path,subject_id,pullback_id.",
        show_default="the patient identifier in the header, pseudonymised",
    ),
]


def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(help="DICOM files, frame folders, volumes, videos, or folders of them.", metavar="PATH..."),
    ],
    project: ProjectOption = None,
    spacing_mm: SpacingOption = None,
    pullback_speed: SpeedOption = None,
    frame_rate: RateOption = None,
    spacing_from: SpacingFromOption = "frames",
    subject_from: SubjectFromOption = None,
    annotations: AnnotationsOption = "auto",
    repair: RepairOption = False,
    mask_text: MaskTextOption = False,
    gated: GatedOption = False,
    jobs: JobsOption = 1,
    shard: ShardOption = "1/1",
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Import pullbacks with their masks and contours. DICOM, folders of frames, volumes and video are recognised.

    With --shard frames are decoded ahead, which takes most of the time; the same command without it then takes them in.
    """
    from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
    from ivsqa.workflow.importing.plan import plan_import

    share, study = shard_of(shard), opened(project)
    options = ImportOptions(
        spacing_mm=spacing_of(spacing_mm),
        pullback_speed_mm_s=pullback_speed,
        frame_rate_hz=frame_rate,
        spacing_from_beside=spacing_from == "beside",
        subject_from=subject_from,
        # A path comes on top of what lies beside the frames; only `none` leaves that out.
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
        _say_plan(plan, as_json=as_json)
        return
    if share != WHOLE:
        _decode_shard(study, paths, options, share, as_json=as_json)
        return
    with resumable_context() as context:
        result = import_pullbacks(study, paths, options, context)
    if as_json:
        say_json(_as_plain(result))
    else:
        _say(result)
    if result.failed:
        raise BatchError(f"{count(len(result.failed), 'failure')}; what could be read is in the project", result.failed)
    if not result.finished:
        raise typer.Exit(EXIT_INTERRUPTED)


def _decode_shard(study: Project, paths: list[Path], options: ImportOptions, share: Shard, *, as_json: bool) -> None:
    """Decode a shard, and print what came of it."""
    from ivsqa.workflow.importing.import_shard import decode_shard

    with resumable_context() as context:
        result = decode_shard(study, paths, options, share, context)
    if as_json:
        failed = failures_as_plain(result.failed, "path")
        say_json({**picked(result, "n_decoded", "n_there"), "failed": failed})
    else:
        say(f"shard {share}: {count(result.n_decoded, 'pullback')} decoded ahead, {result.n_there} were there")
        say("next: once all shards are done, the same command without --shard")
    if result.failed:
        raise BatchError(f"{count(len(result.failed), 'failure')}; what could be read is decoded", result.failed)
    if not result.finished:
        raise typer.Exit(EXIT_INTERRUPTED)


def _say_plan(plan: ImportPlan, *, as_json: bool) -> None:
    """Print the plan of an import."""
    n_new = sum(pullback.is_new for pullback in plan.pullbacks)
    if as_json:
        new = [pullback.path for pullback in plan.pullbacks if pullback.is_new]
        rows = [_planned_as_plain(pullback) for pullback in plan.pullbacks]
        failed = failures_as_plain(plan.failed, "path")
        say_json({"would_import": new, "plan": rows, "failed": failed, "remarks": plan.remarks})
    else:
        common = Path(os.path.commonpath([pullback.path.parent for pullback in plan.pullbacks] or [Path()]))
        if plan.pullbacks:
            say(f"in {common}:")
            columns = ("file", "is", ">frames", ">px", ">mm/px", "console", "subject", "split", "then", SOURCES)
            say_table(columns, [_planned_cells(pullback, common) for pullback in plan.pullbacks])
        n_unchanged = len(plan.pullbacks) - n_new
        n_annotated = sum(pullback.n_annotated for pullback in plan.pullbacks)
        say(
            f"{count(n_new, 'pullback')} to import, {n_unchanged} unchanged, {len(plan.failed)} refused; "
            f"contours in {count(n_annotated, 'frame')}"
        )
        _say_notes(plan, common)
        if any(pullback.is_guess for pullback in plan.pullbacks):
            note("nothing says whose the guessed ones are; each would count as its own subject: see --subject-from")
        for remark in plan.remarks:
            note(remark)
    if plan.failed:
        raise BatchError(f"{count(len(plan.failed), 'path')} cannot be imported", plan.failed)


def _say_notes(plan: ImportPlan, common: Path) -> None:
    """Print what speaks against what was found, each once, with the pullbacks that it is about."""
    about: dict[str, list[str]] = {}
    for pullback in plan.pullbacks:
        for line in pullback.facts.notes:
            about.setdefault(line, []).append(str(pullback.path.relative_to(common)))
    for line, files in about.items():
        others = f" and {count(len(files) - 1, 'other')}" if len(files) > 1 else ""
        note(f"{files[0]}{others}: {line}")


def _planned_as_plain(pullback: PlannedPullback) -> dict[str, object]:
    """Return a pullback of a plan under its fixed keys."""
    return {
        **picked(pullback, "path", "kind", "subject_id", "is_guess", "split", "pullback_id", "is_new", "n_annotated"),
        **picked(pullback.facts, "n_frames", "height_px", "width_px", "spacing_mm", "spacing_source"),
        "frame_rate_hz": pullback.facts.frame_rate_hz,
        **picked(pullback.facts, "frame_time_source", "pullback_speed_mm_s", "pullback_speed_source"),
        "console": pullback.facts.manufacturer_model,
        "notes": list(pullback.facts.notes),
    }


def _planned_cells(pullback: PlannedPullback, common: Path) -> tuple[str, ...]:
    """Return the cells of a pullback of a plan."""
    facts = pullback.facts
    return (
        str(pullback.path.relative_to(common)),
        pullback.kind,
        str(facts.n_frames),
        f"{facts.width_px} × {facts.height_px}",
        _spacing_cell(facts.spacing_mm),
        facts.manufacturer_model or "–",
        f"{pullback.subject_id}{' (guessed)' if pullback.is_guess else ''}",
        pullback.split,
        "import" if pullback.is_new else f"here as {pullback.pullback_id}",
        _sources_cell(facts),
    )


def _spacing_cell(spacing_mm: tuple[float, float] | None) -> str:
    """Return mm per pixel as people read it."""
    return "unknown" if spacing_mm is None else f"{spacing_mm[0]:.5g}"


def _sources_cell(facts: PullbackFacts | PullbackRecord) -> str:
    """Return what said the spacing, the frame rate and the speed, with the values that stand in no column."""
    said = [facts.spacing_source]
    for value, unit, source in (
        (facts.frame_rate_hz, "frames/s", facts.frame_time_source),
        (facts.pullback_speed_mm_s, "mm/s", facts.pullback_speed_source),
    ):
        if value is not None:
            said.append(f"{value:.4g} {unit} by {source}")
        elif source != UNKNOWN:  # somebody says something, and is not believed
            said.append(f"{unit} {source}")
    return "; ".join(said)


def _as_plain(result: ImportResult) -> dict[str, object]:
    """Return the outcome of an import under its fixed keys."""
    return {
        "imported": [record.pullback_id for record in result.imported],
        **picked(result, "unchanged", "n_annotations"),
        "failed": failures_as_plain(result.failed, "path"),
        "notes": [
            {"pullback_id": pullback_id, "note": line} for pullback_id, lines in result.notes.items() for line in lines
        ],
        "remarks": result.remarks,
    }


def _say(result: ImportResult) -> None:
    """Print the result of an import."""
    rows = [
        (
            record.pullback_id,
            record.subject_id,
            record.split,
            str(record.n_frames),
            f"{record.width_px} × {record.height_px}",
            _spacing_cell(record.spacing_mm),
            _sources_cell(record),
        )
        for record in result.imported
    ]
    if rows:
        say_table(("pullback", "subject", "split", ">frames", ">px", ">mm/px", SOURCES), rows)
    say(
        f"{count(len(result.imported), 'pullback')} imported, {len(result.unchanged)} unchanged, "
        f"{len(result.failed)} failed; {count(result.n_annotations, 'frame')} newly annotated"
    )
    for pullback_id, lines in result.notes.items():
        for line in lines:
            note(f"{pullback_id}: {line}")
    for remark in result.remarks:
        note(remark)
    if result.n_guessed_subjects:
        note(
            f"nothing says whose {count(result.n_guessed_subjects, 'pullback')} these are; each counts as its own subject. "
            "If one person has several, import with --subject-from before you train"
        )
    say("next: ivsqa status")


def spacing_of(text: str | None) -> tuple[float, float] | None:
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
