"""Images that come from outside: read as grey, bounded in size, compared with what was sent."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivsqa.domain.contour import Contour, contour_from_mask
from ivsqa.errors import PacketError
from ivsqa.io.formats.documents import bytes_of
from ivsqa.io.packets.packet import STRAY_SHARE, SentFrame, frame_sha256

LARGEST_SIDE_PX = 8192


def open_image(source: Path | bytes, *, path: Path) -> Image.Image:
    """Return an image, fully decoded, from a file or from the bytes of one.

    Args:
        source: Where it is.
        path: The file to name in an error.

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
                    path=path,
                )
            image.load()
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise PacketError("holds an image that cannot be read", hint="save it again as PNG", path=path) from error
    return image


def decoded_base64(text: str, *, path: Path, where: str) -> bytes:
    """Return the bytes that a JSON file embeds as base64.

    Raises:
        PacketError: it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PacketError("an embedded image is not base64", hint="save it again", path=path, where=where) from error


def grey_pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Return an image as uint8 (height, width); equal red, green and blue give exactly that grey."""
    return np.asarray(image.convert("L"), dtype=np.uint8)


def check_pixels(image: Image.Image, frame: SentFrame, *, path: Path) -> None:
    """Compare an image that came back with what was sent.

    Raises:
        PacketError: it is another frame, or was resized or retouched: contours drawn on it fit nothing here.
    """
    hint = "draw on the image of the packet, unchanged"
    if image.size != (frame.width_px, frame.height_px):
        raise PacketError(
            f"its image is {image.width} × {image.height} px, but {frame.name} was sent with"
            f" {frame.width_px} × {frame.height_px}",
            hint=hint,
            path=path,
        )
    if frame_sha256(grey_pixels(image)) != frame.image_sha256:
        raise PacketError(f"its image is not the one sent as {frame.name}", hint=hint, path=path)


def single_object(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int, float]:
    """Return the largest object of a mask, how many objects there are, and the share of the second against the first."""
    from skimage.measure import label

    labels, n_objects = label(mask, return_num=True, connectivity=2)
    if n_objects <= 1:
        return mask, int(n_objects), 0.0
    areas = np.bincount(labels.ravel())[1:]
    order = np.argsort(areas)[::-1]
    return np.asarray(labels == order[0] + 1), int(n_objects), float(areas[order[1]] / areas[order[0]])


def outline(
    mask: NDArray[np.bool_], structure: str, *, path: Path, where: str = ""
) -> tuple[Contour | None, tuple[str, ...]]:
    """Return the contour of a painted mask, None for an empty one, and a note on stray specks that were left out.

    Raises:
        PacketError: it shows several objects, and which one is meant is not ours to guess.
    """
    largest, n_objects, share = single_object(mask)
    if share > STRAY_SHARE:
        raise PacketError(f"shows {n_objects} objects", hint="keep one a structure", path=path, where=where)
    note = f"{structure}: left out {n_objects - 1} stray speck(s) below {STRAY_SHARE:.0%} of the area"
    return contour_from_mask(largest), (note,) if n_objects > 1 else ()
