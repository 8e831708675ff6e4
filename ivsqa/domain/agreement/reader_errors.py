"""How a simulated reader errs: borders that lie a little beside those of the reference, as those of another expert do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.geometry.refinement import ERROR_SPREAD
from ivsqa.domain.geometry.topology import nested
from ivsqa.domain.structures import StructureSet

N_VERTICES = 96
MEAN_OF_NORMAL = float(np.sqrt(2.0 / np.pi))
"""Mean size of a value drawn from the standard normal distribution."""


def displaced(contour: Contour, mean_px: float, rng: np.random.Generator) -> Contour:
    """Return a border moved along its normals by a smooth random distance.

    Size, place and shape differ in the proportions in which errors of borders do (`ERROR_SPREAD`): experts too differ mostly in
    how wide they draw and where.

    Args:
        contour: The border.
        mean_px: Mean distance, over borders.
        rng: Randomness.

    Returns:
        96 vertices; the same object where the moved line would cross itself.
    """
    line = contour.resampled(N_VERTICES).points_px
    if len(line) < N_VERTICES:
        return contour
    along = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    normals = np.column_stack([along[:, 1], -along[:, 0]]) / np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    moved = Contour.from_points(line + (mean_px / MEAN_OF_NORMAL) * _smooth_normal(rng)[:, None] * normals)
    return moved if moved.is_simple else contour


def _smooth_normal(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a smooth random curve around a circle, (96,): standard normal at each place."""
    angles = np.arange(N_VERTICES) * (2.0 * np.pi / N_VERTICES)
    waves = np.arange(len(ERROR_SPREAD)) * angles[:, None]
    weights = np.sqrt(np.array(ERROR_SPREAD) / sum(ERROR_SPREAD))
    cosines, sines = rng.standard_normal((2, len(ERROR_SPREAD))) * weights
    return np.asarray(np.cos(waves) @ cosines + np.sin(waves) @ sines)


def as_read(
    reference: Contours, structures: StructureSet, mean_px: float, rng: np.random.Generator
) -> dict[str, Contour]:
    """Return the borders that a reader sees in a frame: nested, none of them missed.

    Args:
        reference: The borders of the reference.
        structures: The structures of the study.
        mean_px: Mean distance of the reader's borders from those; each is moved for itself.
        rng: Randomness.
    """
    moved = {name: displaced(contour, mean_px, rng) for name, contour in reference.items()}
    read = nested(moved, structures)
    return {name: read.get(name, contour) for name, contour in reference.items()}
