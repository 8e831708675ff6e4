"""`ivsqa amend`: facts of pullbacks, corrected after their import."""

from __future__ import annotations

from typing import Annotated

import typer

from ivsqa.cli.import_ import spacing_of
from ivsqa.cli.options import DryRunOption, JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, note, say, say_json, say_table

AMENDED = {
    "spacing_mm": "mm per pixel",
    "frame_interval_s": "s between frames",
    "frame_time_s": "times of frames",
    "pullback_speed_mm_s": "mm/s",
    "start_frame_index": "start frame",
    "stop_frame_index": "stop frame",
    "subject_id": "subject",
    "split": "split",
}


def amend(
    pullbacks: Annotated[list[str], typer.Argument(help="Pullbacks, by id.", metavar="PULLBACK...")],
    by: Annotated[str, typer.Option(metavar="NAME", help="Who says so, by a pseudonym.")],
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    project: ProjectOption = None,
    spacing_mm: Annotated[
        str | None, typer.Option(metavar="MM", help="mm per pixel: 0.02, or 0.02,0.025 for x,y.")
    ] = None,
    frame_rate: Annotated[float | None, typer.Option(metavar="HZ", min=1e-3, help="Frames a second.")] = None,
    pullback_speed: Annotated[float | None, typer.Option(metavar="MM/S", min=1e-3, help="Catheter speed.")] = None,
    start_frame: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="First frame of the moving catheter, from 0.")
    ] = None,
    stop_frame: Annotated[int | None, typer.Option(metavar="N", min=0, help="Last such frame.")] = None,
    subject: Annotated[str | None, typer.Option(metavar="ID", help="Pseudonym of the person.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last amendment of each back.")] = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Correct facts of pullbacks after their import. What was said before stays on record, and can be taken back."""
    from ivsqa.workflow.importing.amend import NewFacts
    from ivsqa.workflow.importing.amend import amend as run

    facts = NewFacts(spacing_of(spacing_mm), frame_rate, pullback_speed, start_frame, stop_frame, subject)
    if undo == (facts != NewFacts()):
        raise typer.BadParameter("give the facts that are right, or --undo alone", param_hint="--undo")
    done = run(opened(project), pullbacks, None if undo else facts, by=by, why=why, dry_run=dry_run)
    rows = [
        (one.pullback_id, one.amendment_id, name, before, after)
        for one in done
        for name, (before, after) in one.changed.items()
    ]
    if as_json:
        keys = ("pullback_id", "amendment_id", "fact", "before", "after")
        notes = [{"pullback_id": one.pullback_id, "note": line} for one in done for line in one.notes]
        say_json({"changed": [dict(zip(keys, row, strict=True)) for row in rows], "notes": notes})
        return
    if rows:
        say_table(
            ("pullback", "amendment", "fact", "before", "now"),
            [(row[0], row[1] or "–", AMENDED[row[2]], _cell(row[3]), _cell(row[4])) for row in rows],
        )
    for one in done:
        for line in one.notes:
            note(f"{one.pullback_id}: {line}")
    n_changed = sum(one.amendment_id is not None for one in done)
    say("not written: --dry-run" if dry_run else f"{count(n_changed, 'pullback')} amended")


def _cell(value: object) -> str:
    """Return a fact as people read it."""
    if value is None:
        return "unknown"
    if isinstance(value, tuple):
        return " × ".join(f"{side:.5g}" for side in dict.fromkeys(value)) if len(value) <= 2 else f"{len(value)} times"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
