"""The project folder as a whole: finding it, and reading what is in it; `new_project` makes one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.grid import WorkingGrid, working_grid
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IntegrityError, NotAProjectError, NotFoundError, StateError
from ivsqa.io.project.layout import SETTINGS_NAME, ProjectLayout
from ivsqa.io.project.manifest import read_manifest
from ivsqa.io.project.records import IdentityRecord, ModelRecord, PacketRecord, PullbackRecord, RoundRecord
from ivsqa.io.project.settings import ProjectSettings

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Project:
    """An open project.

    Attributes:
        layout: Where everything lies.
        settings: What `project.yaml` says.
    """

    layout: ProjectLayout
    settings: ProjectSettings

    @property
    def root(self) -> Path:
        """The project folder."""
        return self.layout.root

    @cached_property
    def structures(self) -> StructureSet:
        """The structures of the study."""
        return self.settings.structure_set

    @cached_property
    def pseudonym_key(self) -> bytes:
        """The secret that turns patient identifiers into pseudonyms."""
        return bytes.fromhex(read_manifest(self.layout.identity, IdentityRecord).pseudonym_key)

    def pullback_ids(self) -> list[str]:
        """Return the ids of all pullbacks, sorted."""
        return _folders_with(self.layout.pullbacks, "pullback.yaml")

    def pullback(self, pullback_id: str) -> PullbackRecord:
        """Return the facts of one pullback.

        Raises:
            NotFoundError: no such pullback.
        """
        path = self.layout.pullback_record(pullback_id)
        if not path.is_file():
            raise NotFoundError(f"no pullback {pullback_id!r} in this project", hint="list them with: ivsqa status")
        return read_manifest(path, PullbackRecord)

    def iter_pullbacks(self) -> Iterator[PullbackRecord]:
        """Yield the facts of every pullback, by id."""
        for pullback_id in self.pullback_ids():
            yield self.pullback(pullback_id)

    def frames(self, pullback: PullbackRecord) -> Frames:
        """Return the frames of a pullback, uint8 (n, height, width), memory-mapped.

        Raises:
            IntegrityError: the file is missing, or not of the shape its manifest says.
        """
        path = self.layout.frames(pullback.pullback_id)
        wanted = (pullback.n_frames, pullback.height_px, pullback.width_px)
        try:
            frames: Frames = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise IntegrityError(
                "frames are missing or unreadable", path=path, hint="import the pullback again"
            ) from None
        if frames.shape != wanted or frames.dtype != np.uint8:
            raise IntegrityError(
                f"expected uint8 frames of shape {wanted}, found {frames.dtype} {frames.shape}",
                path=path,
                hint="restore the file from a copy, or remove the pullback's folder and import it again",
            )
        return frames

    def grid(self, pullback: PullbackRecord) -> WorkingGrid:
        """Return the network's square over the frames of a pullback."""
        return working_grid(
            pullback.frame_shape,
            size_px=self.settings.image.working_size_px,
            spacing_mm=pullback.spacing_mm,
            field_of_view_mm=self.settings.image.field_of_view_mm,
        )

    def models(self) -> list[ModelRecord]:
        """Return all models, oldest first."""
        return [
            read_manifest(self.layout.model_record(model_id), ModelRecord)
            for model_id in _numbered_folders(self.layout.models, "model.yaml")
        ]

    def current_model(self) -> ModelRecord | None:
        """Return the newest model that is ready and was accepted, or None."""
        return next((model for model in reversed(self.models()) if model.state == "ready" and model.accepted), None)

    def get_model(self, model_id: str | None) -> ModelRecord:
        """Return the model asked for, or the current one.

        Raises:
            NotFoundError: no such model.
            StateError: it is not trained yet, or there is none.
        """
        if model_id is None:
            model = self.current_model()
            if model is None:
                raise StateError("there is no model yet", hint="train one with: ivsqa train")
            return model
        if not self.layout.model_record(model_id).is_file():
            raise NotFoundError(f"no model {model_id!r} in this project", hint="list them with: ivsqa status")
        model = read_manifest(self.layout.model_record(model_id), ModelRecord)
        if model.state != "ready":
            raise StateError(f"{model_id} is not trained to its end", hint="go on with: ivsqa train")
        return model

    def rounds(self) -> list[RoundRecord]:
        """Return all rounds, oldest first."""
        return [
            read_manifest(self.layout.round_record(round_id), RoundRecord)
            for round_id in _numbered_folders(self.layout.rounds, "round.yaml")
        ]

    def get_round(self, round_id: str | None) -> RoundRecord:
        """Return the round asked for, or the newest.

        Raises:
            NotFoundError: no such round.
            StateError: there is none.
        """
        if round_id is None:
            rounds = self.rounds()
            if not rounds:
                raise StateError("there is no round yet", hint="open one with: ivsqa select -n 50")
            return rounds[-1]
        if not self.layout.round_record(round_id).is_file():
            raise NotFoundError(f"no round {round_id!r} in this project", hint="list them with: ivsqa status")
        return read_manifest(self.layout.round_record(round_id), RoundRecord)

    def packets(self, round_id: str) -> list[PacketRecord]:
        """Return what was sent in a round, by reader; first what was sent to nobody in particular."""
        found = sorted(self.layout.round(round_id).glob("packet*.yaml"))
        return sorted((read_manifest(path, PacketRecord) for path in found), key=lambda packet: packet.reader or "")


def open_project(start: Path) -> Project:
    """Return the project in a folder or the nearest folder above it.

    Raises:
        NotAProjectError: there is none.
        ManifestError: its `project.yaml` is broken.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        layout = ProjectLayout(folder)
        if layout.settings.is_file():
            return Project(layout, read_manifest(layout.settings, ProjectSettings))
    raise NotAProjectError(
        f"no {SETTINGS_NAME} here or in a folder above",
        path=start,
        hint="go into a project, name one with --project DIR, or make one with: ivsqa init DIR",
    )


def next_id(prefix: str, taken: list[str]) -> str:
    """Return the next id of a numbered kind.

    Example:
        >>> next_id("m", ["m001", "m002"])
        'm003'
    """
    return f"{prefix}{max((int(name.removeprefix(prefix)) for name in taken), default=0) + 1:03d}"


def _folders_with(parent: Path, manifest_name: str) -> list[str]:
    """Return the sorted names of the folders in `parent` that hold a manifest."""
    if not parent.is_dir():
        return []
    return sorted(
        folder.name
        for folder in parent.iterdir()
        if not folder.name.startswith(".") and (folder / manifest_name).is_file()
    )


def _numbered_folders(parent: Path, manifest_name: str) -> list[str]:
    """Return the names of a letter and a number, by number: m1000 is newer than m999. A copy such as "m001-old" is none."""
    names = [name for name in _folders_with(parent, manifest_name) if name[1:].isdecimal()]
    return sorted(names, key=lambda name: int(name[1:]))
