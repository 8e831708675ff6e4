"""Commands about the project itself: init, import, status, why."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ivsqa.cli.importing import import_
from ivsqa.cli.options import JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, number, percent, say, say_json, say_table

if TYPE_CHECKING:
    from ivsqa.domain.selection.learning_curve import Outlook
    from ivsqa.io.project.records import RevisionRecord
    from ivsqa.workflow.reporting.why import FrameChain


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
    from ivsqa.io.project.new_project import create_project

    project = create_project(directory, template=template, name=name)
    say(f"{project.settings.name}: {' inside '.join(project.structures.names)} ({template})")
    say(f"wrote {project.layout.settings}: look it over, it is yours to edit")
    say(f"next: cd {directory} && ivsqa import PATH")


def status(project: ProjectOption = None, as_json: JsonOption = False) -> None:
    """Show what there is and what to do next."""
    from ivsqa.workflow.reporting.status import project_status

    now = project_status(opened(project))
    if as_json:
        say_json(
            {
                "n_subjects": sum(now.n_subjects.values()),
                "n_pullbacks": sum(now.n_pullbacks.values()),
                "n_frames": sum(now.n_frames.values()),
                "n_annotated": now.n_annotated,
                "n_disputed": now.n_disputed,
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
        of_readers = f" ({', '.join(f'{name} {state}' for name, state in one.readers.items())})" if one.readers else ""
        say(f"round {one.round_id}: {count(one.n, 'frame')} by {one.strategy} ({one.split}), {one.state}{of_readers}")
    if now.n_disputed:
        say(
            f"{count(now.n_disputed, 'frame')} read by several and not settled: no model learns from them until they are"
        )
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
    from ivsqa.workflow.reporting.why import explain_frame

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
            + _role(chain, revision)
        )
    for pointer in chain.pointers:
        to = pointer.revision_id or "nothing"
        say(f"{pointer.pointer_id}: {to} counts of {pointer.reader} since {pointer.provenance.created_at}")
    if chain.standing is not None and chain.standing.is_disputed:
        say("in dispute between readers: no model learns from it until it is settled")
    say(f"learnt by {', '.join(chain.trained)}" if chain.trained else "no model learnt from it")


def _role(chain: FrameChain, revision: RevisionRecord) -> str:
    """Return what a revision is to the frame now, for people."""
    if chain.standing is not None and revision == chain.standing.current:
        return ", the reference" if revision.settles else ", counts"
    return "" if chain.counts(revision) else ", taken back or replaced"


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
                "is_reference": bool(revision.settles),
                "counts": chain.counts(revision),
            }
            for revision in chain.revisions
        ],
        "annotation": None
        if chain.standing is None or chain.standing.current is None
        else chain.standing.current.revision_id,
        "is_disputed": chain.standing is not None and chain.standing.is_disputed,
        "trained": chain.trained,
    }
