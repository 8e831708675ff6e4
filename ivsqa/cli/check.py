"""`ivsqa check`: the faults of a project, or of a packet on its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, failures_as_plain, picked, say, say_json
from ivsqa.cli.progress import command_context
from ivsqa.errors import EXIT_FINDINGS, BatchError

if TYPE_CHECKING:
    from ivsqa.workflow.rounds.check_packet import PacketCheck


def check(
    path: Annotated[
        Path | None,
        typer.Argument(help="A packet, or what comes back of it.", metavar="PATH", show_default="the project"),
    ] = None,
    packet: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The packet as it was sent, where PATH is a file out of an editor."),
    ] = None,
    project: ProjectOption = None,
    deep: Annotated[
        bool, typer.Option("--deep/--quick", help="Read frames, weights and scores to their end, or leave that out.")
    ] = True,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Remove leftovers of stopped processes, and what is damaged and can be made again."
        ),
    ] = False,
    acknowledge: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Take a file as it is now, gone or changed, for good; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the project, or a packet on its own. Exit 4 if something is found, 3 in a packet."""
    if path is None:
        _check_project(project, deep=deep, repair=repair, acknowledged=acknowledge or [], as_json=as_json)
    else:
        _check_packet(path, packet, as_json=as_json)


def _check_project(project: Path | None, *, deep: bool, repair: bool, acknowledged: list[Path], as_json: bool) -> None:
    from ivsqa.workflow.reporting.check import check_project
    from ivsqa.workflow.reporting.ledger_findings import edited_files, repair_project

    study = opened(project)
    edited = edited_files(study)  # asked first: what is mended is entered, and with it that they were edited
    mended = repair_project(study, repair=repair, acknowledged=acknowledged)
    with command_context() as context:
        findings = check_project(study, deep=deep, context=context)
    if as_json:
        say_json({"findings": findings, "edited": edited, **picked(mended, "removed", "acknowledged")})
    else:
        for name in mended.removed:
            say(f"removed: {name}")
        for name in mended.acknowledged:
            say(f"acknowledged: {name}")
        for name in edited:
            say(f"edited: {name}, as it may be")
        for finding in findings:
            mend = f"  (mend: {finding.hint})" if finding.hint else ""
            say(f"{finding.code}: {finding.where}: {finding.message}{mend}")
        say(count(len(findings), "finding"))
    if findings:
        raise typer.Exit(EXIT_FINDINGS)


def _check_packet(path: Path, packet: Path | None, *, as_json: bool) -> None:
    from ivsqa.workflow.rounds.check_packet import check_packet

    result = check_packet(path, packet=packet)
    if as_json:
        facts = picked(result, "packet_id", "format", "frames")
        say_json({**facts, "findings": failures_as_plain(result.errors, "file")})
    else:
        say_packet(result)
    if result.errors:
        # Exit 3, as import-annotations would: what comes back like this is refused.
        raise BatchError(f"{count(len(result.errors), 'finding')}: mend and check again", list(result.errors))


def say_packet(result: PacketCheck) -> None:
    """Print a line a frame, and what is left to do."""
    for frame in result.frames:
        done = f"changed: {', '.join(frame.changed)}" if frame.changed else "as it was sent"
        done = ", ".join(filter(None, [done, frame.moved_whole]))
        ticked = "unreadable" if frame.is_unreadable else "ticked" if frame.is_ticked else "not ticked"
        say(f"{frame.name}: {f'{ticked}, {done}' if frame.is_back else 'not there'}")
    n_open = sum(frame.is_back and not frame.is_ticked and not frame.changed for frame in result.frames)
    n_absent = sum(not frame.is_back for frame in result.frames)
    n_done = len(result.frames) - n_open - n_absent
    rest = f"{n_open} neither ticked nor changed, {n_absent} not there"
    say(f"{result.packet_id} ({result.format}): {count(n_done, 'frame')} done, {rest}")
