"""Opening pictures of strangers, as files, pages of files or inside documents: every way this can fail becomes one error.

Nothing is decoded before its size is known to be one of a frame.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from ivsqa.errors import IvsqaError, PacketError, SourceError, located
from ivsqa.io.budgets import COPY_AGAIN, check_frame_size
from ivsqa.io.formats.documents import bytes_of
from ivsqa.io.formats.files import LFS_HINT, LFS_MESSAGE, is_lfs_pointer

Seen = TypeVar("Seen")
FORMATS = ("PNG", "JPEG", "TIFF")
IMAGE_DESCRIPTION = 270
EXIF_KEYS = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")
"""Where Pillow keeps what may say how a picture lies."""
LYING = (5, 6, 7, 8)
"""Turns that exchange width and height."""
PROBLEMS = (
    Image.DecompressionBombError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What Pillow raises on files that are broken, cut short, far too large or no picture."""


@dataclass(frozen=True)
class Picture:
    """One image: a file, or a page of one."""

    path: Path
    page: int = 0


@contextmanager
def opened(picture: Picture, *, error: type[IvsqaError] = SourceError, where: str = "") -> Iterator[Image.Image]:
    """Yield a picture, not yet decoded; what goes wrong here or in the block is raised as `error`.

    Args:
        picture: What to open.
        error: SourceError for frames, AnnotationError for masks.
        where: The frame it is about, for the message.
    """
    with _as_error(picture.path, error, where), ExitStack() as file:
        image = _opened(picture.path, file)
        _turn_to(image, picture, error)
        yield image


def look_at_each(pictures: Sequence[Picture], look: Callable[[Image.Image], Seen]) -> Iterator[Seen]:
    """Yield what a look at each picture gives; pages of one file are turned, as opening each costs a walk from the first.

    Args:
        pictures: Frames in order.
        look: Takes an open picture, not yet decoded.

    Raises:
        SourceError: one cannot be read; names file and frame.
    """
    with ExitStack() as file:
        image: Image.Image | None = None
        for index, picture in enumerate(pictures):
            with _as_error(picture.path, SourceError, f"frame {index}"):
                if image is None or picture.path != pictures[index - 1].path:
                    file.close()
                    image = _opened(picture.path, file)
                _turn_to(image, picture, SourceError)
                seen = look(image)
            yield seen


def _opened(path: Path, file: ExitStack) -> Image.Image:
    """Return a picture, which `file` closes. Not by its name: Pillow 13 maps TIFF files into memory, and turned ones wrongly."""
    stream = file.enter_context(path.open("rb"))
    return file.enter_context(Image.open(stream, formats=FORMATS))


@contextmanager
def _as_error(path: Path, error: type[IvsqaError], where: str) -> Iterator[None]:
    """Raise what Pillow raises in the block as an error that says what is wrong with the picture."""
    try:
        with warnings.catch_warnings(action="ignore"), located(path=path, where=where):
            yield
    except PROBLEMS as problem:
        message, hint = _explained(path, problem)
        raise error(message, hint=hint, path=path, where=where) from problem


def _turn_to(image: Image.Image, picture: Picture, error: type[IvsqaError]) -> None:
    """Turn an open file to a page, and check that it has the size of a frame."""
    if image.tell() != picture.page:
        image.seek(picture.page)
    check_frame_size(image.height, image.width, error=error)


def turn_of(image: Image.Image) -> int:
    """Return how a picture is to be turned to stand upright, as EXIF numbers it, 1 to 8; 1 is as it is stored.

    Of a TIFF it is 1 always: Pillow turns these itself. What stands behind the pixels of a PNG is not looked for, as that would
    decode them.
    """
    said = any(key in image.info for key in EXIF_KEYS)
    turn = image.getexif().get(ExifTags.Base.Orientation, 1) if said and image.format != "TIFF" else 1
    return turn if turn in range(1, 9) else 1


def n_moving(image: Image.Image) -> int:
    """Return how many pictures an animated PNG shows one after the other; 1 for any other picture."""
    return int(getattr(image, "n_frames", 1)) if image.format == "PNG" else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return (width, height) of a picture as it stands upright; decodes nothing."""
    return (image.height, image.width) if turn_of(image) in LYING else image.size


def turned(pixels: NDArray[Any], turn: int) -> NDArray[Any]:
    """Return pixels as stored, (height, width) or (height, width, channels), as they stand upright.

    Args:
        pixels: As stored.
        turn: See `turn_of`, which is asked before anything is decoded.

    Example:
        >>> import numpy as np
        >>> stored = np.array([[1, 2], [3, 4]])
        >>> turned(stored, 6).tolist(), turned(stored, 8).tolist(), turned(stored, 3).tolist()
        ([[3, 1], [4, 2]], [[2, 4], [1, 3]], [[4, 3], [2, 1]])
    """
    pixels = pixels.swapaxes(0, 1) if turn in LYING else pixels
    return pixels[:: -1 if turn in (3, 4, 7, 8) else 1, :: -1 if turn in (2, 3, 6, 7) else 1]


def _explained(path: Path, problem: Exception) -> tuple[str, str]:
    """Return the message that says what is wrong with a picture, and how to mend it."""
    if isinstance(problem, OSError) and problem.strerror:
        return f"cannot be read: {problem.strerror}", ""
    if is_lfs_pointer(path):
        return LFS_MESSAGE, LFS_HINT
    if path.stat().st_size == 0:
        return "is empty", COPY_AGAIN
    if isinstance(problem, UnidentifiedImageError):
        message = "is no PNG, JPEG or TIFF picture"
    elif isinstance(problem, Image.DecompressionBombError):
        message = "is far larger than any frame"
    elif type(problem) is ValueError:
        message = f"cannot be used: {problem}"
    else:
        message = "the picture is cut short or broken"
    return message, f"{COPY_AGAIN} as 8-bit PNG"


def n_pages(path: Path) -> int:
    """Return the number of images in a file.

    Raises:
        SourceError: it cannot be opened, or a program that wrote it says that it holds more than can be read.
    """
    with opened(Picture(path)) as image:
        n_here = int(getattr(image, "n_frames", 1))
        promised = promised_pages(str(getattr(image, "tag_v2", {}).get(IMAGE_DESCRIPTION, "")), image.size)
        if promised > n_here:
            hint = "save it again with a page a frame; ImageJ does for less than 4 GB"
            raise SourceError(f"says that it holds {promised} pictures, of which {n_here} can be read", hint=hint)
        return n_here


def promised_pages(description: str, size: tuple[int, int]) -> int:
    r"""Return how many pages a TIFF has by what ImageJ, tifffile or OME wrote into its description; 0 where none of them did.

    Example:
        >>> promised_pages("ImageJ=1.54f\nimages=200\nframes=200", (512, 512))
        200
        >>> promised_pages('{"shape": [12, 128, 128]}', (128, 128)), promised_pages("a run", (128, 128))
        (12, 0)
    """
    images = re.match(r"ImageJ=.*?^images=([0-9]{1,9})\s*$", description, re.DOTALL | re.MULTILINE)
    if images:
        return int(images[1])
    shape = re.match(r'\{"shape": \[([0-9, ]{1,99})\]', description)
    if shape:
        n_pixels = math.prod(int(side) for side in shape[1].split(",") if side.strip())
        n_channels = (
            3 if n_pixels % (3 * math.prod(size)) == 0 and shape[1].replace(" ", "").endswith((",3", ",4")) else 1
        )
        return n_pixels // (math.prod(size) * n_channels)
    planes = re.search(r"<(?:\w+:)?Pixels\b([^>]*)>", description)
    if planes and "OME" in description:
        counts = dict(re.findall(r'\bSize([TZ])="([0-9]{1,9})"', planes[1]))
        return math.prod(int(count) for count in counts.values()) if counts else 0
    return 0


def open_image(source: Path | bytes) -> Image.Image:
    """Return an image that came back, fully decoded, from a file or from the bytes of one.

    Raises:
        PacketError: not an image, cut short, or beyond any frame's size.
    """
    try:
        with warnings.catch_warnings(action="error"):  # Pillow warns of a decompression bomb before it refuses one
            # From memory: a file that cannot be decoded would stay open.
            image = Image.open(io.BytesIO(source if isinstance(source, bytes) else bytes_of(source)))
            check_frame_size(image.height, image.width, error=PacketError)
            image.load()
    except (*PROBLEMS, Warning) as error:
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
