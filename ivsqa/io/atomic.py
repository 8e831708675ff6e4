"""Atomic writes: a file is either what it was or what it shall be, whenever the plug is pulled. The ledger learns of each.

A temporary file in the same folder is written, flushed, synced, given the mode the file had (or the umask's), and moved into
place; on any exception it is removed. What a kill leaves behind is named `.tmp-…` and swept by `leftovers`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ivsqa.io.ledger import doors
from ivsqa.io.leftovers import TEMPORARY_PREFIX, temporary_path


@contextmanager
def replacing(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Yield a stream whose content becomes `path` when the block ends well; its folder is made if missing.

    Args:
        path: The file; its mode stays where it is there.
        mode: Of a new file, less what the umask takes.
    """
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(path)
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
                _keep_mode(temporary, path)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            with doors.entering(path, temporary):
                temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in a failure of the system that names none, as a full disk does, or only a temporary one."""
    try:
        yield
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)).name.startswith(TEMPORARY_PREFIX):
            error.filename = str(path)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically; its folder is made if missing."""
    with replacing(path) as stream:
        stream.write(data)


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write `text` as UTF-8 with LF line ends to `path` atomically; `mode` as in `replacing`."""
    with replacing(path, mode=mode) as stream:
        stream.write(text.encode("utf-8"))


@contextmanager
def staged_folder(temporary: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; whatever is still in it when the block ends, well or not, is removed.

    Call `publish_folder` inside the block once it is complete.
    """
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def allocate(path: Path) -> None:
    """Have the disk set aside all of a file that is there with holes; a full disk is told now.

    To write into a hole by a memory map ends the process where the disk is full.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with _named(path), path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)


def publish_folder(temporary: Path, path: Path) -> None:
    """Give a finished folder its name, in one step.

    Raises:
        FileExistsError: `path` is already there.
    """
    if path.exists():
        raise FileExistsError(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for file in temporary.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
    with doors.entering(path, temporary):
        temporary.rename(path)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    with doors.removing(path):
        path.unlink(missing_ok=True)


def _keep_mode(temporary: Path, path: Path) -> None:
    """Give a file the mode of the one that it replaces; a new one has what the umask gives."""
    with suppress(FileNotFoundError):
        temporary.chmod(path.stat().st_mode & 0o7777)
