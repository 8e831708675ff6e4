"""`ivsqa export`: contours for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ivsqa.cli.options import DryRunOption, JsonOption, ModelOption, ProjectOption, PullbackOption, opened
from ivsqa.cli.output import count, note, picked, say, say_json, say_table
from ivsqa.cli.progress import command_context


def export(
    directory: Annotated[Path, typer.Argument(help="The folder to make.", metavar="DIR")],
    format_: Annotated[
        Literal["echoplaque", "nnunet"],
        typer.Option("--format", metavar="echoplaque|nnunet", help="For which tools."),
    ],
    project: ProjectOption = None,
    source: Annotated[
        Literal["annotations", "predictions", "delivered"],
        typer.Option(
            metavar="annotations|predictions|delivered",
            help="What people drew, what the model draws, or what is delivered: drawn by people, or accepted.",
        ),
    ] = "annotations",
    pullback: PullbackOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Write contours for other tools. echoPlaque XML, which DeepIVUS and AIVUS read too, or a data set for nnU-Net."""
    from ivsqa.workflow.reporting.export_contours import export_contours

    with command_context() as context:
        result = export_contours(
            opened(project),
            directory,
            format=format_,
            source=source,
            pullback_ids=pullback or (),
            model_id=model,
            dry_run=dry_run,
            context=context,
        )
    if as_json:
        rows = [{"pullback_id": pullback_id, "n_frames": n} for pullback_id, n in result.n_frames.items()]
        say_json({**picked(result, "folder", "format", "source"), "pullbacks": rows})
    else:
        say_table(("pullback", ">frames"), [(pullback_id, str(n)) for pullback_id, n in result.n_frames.items()])
        wrote = "would write" if dry_run else "wrote"
        say(f"{wrote} {result.folder}: {result.source} of {count(sum(result.n_frames.values()), 'frame')}")
    for name in result.left_out:
        note(f"{result.format} has no place for {name}, which is left out")
