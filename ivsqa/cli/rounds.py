"""Commands of a round: score, select, export-for-annotation, import-annotations."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import (
    FORMAT_NAMES,
    SPLIT_NAMES,
    STRATEGY_NAMES,
    DeviceOption,
    DryRunOption,
    GatedOption,
    JsonOption,
    ModelOption,
    ProjectOption,
    PullbackOption,
    RoundOption,
    SplitName,
    StrategyName,
    finite,
    opened,
)
from ivsqa.cli.output import count, number, say, say_json, say_table, tell
from ivsqa.errors import EXIT_INTERRUPTED, BatchError

if TYPE_CHECKING:
    from ivsqa.workflow.import_annotations import ImportAnnotationsResult
    from ivsqa.workflow.score import RankedFrame


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("score")(score)
    app.command("select")(select)
    app.command("export-for-annotation")(export_for_annotation)
    app.command("import-annotations")(import_annotations)


def score(
    project: ProjectOption = None,
    top: Annotated[int, typer.Option(min=0, metavar="N", help="Show the worst frames, this many.")] = 10,
    heatmaps: Annotated[bool, typer.Option("--heatmaps", help="Write an error picture of each frame shown.")] = False,
    again: Annotated[bool, typer.Option("--all", help="Score every frame anew, also those that have scores.")] = False,
    draws: Annotated[
        bool, typer.Option("--draws", help="With ten draws with dropout each, for --strategy bald; ten times as long.")
    ] = False,
    pullback: PullbackOption = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Score every frame that needs it. A score is contours, error maps and predicted quality."""
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.score import score_frames, write_heatmaps

    study = opened(project)
    with command_context() as context:
        result = score_frames(
            study,
            model_id=model,
            pullback_ids=pullback or (),
            again=again,
            draws=draws,
            top=top,
            device=device,
            context=context,
        )
        folder = write_heatmaps(study, result.model_id, result.frames, context) if heatmaps and result.frames else None
    if as_json:
        say_json(
            {
                "model_id": result.model_id,
                "n_scored": result.n_scored,
                "n_reused": result.n_reused,
                "seconds": round(result.seconds, 3),
                "frames": [vars(frame) for frame in result.frames],
            }
        )
    else:
        if result.frames:
            _show_worst(result.frames, study.structures.names)
        rate = f", {result.n_scored / result.seconds:.0f} a second" if result.n_scored else ""
        say(f"{result.model_id}: {count(result.n_scored, 'frame')} scored{rate}, {result.n_reused:,} had scores")
        if folder:
            say(f"heatmaps: {folder}")
        if result.finished:
            say("next: ivsqa select -n 50")
    if not result.finished:
        raise typer.Exit(EXIT_INTERRUPTED)


def _show_worst(frames: list[RankedFrame], names: tuple[str, ...]) -> None:
    """Print the table of worst frames."""
    say("lowest predicted quality among frames that can be chosen:")
    say_table(
        (">rank", "pullback", ">frame", ">quality", *(f">Dice {name}" for name in names), ">regions"),
        [
            (
                str(frame.rank),
                frame.pullback_id,
                str(frame.frame_index),
                number(frame.quality),
                *(number(frame.dice[name]) for name in names),
                str(frame.n_regions),
            )
            for frame in frames
        ],
    )


def select(
    n: Annotated[int, typer.Option("-n", "--number", min=1, metavar="N", help="How many frames.")],
    project: ProjectOption = None,
    strategy: Annotated[
        StrategyName | None,
        typer.Option(
            metavar=STRATEGY_NAMES,
            help="How to choose.",
            show_default="sqa; stratified without a model, and for validation and test",
        ),
    ] = None,
    split: Annotated[SplitName, typer.Option(metavar=SPLIT_NAMES, help="Whose frames.")] = SplitName.train,
    pullback: PullbackOption = None,
    gated: GatedOption = False,
    every: Annotated[
        float | None,
        typer.Option(min=0.0, callback=finite, metavar="MM", help="Only a frame each MM.", show_default="all"),
    ] = None,
    model: ModelOption = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of what is drawn.", show_default="the round's number")
    ] = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Open a round: choose the frames to annotate next."""
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.select import select_frames

    with command_context() as context:
        result = select_frames(
            opened(project),
            n=n,
            strategy=strategy.value if strategy else None,
            split=split.value,
            model_id=model,
            pullback_ids=pullback or (),
            gated=gated,
            every_mm=every or None,
            seed=seed,
            dry_run=dry_run,
            context=context,
        )
    one = result.round
    if as_json:
        rows = [
            {"pullback_id": f.pullback_id, "frame_index": f.frame_index, "quality": f.quality, "reason": f.reason}
            for f in result.frames
        ]
        say_json({"round_id": one.round_id, "strategy": one.strategy, "frames": rows})
        return
    say_table(
        (">rank", "pullback", ">frame", ">quality", "reason"),
        [(str(f.rank), f.pullback_id, str(f.frame_index), number(f.quality), f.reason) for f in result.frames],
    )
    if one.shortfall:
        tell(f"note: {one.shortfall}")
    say(f"{one.round_id}: {count(one.n, 'frame')} by {one.strategy}" + (" (not written: --dry-run)" if dry_run else ""))
    if not dry_run:
        say("next: ivsqa export-for-annotation")


def export_for_annotation(
    project: ProjectOption = None,
    round_id: RoundOption = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"{FORMAT_NAMES}; may be repeated.",
            show_default="from project.yaml",
        ),
    ] = None,
    make_zip: Annotated[bool, typer.Option("--zip", help="Also write one file to send.")] = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Write the packet for the annotator. It holds images, contours, error pictures, worklist and instructions."""
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.export import export_for_annotation as export

    with command_context() as context:
        result = export(
            opened(project),
            round_id=round_id,
            formats=formats or (),
            make_zip=make_zip,
            dry_run=dry_run,
            context=context,
        )
    if as_json:
        say_json(
            {
                "round_id": result.round.round_id,
                "packet": str(result.folder),
                "formats": list(result.formats),
                "n_frames": result.n_frames,
            }
        )
        return
    verb = "would write" if dry_run else "wrote"
    say(f"{verb} {count(result.n_frames, 'frame')} as {', '.join(result.formats)} to {result.folder}")
    if result.archive and not dry_run:
        say(f"to send: {result.archive}")
    say("the annotator starts with INSTRUCTIONS.html")
    say("next, when it comes back: ivsqa import-annotations PATH")


def import_annotations(
    path: Annotated[Path, typer.Argument(help="The folder, zip or file that came back.", metavar="PATH")],
    project: ProjectOption = None,
    round_id: RoundOption = None,
    reader: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who annotated; a pseudonym will do.", show_default="your user name"),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help=f"{FORMAT_NAMES}.", show_default="recognised")
    ] = None,
    accept_untouched: Annotated[
        bool, typer.Option("--accept-untouched", help="Take contours that nobody moved or ticked as right.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend contours that cross themselves or their outer border.")
    ] = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Take in what the annotator sent back. It is checked, compared with what was sent, and kept for ever."""
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.import_annotations import import_annotations as run

    with command_context() as context:
        result = run(
            opened(project),
            path,
            reader=reader or getpass.getuser(),
            round_id=round_id,
            format=format_,
            accept_untouched=accept_untouched,
            repair=repair,
            dry_run=dry_run,
            context=context,
        )
    if as_json:
        say_json(_as_plain(result))
    else:
        _say_return(result, dry_run=dry_run)
    if result.rejected:
        raise BatchError(
            f"{count(len(result.rejected), 'file or frame', 'files or frames')} not taken; the rest is", result.rejected
        )


def _as_plain(result: ImportAnnotationsResult) -> dict[str, object]:
    """Return the result under the fixed keys."""
    import numpy as np

    def spread(values: list[float]) -> dict[str, float | None]:
        if not values:
            return {"mean": None, "p95": None}
        return {"mean": round(float(np.mean(values)), 4), "p95": round(float(np.percentile(values, 95)), 4)}

    return {
        "round_id": result.round_id,
        "n_untouched": result.counts["untouched"],
        "n_edited": result.counts["edited"],
        "n_new": result.counts["new"],
        "n_deleted": result.counts["deleted"],
        "rejected": [{"file": str(error.path or ""), "error": str(error)} for error in result.rejected],
        "edit_mm": spread(result.edit_mm),
        "edit_px": spread(result.edit_px),
        "format": result.format,
        "n_frames_taken": result.n_taken,
        "n_frames_unchecked": result.n_unchecked,
        "n_frames_unreadable": result.n_unreadable,
    }


def _say_return(result: ImportAnnotationsResult, *, dry_run: bool) -> None:
    """Print what came back."""
    plain = _as_plain(result)
    say(f"{result.round_id}: {count(result.n_frames, 'frame')} came back ({result.format})")
    say(
        f"contours: {plain['n_untouched']} untouched, {plain['n_edited']} edited, "
        f"{plain['n_new']} new, {plain['n_deleted']} deleted"
    )
    for unit in ("mm", "px"):
        spread = plain[f"edit_{unit}"]
        if isinstance(spread, dict) and spread["mean"] is not None:
            say(f"edits: {spread['mean']:.3f} {unit} on average, 95 % below {spread['p95']:.3f} {unit}")
            break
    for line in result.repaired:
        tell(f"repaired: {line}")
    for line in result.notes:
        tell(f"note: {line}")
    if result.n_unchecked:
        tell(
            f"note: {count(result.n_unchecked, 'frame')} came back as sent and not ticked as checked: not taken. "
            "If the annotator says they are right, import again with --accept-untouched"
        )
    if result.n_unreadable:
        say(
            f"{count(result.n_unreadable, 'frame')} cannot be annotated, says the reader; they will not be chosen again"
        )
    if dry_run:
        say("not written: --dry-run")
        return
    say(
        f"{count(result.n_taken, 'frame')} newly annotated"
        + (f", {result.n_already} were here" if result.n_already else "")
    )
    say("next: ivsqa status")
