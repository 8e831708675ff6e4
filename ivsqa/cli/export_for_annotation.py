"""`ivsqa export-for-annotation`: the packet of a round."""

from __future__ import annotations

from typing import Annotated

import typer

from ivsqa.cli.options import DryRunOption, FormatsOption, JsonOption, ProjectOption, RoundOption, ZipOption, opened
from ivsqa.cli.output import count, picked, say, say_json
from ivsqa.cli.progress import command_context


def export_for_annotation(
    project: ProjectOption = None,
    round_id: RoundOption = None,
    formats: FormatsOption = None,
    reader: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="For one of several readers, who do not see each other's work; a pseudonym will do."
        ),
    ] = None,
    repeats: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="For a reader who reads frames once more, to be compared with themselves.",
            show_default=False,
        ),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option("-n", metavar="N", min=1, help="With --repeats: how many, drawn at random.", show_default="all"),
    ] = None,
    make_zip: ZipOption = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Write the packet for the annotator. It holds images, contours, error pictures, worklist and instructions."""
    from ivsqa.workflow.rounds.export import export_for_annotation as export

    with command_context() as context:
        result = export(
            opened(project),
            round_id=round_id,
            reader=reader,
            repeats=repeats,
            n=n,
            formats=formats or (),
            make_zip=make_zip,
            dry_run=dry_run,
            context=context,
        )
    if as_json:
        packet = {"round_id": result.round.round_id, "packet": result.folder, "reader": result.reader}
        say_json(packet | picked(result, "formats", "n_frames", "size_mb"))
        return
    verb = "would write" if dry_run else "wrote"
    size = "" if result.size_mb is None else f", {result.size_mb:.1f} MB"
    say(f"{verb} {count(result.n_frames, 'frame')} as {', '.join(result.formats)} to {result.folder}{size}")
    if result.archive and not dry_run:
        say(f"to send: {result.archive}")
    say("the annotator starts with INSTRUCTIONS.html")
    name = f" --reader {result.reader}" if result.reader else ""
    say(f"next, when it comes back: ivsqa import-annotations PATH{name}")
