"""Features that come and go along a vessel: soft windows in angle and place, drawn cell by cell of its length.

Each cell has its own seed, so the first frames of a long pullback are the frames of a short one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_ANGLES = 1024
"""Entries of a table by vessel angle."""

TABLE_ANGLES = np.linspace(0.0, 2.0 * np.pi, N_ANGLES, endpoint=False)

CELL_MM = 4.0

Range = tuple[float, float]


@dataclass(frozen=True)
class Window:
    """A feature with soft ends in angle and along the vessel.

    Attributes:
        angle_rad: Middle, vessel angle.
        half_width_rad: Half its width.
        place_mm: Middle along the vessel.
        half_length_mm: Half its length.
        depth: Where it lies, as a share of wall thickness; of a branch how far out it is seen, of a growth how high it is (mm).
        weight: How much of it there is at its middle, in [0, 1].
    """

    angle_rad: float
    half_width_rad: float
    place_mm: float
    half_length_mm: float
    depth: float
    weight: float = 1.0

    def strength(self, place_mm: float) -> NDArray[np.float64] | None:
        """Return the weight by vessel angle at one place, (N_ANGLES,) in [0, 1]; None beyond its reach."""
        along = soft_step((self.half_length_mm - abs(place_mm - self.place_mm)) / 0.1)
        if along < 1e-3:
            return None
        # Narrower towards its ends, as a lens, so that shadows open and close instead of switching.
        reach = self.half_width_rad * np.sqrt(
            max(1.0 - ((place_mm - self.place_mm) / (self.half_length_mm + 0.2)) ** 2, 0.0)
        )
        return np.asarray(self.weight * along * soft_step((reach - self.away_rad()) / 0.05))

    def dome(self, place_mm: float) -> NDArray[np.float64] | None:
        """Return a smooth hill of height 1 by vessel angle, (N_ANGLES,); None beyond its foot."""
        along = abs(place_mm - self.place_mm) / self.half_length_mm
        if along >= 1.0:
            return None
        around = np.minimum(self.away_rad() / self.half_width_rad, 1.0)
        return np.asarray(np.cos(np.pi / 2.0 * along) ** 2 * np.cos(np.pi / 2.0 * around) ** 2)

    def away_rad(self) -> NDArray[np.float64]:
        """Return how far each of `TABLE_ANGLES` is from its middle, (N_ANGLES,) in [0, π]."""
        return np.asarray(np.abs((TABLE_ANGLES - self.angle_rad + np.pi) % (2.0 * np.pi) - np.pi))


def draw_windows(
    seed: tuple[int, ...],
    per_mm: float,
    length_mm: float,
    *,
    width_deg: Range,
    half_length_mm: Range,
    depth: Range,
    weight: Range = (1.0, 1.0),
) -> tuple[Window, ...]:
    """Return random windows along a vessel.

    Args:
        seed: Entropy of this kind of feature.
        per_mm: How many begin in one mm.
        length_mm: Length of vessel that is seen; windows may reach in from a little before and beyond.
        width_deg: Range of their width.
        half_length_mm: Range of half their length, up to 6 mm.
        depth: Range of their depth.
        weight: Range of their weight.
    """
    found = []
    for cell in range(-2, int(length_mm // CELL_MM) + 3) if per_mm else ():
        rng = np.random.default_rng((*seed, cell + 3))  # from 1: a trailing 0 would be `seed` itself
        for _ in range(rng.poisson(per_mm * CELL_MM)):
            window = Window(
                angle_rad=rng.uniform(0.0, 2.0 * np.pi),
                half_width_rad=np.deg2rad(rng.uniform(*width_deg)) / 2.0,
                place_mm=CELL_MM * (cell + rng.uniform()),
                half_length_mm=rng.uniform(*half_length_mm),
                depth=rng.uniform(*depth),
                weight=rng.uniform(*weight),
            )
            found.append(window)
    return tuple(found)


def strongest(windows: tuple[Window, ...], place_mm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the strength of the strongest feature by angle, and its depth."""
    strength, depth = np.zeros(N_ANGLES), np.zeros(N_ANGLES)
    for window in windows:
        of_window = window.strength(place_mm)
        if of_window is not None:
            depth = np.where(of_window > strength, window.depth, depth)
            strength = np.maximum(strength, of_window)
    return strength, depth


def soft_step(distance: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return a soft step from 0 to 1 at zero distance."""
    return np.asarray(0.5 + 0.5 * np.tanh(distance))
