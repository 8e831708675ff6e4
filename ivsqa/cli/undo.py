"""`ivsqa undo`: a reader's last revision, taken back."""

from __future__ import annotations

from typing import Annotated

import typer

from ivsqa.cli.options import DryRunOption, JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, say, say_json, say_table


def undo(
    what: Annotated[
        list[str], typer.Argument(help="Frames as PULLBACK:FRAME, revisions, or rounds.", metavar="WHAT...")
    ],
    project: ProjectOption = None,
    reader: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose work.", show_default="the only reader's")
    ] = None,
    redo: Annotated[bool, typer.Option("--redo", help="Go forward again.")] = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Take back what a reader said last. What was said before counts again; nothing is deleted."""
    from ivsqa.workflow.readers.undo import undo as run

    steps = run(opened(project), what, reader=reader, redo=redo, dry_run=dry_run)
    if as_json:
        say_json({"steps": steps})
        return
    say_table(
        ("pullback", ">frame", "reader", "counted", "counts now"),
        [
            (step.pullback_id, str(step.frame_index), step.reader, step.before or "–", step.after or "–")
            for step in steps
        ],
        n_ids=2,
    )
    if dry_run:
        say("not written: --dry-run")
        return
    say(f"{count(len(steps), 'frame')} {'done again' if redo else 'taken back'}")
    if not redo:
        say(f"to go forward again: ivsqa undo {' '.join(what)} --reader {steps[0].reader} --redo")
