"""What lies around a frame, as the page keeps it: small pictures of the square that matters, and the pullback's cut."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivsqa.io.packets.packet import PacketFrame, Surroundings

ROOM = 1.4
"""Side of the square over the greatest extent of the borders."""
MOST_SIDE_PX = 224
"""Finer than this, moving speckle says no more."""
QUALITY = 50
CUT_PX = (400, 72)
"""Columns and greatest height of the cut."""


def stored_neighbours(frame: PacketFrame, surroundings: Surroundings) -> dict[str, object]:
    """Return the frame and its neighbours within the square that matters, one above the other in one JPEG."""
    top, left, side = _square(frame)
    images = dict(sorted({0: frame.image, **surroundings.neighbours}.items()))
    tile = min(side, MOST_SIDE_PX)
    stacked = Image.new("L", (tile, tile * len(images)))
    for row, image in enumerate(images.values()):
        square = Image.fromarray(image[top : top + side, left : left + side])
        stacked.paste(square.resize((tile, tile), Image.Resampling.BOX), (0, row * tile))
    return {
        "offsets": list(images),
        "step_mm": surroundings.step_mm,
        "left": left,
        "top": top,
        "side": side,
        "tile": tile,
        "image": _jpeg(stacked),
    }


def stored_cut(cut: NDArray[np.uint8]) -> str:
    """Return the cut of a pullback as a small JPEG."""
    picture = Image.fromarray(cut)
    return _jpeg(picture.resize((CUT_PX[0], min(CUT_PX[1], picture.height)), Image.Resampling.BOX))


def _square(frame: PacketFrame) -> tuple[int, int, int]:
    """Return top, left and side of the square around all borders, with room; all of the shorter side where none is drawn."""
    height, width = frame.image.shape
    side, middle = min(height, width), np.array([0.5 * width, 0.5 * height])
    if frame.contours:
        points = np.vstack([contour.points_px for contour in frame.contours.values()])
        low, high = points.min(axis=0), points.max(axis=0)
        side, middle = min(side, int(np.ceil(ROOM * (high - low).max()))), 0.5 * (low + high)
    left, top = np.clip(np.round(middle - 0.5 * side).astype(int), 0, [width - side, height - side])
    return int(top), int(left), side


def _jpeg(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
