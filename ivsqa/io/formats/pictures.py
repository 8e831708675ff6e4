"""Opening PNG, JPEG and TIFF files: every way this can fail becomes an error that names the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ivsqa.errors import IvsqaError, SourceError
from ivsqa.io.formats.files import LFS_HINT, LFS_MESSAGE, is_lfs_pointer

FORMATS = ("PNG", "JPEG", "TIFF")


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
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        EOFError,
        SyntaxError,
        ValueError,
    ) as problem:
        raise _explained(picture, problem, error, where) from problem


def _explained(picture: Picture, problem: Exception, error: type[IvsqaError], where: str) -> IvsqaError:
    """Return the error that says what is wrong with a picture, and how to mend it."""
    if isinstance(problem, FileNotFoundError | PermissionError):
        return error(f"cannot be read: {problem.strerror}", path=picture.path, where=where)
    if is_lfs_pointer(picture.path):
        return error(LFS_MESSAGE, hint=LFS_HINT, path=picture.path, where=where)
    if picture.path.stat().st_size == 0:
        return error("is empty", hint="copy or export it again", path=picture.path, where=where)
    if isinstance(problem, UnidentifiedImageError):
        message = "is no PNG, JPEG or TIFF picture"
    elif isinstance(problem, Image.DecompressionBombError):
        message = "is far larger than any frame"
    elif type(problem) is ValueError:
        message = f"cannot be used: {problem}"
    else:
        message = "the picture is cut short or broken"
    return error(message, hint="copy or export it again as 8-bit PNG", path=picture.path, where=where)


def n_pages(path: Path) -> int:
    """Return the number of images in a file.

    Raises:
        SourceError: the file cannot be opened.
    """
    with opened(Picture(path)) as image:
        return int(getattr(image, "n_frames", 1))
