"""`ivsqa demo`: the whole loop on phantoms."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from ivsqa.cli.options import JsonOption
from ivsqa.cli.output import number, picked, say, say_json, say_table, tell
from ivsqa.cli.progress import command_context
from ivsqa.errors import IvsqaError


def demo(
    directory: Annotated[Path, typer.Argument(help="Where to do it.", metavar="DIR")] = Path("ivsqa-demo"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Remove what an earlier demo left there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Play the loop on phantoms. The starter model draws first; three minutes on two cores. The annotator is simulated."""
    from ivsqa.workflow.demo.demo import run_demo

    if directory.exists() and any(directory.iterdir()):
        # Also with --overwrite, nothing is removed that no demo wrote.
        if not (overwrite and _is_demo(directory)):
            hint = "add --overwrite" if _is_demo(directory) else "choose another folder"
            raise IvsqaError("this folder is not empty", path=directory, hint=hint)
        shutil.rmtree(directory)
    with command_context() as context:
        result = run_demo(directory, say=tell, context=context)
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


def _is_demo(directory: Path) -> bool:
    """Whether a folder holds a demo, or what is left of one that was stopped."""
    written = {"phantoms", "reference.csv", "study", "pictures", "summary.html"}
    return {path.name for path in directory.iterdir()} <= written
