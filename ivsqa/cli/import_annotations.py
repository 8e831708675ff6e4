"""`ivsqa import-annotations`: the annotator's return."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import FORMAT_NAMES, DryRunOption, JsonOption, ProjectOption, RepairOption, RoundOption, opened
from ivsqa.cli.output import count, failures_as_plain, note, picked, say, say_json, tell, unsettled
from ivsqa.cli.progress import command_context
from ivsqa.errors import BatchError

if TYPE_CHECKING:
    from ivsqa.workflow.rounds.import_annotations import ImportAnnotationsResult

MOST_NAMES = 10
"""A line with more names than that is not read."""


def import_annotations(
    path: Annotated[Path, typer.Argument(help="The folder, zip or file that came back.", metavar="PATH")],
    project: ProjectOption = None,
    round_id: RoundOption = None,
    reader: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who annotated; a pseudonym will do.", show_default="your user name"),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help=f"{FORMAT_NAMES}.", show_default="recognised")
    ] = None,
    accept_untouched: Annotated[
        bool, typer.Option("--accept-untouched", help="Take contours that nobody moved or ticked as right.")
    ] = False,
    repair: RepairOption = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Take in what the annotator sent back. It is checked, compared with what was sent, and kept for ever."""
    from ivsqa.workflow.rounds.import_annotations import import_annotations as run

    with command_context() as context:
        result = run(
            opened(project),
            path,
            reader=reader or getpass.getuser(),
            round_id=round_id,
            format=format_,
            accept_untouched=accept_untouched,
            repair=repair,
            dry_run=dry_run,
            context=context,
        )
    if as_json:
        say_json(_as_plain(result))
    else:
        _say(result, dry_run=dry_run)
    if result.rejected:
        raise BatchError(
            f"{count(len(result.rejected), 'file or frame', 'files or frames')} not taken; the rest is", result.rejected
        )


def _as_plain(result: ImportAnnotationsResult) -> dict[str, object]:
    """Return the outcome of a return under its fixed keys."""
    return {
        **picked(result, "round_id", "format"),
        **{f"n_{origin}": result.counts[origin] for origin in ("untouched", "edited", "new", "deleted")},
        "rejected": failures_as_plain(result.rejected, "file"),
        "edit_mm": _mean_and_p95(result.edit_mm),
        "edit_px": _mean_and_p95(result.edit_px),
        "n_frames_taken": result.n_taken,
        "n_frames_unchecked": result.n_unchecked,
        "n_frames_unreadable": result.n_unreadable,
        "n_frames_disputed": result.n_disputed,
        "repeats": result.repeats,
        "frames_out": list(result.out),
        "minutes": round(sum(result.active_s) / 60.0, 2) if result.active_s else None,
    }


def _mean_and_p95(distances: list[float]) -> dict[str, float | None]:
    """Return the mean and the 95th percentile of how far contours were moved; None where none was."""
    import numpy as np  # loads for longer than help may take

    if not distances:
        return {"mean": None, "p95": None}
    return {"mean": round(float(np.mean(distances)), 4), "p95": round(float(np.percentile(distances, 95)), 4)}


def _say(result: ImportAnnotationsResult, *, dry_run: bool) -> None:
    """Print the result of a return."""
    say(f"{result.round_id}: {count(result.n_frames, 'frame')} came back ({result.format})")
    say("contours: " + ", ".join(f"{result.counts[key]} {key}" for key in ("untouched", "edited", "new", "deleted")))
    unit, distances = ("mm", result.edit_mm) if result.edit_mm else ("px", result.edit_px)
    if distances:
        edits = _mean_and_p95(distances)
        say(f"edits: {edits['mean']:.3f} {unit} on average, 95 % below {edits['p95']:.3f} {unit}")
    if result.active_s:
        minutes, n = sum(result.active_s) / 60.0, len(result.active_s)
        say(f"time: {minutes:.1f} min for {count(n, 'frame')}, {60.0 * minutes / n:.0f} s each")
    for line in result.repaired:
        tell(f"repaired: {line}")
    for line in result.notes:
        note(line)
    _say_not_taken(result)
    if dry_run:
        say("not written: --dry-run")
        return
    known = f", {result.n_already} were here" if result.n_already else ""
    done = f"read again by {result.repeats}, to be compared" if result.repeats else "newly annotated"
    say(f"{count(result.n_taken, 'frame')} {done}{known}")
    if result.out:
        names = ", ".join(result.out[:MOST_NAMES])
        more = f" and {len(result.out) - MOST_NAMES} more" if len(result.out) > MOST_NAMES else ""
        say(f"{result.n_sent - len(result.out)} of {count(result.n_sent, 'frame')} back; still out: {names}{more}")
    if result.n_disputed:
        say(unsettled(result.n_disputed))
        say(f"next: ivsqa agreement, then ivsqa adjudicate --round {result.round_id}")
        return
    say(f"next: ivsqa agreement --round {result.round_id}" if result.repeats else "next: ivsqa status")


def _say_not_taken(result: ImportAnnotationsResult) -> None:
    """Print the frames that came back without an answer, and those that nobody can read."""
    if result.n_unchecked > result.n_empty:
        note(
            f"{count(result.n_unchecked - result.n_empty, 'frame')} came back as sent and not ticked as checked: not "
            "taken. If the annotator says they are right, import again with --accept-untouched"
        )
    if result.n_empty:
        note(
            f"{count(result.n_empty, 'frame')} came back with nothing drawn and not ticked: not taken. "
            "Where there is nothing to draw, tick them as checked or unreadable"
        )
    if result.n_unreadable:
        say(
            f"{count(result.n_unreadable, 'frame')} cannot be annotated, says the reader; they will not be chosen again"
        )
