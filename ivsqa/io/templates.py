"""Templates that people may also copy: settings of a project, scripts for a queue."""

from __future__ import annotations

from pathlib import Path


def templates_folder() -> Path:
    """Return the folder of templates: in the package when installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"
