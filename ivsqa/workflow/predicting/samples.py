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
from ivsqa.model.data import SampleSet


def sample_set(
    project: Project,
    frames: Sequence[AnnotatedFrame],
    *,
    seen: frozenset[FrameKey] = frozenset(),
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
        grid = frame.pullback.grid
        images[row] = grid.sample(frame.pullback.frames[frame.annotation.frame_index])
        on_grid = {name: grid.contour_to_grid(contour) for name, contour in frame.annotation.contours.items()}
        labels[row] = training_labels(project.structures, on_grid, (size, size))
    weights = [new_weight if seen and frame.key not in seen else 1.0 for frame in frames]
    return SampleSet(
        images=images,
        labels=labels,
        weights=np.array(weights, dtype=np.float32),
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
