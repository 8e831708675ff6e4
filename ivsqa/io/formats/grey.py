"""From any picture to 8-bit grey, in one way for every format, so that a frame is the same grey from DICOM and from PNG.

Colour becomes luma by ITU-R BT.601 (0.299, 0.587, 0.114), as Pillow's mode "L" and the Y of JPEG have it. Transparency is
no grey: it is ignored. What has more than 8 bits is scaled by one factor for the whole pullback, never frame by frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIXTEEN_BIT_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
DEEPEST = (1 << 16) - 1
PHOTOMETRIC = 262
DEEP_DEPTHS = (8, 10, 12, 14, 16)


def is_white_least(image: Image.Image) -> bool:
    """Return whether 0 is white in a 16-bit TIFF (MinIsWhite); of fewer bits Pillow turns the values around itself."""
    return image.mode in SIXTEEN_BIT_MODES and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma of RGB pixels, uint8 (height, width, 3) → (height, width)."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(rgb)).convert("L"))


def grey_from_image(image: Image.Image, *, white: int = 255) -> NDArray[np.uint8]:
    """Return a picture as grey, uint8 (height, width).

    Args:
        image: Grey, colour, palette or 16-bit; alpha is ignored.
        white: The value that becomes 255 in a 16-bit picture, or black where its least is white.

    Raises:
        ValueError: the mode has no defined white: floating point.
    """
    if image.mode in SIXTEEN_BIT_MODES:
        # In int64, as 65535 · 255 is beyond 16 bits.
        values = np.clip(np.asarray(image).astype(np.int64), 0, white)
        values = white - values if is_white_least(image) else values
        return np.asarray((values * 255 + white // 2) // white, dtype=np.uint8)
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, for which no white is defined")
    if image.mode not in {"1", "L", "LA"}:
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def deep_white(highest: int) -> int:
    """Return the value of white in 16-bit frames: the top of the least usual depth that holds the highest value.

    Consoles store 10 or 12 bits in 16 without saying so; dividing by 65535 would leave such frames black.

    Example:
        >>> deep_white(3100)
        4095
    """
    return (1 << next((bits for bits in DEEP_DEPTHS if highest < 1 << bits), DEEP_DEPTHS[-1])) - 1
