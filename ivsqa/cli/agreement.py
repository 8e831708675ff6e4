"""`ivsqa agreement`: how far readers agree."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ivsqa.cli.options import JsonOption, ProjectOption, opened
from ivsqa.cli.output import count, number, picked, say, say_json, say_table

if TYPE_CHECKING:
    from ivsqa.workflow.readers.agreement import AreaAgreement, PairAgreement, ReaderAgreement


def agreement(
    project: ProjectOption = None,
    round_id: Annotated[
        str | None, typer.Option("--round", metavar="ID", help="Only this round.", show_default="all rounds")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Also write a row a frame, border and pair of readings."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far readers agree, and each with themselves. Dice, distances; areas by ICC(2,1) and as Bland and Altman do."""
    from ivsqa.workflow.readers.agreement import agreement_csv, reader_agreement

    result = reader_agreement(opened(project), round_id=round_id)
    if csv is not None:
        from ivsqa.io import atomic

        atomic.write_text(csv, agreement_csv(result.frames))
    if as_json:
        pairs = [_pair_as_plain(pair) for pair in result.pairs]
        say_json({**picked(result, "n_frames", "n_repeated", "n_disputed", "n_unreadable_for_some"), "pairs": pairs})
        return
    _say(result)
    if csv is not None:
        say(f"wrote {csv}")
    if result.n_disputed:
        say("next: ivsqa adjudicate")


def _pair_as_plain(pair: PairAgreement) -> dict[str, Any]:
    """Return the figures of two readers and a border under their fixed keys."""
    return {
        **picked(pair, "readers", "is_repeat", "structure", "n_frames", "n_one_only", "n_subjects"),
        **picked(pair, "dice", "assd_mm", "assd_px", "hd95_mm", "hd95_px"),
        "area_mm2": _area_as_plain(pair.area_mm2),
        "area_px2": _area_as_plain(pair.area_px2),
        "by_arc_mm": pair.by_arc_mm.tolist(),
        "by_arc_px": pair.by_arc_px.tolist(),
    }


def _area_as_plain(area: AreaAgreement) -> dict[str, float]:
    """Return the agreement on areas under its fixed keys."""
    return {
        "icc": area.icc.value,
        "icc_low": area.icc.low,
        "icc_high": area.icc.high,
        "icc_low_over_subjects": area.icc_over_subjects.low,
        "icc_high_over_subjects": area.icc_over_subjects.high,
        "bias": area.bland_altman.bias,
        "bias_low_over_subjects": area.bias_over_subjects.low,
        "bias_high_over_subjects": area.bias_over_subjects.high,
        "sd": area.bland_altman.sd,
        "limit_low": area.bland_altman.low,
        "limit_high": area.bland_altman.high,
    }


def _say(result: ReaderAgreement) -> None:
    """Print the figures for people."""
    say(f"{count(result.n_frames, 'frame')} read by several, {result.n_disputed:,} of them not settled")
    if result.n_repeated:
        say(f"{count(result.n_repeated, 'frame')} read twice by one reader")
    if result.n_unreadable_for_some:
        say(f"{count(result.n_unreadable_for_some, 'frame')} that one reader cannot judge and another can")
    if not result.pairs:
        return
    # One unit for all rows, or a column could not be read down.
    in_mm = not any(math.isnan(pair.assd_mm.value) for pair in result.pairs)
    unit, digits = ("mm", 2) if in_mm else ("px", 0)
    borders, areas = [], []
    for pair in result.pairs:
        names = (", ".join(pair.readers), pair.structure)
        assd, hd95 = (pair.assd_mm, pair.hd95_mm) if in_mm else (pair.assd_px, pair.hd95_px)
        area = pair.area_mm2 if in_mm else pair.area_px2
        figures = (number(pair.dice.value), number(assd.value), number(hd95.value))
        borders.append((*names, f"{pair.n_frames:,}", f"{pair.n_one_only:,}", *figures))
        within = f"{number(area.icc.low)} to {number(area.icc.high)}"
        limits = f"{number(area.bland_altman.low, digits)} to {number(area.bland_altman.high, digits)}"
        areas.append((*names, number(area.icc.value), within, number(area.bland_altman.bias, digits), limits))
    say_table(
        ("readers", "border", ">frames", ">by one only", ">Dice", f">ASSD {unit}", f">HD95 {unit}"), borders, n_ids=2
    )
    say_table(("readers", f"area {unit}²", ">ICC(2,1)", ">95 %", ">bias", ">limits"), areas, n_ids=2)
    say("ICC: 95 % as if frames were independent. Bias: first - second; limits: of 95 %.")
