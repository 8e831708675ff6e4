"""The machine's own grid of beams and depths: blurring on it, and the way from it to the square frame.

Fields on beams are float32 or complex64 of shape (n_lines, n_depths): scan line, clockwise on the screen from the right, by
depth from the catheter's centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import NDArray

from ivsqa.phantom.consoles import LATERAL_RADII, ConsoleLook

FWHM_PER_SD = 2.3548
"""Width at half maximum of a Gaussian per standard deviation."""

Field = NDArray[np.float32]
Complex = NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class BeamGrid:
    """Beams and depths, and how they map to one frame size.

    Attributes:
        angles_rad: (n_lines,) image angle of each scan line.
        depths_mm: (n_depths,) float32, evenly spaced from 0 to the field's radius.
        pixels: Flat indices of the frame's pixels inside the field.
        weights: (len(pixels), n_lines · n_depths) bilinear weights of the beams in each of those pixels.
    """

    angles_rad: NDArray[np.float64]
    depths_mm: Field
    pixels: NDArray[np.intp]
    weights: scipy.sparse.csr_array

    def to_frame(self, grey: Field, size_px: int, outside: int) -> NDArray[np.uint8]:
        """Return grey on beams as a square frame, uint8 (size, size), with one grey outside the field."""
        frame = np.full(size_px * size_px, outside, dtype=np.uint8)
        frame[self.pixels] = np.clip(self.weights @ grey.ravel() + np.float32(0.5), 0.0, 255.0).astype(np.uint8)
        return frame.reshape(size_px, size_px)


@lru_cache(maxsize=8)
def beam_grid(n_lines: int, size_px: int, spacing_mm: float, radius_mm: float) -> BeamGrid:
    """Return the grid of a console at one frame size; depths are no finer than the frame can show."""
    n_depths = min(256, 16 * round(radius_mm / spacing_mm / 12.0))
    offsets = (np.arange(size_px) - (size_px - 1) / 2.0) * spacing_mm
    x, y = np.meshgrid(offsets, offsets)
    depth = np.hypot(x, y).ravel() / radius_mm * (n_depths - 1)
    pixels = np.flatnonzero(depth < n_depths - 1)
    depth = depth[pixels]
    line = (np.arctan2(y, x).ravel()[pixels] % (2.0 * np.pi)) * (n_lines / (2.0 * np.pi))
    near_line, near_depth = line.astype(np.int32), depth.astype(np.int32)
    line_part, depth_part = line - near_line, depth - near_depth
    columns = [
        (near_line + i) % n_lines * n_depths + near_depth + j for i in (0, 1) for j in (0, 1)
    ]  # the last line is followed by the first
    parts = [
        (line_part if i else 1.0 - line_part) * (depth_part if j else 1.0 - depth_part) for i in (0, 1) for j in (0, 1)
    ]
    starts = np.arange(0, 4 * len(pixels) + 1, 4, dtype=np.int32)
    weights = scipy.sparse.csr_array(
        (np.column_stack(parts).astype(np.float32).ravel(), np.column_stack(columns).astype(np.int32).ravel(), starts),
        shape=(len(pixels), n_lines * n_depths),
    )
    angles = np.linspace(0.0, 2.0 * np.pi, n_lines, endpoint=False)
    return BeamGrid(angles, np.linspace(0.0, radius_mm, n_depths, dtype=np.float32), pixels, weights)


@dataclass(frozen=True, eq=False)
class PointSpread:
    """A Gaussian point-spread function, as gains by frequency.

    Attributes:
        axial: (n_depths,) along the beam.
        lateral: (n_lines, n_depths) across it; its width depends on depth.
    """

    axial: Field
    lateral: Field

    def blurred(self, field: Complex) -> Complex:
        """Return a field of scatterers (n_lines, n_depths) as received; white noise of unit power keeps unit power."""
        field = scipy.fft.fft(field, axis=1, overwrite_x=True)
        field *= self.axial
        field = scipy.fft.ifft(field, axis=1, overwrite_x=True)
        field = scipy.fft.fft(field, axis=0, overwrite_x=True)
        field *= self.lateral
        return np.asarray(scipy.fft.ifft(field, axis=0, overwrite_x=True))


def point_spread(look: ConsoleLook, grid: BeamGrid, blur: float) -> PointSpread:
    """Return a console's point-spread function on a grid.

    The correlation of speckle in the envelope falls as the square of the field's, so a kernel of standard deviation s gives
    speckle of width 2.35 s at half maximum: the look's figures are used as they stand.

    Args:
        look: Widths.
        grid: Where they apply.
        blur: Factor on all widths.
    """
    depths = grid.depths_mm.astype(np.float64)
    step_mm = depths[1]
    axial_sd = blur * look.axial_fwhm_mm / FWHM_PER_SD / step_mm
    axial = np.exp(-2.0 * (np.pi * axial_sd * np.fft.fftfreq(len(depths))) ** 2)
    width_deg = np.interp(depths / depths[-1], LATERAL_RADII, look.lateral_fwhm_deg)
    lateral_sd = blur * np.deg2rad(width_deg) / FWHM_PER_SD * len(grid.angles_rad) / (2.0 * np.pi)
    frequency = np.fft.fftfreq(len(grid.angles_rad))[:, None]
    lateral = np.exp(-2.0 * (np.pi * lateral_sd * frequency) ** 2)
    return PointSpread(_unit_power(axial), _unit_power(lateral))


def _unit_power(gains: NDArray[np.float64]) -> Field:
    """Return gains scaled, along the first axis, to leave the power of white noise as it is."""
    return np.asarray(gains / np.sqrt((gains**2).mean(axis=0)), dtype=np.float32)
