"""`ivsqa evaluate`: how good a model is on sealed subjects."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import typer

from ivsqa.cli.options import SPLIT_NAMES, DeviceOption, JsonOption, ModelOption, ProjectOption, SplitName, opened
from ivsqa.cli.output import count, interval, number, percent, say, say_json, say_table
from ivsqa.cli.progress import command_context

COVERAGE = "  95 %"
"""What a row of intervals beneath a row of measures is called."""

Table: TypeAlias = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Columns and rows, as `say_table` takes them."""


def evaluate(
    project: ProjectOption = None,
    split: Annotated[SplitName, typer.Option(metavar=SPLIT_NAMES, help="Which subjects.")] = "test",
    model: ModelOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a model on sealed, annotated subjects. How good are its contours, and how well does it know its errors?"""
    from ivsqa.workflow.evaluating.evaluate import evaluate_model

    with command_context() as context:
        result = evaluate_model(opened(project), model_id=model, split=split, device=device, context=context)
    # The tables show the values of the JSON, rounded alike.
    plain = result.to_dict()
    if as_json:
        say_json(plain)
        return
    frames = count(result.n_frames, f"{split} frame")
    say(f"{result.model_id} on {frames} of {count(result.n_subjects, 'subject')}")
    say_table(*_segmentation_table(plain["segmentation"]))
    if plain["plaque_burden_mae"] is not None:
        say(f"plaque burden: mean error {percent(plain['plaque_burden_mae'])} of the vessel's area")
    say()
    signals, gains = ([row for row in plain[key] if row["scope"] == "frame"] for key in ("estimate", "gain"))
    say_table(*_estimate_table(signals, gains))
    say()
    say_table(*_review_table(signals, plain["review"]))
    for line in _review_lines(plain["review"]):
        say(line)
    say(f"for people, with pictures: {result.page}")


def _segmentation_table(segmentation: dict[str, Any]) -> Table:
    """Return agreement by structure: distances in mm where spacing is known, in px where not; intervals beneath."""
    unit = "mm" if any(row["hd95_mm"] is not None for row in segmentation.values()) else "px"
    hd95, assd = f"hd95_{unit}", f"assd_{unit}"
    columns = ("structure", ">Dice", ">Jaccard", f">HD95 {unit}", f">ASSD {unit}", ">PAD", ">missing")
    rows: list[tuple[str, ...]] = []
    for name, row in segmentation.items():
        distances = (number(row[hd95]), number(row[assd]), percent(row["pad"]))
        rows.append((name, number(row["dice"]), number(row["jaccard"]), *distances, str(row["n_missing"])))
        if row["interval"]["dice"]:
            shown = [interval(row["interval"][key]) for key in ("dice", "jaccard", hd95, assd)]
            rows.append((COVERAGE, *shown, interval(row["interval"]["pad"], of_100=True), ""))
    return columns, rows


def _estimate_table(signals: list[dict[str, Any]], gains: list[dict[str, Any]]) -> Table:
    """Return the figures of predicted quality by signal, and the gain of our own over each; intervals beneath."""
    columns = ("predicted quality", ">Pearson", ">Spearman", ">mean error", ">AUROC < 0.9", ">AUPRC")
    keys = ("pearson", "spearman", "mae", "auroc", "auprc")
    rows: list[tuple[str, ...]] = []
    names = [row["signal"] for row in signals] + [f"minus {row['over']}" for row in gains]
    for name, row in zip(names, [*signals, *gains], strict=True):
        rows.append((name.replace("_", " "), *(number(row[key]) for key in keys)))
        if row["interval"]["mae"]:
            rows.append((COVERAGE, *(interval(row["interval"][key]) for key in keys)))
    return columns, rows


def _review_table(signals: list[dict[str, Any]], review: dict[str, Any]) -> Table:
    """Return the share of frames that people mend until the goal, by what puts the frames in order."""
    columns = (f"order of mending, until {review['goal']}", ">mended", f">{COVERAGE.strip()}", ">PRR")
    shares = [(row["signal"], row["mended"], row["interval"]["mended"], number(row["prr"])) for row in signals]
    shares += [
        (name, review[order], review["interval"][order], "")
        for name, order in (("at random", "random"), ("knowing the truth", "truth"))
    ]
    return columns, [
        (name.replace("_", " "), percent(share), interval(ends, of_100=True), ratio)
        for name, share, ends, ratio in shares
    ]


def _review_lines(review: dict[str, Any]) -> list[str]:
    """Return what the table of orders says, in words."""
    lines = [f"mean Dice of these frames (worst structure): {number(review['mean_dice'])}"]
    if review["truth"] is None or review["truth"] == 0.0:
        return lines
    predicted, random, truth = (f"{100.0 * review[order]:.0f} %" for order in ("predicted", "random", "truth"))
    ways = f"{predicted} by predicted quality, {random} at random, {truth} by the truth"
    return [*lines, f"for {review['goal']} mend {ways}"]
