"""Atomic writes: a file is either what it was or what it shall be, whenever the plug is pulled.

A temporary file in the same folder is written, flushed, synced, given the mode the file had (or the umask's), and moved into
place; on any exception it is removed. What a kill leaves behind is named `.tmp-…` and swept by `remove_leftovers`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ivsqa.io.outside import entries, opened_file

TEMPORARY_PREFIX = ".tmp-"
LEFTOVER_AGE_S = 3600.0


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a stream whose content becomes `path` when the block ends well; its folder is made if missing."""
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(_mode_for(path))
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


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with LF line ends to `path` atomically."""
    write_bytes(path, text.encode("utf-8"))


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
    temporary.rename(path)


def remove_leftovers(folder: Path, *, older_than_s: float = LEFTOVER_AGE_S) -> list[Path]:
    """Remove temporary files and folders directly in `folder` that a killed process left, and return them."""
    removed = []
    for path in entries(folder, f"{TEMPORARY_PREFIX}*"):
        if time.time() - path.stat().st_mtime >= older_than_s:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def sha256_of_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with opened_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _mode_for(path: Path) -> int:
    """Return the mode of the file that is replaced, or what the umask gives a new one."""
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        return 0o666 & ~_umask()


def _umask() -> int:
    """Return the process umask; reading it means setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
