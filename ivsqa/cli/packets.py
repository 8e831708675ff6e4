"""Commands about packets: export-for-annotation, refine, import-annotations."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import (
    FORMAT_NAMES,
    DeviceOption,
    DryRunOption,
    FormatsOption,
    JsonOption,
    ProjectOption,
    RoundOption,
    ZipOption,
    opened,
)
from ivsqa.cli.output import count, number, say, say_json, say_table, tell
from ivsqa.errors import BatchError

if TYPE_CHECKING:
    from ivsqa.workflow.rounds.import_annotations import ImportAnnotationsResult
    from ivsqa.workflow.rounds.refine import RefineResult


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("export-for-annotation")(export_for_annotation)
    app.command("refine")(refine)
    app.command("import-annotations")(import_annotations)


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
    make_zip: ZipOption = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Write the packet for the annotator. It holds images, contours, error pictures, worklist and instructions."""
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.rounds.export import export_for_annotation as export

    with command_context() as context:
        result = export(
            opened(project),
            round_id=round_id,
            reader=reader,
            formats=formats or (),
            make_zip=make_zip,
            dry_run=dry_run,
            context=context,
        )
    if as_json:
        say_json(
            {
                "round_id": result.round.round_id,
                "packet": str(result.folder),
                "formats": list(result.formats),
                "n_frames": result.n_frames,
                "reader": reader,
            }
        )
        return
    verb = "would write" if dry_run else "wrote"
    say(f"{verb} {count(result.n_frames, 'frame')} as {', '.join(result.formats)} to {result.folder}")
    if result.archive and not dry_run:
        say(f"to send: {result.archive}")
    say("the annotator starts with INSTRUCTIONS.html")
    name = f" --reader {reader}" if reader else ""
    say(f"next, when it comes back: ivsqa import-annotations PATH{name}")


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
    from ivsqa.cli.progress import command_context
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
        say_json(_refined_as_plain(result))
    else:
        say_table(
            ("pullback", ">frame", ">points", "border", ">moved px", ">moved mm"),
            [
                (
                    one.sent.pullback_id,
                    str(one.sent.frame_index),
                    str(one.n_points),
                    name,
                    number(change.mean_px, 2),
                    number(change.mean_mm),
                )
                for one in result.frames
                for name, change in one.changes.items()
            ],
        )
        if dry_run:
            say("not written: --dry-run")
        elif result.frames:
            say(f"{count(len(result.frames), 'frame')} in {result.folder}, nothing annotated yet")
            say(
                f"next, when you have looked at them: ivsqa import-annotations {result.folder} --round {result.round_id}"
            )
    if result.failed:
        raise BatchError(f"{count(len(result.failed), 'frame')} not refined; the rest is", result.failed)


def _refined_as_plain(result: RefineResult) -> dict[str, object]:
    """Return the result under the fixed keys."""
    return {
        "round_id": result.round_id,
        "folder": str(result.folder),
        "frames": [
            {
                "pullback_id": one.sent.pullback_id,
                "frame_index": one.sent.frame_index,
                "n_points": one.n_points,
                "moved_px": {name: round(change.mean_px, 4) for name, change in one.changes.items()},
                "moved_mm": {
                    name: None if change.mean_mm is None else round(change.mean_mm, 4)
                    for name, change in one.changes.items()
                },
            }
            for one in result.frames
        ],
        "failed": [{"file": str(error.path or ""), "error": str(error)} for error in result.failed],
    }


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
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend contours that cross themselves or their outer border.")
    ] = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Take in what the annotator sent back. It is checked, compared with what was sent, and kept for ever."""
    from ivsqa.cli.progress import command_context
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
        _say_return(result, dry_run=dry_run)
    if result.rejected:
        raise BatchError(
            f"{count(len(result.rejected), 'file or frame', 'files or frames')} not taken; the rest is", result.rejected
        )


def _as_plain(result: ImportAnnotationsResult) -> dict[str, object]:
    """Return the result under the fixed keys."""
    import numpy as np

    def spread(values: list[float]) -> dict[str, float | None]:
        if not values:
            return {"mean": None, "p95": None}
        return {"mean": round(float(np.mean(values)), 4), "p95": round(float(np.percentile(values, 95)), 4)}

    return {
        "round_id": result.round_id,
        "n_untouched": result.counts["untouched"],
        "n_edited": result.counts["edited"],
        "n_new": result.counts["new"],
        "n_deleted": result.counts["deleted"],
        "rejected": [{"file": str(error.path or ""), "error": str(error)} for error in result.rejected],
        "edit_mm": spread(result.edit_mm),
        "edit_px": spread(result.edit_px),
        "format": result.format,
        "n_frames_taken": result.n_taken,
        "n_frames_unchecked": result.n_unchecked,
        "n_frames_unreadable": result.n_unreadable,
        "n_frames_disputed": result.n_disputed,
        "minutes": round(sum(result.active_s) / 60.0, 2) if result.active_s else None,
    }


def _say_return(result: ImportAnnotationsResult, *, dry_run: bool) -> None:
    """Print what came back."""
    plain = _as_plain(result)
    say(f"{result.round_id}: {count(result.n_frames, 'frame')} came back ({result.format})")
    say(
        f"contours: {plain['n_untouched']} untouched, {plain['n_edited']} edited, "
        f"{plain['n_new']} new, {plain['n_deleted']} deleted"
    )
    for unit in ("mm", "px"):
        spread = plain[f"edit_{unit}"]
        if isinstance(spread, dict) and spread["mean"] is not None:
            say(f"edits: {spread['mean']:.3f} {unit} on average, 95 % below {spread['p95']:.3f} {unit}")
            break
    if result.active_s:
        each_s = sum(result.active_s) / len(result.active_s)
        say(
            f"time: {sum(result.active_s) / 60.0:.1f} min for {count(len(result.active_s), 'frame')}, {each_s:.0f} s each"
        )
    for line in result.repaired:
        tell(f"repaired: {line}")
    for line in result.notes:
        tell(f"note: {line}")
    if result.n_unchecked:
        tell(
            f"note: {count(result.n_unchecked, 'frame')} came back as sent and not ticked as checked: not taken. "
            "If the annotator says they are right, import again with --accept-untouched"
        )
    if result.n_unreadable:
        say(
            f"{count(result.n_unreadable, 'frame')} cannot be annotated, says the reader; they will not be chosen again"
        )
    if dry_run:
        say("not written: --dry-run")
        return
    say(
        f"{count(result.n_taken, 'frame')} newly annotated"
        + (f", {result.n_already} were here" if result.n_already else "")
    )
    if result.n_disputed:
        say(
            f"{count(result.n_disputed, 'frame')} read by several and not settled: no model learns from them until they are"
        )
        say(f"next: ivsqa agreement, then ivsqa adjudicate --round {result.round_id}")
        return
    say("next: ivsqa status")
