"""Commands to try things out: phantom, demo."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from ivsqa.cli.options import JsonOption
from ivsqa.cli.output import count, known_only, number, say, say_json, say_table
from ivsqa.errors import IvsqaError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("phantom")(phantom)
    app.command("demo")(demo)


def phantom(
    directory: Annotated[Path, typer.Argument(help="Where to write them.", metavar="DIR")],
    pullbacks: Annotated[int, typer.Option(min=1, metavar="N", help="How many pullbacks.")] = 6,
    frames: Annotated[int, typer.Option(min=1, metavar="N", help="Frames of each.")] = 60,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same bytes.")] = 1,
    size: Annotated[
        int | None, typer.Option(min=64, metavar="PX", help="Side of a frame in px.", show_default="each console's own")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write synthetic IVUS pullbacks as DICOM. Their true contours lie beside them."""
    from ivsqa.cli.progress import command_context
    from ivsqa.phantom.files import write_phantom

    with command_context() as context, context.progress("Making phantoms", pullbacks, "pullback") as advance:
        files = write_phantom(
            directory,
            n_pullbacks=pullbacks,
            n_frames=frames,
            seed=seed,
            size_px=size,
            on_progress=lambda _done, _total: advance(1),
        )
    if as_json:
        say_json({"files": [{"path": str(file.path), "truth": str(file.truth_path)} for file in files]})
        return
    say(
        f"{count(len(files), 'pullback')} of {count(frames, 'frame')} in {directory}, true contours in {directory / 'truth'}"
    )
    say(f"next: ivsqa import {directory} --subject-from '(?P<pullback>(?P<subject>S[0-9]+)-P[0-9]+)'")


def demo(
    directory: Annotated[Path, typer.Argument(help="Where to do it.", metavar="DIR")] = Path("ivsqa-demo"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Remove what an earlier demo left there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the whole loop on phantoms. A simulated annotator does the drawing; about three minutes on two cores."""
    from ivsqa.cli.output import tell
    from ivsqa.cli.progress import command_context
    from ivsqa.workflow.demo.demo import run_demo

    if directory.exists() and any(directory.iterdir()):
        if not (overwrite and _is_demo(directory)):
            hint = "add --overwrite" if _is_demo(directory) else "choose another folder"
            raise IvsqaError("this folder is not empty", path=directory, hint=hint)
        shutil.rmtree(directory)
    with command_context() as context:
        result = run_demo(directory, say=tell, context=context)
    if as_json:
        say_json(
            {
                "summary": str(result.page),
                "report": str(result.report),
                "seconds": result.seconds,
                "stages": [known_only(vars(stage)) for stage in result.stages],
            }
        )
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
    return {path.name for path in directory.iterdir()} <= {
        "phantoms",
        "reference.csv",
        "study",
        "pictures",
        "summary.html",
    }
