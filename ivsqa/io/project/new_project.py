"""Making a project folder: a template of `project.yaml`, and what is set otherwise in it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ivsqa.errors import IvsqaError
from ivsqa.io import atomic
from ivsqa.io.ledger import doors
from ivsqa.io.ledger.rooms import SETTINGS_NAME
from ivsqa.io.project.layout import ProjectLayout
from ivsqa.io.project.manifest import parse_manifest, write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import IdentityRecord
from ivsqa.io.project.settings import ProjectSettings
from ivsqa.io.project.strict_yaml import merged_text
from ivsqa.io.templates import templates_folder


def template_names() -> list[str]:
    """Return the names of the project templates that come with ivsqa, sorted."""
    return sorted(path.parent.name for path in templates_folder().glob(f"*/{SETTINGS_NAME}"))


def create_project(
    folder: Path, *, template: str, name: str | None = None, settings: Mapping[str, Any] | None = None
) -> Project:
    """Make a project folder from a template and return it open.

    Writes `project.yaml` and `identity.yaml`; a folder that already is a project is refused, other files in it are left alone.

    Args:
        folder: The project folder.
        template: One of `template_names`.
        name: The study's name; None: the folder's.
        settings: What shall differ from the template, such as `{"training": {"max_steps": 500}}`. The template's comments stay.

    Raises:
        IvsqaError: `folder` is a project already, or there is no such template.
        ManifestError: a setting is unknown or makes no sense.
    """
    layout = ProjectLayout(folder.resolve())
    if template not in template_names():
        raise IvsqaError(f"no template {template!r}", hint=f"choose one of: {', '.join(template_names())}")
    text = (templates_folder() / template / SETTINGS_NAME).read_text(encoding="utf-8")
    text = merged_text(text, {"name": name or layout.root.name, **(settings or {})})
    checked = parse_manifest(text, ProjectSettings, path=layout.settings)
    if layout.settings.exists() and not _was_stopped(layout, text):
        raise IvsqaError(
            "this folder already is a project", path=folder, hint="choose another folder, or work in this one"
        )
    # A key that is there stays: with another, subjects would come under other pseudonyms.
    if not layout.identity.exists():
        write_manifest(layout.identity, IdentityRecord(pseudonym_key=secrets.token_hex(32)), mode=0o600)
    # Last, as it is what makes the folder a project.
    atomic.write_text(layout.settings, text)
    doors.begin(layout.root)
    return Project(layout, checked)


def _was_stopped(layout: ProjectLayout, text: str) -> bool:
    """Return whether all but the ledger of the same new project is there: a stop came before it."""
    is_new = not doors.book_of(layout.root).exists and not layout.pullbacks.exists()
    return is_new and layout.settings.read_bytes() == text.encode("utf-8")
