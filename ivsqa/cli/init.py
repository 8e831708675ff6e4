"""`ivsqa init`: a new project folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ivsqa.cli.output import say


def init(
    directory: Annotated[Path, typer.Argument(help="The folder to make the project in.", metavar="DIR")],
    template: Annotated[
        str, typer.Option(metavar="NAME", help="coronary-ivus, lumen-only or oct-lumen.")
    ] = "coronary-ivus",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The study's name.", show_default="the folder's name")
    ] = None,
) -> None:
    """Make a project folder."""
    from ivsqa.io.project.new_project import create_project

    project = create_project(directory, template=template, name=name)
    say(f"{project.settings.name}: {' inside '.join(project.structures.names)} ({template})")
    say(f"wrote {project.layout.settings}: look it over, it is yours to edit")
    if project.current_model():
        say("the starter model, taught by phantoms alone, draws until there is a model of your own")
    say(f"next: cd {directory} && ivsqa import PATH")
