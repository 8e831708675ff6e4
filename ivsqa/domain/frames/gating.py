"""End-diastolic frames found in the images alone, and frames at even steps: which frames stand for a pullback.

A beating heart widens and narrows the vessel. How fast it widens from each frame to the next is read off the motion of the
image around the catheter; at end-diastole, when pressure is lowest, the vessel is narrowest. Swinging and turning of the
catheter is estimated along with it, so that it does not count as widening. A rhythm that is no clearer than chance gives
nothing: a wrong phase is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import NDArray

N_ANGLES, N_RADII = 96, 64
RADII = np.linspace(0.12, 0.92, N_RADII)
"""Shares of the frame's half side: beyond the catheter, within the field of view."""

HEART_HZ = (0.7, 2.5)
"""42 to 150 beats a minute."""

MIN_FRAME_RATE_HZ = 10.0
MIN_BEATS = 4.0
SIGNIFICANCE = 0.01
"""How often motion without rhythm may be taken for one."""

STEADINESS = 0.12
"""Standard deviation of the natural logarithm of one beat's length over the mean: sinus rhythm keeps within it."""

BEAT_RANGE = (0.75, 1.3)
"""Shortest and longest beat that are considered, over the mean."""


@dataclass(frozen=True)
class Gating:
    """The heart in a pullback.

    Attributes:
        end_diastolic: Frames at end-diastole, 0-based, rising.
        heart_rate_hz: Beats a second.
    """

    end_diastolic: tuple[int, ...]
    heart_rate_hz: float


def widening(frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Return the speed at which the vessel widens from each frame to the next, (n - 1,), in shares of the half side.

    Least squares of the change in grey on what widening, shift in x and y, and rotation would do to it (optical flow with
    four parameters a pair of frames). Speckle that changes makes it too small, never of the other sign.

    Args:
        frames: uint8 (height, width), the catheter in the middle; held two at a time.
    """
    angles = np.linspace(0.0, 2.0 * np.pi, N_ANGLES, endpoint=False)[:, None]
    cos, sin = np.cos(angles), np.sin(angles)
    speeds = []
    for before, after in pairwise(_polar(frame) for frame in frames):
        mean = (before + after) / 2.0
        outwards = np.gradient(mean, RADII, axis=1)
        around = (np.roll(mean, -1, axis=0) - np.roll(mean, 1, axis=0)) * (N_ANGLES / (4.0 * np.pi)) / RADII
        moves = [outwards, outwards * cos - around * sin, outwards * sin + around * cos, around * RADII]
        design = np.stack(moves).reshape(len(moves), -1).T
        speeds.append(-np.linalg.lstsq(design, (after - before).ravel())[0][0])
    return np.array(speeds)


def find_end_diastoles(widening_per_frame: NDArray[np.float64], frame_rate_hz: float) -> Gating | None:
    """Return the frames at which the vessel is narrowest, one a beat; None where no rhythm is clear.

    Args:
        widening_per_frame: (n - 1,) as of `widening`.
        frame_rate_hz: Frames a second, even.

    Example:
        A heart of 1 Hz at 10 frames a second, the vessel narrowest in frames 5, 15, 25 …:

        >>> width = np.cos(2.0 * np.pi * np.arange(80) / 10.0)
        >>> find_end_diastoles(np.diff(width), 10.0)
        Gating(end_diastolic=(5, 15, 25, 35, 45, 55, 65, 75), heart_rate_hz=1.0)

    Source:
        Test of a rhythm against chance: Fisher, Proc R Soc A 1929;125:54.
    """
    speed = widening_per_frame - widening_per_frame.mean() if len(widening_per_frame) else widening_per_frame
    if len(speed) * HEART_HZ[0] < MIN_BEATS * frame_rate_hz or frame_rate_hz < MIN_FRAME_RATE_HZ:
        return None
    power, _ = _in_band(np.abs(np.fft.rfft(speed)) ** 2, len(speed), frame_rate_hz)
    if not power.any() or len(power) * (1.0 - power.max() / power.sum()) ** (len(power) - 1) > SIGNIFICANCE:
        return None
    padded = 8 * len(speed)  # a finer grid of rates than the frames give
    power, rates = _in_band(np.abs(np.fft.rfft(speed * np.hanning(len(speed)), padded)) ** 2, padded, frame_rate_hz)
    rate = float(rates[power.argmax()])
    narrowness = -np.concatenate([[0.0], np.cumsum(speed)])
    band = (0.6 * rate, min(2.5 * rate, 0.45 * frame_rate_hz))
    filtered = scipy.signal.sosfiltfilt(
        scipy.signal.butter(2, band, "bandpass", fs=frame_rate_hz, output="sos"), narrowness
    )
    beats = _steady_peaks(filtered / filtered.std(), frame_rate_hz / rate)
    if len(beats) < MIN_BEATS:
        return None
    return Gating(beats, round((len(beats) - 1) * frame_rate_hz / (beats[-1] - beats[0]), 3))


def frames_every(positions_mm: NDArray[np.float64], every_mm: float) -> NDArray[np.intp]:
    """Return the first frame at or after each multiple of a step, and the last frame; all where positions are unknown.

    Args:
        positions_mm: (n,) position of each frame, never falling; NaN where unknown.
        every_mm: The step.

    Example:
        >>> frames_every(np.array([0.0, 0.4, 0.8, 1.2, 1.6, 2.0]), 1.0).tolist()
        [0, 3, 5]
    """
    if np.isnan(positions_mm).any():
        return np.arange(len(positions_mm))
    step = np.floor((positions_mm - positions_mm[0]) / every_mm + 1e-6)
    first_of_step = np.flatnonzero(np.append(True, np.diff(step) > 0.0))
    return np.union1d(first_of_step, len(positions_mm) - 1)


def _polar(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a frame by angle and radius, (N_ANGLES, N_RADII), smoothed."""
    height, width = frame.shape
    half = min(height, width) / 2.0
    angles = np.linspace(0.0, 2.0 * np.pi, N_ANGLES, endpoint=False)[:, None]
    places = [
        (height - 1) / 2.0 + RADII * half * np.sin(angles),
        (width - 1) / 2.0 + RADII * half * np.cos(angles),
    ]
    smooth = scipy.ndimage.uniform_filter(frame.astype(np.float32), max(1, round(half / N_RADII)))
    polar = scipy.ndimage.map_coordinates(smooth, places, order=1)
    return np.asarray(scipy.ndimage.gaussian_filter(polar, 1.0, mode=("wrap", "nearest")))


def _in_band(
    power: NDArray[np.float64], n: int, frame_rate_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the power at rates a heart can have, and those rates."""
    rates = np.asarray(np.fft.rfftfreq(n, 1.0 / frame_rate_hz), dtype=np.float64)
    inside = (rates >= HEART_HZ[0]) & (rates <= HEART_HZ[1])
    return power[inside], rates[inside]


def _steady_peaks(height: NDArray[np.float64], period: float) -> tuple[int, ...]:
    """Return the indices of peaks about a period apart, the highest in sum after a cost for uneven beats.

    Args:
        height: (n,) in standard deviations.
        period: Mean distance in samples.
    """
    total, previous = height.copy(), np.full(len(height), -1)
    for sample in range(len(height)):
        first, last = int(np.ceil(sample - BEAT_RANGE[1] * period)), int(sample - BEAT_RANGE[0] * period)
        earlier = np.arange(max(first, 0), last + 1)
        if len(earlier):
            score = total[earlier] - (np.log((sample - earlier) / period) / STEADINESS) ** 2
            best = int(score.argmax())
            if score[best] > 0.0:
                total[sample] += score[best]
                previous[sample] = earlier[best]
    tail = len(height) - int(period)  # the last beat lies within one period of the end
    at = tail + int(total[tail:].argmax())
    beats = []
    while at >= 0:
        beats.append(at)
        at = int(previous[at])
    return tuple(reversed(beats))
