"""The working grid: the square of pixels the network sees, and where it lies in a frame.

The grid is centred on the frame. Where spacing and a field of view are known its pixel means the same number of mm on every
console; otherwise it covers the whole frame. Sampling is a separable triangle filter, wide enough not to alias, exact to a
fraction of a pixel, and zero outside the frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour

AxisWeights: TypeAlias = "tuple[slice, scipy.sparse.csr_array]"  # in words: scipy.sparse loads when it is first used
"""Source pixels, and the weights (targets, sources) over them."""

LINE_FLOATS = 16
"""In a line of a processor's cache: 64 bytes on all that are in use."""


@dataclass(frozen=True)
class WorkingGrid:
    """A square grid laid over frames of one shape.

    Attributes:
        frame_shape: (height, width) of the frames in px.
        size_px: Side of the grid in its own pixels.
        scale: (x, y) frame pixels per grid pixel.
        origin_px: (x, y) in the frame of the centre of grid pixel (0, 0).
    """

    frame_shape: tuple[int, int]
    size_px: int
    scale: tuple[float, float]
    origin_px: tuple[float, float]

    def contour_to_frame(self, contour: Contour) -> Contour:
        """Return a contour drawn on the grid in frame pixels."""
        return contour.mapped(self.scale, self.origin_px)

    def contour_to_grid(self, contour: Contour) -> Contour:
        """Return a contour drawn in the frame in grid pixels."""
        (x0, y0), (x_scale, y_scale) = self.origin_px, self.scale
        return contour.mapped((1.0 / x_scale, 1.0 / y_scale), (-x0 / x_scale, -y0 / y_scale))

    def point_to_grid(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Return a point of the frame in grid pixels."""
        return (x_px - self.origin_px[0]) / self.scale[0], (y_px - self.origin_px[1]) / self.scale[1]

    def sample(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a grey frame, uint8 (height, width), on the grid, uint8 (size, size).

        Raises:
            ValueError: the frame is not of this grid's shape.
        """
        return np.asarray(self.sample_each(frame[None])[0])

    def sample_each(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return each of b frames, (b, height, width), on the grid, (b, size, size), otherwise as `sample`."""
        if frames.shape[1:] != self.frame_shape:
            raise ValueError(f"this grid is for frames of {self.frame_shape}, got {frames.shape[1:]}")
        height, width = self.frame_shape
        rows = _axis_weights(self.size_px, height, self.scale[1], self.origin_px[1])
        columns = _axis_weights(self.size_px, width, self.scale[0], self.origin_px[0])
        return np.asarray(np.clip(_resampled(frames, rows, columns) + 0.5, 0, 255), dtype=np.uint8)

    def to_frame(self, field: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return a grid field, (size, size), on the frame's pixels, float32 (height, width), fading to zero outside the grid.

        Bilinear; where the grid is finer than the frame, averaged over the frame's pixel.
        """
        height, width = self.frame_shape
        (x0, y0), (x_scale, y_scale) = self.origin_px, self.scale
        rows = _axis_weights(height, self.size_px, 1.0 / y_scale, -y0 / y_scale)
        columns = _axis_weights(width, self.size_px, 1.0 / x_scale, -x0 / x_scale)
        return np.asarray(_resampled(field[None], rows, columns)[0])


def working_grid(
    frame_shape: tuple[int, int],
    *,
    size_px: int,
    spacing_mm: tuple[float, float] | None = None,
    field_of_view_mm: float | None = None,
) -> WorkingGrid:
    """Return the grid for frames of one shape.

    Args:
        frame_shape: (height, width) in px.
        size_px: Side of the grid.
        spacing_mm: (x, y) mm per frame pixel; None where unknown.
        field_of_view_mm: Side of the square that the grid shows; None, or spacing unknown: the whole frame.

    Example:
        >>> working_grid((512, 512), size_px=128, spacing_mm=(0.02, 0.02), field_of_view_mm=10.24).scale
        (4.0, 4.0)
    """
    height, width = frame_shape
    if spacing_mm is None:
        scale = (max(height, width) / size_px,) * 2
    else:
        side_mm = field_of_view_mm or max(width * spacing_mm[0], height * spacing_mm[1])
        scale = (side_mm / size_px / spacing_mm[0], side_mm / size_px / spacing_mm[1])
    middle = (size_px - 1) / 2.0
    origin = ((width - 1) / 2.0 - middle * scale[0], (height - 1) / 2.0 - middle * scale[1])
    return WorkingGrid((height, width), size_px, scale, origin)


def _hat_weights(centres: NDArray[np.floating], n_source: int, support: float) -> NDArray[np.float32]:
    """Return rows of triangle weights, (len(centres), n_source), each summing to one except beyond the edge."""
    distance = np.abs(centres[:, None] - np.arange(n_source)[None, :]) / support
    weights = np.clip(1.0 - distance, 0.0, None)
    # Normalised by what the whole triangle would sum to, so that pixels over the edge fade to black instead of smearing it.
    around = np.arange(-int(support) - 2, int(support) + 3)
    whole = np.clip(1.0 - np.abs((centres % 1.0)[:, None] - around) / support, 0, None)
    return np.asarray(weights / whole.sum(axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=64)
def _axis_weights(n_target: int, n_source: int, scale: float, origin: float) -> AxisWeights:
    """Return the source pixels one axis needs, and the weights that take them to `n_target` pixels, `scale` apart."""
    centres = origin + scale * np.arange(n_target)
    weights = _hat_weights(centres, n_source, max(scale, 1.0))
    used = np.flatnonzero(weights.any(axis=0))
    # A grid beside the frame needs no source, but a slice.
    span = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
    return span, scipy.sparse.csr_array(weights[:, span])


def _resampled(fields: NDArray[np.generic], rows: AxisWeights, columns: AxisWeights) -> NDArray[np.float32]:
    """Return n fields taken to other rows and columns, float32 (n, …); sparse, as each target needs only a few sources."""
    (of_rows, by_rows), (of_columns, by_columns) = rows, columns
    parts = fields[:, of_rows, of_columns]
    width = parts.shape[2]
    # A turned row is read down its columns. From one to the next is an odd number of lines of the cache: of a power of two, a
    # few lines would hold them all, and it would take eight times as long.
    source = np.zeros((parts.shape[1], LINE_FLOATS * (-(-width // LINE_FLOATS) | 1)), dtype=np.float32)
    resampled = np.empty((len(fields), by_columns.shape[0], by_rows.shape[0]), dtype=np.float32)
    for part, turned in zip(parts, resampled, strict=True):
        source[:, :width] = part
        turned[...] = by_columns @ np.ascontiguousarray((by_rows @ source)[:, :width].T)
    return np.ascontiguousarray(resampled.swapaxes(1, 2))
