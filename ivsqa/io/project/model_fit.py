"""The weights of a model, as they were written, and whether they fit the project."""

from __future__ import annotations

import hashlib

from ivsqa.errors import IntegrityError, StateError
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


def read_weights(project: Project, model: ModelRecord) -> bytes:
    """Read the weights of a model.

    Raises:
        IntegrityError: the file is missing or is not what was written.
    """
    path = project.layout.weights(model.model_id)
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != model.weights_sha256:
        raise IntegrityError(
            "weights are missing or were changed", path=path, hint="restore them from a copy, or train again"
        )
    return data
