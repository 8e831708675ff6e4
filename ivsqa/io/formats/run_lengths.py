"""Masks as run lengths: how many pixels are outside, then inside, then outside …, as COCO and CVAT write them.

In which order the pixels are counted is the caller's to know: COCO goes down the columns, CVAT along the rows.
"""

from __future__ import annotations

import numpy as np

from ivsqa.domain.contour import Mask
from ivsqa.errors import PacketError


def mask_from_counts(counts: object, n_pixels: int) -> Mask:
    """Return pixels in their order, bool (n_pixels,).

    Raises:
        PacketError: they are not lengths, or not those of a mask of that size.

    Example:
        >>> mask_from_counts([1, 2, 1], 4).tolist()
        [False, True, True, False]
    """
    if not isinstance(counts, list) or not all(isinstance(count, int) and 0 <= count <= n_pixels for count in counts):
        raise _unreadable("are not a list of lengths")
    if len(counts) > 2 * n_pixels + 2 or sum(counts) != n_pixels:
        raise _unreadable(f"are not those of {n_pixels} pixels")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts)


def mask_from_text(text: str, n_pixels: int) -> Mask:
    """Return the same from COCO's compressed text.

    Each length is written in digits of five bits, the lowest first, one a character from "0" on; 32 says that more digits
    follow, 16 in the last one that the number is negative. From the fourth on, a length is the difference to the one two
    before (source: COCO API, maskApi.c).

    Raises:
        PacketError: as for `mask_from_counts`.

    Example:
        >>> mask_from_text("121", 4).tolist()
        [False, True, True, False]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        digit = ord(character) - 48
        # No length has more digits, and a stranger may write them without end.
        if not 0 <= digit < 64 or shift > 60:
            raise _unreadable("are not compressed as COCO does")
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            value -= (1 << shift) if digit & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return mask_from_counts(counts, n_pixels)


def _unreadable(problem: str) -> PacketError:
    return PacketError(f"has a mask that cannot be read: its counts {problem}", hint="draw it again")
