"""`ivsqa export`: contours for other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ivsqa.cli.options import DryRunOption, JsonOption, ModelOption, ProjectOption, PullbackOption, opened
from ivsqa.cli.output import count, note, picked, say, say_json, say_table
from ivsqa.cli.progress import command_context


class ContourFormatName(StrEnum):
    """Formats of contours on the command line."""

    echoplaque = "echoplaque"
    nnunet = "nnunet"


class ContourSourceName(StrEnum):
    """Whose contours, on the command line."""

    annotations = "annotations"
    predictions = "predictions"


def export(
    directory: Annotated[Path, typer.Argument(help="The folder to make.", metavar="DIR")],
    format_: Annotated[
        ContourFormatName, typer.Option("--format", metavar="|".join(ContourFormatName), help="For which tools.")
    ],
    project: ProjectOption = None,
    source: Annotated[
        ContourSourceName, typer.Option(metavar="|".join(ContourSourceName), help="What people drew, or the model.")
    ] = ContourSourceName.annotations,
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
            format=format_.value,
            source=source.value,
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
