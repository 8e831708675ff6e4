"""Opening pictures of strangers, as files, pages of files or inside documents: every way this can fail becomes one error."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ivsqa.errors import IvsqaError, PacketError, SourceError
from ivsqa.io.formats.documents import bytes_of
from ivsqa.io.formats.files import LFS_HINT, LFS_MESSAGE, is_lfs_pointer

FORMATS = ("PNG", "JPEG", "TIFF")
LARGEST_SIDE_PX = 8192
PROBLEMS = (Image.DecompressionBombError, OSError, EOFError, SyntaxError, ValueError)
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
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(picture.path, formats=FORMATS) as image:
            if picture.page:
                image.seek(picture.page)
            yield image
    except PROBLEMS as problem:
        message, hint = _explained(picture.path, problem)
        raise error(message, hint=hint, path=picture.path, where=where) from problem


def _explained(path: Path, problem: Exception) -> tuple[str, str]:
    """Return the message that says what is wrong with a picture, and how to mend it."""
    again = "copy or export it again"
    if isinstance(problem, FileNotFoundError | PermissionError):
        return f"cannot be read: {problem.strerror}", ""
    if is_lfs_pointer(path):
        return LFS_MESSAGE, LFS_HINT
    if path.stat().st_size == 0:
        return "is empty", again
    if isinstance(problem, UnidentifiedImageError):
        message = "is no PNG, JPEG or TIFF picture"
    elif isinstance(problem, Image.DecompressionBombError):
        message = "is far larger than any frame"
    elif type(problem) is ValueError:
        message = f"cannot be used: {problem}"
    else:
        message = "the picture is cut short or broken"
    return message, f"{again} as 8-bit PNG"


def n_pages(path: Path) -> int:
    """Return the number of images in a file; raises SourceError where it cannot be opened."""
    with opened(Picture(path)) as image:
        return int(getattr(image, "n_frames", 1))


def open_image(source: Path | bytes) -> Image.Image:
    """Return an image that came back, fully decoded, from a file or from the bytes of one.

    Raises:
        PacketError: not an image, cut short, or beyond any frame's size.
    """
    try:
        with warnings.catch_warnings(action="error"):  # Pillow warns of a decompression bomb before it refuses one
            # From memory: a file that cannot be decoded would stay open.
            image = Image.open(io.BytesIO(source if isinstance(source, bytes) else bytes_of(source)))
            if max(image.size) > LARGEST_SIDE_PX:
                message = f"is {image.width} × {image.height} px, larger than any frame"
                raise PacketError(message, hint="draw on the image of the packet, unchanged")
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
