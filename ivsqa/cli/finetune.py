"""`ivsqa finetune`: the current model, trained further."""

from __future__ import annotations

from typing import Annotated

import typer

from ivsqa.cli.options import DeviceOption, JsonOption, ModelOption, ProjectOption, SeedOption, opened
from ivsqa.cli.progress import resumable_context
from ivsqa.cli.train import say_outcome


def finetune(
    project: ProjectOption = None,
    model: ModelOption = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Train at most this long; 0: only calibrate anew, on validation frames.",
            show_default="from project.yaml",
        ),
    ] = None,
    seed: SeedOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train the current model further. It sees all annotated frames, new ones more often; it is used only if not worse."""
    from ivsqa.workflow.training.train import finetune_model

    with resumable_context() as context:
        outcome = finetune_model(
            opened(project), parent_id=model, seed=seed, max_steps=steps, device=device, context=context
        )
    say_outcome(outcome, as_json=as_json)
