"""Phantom frames as benchmarks learn from them: some consoles, some pullbacks, on the working grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ivsqa.domain.grid import working_grid
from ivsqa.domain.structures import Structure, StructureSet, training_labels
from ivsqa.model.data import SampleSet
from ivsqa.phantom import iter_frames, phantom_pullback

BOTH = StructureSet((Structure("lumen", "#56b4e9"), Structure("eem", "#e69f00")))
NAMES = BOTH.names
PULLBACKS, FRAMES_A_PULLBACK = 12, 100


def phantom_frames(seed: int, looks: Sequence[str], size_px: int, n_frames: int, *, first: int) -> SampleSet:
    """Return frames of twelve pullbacks, the looks in turn, spread evenly over each."""
    images, labels = [], []
    for number in range(PULLBACKS):
        pullback = phantom_pullback(
            seed=seed,
            index=first + number,
            n_frames=FRAMES_A_PULLBACK,
            console=str(looks[number % len(looks)]),
            size_px=2 * size_px,
        )
        grid = working_grid(
            pullback.frame_shape, size_px=size_px, spacing_mm=pullback.spacing_mm, field_of_view_mm=10.0
        )
        chosen = set(np.linspace(0, FRAMES_A_PULLBACK - 1, n_frames // PULLBACKS).round().astype(int).tolist())
        for index, (frame, contours) in enumerate(zip(iter_frames(pullback), pullback.contours, strict=True)):
            if index in chosen:
                on_grid = {name: grid.contour_to_grid(contour) for name, contour in contours.items()}
                images.append(grid.sample(frame))
                labels.append(training_labels(BOTH, on_grid, (size_px, size_px)))
    return SampleSet(np.stack(images), np.stack(labels), np.ones(len(labels), dtype=np.float32))
