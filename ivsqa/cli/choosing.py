"""Commands that find frames: score, select."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import (
    SPLIT_NAMES,
    STRATEGY_NAMES,
    DeviceOption,
    DryRunOption,
    GatedOption,
    JsonOption,
    ModelOption,
    ProjectOption,
    PullbackOption,
    SplitName,
    StrategyName,
    finite,
    opened,
)
from ivsqa.cli.output import count, number, say, say_json, say_table, tell
from ivsqa.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from ivsqa.workflow.scoring.score import RankedFrame


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("score")(score)
    app.command("select")(select)


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
    from ivsqa.workflow.scoring.score import score_frames, write_heatmaps

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
    from ivsqa.workflow.rounds.select import select_frames

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
