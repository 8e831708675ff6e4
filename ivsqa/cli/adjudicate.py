"""`ivsqa adjudicate`: frames that several read, settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import DryRunOption, FormatsOption, JsonOption, ProjectOption, ZipOption, opened
from ivsqa.cli.output import count, note, picked, say, say_json, say_table
from ivsqa.cli.progress import command_context

if TYPE_CHECKING:
    from ivsqa.workflow.readers.adjudicate import AdjudicateResult


def adjudicate(
    project: ProjectOption = None,
    round_id: Annotated[
        str | None,
        typer.Option("--round", metavar="ID", help="The round.", show_default="the newest with frames in dispute"),
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The third, who decides what is left: write a packet for them.",
            show_default="no packet",
        ),
    ] = None,
    tolerance_mm: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="MM",
            help="Readers who are nowhere further apart agree; where spacing is unknown, as much as that is of 10 mm.",
        ),
    ] = 0.2,  # TOLERANCE_MM, spelt out: to import it takes longer than help may take
    formats: FormatsOption = None,
    make_zip: ZipOption = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Settle frames that several read. What they agree on settles itself; the rest becomes a packet for a third."""
    from ivsqa.workflow.readers.adjudicate import adjudicate as run

    with command_context() as context:
        result = run(
            opened(project),
            round_id=round_id,
            reader=reader,
            tolerance_mm=tolerance_mm,
            formats=formats or (),
            make_zip=make_zip,
            dry_run=dry_run,
            context=context,
        )
    if as_json:
        facts = {"n_settled": len(result.settled), "n_awaited": len(result.awaited)}
        left = [{"pullback_id": d.key[0], "frame_index": d.frame_index, "reason": d.reason} for d in result.left]
        packet = result.packet.folder if result.packet else None
        say_json({**picked(result, "round_id", "tolerance_mm"), **facts, "left": left, "packet": packet})
        return
    _say(result, reader, dry_run=dry_run)


def _say(result: AdjudicateResult, reader: str | None, *, dry_run: bool) -> None:
    """Print what was settled and what is left."""
    for name in result.awaited:
        note(f"{name} has not sent {result.round_id} back; what readers agree on is open again when that comes")
    say(
        f"{result.round_id}: {count(len(result.settled), 'frame')} settled within {result.tolerance_mm:g} mm, "
        f"{len(result.left):,} left"
    )
    if result.left:
        rows = [(dispute.key[0], str(dispute.frame_index), dispute.reason) for dispute in result.left]
        say_table(("pullback", ">frame", "where readers differ"), rows, n_ids=2)
    if dry_run:
        say("not written: --dry-run")
    elif result.packet is not None:
        say(f"wrote {count(result.packet.n_frames, 'frame')} to {result.packet.archive or result.packet.folder}")
        say(f"next, when it comes back: ivsqa import-annotations PATH --reader {reader}")
    elif result.left and result.deciding:
        names = " or ".join(result.deciding)
        say(f"next, when {names} sent theirs back: ivsqa import-annotations PATH --reader {result.deciding[0]}")
    elif result.left:
        say("next: ivsqa adjudicate --reader NAME, who read none of them")
    else:
        say("next: ivsqa status")
