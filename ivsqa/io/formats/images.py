"""Images inside the files of strangers, and beside them: decoded from memory, bounded in size."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from pathlib import Path

from PIL import Image

from ivsqa.errors import PacketError
from ivsqa.io.formats.documents import bytes_of

LARGEST_SIDE_PX = 8192


def open_image(source: Path | bytes) -> Image.Image:
    """Return an image, fully decoded, from a file or from the bytes of one.

    Raises:
        PacketError: not an image, cut short, or beyond any frame's size.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow warns of a decompression bomb before it refuses one
            # From memory: a file that cannot be decoded would stay open.
            image = Image.open(io.BytesIO(source if isinstance(source, bytes) else bytes_of(source)))
            if max(image.size) > LARGEST_SIDE_PX:
                raise PacketError(
                    f"is {image.width} × {image.height} px, larger than any frame",
                    hint="draw on the image of the packet, unchanged",
                )
            image.load()
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise PacketError("holds an image that cannot be read", hint="save it again as PNG") from error
    return image


def open_embedded_image(text: str) -> Image.Image:
    """Return an image that a document embeds as base64.

    Raises:
        PacketError: it is not base64, or as for `open_image`.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PacketError("an embedded image is not base64", hint="save it again") from error
    return open_image(data)
