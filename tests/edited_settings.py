"""Edits of a `project.yaml`, as a person would make them."""

from pathlib import Path
from typing import Any

from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.strict_yaml import merged_text


def with_settings(root: Path, changes: dict[str, Any]) -> Project:
    """Put a nested mapping of settings into a project's file, and return the project open."""
    path = root / "project.yaml"
    path.write_text(merged_text(path.read_text(encoding="utf-8"), changes), encoding="utf-8")
    return open_project(root)
