"""Commands about the project itself: init, import, status, why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ivsqa.cli.options import DryRunOption, JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, number, percent, say, say_json, say_table, tell
from ivsqa.errors import BatchError, IvsqaError

if TYPE_CHECKING:
    from ivsqa.io.sources import PullbackSource
    from ivsqa.workflow.import_pullbacks import ImportResult
    from ivsqa.workflow.outlook import Outlook
    from ivsqa.workflow.why import FrameChain


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init")(init)
    app.command("import")(import_)
    app.command("status")(status)
    app.command("why")(why)


def init(
    directory: Annotated[Path, typer.Argument(help="The folder to make the project in.", metavar="DIR")],
    template: Annotated[
        str, typer.Option(metavar="NAME", help="coronary-ivus, lumen-only or oct-lumen.")
    ] = "coronary-ivus",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The study's name.", show_default="the folder's name")
    ] = None,
) -> None:
    """Make a project folder."""
    from ivsqa.io.project import create_project

    project = create_project(directory, template=template, name=name)
    say(f"{project.settings.name}: {' inside '.join(project.structures.names)} ({template})")
    say(f"wrote {project.layout.settings}: look it over, it is yours to edit")
    say(f"next: cd {directory} && ivsqa import PATH")


def import_(
    paths: Annotated[
        list[Path], typer.Argument(help="DICOM files, frame folders, or folders of them.", metavar="PATH...")
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
    annotations: Annotated[
        str,
        typer.Option(
            metavar="auto|none|PATH", help="Masks and contours: those beside the frames, none, or from a path."
        ),
    ] = "auto",
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Import pullbacks: DICOM files or folders of frames. Masks and contours beside them come along."""
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.import_pullbacks import ImportOptions, import_pullbacks, plan_import

    study = opened(project)
    if dry_run:
        _say_import_plan(*plan_import(paths), as_json=as_json)
        return
    options = ImportOptions(
        spacing_mm=_spacing(spacing_mm),
        pullback_speed_mm_s=pullback_speed,
        subject_from=subject_from,
        with_annotations=annotations != "none",
        annotations=None if annotations in ("auto", "none") else Path(annotations),
    )
    with command_context() as context:
        result = import_pullbacks(study, paths, options, context)
    if as_json:
        say_json(_import_as_plain(result))
    else:
        _say_import(result)
    if result.failed:
        raise BatchError(f"{count(len(result.failed), 'failure')}; what could be read is in the project", result.failed)


def _say_import_plan(sources: Sequence[PullbackSource], failed: list[IvsqaError], *, as_json: bool) -> None:
    """Print what an import would read."""
    if as_json:
        say_json({"would_import": [str(source.path) for source in sources], "failed": _failures_as_plain(failed)})
    else:
        for source in sources:
            say(f"would import {source.path}")
    if failed:
        raise BatchError(f"{count(len(failed), 'path')} cannot be imported", failed)


def _import_as_plain(result: ImportResult) -> dict[str, object]:
    """Return what an import did for --json."""
    return {
        "imported": [record.pullback_id for record in result.imported],
        "unchanged": result.unchanged,
        "failed": _failures_as_plain(result.failed),
        "n_annotations": result.n_annotations,
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
            "unknown" if record.spacing_mm is None else f"{record.spacing_mm[0]:.5g}",
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


def status(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show what there is and what to do next."""
    from ivsqa.workflow.status import project_status

    now = project_status(opened(project))
    if as_json:
        say_json(
            {
                "n_subjects": sum(now.n_subjects.values()),
                "n_pullbacks": sum(now.n_pullbacks.values()),
                "n_frames": sum(now.n_frames.values()),
                "n_annotated": now.n_annotated,
                "current_model": now.current_model.model_id if now.current_model else None,
                "rounds": [{"round_id": one.round_id, "state": one.state, "n": one.n} for one in now.rounds],
                "outlook": _outlook_facts(now.outlook),
            }
        )
        return
    say(now.name)
    say_table(
        ("split", ">subjects", ">pullbacks", ">frames", ">annotated", ">share"),
        [
            (
                split,
                f"{now.n_subjects[split]:,}",
                f"{now.n_pullbacks[split]:,}",
                f"{now.n_frames[split]:,}",
                f"{now.n_annotated[split]:,}",
                percent(now.n_annotated[split] / now.n_frames[split] if now.n_frames[split] else None),
            )
            for split in now.n_frames
        ],
    )
    if now.n_without_spacing:
        say(f"{count(now.n_without_spacing, 'pullback')} without spacing: nothing in mm is reported for them")
    model = now.current_model
    if model:
        dice = f", validation Dice {model.validation_dice:.3f}" if model.validation_dice is not None else ""
        say(
            f"model {model.model_id}: {count(model.n_training_frames, 'frame')} of {count(model.n_subjects, 'subject')}{dice}"
        )
    for one in now.rounds:
        say(f"round {one.round_id}: {count(one.n, 'frame')} by {one.strategy} ({one.split}), {one.state}")
    if now.outlook:
        _show_outlook(now.outlook)
    if now.unfinished_model:
        say(f"the training of {now.unfinished_model.model_id} was stopped; the command that started it goes on")
    say(f"next: {now.next_step[0]}: {now.next_step[1]}")


def _outlook_facts(outlook: Outlook | None) -> dict[str, Any]:
    """Return the outlook as JSON holds it; null where nothing can be said yet."""
    if outlook is None:
        return dict.fromkeys(("n_pool", "quality", "interval", "poor_share", "n_next", "expected_gain"))
    low, high = outlook.quality.low, outlook.quality.high
    return {
        "n_pool": outlook.n_pool,
        "quality": outlook.quality.value,
        "interval": None if math.isnan(low) else [low, high],
        "poor_share": outlook.poor_share,
        "n_next": outlook.n_next,
        "expected_gain": outlook.expected_gain,
    }


def _show_outlook(outlook: Outlook) -> None:
    """Print what is left to gain."""
    mean = outlook.quality
    within = "" if math.isnan(mean.low) else f" ({mean.low:.3f} to {mean.high:.3f})"
    say(
        f"{count(outlook.n_pool, 'frame')} left to choose from: mean predicted Dice {mean.value:.3f}{within}, "
        f"{percent(outlook.poor_share)} below 0.8"
    )
    if outlook.expected_gain is not None:
        say(
            f"{count(outlook.n_next, 'label')} more would likely add {outlook.expected_gain:.4f} to the validation Dice"
        )


def why(
    frame: Annotated[str, typer.Argument(help="PULLBACK:FRAME, or a packet's file name.", metavar="FRAME")],
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the history of a frame. Its source, scores, rounds, readers, and the models that learnt from it."""
    from ivsqa.workflow.why import explain_frame

    chain = explain_frame(opened(project), frame)
    if as_json:
        say_json(_chain_as_plain(chain))
        return
    record = chain.pullback
    at = "" if chain.position_mm is None else f", {chain.position_mm:.1f} mm along"
    say(f"frame {chain.frame_index} of {record.pullback_id} (subject {record.subject_id}, {record.split}{at})")
    made = record.provenance
    say(f"imported {made.created_at} with ivsqa {made.ivsqa_version}; source {record.source_sha256[:12]}")
    for model, score in chain.scores:
        dice = ", ".join(f"{name} {value:.3f}" for name, value in score.dice.items())
        say(f"{model.model_id} predicts Dice {dice}; {count(score.n_regions, 'doubtful region')}")
    for one, chosen in chain.selections:
        say(
            f"{one.round_id} ({one.state}): rank {chosen.rank} of {one.n} by {one.strategy}, seed {one.seed}: {chosen.reason}"
        )
    for revision in chain.revisions:
        origin = revision.origin_of(chain.frame_index)
        say(
            f"{revision.revision_id}: {origin} by {revision.reader}, {revision.source}, {revision.provenance.created_at}"
        )
    say(f"learnt by {', '.join(chain.trained)}" if chain.trained else "no model learnt from it")


def _chain_as_plain(chain: FrameChain) -> dict[str, object]:
    """Return the chain for --json."""
    return {
        "pullback_id": chain.pullback.pullback_id,
        "frame_index": chain.frame_index,
        "position_mm": chain.position_mm,
        "subject_id": chain.pullback.subject_id,
        "split": chain.pullback.split,
        "source_sha256": chain.pullback.source_sha256,
        "scores": [
            {"model_id": model.model_id, "quality": float(number(score.quality, 6)), "dice": score.dice}
            for model, score in chain.scores
        ],
        "selections": [
            {
                "round_id": one.round_id,
                "strategy": one.strategy,
                "seed": one.seed,
                "rank": chosen.rank,
                "reason": chosen.reason,
            }
            for one, chosen in chain.selections
        ],
        "revisions": [
            {
                "revision_id": revision.revision_id,
                "reader": revision.reader,
                "source": revision.source,
                "round_id": revision.round_id,
                "created_at": revision.provenance.created_at,
                "origin": revision.origin_of(chain.frame_index),
            }
            for revision in chain.revisions
        ],
        "trained": chain.trained,
    }
