"""What moves a finished picture, and its contours with it: crops, uneven rotation, motion during a turn of the catheter.

A warp is given by its source: where in the first picture a point of the moved one comes from, (x, y) in px. Pictures are
sampled there, contours are followed the other way, so the two cannot part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from ivsqa.domain.contour import Points

Frame = NDArray[np.uint8]
Angles = NDArray[np.float64]

STEPS = 30
"""Steps that follow a contour through a warp; each shrinks what is left by a fifth or more, except across a seam."""


@dataclass(frozen=True)
class Warp:
    """A way to move a picture.

    Attributes:
        source: Where points (n, 2) of the moved picture come from.
        zoom: (x, y) how much larger things become: mm per pixel shrink by as much.
    """

    source: Callable[[Points], Points]
    zoom: tuple[float, float] = (1.0, 1.0)

    def frame(self, frame: Frame) -> Frame:
        """Return the moved picture, of the same shape; the grey of its last corner comes in from outside."""
        height, width = frame.shape
        y, x = np.mgrid[:height, :width]
        source = self.source(np.column_stack([x.ravel(), y.ravel()]).astype(np.float64))
        moved = scipy.ndimage.map_coordinates(
            frame, source.T[::-1], order=1, mode="constant", cval=float(frame[-1, -1]), output=np.float32
        )
        return (moved + np.float32(0.5)).astype(np.uint8).reshape(height, width)

    def points(self, points: Points) -> Points:
        """Return where points (n, 2) of the first picture lie in the moved one."""
        zoom = np.array(self.zoom)
        moved = points.copy()
        for _ in range(STEPS):
            moved += (points - self.source(moved)) * zoom
        return np.asarray(moved)


def off_centre(shape: tuple[int, int], rng: np.random.Generator, _jitter: np.random.Generator) -> Warp:
    """Return a crop by hand: a shift of a few per cent, another scale, and now and then pixels that are not square."""
    centre = (np.array(shape[::-1]) - 1.0) / 2.0
    shift = rng.normal(0.0, 0.03, size=2).clip(-0.07, 0.07) * shape[::-1]
    zoom = np.exp(np.full(2, rng.uniform(-0.15, 0.05)))
    if rng.uniform() < 0.2:
        zoom[rng.integers(2)] *= np.exp(rng.uniform(-0.08, 0.0))
    return Warp(lambda points: (points - centre - shift) / zoom + centre, (float(zoom[0]), float(zoom[1])))


def uneven_rotation(shape: tuple[int, int], rng: np.random.Generator, jitter: np.random.Generator) -> Warp:
    """Return a catheter that sticks and slips: strips of angle that are stretched, in other places in each frame."""
    n_strips = int(rng.integers(1, 5))
    middle = jitter.uniform(0.0, 2.0 * np.pi, size=n_strips)
    half_width = np.deg2rad(jitter.uniform(10.0, 45.0, size=n_strips))
    # Less than half a strip's half-width in all, so that angles never change order, even where all strips meet.
    slip = half_width * jitter.uniform(-0.5, 0.5, size=n_strips) * rng.uniform(0.4, 1.0) / n_strips

    def turn(angle: Angles) -> Angles:
        away = np.abs((angle[:, None] - middle + np.pi) % (2.0 * np.pi) - np.pi) / half_width
        return np.asarray((slip * (0.5 + 0.5 * np.cos(np.pi * np.minimum(away, 1.0)))).sum(axis=1))

    return _polar(shape, turn, np.zeros_like)


def seam(shape: tuple[int, int], rng: np.random.Generator, jitter: np.random.Generator) -> Warp:
    """Return a vessel that moves while the beam goes round once: where a turn ends and begins, the picture has a step."""
    start, heading = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.0, 2.0 * np.pi)
    amount = rng.uniform(0.02, 0.12) * jitter.uniform(-1.0, 1.0)
    slip = rng.uniform(0.0, 0.12) * jitter.uniform(-1.0, 1.0)

    def part(angle: Angles) -> Angles:
        return np.asarray((angle - start) % (2.0 * np.pi) / (2.0 * np.pi))

    return _polar(shape, lambda angle: slip * part(angle), lambda angle: amount * np.cos(angle - heading) * part(angle))


def half_turn(shape: tuple[int, int], rng: np.random.Generator, jitter: np.random.Generator) -> Warp:
    """Return a jerk between the halves of a turn: one half of the circle shows the vessel nearer, or further away."""
    start = rng.uniform(0.0, 2.0 * np.pi)
    amount = rng.choice([-1.0, 1.0]) * rng.uniform(0.05, 0.12) * jitter.uniform(0.7, 1.0)

    def late(angle: Angles) -> Angles:
        return np.asarray(amount * ((angle - start) % (2.0 * np.pi) > np.pi))

    return _polar(shape, np.zeros_like, late)


def _polar(shape: tuple[int, int], turn: Callable[[Angles], Angles], stretch: Callable[[Angles], Angles]) -> Warp:
    """Return a warp around the middle, by angle: how far it is turned (rad), by what share points come from further out."""
    centre = (np.array(shape[::-1]) - 1.0) / 2.0

    def source(points: Points) -> Points:
        x, y = (points - centre).T
        angle = np.arctan2(y, x)
        radius, from_angle = np.hypot(x, y) * (1.0 + stretch(angle)), angle + turn(angle)
        return np.asarray(centre + np.column_stack([radius * np.cos(from_angle), radius * np.sin(from_angle)]))

    return Warp(source)
