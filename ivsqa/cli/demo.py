"""`ivsqa demo`: the whole loop on phantoms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ivsqa.cli.options import JsonOption
from ivsqa.cli.output import number, picked, say, say_json, say_table, tell
from ivsqa.cli.progress import command_context


def demo(
    directory: Annotated[Path, typer.Argument(help="Where to do it.", metavar="DIR")] = Path("ivsqa-demo"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Remove an earlier demo; never what a person added.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Play the loop on phantoms. The starter model draws first; three minutes on two cores. The annotator is simulated."""
    from ivsqa.workflow.demo.demo import run_demo

    with command_context() as context:
        result = run_demo(directory, say=tell, overwrite=overwrite, context=context)
    if as_json:
        say_json({"summary": result.page, **picked(result, "report", "seconds", "stages")})
        return
    names = list(result.stages[0].dice)
    say("on sealed test subjects:")
    say_table(
        ("model", ">labels", *(f">Dice {name}" for name in names), *(f">HD95 {name} mm" for name in names)),
        [
            (
                f"{stage.name} ({stage.model_id})",
                str(stage.n_labels),
                *(number(stage.dice[name]) for name in names),
                *(number(stage.hd95_mm[name], 2) for name in names),
            )
            for stage in result.stages
        ],
    )
    say(f"{result.seconds / 60:.1f} minutes; pictures: {result.page}; the study on one page: {result.report}")
    say(f"next: look at it, then go on by hand: cd {result.project} && ivsqa status")
