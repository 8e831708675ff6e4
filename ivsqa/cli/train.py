"""`ivsqa train`: a first model; and the answer that `ivsqa finetune` prints too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ivsqa.cli.options import DeviceOption, JsonOption, ProjectOption, SeedOption, StepsOption, opened
from ivsqa.cli.output import count, number, picked, say, say_json
from ivsqa.cli.progress import resumable_context
from ivsqa.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from ivsqa.workflow.training.train import TrainingOutcome


def train(
    project: ProjectOption = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Begin with random weights, not with the starter model.")
    ] = False,
    steps: StepsOption = None,
    seed: SeedOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train a model. It begins with the starter model, where there is one. Stopped at any moment, the same command goes on."""
    from ivsqa.workflow.training.train import train_model

    with resumable_context() as context:
        outcome = train_model(
            opened(project), from_scratch=from_scratch, seed=seed, max_steps=steps, device=device, context=context
        )
    say_outcome(outcome, as_json=as_json)


def say_outcome(outcome: TrainingOutcome, *, as_json: bool) -> None:
    """Print the outcome of a training.

    Raises:
        typer.Exit: it was stopped before its end.
    """
    model = outcome.model
    if as_json:
        made = picked(model, "model_id", "state", "parent", "steps", "best_step", "n_training_frames")
        judged = picked(model, "validation_dice", "accepted", "verdict")
        say_json(made | picked(outcome, "reused", "resumed_at", "n_new_frames") | judged)
    elif outcome.reused:
        say(f"{model.model_id} was trained from the same frames, settings and seed; there is nothing to do")
    elif not outcome.finished:
        say(f"{model.model_id} is not trained to its end; the same command goes on")
    else:
        new = f", {outcome.n_new_frames} of them new" if outcome.n_new_frames < model.n_training_frames else ""
        say(f"{model.model_id}: {count(model.n_training_frames, 'frame')} of {count(model.n_subjects, 'subject')}{new}")
        at = f"best at step {model.best_step} of {model.steps}" if model.steps else "no step was taken"
        say(f"{at}, validation Dice {number(model.validation_dice)}")
        say(model.verdict)
        say("next: ivsqa score --top 50")
    if not outcome.finished:
        raise typer.Exit(EXIT_INTERRUPTED)
