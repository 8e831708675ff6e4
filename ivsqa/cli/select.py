"""`ivsqa select`: a new round."""

from __future__ import annotations

from typing import Annotated

import typer

from ivsqa.cli.options import (
    SPLIT_NAMES,
    STRATEGY_NAMES,
    DryRunOption,
    GatedOption,
    JsonOption,
    ModelOption,
    ProjectOption,
    PullbackOption,
    SelectStrategyName,
    SplitName,
    finite,
    opened,
)
from ivsqa.cli.output import count, expected_minutes, note, number, picked, say, say_json, say_table
from ivsqa.cli.progress import command_context

StrategyOption = Annotated[
    SelectStrategyName | None,
    typer.Option(
        metavar="NAME",
        help=f"How to choose: {STRATEGY_NAMES}; or review: what is left to read, to finish the study.",
        show_default="sqa; stratified without a model, and for validation and test",
    ),
]


def select(
    n: Annotated[int, typer.Option("-n", "--number", min=1, metavar="N", help="How many frames.")],
    project: ProjectOption = None,
    strategy: StrategyOption = None,
    split: Annotated[
        SplitName | None, typer.Option(metavar=SPLIT_NAMES, help="Whose frames.", show_default="train; of a review all")
    ] = None,
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
    from ivsqa.workflow.rounds.select import select_frames

    with command_context() as context:
        result = select_frames(
            opened(project),
            n=n,
            strategy=strategy,
            split=split,
            model_id=model,
            pullback_ids=pullback or (),
            gated=gated,
            every_mm=every or None,
            seed=seed,
            dry_run=dry_run,
            context=context,
        )
    record = result.round
    if as_json:
        frames = [picked(frame, "pullback_id", "frame_index", "quality", "reason") for frame in result.frames]
        say_json(
            {
                **picked(record, "round_id", "strategy"),
                "minutes": result.minutes and result.minutes.expected,
                "frames": frames,
            }
        )
        return
    say_table(
        (">rank", "pullback", ">frame", ">quality", "reason"),
        [(str(f.rank), f.pullback_id, str(f.frame_index), number(f.quality), f.reason) for f in result.frames],
        n_ids=3,
    )
    if record.shortfall:
        note(record.shortfall)
    unwritten = " (not written: --dry-run)" if dry_run else ""
    say(
        f"{record.round_id}: {count(record.n, 'frame')} by {record.strategy}{expected_minutes(result.minutes)}{unwritten}"
    )
    if not dry_run:
        say("next: ivsqa export-for-annotation")
