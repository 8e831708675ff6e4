"""Text that a console burns into its frames: names, dates, counters, settings.

Letters are thin bright strokes on a flat ground, several in a row, at the same place in most frames. Speckle has thin bright
strokes too, but its ground is not flat, and it moves; rulers, rings and crosses have the ground, but are no row of letters.
So a region is found where all of this holds. It is a screen for people to look at, no proof that there is nothing: text over
tissue, and dark text on a bright ground, are not found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

N_SAMPLES = 16
"""Frames looked at, evenly spread: what is burned in is there in all of them."""

STROKE_PX = 7
"""Strokes are thinner than this; consoles write with pens of 1 to 4 px."""

STROKE_CONTRAST = 40
"""Grey levels by which a stroke stands out of its surroundings."""

PERSISTENT_SHARE = 0.3
"""Share of samples in which a stroke is there: all for a name; a counter's digits have most strokes in common."""

FLAT_GREY = 6
FLAT_SHARE = 0.7
"""Between and around its letters a line of text has one grey, to so many levels, over at least this share; speckle has not."""

INK_SHARE = (0.08, 0.6)
"""Share of its box that text covers."""

MAX_HEIGHT_PX = 40
"""Of what is taken together as a row: one line, or two that nearly touch."""

MIN_LETTER_PX = 5
MIN_LETTERS = 2
MIN_ASPECT = 1.2

SIZE_TOLERANCE = 0.5
ALIKE_SHARE = 0.6
"""At least this share of the letters of a row is as tall as their median, to within the tolerance."""


@dataclass(frozen=True, order=True)
class TextRegion:
    """A box that holds burned-in text, in px: from `top` and `left` up to, but not with, `bottom` and `right`."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def __str__(self) -> str:
        return f"x {self.left}…{self.right - 1}, y {self.top}…{self.bottom - 1}"


def find_text(frames: NDArray[np.uint8]) -> tuple[TextRegion, ...]:
    """Return the boxes of burned-in text, from top to bottom, a little wider than the text.

    Args:
        frames: uint8 (n, height, width); a few are looked at, so it may be a memory map.
    """
    samples = frames[np.unique(np.linspace(0, len(frames) - 1, N_SAMPLES).astype(int))]
    strokes = np.mean([_strokes(sample) for sample in samples], axis=0) >= PERSISTENT_SHARE
    ground = np.median(samples, axis=0)
    letters, _ = scipy.ndimage.label(strokes, structure=np.ones((3, 3)))
    heights = [rows.stop - rows.start for rows, _ in scipy.ndimage.find_objects(letters)]
    letters[~np.array([False, *(height <= MAX_HEIGHT_PX for height in heights)])[letters]] = 0
    reach = max(4, strokes.shape[1] // 80)
    lines, _ = scipy.ndimage.label(
        scipy.ndimage.binary_dilation(letters > 0, np.ones((1, 2 * reach + 1), dtype=np.bool_)), np.ones((3, 3))
    )
    regions = []
    for number, box in enumerate(scipy.ndimage.find_objects(lines * (letters > 0)), start=1):
        if box is None or not _is_row_of_letters(np.where(lines[box] == number, letters[box], 0)):
            continue
        region = _with_margin(box, strokes.shape)
        if any(_is_flat(ground[place], letters[place] > 0) for place in (box, region.slices)):
            regions.append(region)
    return tuple(sorted(regions))


def mask_text(frames: NDArray[np.uint8], regions: tuple[TextRegion, ...]) -> None:
    """Blacken regions in all frames, uint8 (n, height, width), in place."""
    for region in regions:
        frames[:, *region.slices] = 0


def _strokes(frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels of thin bright lines, bool (height, width)."""
    opened = scipy.ndimage.grey_opening(frame, size=(STROKE_PX, STROKE_PX))
    return np.asarray(frame.astype(np.int16) - opened > STROKE_CONTRAST)


def _is_row_of_letters(letters: NDArray[np.integer]) -> bool:
    """Return whether numbered strokes in their box could be letters: several, of one size, wide rather than tall."""
    height, width = letters.shape
    ink = float((letters > 0).mean())
    if height > MAX_HEIGHT_PX or width < MIN_ASPECT * height or not INK_SHARE[0] <= ink <= INK_SHARE[1]:
        return False
    heights = np.array([rows.stop - rows.start for rows, _ in filter(None, scipy.ndimage.find_objects(letters))])
    heights = heights[heights > MIN_LETTER_PX // 2]  # without dots and specks
    if len(heights) < MIN_LETTERS or np.median(heights) < MIN_LETTER_PX:  # smaller than any console writes
        return False
    return float((np.abs(heights / np.median(heights) - 1.0) <= SIZE_TOLERANCE).mean()) >= ALIKE_SHARE


def _is_flat(ground: NDArray[np.float64], ink: NDArray[np.bool_]) -> bool:
    """Return whether the ground in and around strokes has one grey; the smooth edges of letters do not count."""
    around = ground[~scipy.ndimage.binary_dilation(ink, np.ones((3, 3), dtype=np.bool_))].astype(np.uint8)
    levels = np.bincount(around, minlength=256)
    mode = int(levels.argmax())
    return float(levels[max(mode - FLAT_GREY, 0) : mode + FLAT_GREY + 1].sum()) > FLAT_SHARE * len(around)


def _with_margin(box: tuple[slice, ...], shape: tuple[int, ...]) -> TextRegion:
    """Return a box with room for the faint edges of letters, and for another digit of a counter."""
    rows, columns = box
    margin = max(2, (rows.stop - rows.start) // 4)
    side = max(margin, rows.stop - rows.start)
    return TextRegion(
        top=max(rows.start - margin, 0),
        left=max(columns.start - side, 0),
        bottom=min(rows.stop + margin, shape[0]),
        right=min(columns.stop + side, shape[1]),
    )
