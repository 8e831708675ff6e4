"""`ivsqa phantom`: synthetic pullbacks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ivsqa.cli.options import JsonOption
from ivsqa.cli.output import count, say, say_json
from ivsqa.cli.progress import command_context


def phantom(
    directory: Annotated[Path, typer.Argument(help="Where to write them.", metavar="DIR")],
    pullbacks: Annotated[int, typer.Option(min=1, metavar="N", help="How many pullbacks.")] = 6,
    frames: Annotated[int, typer.Option(min=1, metavar="N", help="Frames of each.")] = 60,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, metavar="N", help="The same seed gives the same bytes.")
    ] = 1,
    size: Annotated[
        int | None, typer.Option(min=64, metavar="PX", help="Side of a frame in px.", show_default="each console's own")
    ] = None,
    frame_step: Annotated[
        float | None,
        typer.Option(min=0.01, metavar="MM", help="Distance between frames.", show_default="all of 30 frames a second"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write synthetic IVUS pullbacks as DICOM. Their true contours lie beside them."""
    from ivsqa.phantom.files import write_phantom

    with command_context() as context, context.progress("Making phantoms", pullbacks, "pullback") as advance:
        files = write_phantom(
            directory,
            n_pullbacks=pullbacks,
            n_frames=frames,
            seed=seed,
            size_px=size,
            frame_step_mm=frame_step,
            on_progress=lambda _done, _total: advance(1),
        )
    if as_json:
        say_json({"files": [{"path": file.path, "truth": file.truth_path} for file in files]})
        return
    say(
        f"{count(len(files), 'pullback')} of {count(frames, 'frame')} in {directory}, true contours in {directory / 'truth'}"
    )
    say(f"next: ivsqa import {directory} --subject-from '(?P<pullback>(?P<subject>S[0-9]+)-P[0-9]+)'")
