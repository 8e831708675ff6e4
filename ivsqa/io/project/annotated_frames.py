"""Annotated frames: what counts of them, by split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import StateError
from ivsqa.io.project.annotations import Annotation, AnnotationStore
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import PullbackRecord, Split


@dataclass(frozen=True)
class AnnotatedFrame:
    """An annotated frame and the pullback it is in."""

    pullback: PullbackRecord
    annotation: Annotation

    @property
    def key(self) -> FrameKey:
        """The frame."""
        return self.annotation.key

    @property
    def revision_id(self) -> str:
        """The revision its contours stand in."""
        return self.annotation.revision.revision_id


def annotated_frames(project: Project, split: Split) -> list[AnnotatedFrame]:
    """Return the annotated frames of a split, by pullback and frame."""
    store = AnnotationStore(project.layout)
    return [
        AnnotatedFrame(record, annotation)
        for record in project.iter_pullbacks()
        if record.split == split
        for annotation in store.current(record.pullback_id).values()
    ]


def get_training_frames(project: Project) -> list[AnnotatedFrame]:
    """Return the annotated training frames.

    Raises:
        StateError: there are none.
    """
    frames = annotated_frames(project, "train")
    if not frames:
        raise StateError(
            "no frame of a training subject is annotated yet",
            hint="choose some with: ivsqa select -n 50 --strategy stratified; or import masks with the frames",
        )
    return frames


def unannotated_keys(project: Project, n: int) -> list[FrameKey]:
    """Return n frames of training subjects that nobody annotated, or all there are, spread evenly over their pullbacks."""
    store = AnnotationStore(project.layout)
    keys = [
        FrameKey(record.pullback_id, index)
        for record in project.iter_pullbacks()
        if record.split == "train"
        for index in sorted(set(range(record.n_frames)) - set(store.current(record.pullback_id)))
    ]
    if len(keys) <= n:
        return keys
    return [keys[row] for row in np.linspace(0, len(keys) - 1, n).round().astype(int)]
