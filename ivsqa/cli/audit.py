"""`ivsqa audit`: a round that tells how good the model's contours are."""

from __future__ import annotations

from typing import Annotated

import typer

from ivsqa.cli.options import DryRunOption, JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, note, picked, say, say_json
from ivsqa.cli.progress import command_context


def audit(
    n: Annotated[int, typer.Option("-n", "--number", min=1, metavar="N", help="How many frames.")] = 100,
    project: ProjectOption = None,
    assisted: Annotated[
        bool, typer.Option("--assisted", help="Show the model's contours to the reader: quicker, but not blind.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of the draw.", show_default="the round's number")
    ] = None,
    release: Annotated[
        bool, typer.Option("--release", help="Draw nothing; let models learn from an audit that has done its work.")
    ] = False,
    round_id: Annotated[
        str | None,
        typer.Option("--round", metavar="ID", help="Which audit to release.", show_default="the newest held back"),
    ] = None,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Open a round that judges the model. Its frames are drawn at random from all that nobody read, and read blind."""
    from ivsqa.workflow.accepting.audit import draw_audit, release_audit

    if release:
        result = release_audit(opened(project), round_id, dry_run=dry_run)
    else:
        if round_id is not None:
            raise typer.BadParameter("--round names the audit to release, with --release")
        with command_context() as context:
            result = draw_audit(opened(project), n, is_assisted=assisted, seed=seed, dry_run=dry_run, context=context)
    record, facts = result.round, result.audit
    if as_json:
        frames = [picked(frame, "rank", "pullback_id", "frame_index") for frame in result.frames]
        head = picked(record, "round_id", "seed") | picked(facts, "n_pool", "n_read", "is_assisted", "is_released")
        say_json({**head, "frames": frames})
        return
    unwritten = " (not written: --dry-run)" if dry_run else ""
    if release:
        say(f"{record.round_id}: {count(record.n, 'frame')} released to training{unwritten}")
        return
    if record.shortfall:
        note(record.shortfall)
    sight = "with the model's contours" if assisted else "blind"
    drawn = f"{count(record.n, 'frame')} drawn at random from {facts.n_pool:,} that nobody read"
    say(f"{record.round_id}: {drawn}, to be read {sight}{unwritten}")
    say("no model learns from them until: ivsqa audit --release")
    if not dry_run:
        say("next: ivsqa export-for-annotation")
