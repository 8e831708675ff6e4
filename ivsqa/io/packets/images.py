"""Images that come back, compared with what was sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ivsqa.errors import PacketError, located
from ivsqa.io.formats.pictures import open_image
from ivsqa.io.packets.packet import IMAGES_FOLDER, ReturnedFrame, SentFrame, frame_sha256

UNCHANGED_HINT = "draw on the image of the packet, unchanged"


def check_pixels(image: Image.Image, frame: SentFrame) -> None:
    """Compare an image that came back with what was sent.

    Raises:
        PacketError: it is another frame, or was resized or retouched: contours drawn on it fit nothing here.
    """
    if image.size != (frame.width_px, frame.height_px):
        raise PacketError(
            f"its image is {image.width} × {image.height} px, but {frame.name} was sent with"
            f" {frame.width_px} × {frame.height_px}",
            hint=UNCHANGED_HINT,
        )
    grey = np.asarray(image.convert("L"), dtype=np.uint8)  # equal red, green and blue give exactly that grey
    if frame_sha256(grey) != frame.image_sha256:
        raise PacketError(f"its image is not the one sent as {frame.name}", hint=UNCHANGED_HINT)


def check_image_beside(returned: ReturnedFrame, folder: Path) -> None:
    """Compare the image of a frame with what was sent, where the folder `images` came back too.

    Raises:
        PacketError: it is another frame, so the contours were drawn on that one.
    """
    for place in returned.path.parents:
        path = place / IMAGES_FOLDER / f"{returned.frame.name}.png"
        if path.is_file():
            with located(path=path):
                check_pixels(open_image(path), returned.frame)
        if place == folder:
            return
