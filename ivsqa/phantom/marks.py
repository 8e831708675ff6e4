"""What consoles burn into their frames: ticks, a cross, a ring, a banner, a frame counter."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ivsqa.phantom.consoles import Mark

DIGITS = {
    "0": "111101101101111", "1": "010110010010111", "2": "111001111100111", "3": "111001111001111",
    "4": "101101111001001", "5": "111100111001111", "6": "111100111101111", "7": "111001010010010",
    "8": "111101111101111", "9": "111101111001111",
}  # fmt: skip
"""A 3 × 5 face, row by row."""

TICK_GREY, TEXT_GREY, RING_GREY = 190, 200, 110


def burn_in(frame: NDArray[np.uint8], marks: tuple[Mark, ...], frame_index: int, *, px_per_mm: float) -> None:
    """Draw a console's marks into a square frame, in place.

    Args:
        frame: uint8 (size, size).
        marks: Which.
        frame_index: 0-based; the counter shows it 1-based, as consoles do.
        px_per_mm: Ticks are a millimetre apart.
    """
    if not marks:
        return
    where, grey = _fixed_marks(marks, len(frame), px_per_mm)
    frame.ravel()[where] = grey
    if "counter" in marks:
        _write_number(frame, frame_index + 1)


@lru_cache(maxsize=16)
def _fixed_marks(marks: tuple[Mark, ...], size_px: int, px_per_mm: float) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
    """Return flat pixel indices and greys of the marks that are the same in every frame."""
    canvas = np.zeros((size_px, size_px), dtype=np.uint8)
    middle = (size_px - 1) / 2.0
    from_middle = np.arange(size_px) - middle
    dot = max(1, size_px // 240)  # a console's marks grow with its screen
    if "ring" in marks:
        distance = np.hypot(from_middle[:, None], from_middle[None, :])
        canvas[np.abs(distance - 5.15 * px_per_mm) < 0.08 * px_per_mm] = RING_GREY
    if "ticks" in marks:
        steps = np.arange(1, int(middle / px_per_mm) + 1) * px_per_mm
        axis = int(middle)
        for at in np.round(middle + np.concatenate([-steps, steps])).astype(int):
            canvas[at : at + dot, axis : axis + dot] = TICK_GREY
            canvas[axis : axis + dot, at : at + dot] = TICK_GREY
    if "cross" in marks:
        reach, axis = int(0.25 * px_per_mm), int(middle)
        canvas[axis - reach : axis + reach + 1, axis : axis + dot] = TICK_GREY
        canvas[axis : axis + dot, axis - reach : axis + reach + 1] = TICK_GREY
    if "banner" in marks:
        canvas[: size_px // 30, : size_px // 4] = TEXT_GREY // 4
        canvas[size_px // 90 : size_px // 45, size_px // 60 : size_px // 5 : 3] = TEXT_GREY
    where = np.flatnonzero(canvas)
    return where, canvas.ravel()[where]


def _write_number(frame: NDArray[np.uint8], number: int) -> None:
    """Write a number into the upper left corner."""
    zoom = max(1, len(frame) // 170)
    left = top = 2 * zoom
    for digit in str(number):
        glyph = np.array(list(DIGITS[digit]), dtype=np.uint8).reshape(5, 3)
        block = np.kron(glyph, np.full((zoom, zoom), TEXT_GREY, dtype=np.uint8))
        target = frame[top : top + 5 * zoom, left : left + 3 * zoom]
        np.maximum(target, block, out=target)  # the ground of a digit is transparent
        left += 4 * zoom
