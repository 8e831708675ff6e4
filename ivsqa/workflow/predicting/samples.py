"""Training samples from annotations: frames and ring labels on the working grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.structures import training_labels
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import AnnotatedFrame
from ivsqa.model.data import SamplesOnDemand


def sample_set(
    project: Project,
    frames: Sequence[AnnotatedFrame],
    *,
    seen: frozenset[FrameKey] = frozenset(),
    new_weight: float = 1.0,
) -> SamplesOnDemand:
    """Return frames and ring labels on the working grid, each made when it is first asked for.

    Args:
        project: The project.
        frames: Which.
        seen: Keys of frames an earlier model learnt from; the others weigh `new_weight`. Empty: all weigh 1.
        new_weight: Weight of a new frame.
    """
    size, structures = project.settings.image.working_size_px, project.structures

    def make(row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        frame = frames[row]
        grid = frame.pullback.grid
        on_grid = {name: grid.contour_to_grid(contour) for name, contour in frame.annotation.contours.items()}
        image = grid.sample(frame.pullback.frames[frame.annotation.frame_index])
        return image, training_labels(structures, on_grid, (size, size))

    facts = [
        structures.names,
        *((frame.pullback.frames_sha256, frame.pullback.grid, frame.key, frame.revision_id) for frame in frames),
    ]
    weights = [new_weight if seen and frame.key not in seen else 1.0 for frame in frames]
    return SamplesOnDemand(
        make,
        np.array(weights, dtype=np.float32),
        size_px=size,
        n_structures=len(structures),
        made_of=repr(facts),
    )


def frames_on_grid(project: Project, keys: Sequence[FrameKey]) -> NDArray[np.uint8]:
    """Return frames on the working grid, (n, s, s), from their (pullback_id, frame_index)."""
    size = project.settings.image.working_size_px
    images = np.zeros((len(keys), size, size), dtype=np.uint8)
    # Keys lie together by pullback, whose frames are opened once.
    for pullback_id, rows in groupby(range(len(keys)), key=lambda row: keys[row][0]):
        record = project.pullback(pullback_id)
        grid, frames = record.grid, record.frames
        for row in rows:
            images[row] = grid.sample(frames[keys[row][1]])
    return images
