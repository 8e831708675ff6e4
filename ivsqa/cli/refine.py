"""`ivsqa refine`: borders laid through points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import DeviceOption, DryRunOption, JsonOption, ProjectOption, RoundOption, opened
from ivsqa.cli.output import count, failures_as_plain, number, picked, say, say_json, say_table
from ivsqa.cli.progress import command_context
from ivsqa.errors import BatchError

if TYPE_CHECKING:
    from ivsqa.workflow.rounds.refine import RefinedFrame, RefineResult


def refine(
    nudges: Annotated[Path, typer.Option(metavar="PATH", help="Points: a CSV, or a LabelMe return with points in it.")],
    project: ProjectOption = None,
    round_id: RoundOption = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="ID", help="The model to ask.", show_default="the one that drew the packet"),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to write.", show_default="PATH-refined, beside it")
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Lay borders through points that a reader set. What comes out is a proposal to look at and to import."""
    from ivsqa.workflow.rounds.refine import refine as run

    with command_context() as context:
        result = run(
            opened(project),
            nudges,
            round_id=round_id,
            model_id=model,
            folder=to,
            device=device,
            dry_run=dry_run,
            context=context,
        )
    if as_json:
        frames = [_frame_as_plain(frame) for frame in result.frames]
        failed = failures_as_plain(result.failed, "file")
        say_json({**picked(result, "round_id", "folder"), "frames": frames, "failed": failed})
    else:
        _say(result, dry_run=dry_run)
    if result.failed:
        raise BatchError(f"{count(len(result.failed), 'frame')} not refined; the rest is", result.failed)


def _frame_as_plain(frame: RefinedFrame) -> dict[str, object]:
    """Return a frame under its fixed keys: where it is, and how far each border moved."""
    return {
        **picked(frame.sent, "pullback_id", "frame_index"),
        "n_points": frame.n_points,
        "gave_way": list(frame.gave_way),
        "moved_px": {name: round(change.mean_px, 4) for name, change in frame.changes.items()},
        "moved_mm": {
            name: None if change.mean_mm is None else round(change.mean_mm, 4) for name, change in frame.changes.items()
        },
    }


def _say(result: RefineResult, *, dry_run: bool) -> None:
    """Print how far borders moved, and what to do with the proposal."""
    say_table(
        ("pullback", ">frame", ">points", "border", ">moved px", ">moved mm"),
        [
            (
                frame.sent.pullback_id,
                str(frame.sent.frame_index),
                str(frame.n_points),
                f"{name}, in the way" if name in frame.gave_way else name,
                number(change.mean_px, 2),
                number(change.mean_mm),
            )
            for frame in result.frames
            for name, change in frame.changes.items()
        ],
        n_ids=2,
    )
    if dry_run:
        say("not written: --dry-run")
    elif result.frames:
        say(f"{count(len(result.frames), 'frame')} in {result.folder}, nothing annotated yet")
        say(f"next, when you have looked at them: ivsqa import-annotations {result.folder} --round {result.round_id}")
