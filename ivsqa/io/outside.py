"""Where the outside can fail: a disk that is full or read-only, a file that may not be read, memory that runs out.

Such failures become an `OutsideError` here and nowhere else: around the whole command, so that none is a traceback, and around
each of many things, so that one stops no other (`apart`). And what cannot be looked at is never taken for absent (`entries`).
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import translate
from functools import cache
from io import BufferedReader
from pathlib import Path

from ivsqa.errors import IvsqaError, OutsideError

_AGAIN = "then give the same command again: it goes on where it stopped"
_OF_THE_DISK = {
    errno.ENOSPC: ("the disk is full", f"make room on it, {_AGAIN}"),
    errno.EDQUOT: ("your share of the disk is used up", f"make room on it, {_AGAIN}"),
    errno.EROFS: ("the disk is read-only", f"have it mounted for writing, {_AGAIN}"),
    errno.EIO: ("the disk or the network failed", f"see that it is well, {_AGAIN}"),
}
"""What strikes whatever is written next as well, with its mend."""
_OF_A_FILE = {
    errno.EACCES: ("you may not read or write it", "ask its owner for permission; see it with: ls -ld"),
    errno.EPERM: ("you may not read or write it", "ask its owner for permission; see it with: ls -ld"),
    errno.ENOENT: ("is missing", "restore it from a copy; what else is wrong is told by: ivsqa check"),
    errno.EISDIR: ("is a folder, and a file was expected", "restore the file from a copy"),
    errno.ENOTDIR: ("is a file, and a folder was expected", "restore the folder from a copy"),
    errno.ENAMETOOLONG: ("its name is too long", "give it a shorter one"),
    errno.ELOOP: ("is a link that leads nowhere but to itself", "remove the link"),
}
NO_MEMORY = "the memory does not suffice"


@contextmanager
def outside(path: Path | None = None) -> Iterator[None]:
    """Turn what the system refuses in the block into an OutsideError.

    Args:
        path: The file, where the failure itself does not name it.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _outside_error(error, path) from error
    except MemoryError as error:
        hint = "end other programs, or work on a machine with more"
        raise OutsideError(NO_MEMORY, hint=hint, path=path) from error


@contextmanager
def apart(failures: list[IvsqaError], path: Path | None = None) -> Iterator[None]:
    """Keep the failure of one of many things for later, so that the others go on; the boundary of whatever takes many files.

    Args:
        failures: Takes the error.
        path: The file, where the error does not name it.

    Raises:
        OutsideError: the failure is of the whole disk: the others would fail alike.

    Example:
        >>> failures = []
        >>> for name in ("a.dcm", "b.dcm"):
        ...     with apart(failures, Path(name)):
        ...         raise PermissionError(errno.EACCES, "denied")
        >>> [str(failure.path) for failure in failures]
        ['a.dcm', 'b.dcm']
    """
    try:
        with outside(path):
            yield
    except IvsqaError as error:
        if isinstance(error, OutsideError) and error.strikes_all:
            raise
        error.path = error.path or path
        failures.append(error)


def _outside_error(error: OSError, path: Path | None) -> OutsideError:
    named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else path
    if error.errno in _OF_THE_DISK:
        message, hint = _OF_THE_DISK[error.errno]
        return OutsideError(message, hint=hint, path=named, strikes_all=True)
    message, hint = _OF_A_FILE.get(error.errno or 0, (error.strerror or str(error), ""))
    return OutsideError(message, hint=hint, path=named)


def entries(folder: Path, pattern: str = "*") -> list[Path]:
    """Return what lies in a folder and is called like a pattern, by name; nothing where there is no such folder.

    Unlike `Path.glob`, which takes a folder that may not be read for an empty one.

    Raises:
        OutsideError: the folder may not be read.
    """
    return [folder / name for name in sorted(filter(_compiled(pattern).match, names_in(folder)))]


def names_in(folder: Path) -> list[str]:
    """Return the names of what lies in a folder, in any order; nothing where there is no such folder; raises as `entries`."""
    with outside(folder):
        try:
            return os.listdir(folder)  # noqa: PTH208  names are wanted, and paths of those alone that fit
        except FileNotFoundError:
            return []


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern of names; the library keeps none of them for long."""
    return re.compile(translate(pattern))


def is_file(path: Path) -> bool:
    """Return whether a file is there.

    Raises:
        OutsideError: something else has its name, or that may not be known, since a folder above it is closed.
    """
    if os.path.isfile(path):  # noqa: PTH113  asked of every file of a study, and mostly so
        return True
    with outside(path):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            if path.is_symlink():
                raise OutsideError(
                    "is a link to what is not there", hint="restore the file from a copy", path=path
                ) from None
            return False
        _check_regular(mode, path)
        return True


def _check_regular(mode: int, path: Path) -> None:
    """Refuse what is no file."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OutsideError("is no file but a pipe or a device", hint="restore the file from a copy", path=path)


@contextmanager
def opened_file(path: Path, *, at_most_bytes: int | None = None) -> Iterator[BufferedReader]:
    """Yield the stream of a file that is to be read.

    Args:
        path: The file.
        at_most_bytes: Of what size it may be; None: of any.

    Raises:
        OutsideError: it is no file but a pipe or a device, whose end might never come; it is larger; or the system refuses it.
    """
    with outside(path):
        # Asked before: to open a pipe waits until somebody writes into it.
        status = path.stat()
        _check_regular(status.st_mode, path)
        if at_most_bytes is not None and status.st_size > at_most_bytes:
            raise OutsideError(f"holds {status.st_size:,} bytes, more than any such file", path=path)
        with path.open("rb") as stream:
            yield stream


def read_file(path: Path, *, at_most_bytes: int | None = None) -> bytes:
    """Return what is in a file; see `opened_file`.

    It is read once more where another machine put a new file in its place meanwhile, which a shared disk tells as a stale handle.
    """
    try:
        with opened_file(path, at_most_bytes=at_most_bytes) as stream:
            return stream.read()
    except OutsideError as error:
        if not (isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ESTALE):
            raise
    with opened_file(path, at_most_bytes=at_most_bytes) as stream:
        return stream.read()
