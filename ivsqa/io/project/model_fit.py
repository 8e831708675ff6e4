"""Whether a model fits the structures of a project."""

from __future__ import annotations

from ivsqa.errors import StateError
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import ModelRecord


def check_fits(project: Project, model: ModelRecord) -> None:
    """Check that a model sees what it learnt to see: on another grid it would measure wrong without a word.

    Raises:
        StateError: the structures or the image settings of the project were changed since it was trained.
    """
    if model.structures != project.structures.names:
        raise StateError(
            f"{model.model_id} segments {', '.join(model.structures)}, the project {', '.join(project.structures.names)}",
            hint="train from scratch with: ivsqa train",
        )
    now = project.settings.image.model_dump(mode="json")
    changed = sorted(key for key in now.keys() | model.image.keys() if now.get(key) != model.image.get(key))
    if changed:
        key = changed[0]
        raise StateError(
            f"{model.model_id} was trained with image.{key}: {model.image.get(key)}, project.yaml now says {now.get(key)}",
            hint="set it back in project.yaml, or train from scratch with: ivsqa train",
        )
