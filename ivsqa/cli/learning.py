"""Commands about models: train, finetune, evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from ivsqa.cli.options import (
    SPLIT_NAMES,
    DeviceOption,
    JsonOption,
    ModelOption,
    ProjectOption,
    SeedOption,
    SplitName,
    opened,
)
from ivsqa.cli.output import count, interval, number, percent, say, say_json, say_table
from ivsqa.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from ivsqa.workflow.training.train import TrainingOutcome

COVERAGE = "  95 %"
"""What a row of intervals beneath a row of measures is called."""

Table: TypeAlias = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Columns and rows, as `say_table` takes them."""

StepsOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Train at most this long.", show_default="from project.yaml")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train)
    app.command("finetune")(finetune)
    app.command("evaluate")(evaluate)


def train(
    project: ProjectOption = None,
    steps: StepsOption = None,
    seed: SeedOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train a model from scratch. Stopped at any moment, the same command goes on."""
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.training.train import train_model

    with command_context() as context:
        outcome = train_model(opened(project), seed=seed, max_steps=steps, device=device, context=context)
    _report(outcome, as_json=as_json)


def finetune(
    project: ProjectOption = None,
    model: ModelOption = None,
    steps: StepsOption = None,
    seed: SeedOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train the current model further. It sees all annotated frames, new ones more often; it is used only if not worse."""
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.training.train import finetune_model

    with command_context() as context:
        outcome = finetune_model(
            opened(project), parent_id=model, seed=seed, max_steps=steps, device=device, context=context
        )
    _report(outcome, as_json=as_json)


def _report(outcome: TrainingOutcome, *, as_json: bool) -> None:
    """Print what a training did."""
    model = outcome.model
    if as_json:
        say_json(
            {
                "model_id": model.model_id,
                "state": model.state,
                "parent": model.parent,
                "reused": outcome.reused,
                "resumed_at": outcome.resumed_at,
                "steps": model.steps,
                "best_step": model.best_step,
                "n_training_frames": model.n_training_frames,
                "n_new_frames": outcome.n_new_frames,
                "validation_dice": model.validation_dice,
                "accepted": model.accepted,
                "verdict": model.verdict,
            }
        )
    elif outcome.reused:
        say(f"{model.model_id} was trained from the same frames, settings and seed; there is nothing to do")
    elif not outcome.finished:
        say(f"{model.model_id} is not trained to its end; the same command goes on")
    else:
        new = f", {outcome.n_new_frames} of them new" if model.parent else ""
        say(f"{model.model_id}: {count(model.n_training_frames, 'frame')} of {count(model.n_subjects, 'subject')}{new}")
        say(f"best at step {model.best_step} of {model.steps}, validation Dice {number(model.validation_dice)}")
        say(model.verdict)
        say("next: ivsqa score --top 50")
    if not outcome.finished:
        raise typer.Exit(EXIT_INTERRUPTED)


def evaluate(
    project: ProjectOption = None,
    split: Annotated[SplitName, typer.Option(metavar=SPLIT_NAMES, help="Which subjects.")] = SplitName.test,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a model on sealed, annotated subjects. How good are its contours, and how well does it know its errors?"""
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.evaluating.evaluate import evaluate_model

    with command_context() as context:
        result = evaluate_model(opened(project), model_id=model, split=split.value, device=device, context=context)
    plain = result.to_dict()
    if as_json:
        say_json(plain)
        return
    say(
        f"{result.model_id} on {count(result.n_frames, f'{split.value} frame')} of {count(result.n_subjects, 'subject')}"
    )
    say_table(*_segmentation_table(plain["segmentation"]))
    if plain["plaque_burden_mae"] is not None:
        say(f"plaque burden: mean error {percent(plain['plaque_burden_mae'])} of the vessel's area")
    say()
    say_table(
        *_estimate_table(*([row for row in plain[key] if row["scope"] == "frame"] for key in ("estimate", "gain")))
    )
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
    """Return how good the predicted quality of frames is from each signal, and what ours is better by, intervals beneath."""
    columns = ("predicted quality", ">Pearson", ">Spearman", ">mean error", ">AUROC < 0.9", ">AUPRC")
    keys = ("pearson", "spearman", "mae", "auroc", "auprc")
    rows: list[tuple[str, ...]] = []
    names = [row["signal"] for row in signals] + [f"minus {row['over']}" for row in gains]
    for name, row in zip(names, [*signals, *gains], strict=True):
        rows.append((name.replace("_", " "), *(number(row[key]) for key in keys)))
        if row["interval"]["mae"]:
            rows.append((COVERAGE, *(interval(row["interval"][key]) for key in keys)))
    return columns, rows
