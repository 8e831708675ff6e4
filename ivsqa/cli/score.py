"""`ivsqa score`: contours, error maps and predicted quality of every frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import (
    DeviceOption,
    JsonOption,
    ModelOption,
    ProjectOption,
    PullbackOption,
    ShardOption,
    opened,
    shard_of,
)
from ivsqa.cli.output import count, failures_as_plain, number, picked, say, say_json, say_table
from ivsqa.cli.progress import resumable_context
from ivsqa.domain.shards import WHOLE, Shard
from ivsqa.errors import EXIT_INTERRUPTED, BatchError
from ivsqa.model.choices import Engine

if TYPE_CHECKING:
    from ivsqa.io.project.project import Project
    from ivsqa.io.project.records import ModelRecord
    from ivsqa.workflow.scoring.score import RankedFrame, ScoreResult


def score(
    project: ProjectOption = None,
    top: Annotated[int, typer.Option(min=0, metavar="N", help="Show the worst frames, this many.")] = 10,
    heatmaps: Annotated[bool, typer.Option("--heatmaps", help="Write an error picture of each frame shown.")] = False,
    again: Annotated[bool, typer.Option("--all", help="Score every frame anew, also those that have scores.")] = False,
    draws: Annotated[
        bool, typer.Option("--draws", help="With ten draws with dropout each, for --strategy bald; ten times as long.")
    ] = False,
    pullback: PullbackOption = None,
    shard: ShardOption = "1/1",
    model: ModelOption = None,
    device: DeviceOption = "auto",
    engine: Annotated[
        Engine, typer.Option(metavar="NAME", help="What runs the network on a CPU: torch, or openvino, an extra.")
    ] = "torch",
    as_json: JsonOption = False,
) -> None:
    """Score every frame that needs it. A score is contours, error maps and predicted quality.

    Several processes may score at once, each with a --shard. The worst frames are shown once every frame is scored.
    """
    from ivsqa.workflow.scoring.score import score_frames, write_heatmaps

    share, study = shard_of(shard), opened(project)
    with resumable_context() as context:
        result = score_frames(
            study,
            model_id=model,
            pullback_ids=pullback or (),
            shard=share,
            again=again,
            draws=draws,
            # To rank the frames of all shards, all are looked at.
            top=top if share == WHOLE or heatmaps else 0,
            device=device,
            engine=engine,
            context=context,
        )
        folder = None
        if heatmaps and result.frames:
            folder = write_heatmaps(study, result.model_id, result.frames, context, shard=share)
    if as_json:
        done = picked(result, "model_id", "n_scored", "n_reused", "frames")
        failed = failures_as_plain(result.failed, "path")
        say_json({**done, "seconds": round(result.seconds, 3), "failed": failed})
    else:
        _say(study, result, share, folder, heatmaps=heatmaps)
    if result.failed:
        raise BatchError(f"{count(len(result.failed), 'pullback')} left to who is about them", result.failed)
    if not result.finished:
        raise typer.Exit(EXIT_INTERRUPTED)


def _say(study: Project, result: ScoreResult, share: Shard, folder: Path | None, *, heatmaps: bool) -> None:
    """Print what was scored, and the worst frames."""
    if result.frames:
        _say_worst(result.frames, study.structures.names)
    rate = f", {result.n_scored / result.seconds:.0f} a second" if result.n_scored else ""
    part = "" if share == WHOLE else f"shard {share}: "
    say(f"{result.model_id}: {part}{count(result.n_scored, 'frame')} scored{rate}, {result.n_reused:,} had scores")
    if folder:
        say(f"heatmaps: {folder}")
    if result.n_scored:
        _say_of_model(study.get_model(result.model_id), result.earlier)
    if result.finished and not result.failed:
        if share == WHOLE:
            say("next: ivsqa select -n 50")
        elif heatmaps and not result.frames:
            say("next: once every frame is scored, the same command, which then draws heatmaps")
        else:
            say("next: ivsqa status, once all shards are done")


def _say_of_model(model: ModelRecord, earlier: list[str]) -> None:
    """Print what to know of a model before its qualities are believed."""
    if earlier:
        say(f"this ivsqa comes with another starter model than {', '.join(earlier)}: every frame was scored anew")
    if model.is_starter:
        say(
            "the starter model was taught by phantoms alone: its qualities are calibrated on phantoms until: ivsqa train"
        )
    if model.is_older:
        say(
            "this model is of an older ivsqa: its qualities are not calibrated for these contours until: ivsqa finetune"
        )


def _say_worst(frames: list[RankedFrame], names: tuple[str, ...]) -> None:
    """Print the table of worst frames."""
    say("lowest predicted quality among frames that can be chosen:")
    say_table(
        (">rank", "pullback", ">frame", ">quality", "worst", *(f">Dice {name}" for name in names), ">regions"),
        [
            (
                str(frame.rank),
                frame.pullback_id,
                str(frame.frame_index),
                number(frame.quality),
                frame.worst,
                *(number(frame.dice[name]) for name in names),
                str(frame.n_regions),
            )
            for frame in frames
        ],
        n_ids=3,
    )
