"""`ivsqa report`: the study on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ivsqa.cli.options import JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, failures_as_plain, picked, say, say_json
from ivsqa.cli.progress import command_context
from ivsqa.errors import BatchError


def report(
    pullback: Annotated[
        list[str] | None,
        typer.Option("--pullback", metavar="ID", help="Show this pullback; may be repeated.", show_default="the worst"),
    ] = None,
    top: Annotated[
        int, typer.Option(min=0, metavar="N", help="Show the N worst pullbacks; the others are listed.")
    ] = 8,
    project: ProjectOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write.", show_default="reports/report.html in the project"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put the study on one page.

    Accuracy, effort saved, what another round would bring, and pullbacks along the vessel with lumen, EEM, plaque burden and
    the worst frames. One HTML file that opens offline; to have it on paper or as a PDF, print it from the browser.
    """
    from ivsqa.workflow.reporting.report import write_report

    study = opened(project)
    with command_context() as context:
        result = write_report(study, pullback_ids=pullback or (), top=top, out=out, context=context)
    if as_json:
        written = picked(result, "page", "n_bytes", "model_id", "n_pullbacks")
        say_json({**written, "pullbacks": result.shown, "failed": failures_as_plain(result.failed, "path")})
    else:
        shown = f"{len(result.shown)} of {count(result.n_pullbacks, 'pullback')} shown"
        say(f"{result.page}: {shown}, {result.n_bytes / 1e6:.1f} MB")
    if result.failed:
        # Last: what could be read is on the page, and the exit code tells scripts that something is missing.
        raise BatchError(f"{count(len(result.failed), 'part')} of the study could not be read", result.failed)
