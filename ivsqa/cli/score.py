"""`ivsqa score`: contours, error maps and predicted quality of every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import DeviceOption, JsonOption, ModelOption, ProjectOption, PullbackOption, opened
from ivsqa.cli.output import count, number, picked, say, say_json, say_table
from ivsqa.cli.progress import resumable_context
from ivsqa.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from ivsqa.io.project.records import ModelRecord
    from ivsqa.workflow.scoring.score import RankedFrame


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
    from ivsqa.workflow.scoring.score import score_frames, write_heatmaps

    study = opened(project)
    with resumable_context() as context:
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
        done = picked(result, "model_id", "n_scored", "n_reused", "frames")
        say_json({**done, "seconds": round(result.seconds, 3)})
    else:
        if result.frames:
            _say_worst(result.frames, study.structures.names)
        rate = f", {result.n_scored / result.seconds:.0f} a second" if result.n_scored else ""
        say(f"{result.model_id}: {count(result.n_scored, 'frame')} scored{rate}, {result.n_reused:,} had scores")
        if folder:
            say(f"heatmaps: {folder}")
        if result.n_scored:
            _say_of_model(study.get_model(result.model_id), result.earlier)
        if result.finished:
            say("next: ivsqa select -n 50")
    if not result.finished:
        raise typer.Exit(EXIT_INTERRUPTED)


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
