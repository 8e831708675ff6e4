"""From annotations to what the network trains on: frames and ring labels on the working grid."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.structures import training_labels
from ivsqa.errors import StateError
from ivsqa.io.annotations import Annotation, AnnotationStore
from ivsqa.io.project import Project
from ivsqa.io.records import PullbackRecord, Split
from ivsqa.model.data import SampleSet


@dataclass(frozen=True)
class AnnotatedFrame:
    """An annotated frame and the pullback it is in."""

    pullback: PullbackRecord
    annotation: Annotation

    @property
    def key(self) -> tuple[str, int]:
        """(pullback_id, frame_index)."""
        return self.pullback.pullback_id, self.annotation.frame_index

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


def sample_set(
    project: Project,
    frames: Sequence[AnnotatedFrame],
    *,
    seen: frozenset[tuple[str, int]] = frozenset(),
    new_weight: float = 1.0,
) -> SampleSet:
    """Return frames and ring labels on the working grid.

    Args:
        project: The project.
        frames: What to load.
        seen: Keys of frames an earlier model learnt from; the others weigh `new_weight`. Empty: all weigh 1.
        new_weight: Weight of a new frame.
    """
    size = project.settings.image.working_size_px
    images = np.zeros((len(frames), size, size), dtype=np.uint8)
    labels = np.zeros((len(frames), size, size), dtype=np.uint8)
    for row, frame in enumerate(frames):
        grid = project.grid(frame.pullback)
        images[row] = grid.sample(project.frames(frame.pullback)[frame.annotation.frame_index])
        on_grid = {name: grid.contour_to_grid(contour) for name, contour in frame.annotation.contours.items()}
        labels[row] = training_labels(project.structures, on_grid, (size, size))
    weights = [new_weight if seen and frame.key not in seen else 1.0 for frame in frames]
    return SampleSet(
        images=images,
        labels=labels,
        weights=np.array(weights, dtype=np.float32),
    )


def unannotated_keys(project: Project, n: int) -> list[tuple[str, int]]:
    """Return n frames of training subjects that nobody annotated, or all there are, spread evenly over their pullbacks."""
    store = AnnotationStore(project.layout)
    keys = [
        (record.pullback_id, index)
        for record in project.iter_pullbacks()
        if record.split == "train"
        for index in sorted(set(range(record.n_frames)) - set(store.current(record.pullback_id)))
    ]
    if len(keys) <= n:
        return keys
    return [keys[row] for row in np.linspace(0, len(keys) - 1, n).round().astype(int)]


def frames_on_grid(project: Project, keys: Sequence[tuple[str, int]]) -> NDArray[np.uint8]:
    """Return frames on the working grid, (n, s, s), from their (pullback_id, frame_index)."""
    size = project.settings.image.working_size_px
    images = np.zeros((len(keys), size, size), dtype=np.uint8)
    for pullback_id, rows in groupby(range(len(keys)), key=lambda row: keys[row][0]):
        record = project.pullback(pullback_id)
        grid, frames = project.grid(record), project.frames(record)
        for row in rows:
            images[row] = grid.sample(frames[keys[row][1]])
    return images


def frames_csv(frames: Sequence[tuple[str, AnnotatedFrame]]) -> str:
    """Return the table that says which annotations a model used: (role, frame) pairs."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["role", "pullback_id", "frame_index", "revision_id"])
    for role, frame in frames:
        writer.writerow([role, *frame.key, frame.revision_id])
    return stream.getvalue()


def keys_from_frames_csv(text: str, role: str) -> frozenset[tuple[str, int]]:
    """Return the (pullback_id, frame_index) of one role in such a table."""
    rows = csv.DictReader(io.StringIO(text))
    return frozenset((row["pullback_id"], int(row["frame_index"])) for row in rows if row["role"] == role)
