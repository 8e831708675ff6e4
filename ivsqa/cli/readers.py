"""Commands about readers: agreement, adjudicate, undo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ivsqa.cli.options import DryRunOption, FormatsOption, JsonOption, ProjectOption, ZipOption, opened
from ivsqa.cli.output import count, known_only, number, say, say_json, say_table, tell

if TYPE_CHECKING:
    from ivsqa.domain.statistics.bootstrap import Measured
    from ivsqa.workflow.readers.adjudicate import AdjudicateResult
    from ivsqa.workflow.readers.agreement import AreaAgreement, ReaderAgreement


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("agreement")(agreement)
    app.command("adjudicate")(adjudicate)
    app.command("undo")(undo)


def agreement(
    project: ProjectOption = None,
    round_id: Annotated[
        str | None, typer.Option("--round", metavar="ID", help="Only this round.", show_default="all rounds")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Also write a row a frame, border and pair of readers.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far readers agree. Dice, distance, and areas: ICC(2,1), bias and limits of agreement (Bland and Altman)."""
    from ivsqa.workflow.readers.agreement import reader_agreement

    study = opened(project)
    result = reader_agreement(study, round_id=round_id)
    if csv is not None:
        from ivsqa.io import atomic
        from ivsqa.workflow.readers.agreement import agreement_csv

        atomic.write_text(csv, agreement_csv(result.frames))
    if as_json:
        say_json(_agreement_as_plain(result))
        return
    _say_agreement(result)
    if csv is not None:
        say(f"wrote {csv}")
    if result.n_disputed:
        say("next: ivsqa adjudicate")


def _say_agreement(result: ReaderAgreement) -> None:
    """Print the figures for people."""
    say(f"{count(result.n_frames, 'frame')} read by several, {result.n_disputed:,} of them not settled")
    if result.n_unreadable_for_some:
        say(f"{count(result.n_unreadable_for_some, 'frame')} that one reader cannot judge and another can")
    if not result.pairs:
        return
    in_mm = all(known_only(pair.assd_mm.value) is not None for pair in result.pairs)
    unit, digits = ("mm", 2) if in_mm else ("px", 0)
    borders, areas = [], []
    for pair in result.pairs:
        head = (", ".join(pair.readers), pair.structure)
        assd, area = (pair.assd_mm, pair.area_mm2) if in_mm else (pair.assd_px, pair.area_px2)
        borders.append(
            (*head, f"{pair.n_frames:,}", f"{pair.n_one_only:,}", _number(pair.dice.value), _number(assd.value))
        )
        bias, low, high = (
            _number(value, digits) for value in (area.bland_altman.bias, area.bland_altman.low, area.bland_altman.high)
        )
        within = f"{_number(area.icc.low)} to {_number(area.icc.high)}"
        areas.append((*head, _number(area.icc.value), within, bias, f"{low} to {high}"))
    say_table(("readers", "border", ">frames", ">by one only", ">Dice", f">ASSD {unit}"), borders)
    say_table(("readers", f"area {unit}²", ">ICC(2,1)", ">95 %", ">bias", ">limits of agreement"), areas)
    say("ICC: 95 % as if frames were independent. Bias: first - second; limits: of 95 %.")


def _number(value: float, digits: int = 3) -> str:
    """Return a number for people; a dash where it is not known."""
    return number(known_only(value), digits)


def _agreement_as_plain(result: ReaderAgreement) -> dict[str, object]:
    """Return the figures under the fixed keys."""
    pairs = [
        {
            "readers": list(pair.readers),
            "structure": pair.structure,
            "n_frames": pair.n_frames,
            "n_one_only": pair.n_one_only,
            "n_subjects": pair.n_subjects,
            "dice": _measured(pair.dice),
            "assd_mm": _measured(pair.assd_mm),
            "assd_px": _measured(pair.assd_px),
            "area_mm2": _area(pair.area_mm2),
            "area_px2": _area(pair.area_px2),
            "by_arc_mm": [known_only(value) for value in pair.by_arc_mm.tolist()],
            "by_arc_px": [known_only(value) for value in pair.by_arc_px.tolist()],
        }
        for pair in result.pairs
    ]
    return {
        "n_frames": result.n_frames,
        "n_disputed": result.n_disputed,
        "n_unreadable_for_some": result.n_unreadable_for_some,
        "pairs": pairs,
    }


def _measured(one: Measured) -> dict[str, Any]:
    """Return a measure and its interval over subjects."""
    return dict(known_only({"value": one.value, "low": one.low, "high": one.high}))


def _area(one: AreaAgreement) -> dict[str, Any]:
    """Return the agreement on areas."""
    return dict(
        known_only(
            {
                "icc": one.icc.value,
                "icc_low": one.icc.low,
                "icc_high": one.icc.high,
                "icc_low_over_subjects": one.icc_over_subjects.low,
                "icc_high_over_subjects": one.icc_over_subjects.high,
                "bias": one.bland_altman.bias,
                "bias_low_over_subjects": one.bias_over_subjects.low,
                "bias_high_over_subjects": one.bias_over_subjects.high,
                "sd": one.bland_altman.sd,
                "limit_low": one.bland_altman.low,
                "limit_high": one.bland_altman.high,
            }
        )
    )


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
    ] = 0.2,
    formats: FormatsOption = None,
    make_zip: ZipOption = False,
    as_json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Settle frames that several read. What they agree on settles itself; the rest becomes a packet for a third."""
    from ivsqa.cli.progress import command_context
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
        say_json(
            {
                "round_id": result.round_id,
                "tolerance_mm": result.tolerance_mm,
                "n_settled": len(result.settled),
                "left": [
                    {"pullback_id": one.key[0], "frame_index": one.frame_index, "reason": one.reason}
                    for one in result.left
                ],
                "n_awaited": len(result.awaited),
                "packet": None if result.packet is None else str(result.packet.folder),
            }
        )
        return
    _say_adjudicated(result, reader, dry_run=dry_run)


def _say_adjudicated(result: AdjudicateResult, reader: str | None, *, dry_run: bool) -> None:
    """Print what was settled and what is left."""
    for name in result.awaited:
        tell(f"note: {name} has not sent {result.round_id} back; what readers agree on is open again when that comes")
    say(
        f"{result.round_id}: {count(len(result.settled), 'frame')} settled within {result.tolerance_mm:g} mm, "
        f"{len(result.left):,} left"
    )
    if result.left:
        rows = [(one.key[0], str(one.frame_index), one.reason) for one in result.left]
        say_table(("pullback", ">frame", "where readers differ"), rows)
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
        say_json({"steps": [vars(step) for step in steps]})
        return
    say_table(
        ("pullback", ">frame", "reader", "counted", "counts now"),
        [
            (step.pullback_id, str(step.frame_index), step.reader, step.before or "–", step.after or "–")
            for step in steps
        ],
    )
    say(
        "not written: --dry-run"
        if dry_run
        else f"{count(len(steps), 'frame')} {'done again' if redo else 'taken back'}"
    )
    if not (dry_run or redo):
        say(f"to go forward again: ivsqa undo {' '.join(what)} --reader {steps[0].reader} --redo")
