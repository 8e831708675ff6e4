"""Packets as one file: zips that are written with equal bytes for equal content, and zips of strangers that are unpacked safely.

What a stranger's archive says is not believed: no path leads outside, nothing is larger than it may be, no file hides another.
"""

from __future__ import annotations

import errno
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from ivsqa.errors import PacketError
from ivsqa.io import atomic
from ivsqa.io.leftovers import TEMPORARY_PREFIX, sweep
from ivsqa.io.outside import opened_file
from ivsqa.io.processes import this_process

LARGEST_ZIP_BYTES = 4 * 2**30
MOST_FILES = 100_000
_OF_NAMES = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL})
"""What the disk answers to a name that is too long, or to a folder and a file of one name."""
ZIP_HEAD = b"PK\x03\x04"
LARGE_BYTES = 64 * 2**20
MOST_TIMES_PACKED = 100
"""Text and tables shrink 5 to 20 times; what shrinks more and is large was made to fill a disk."""
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The date of every file in a zip that is written: the earliest the format knows."""


def write_zip(folder: Path, path: Path) -> None:
    """Write all files below a folder to a zip, by name, without dates and owners, atomically."""
    files = sorted((file.relative_to(folder).as_posix(), file) for file in folder.rglob("*") if file.is_file())
    with atomic.replacing(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, file in files:
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.create_system = 3  # Unix everywhere, so that the mode below counts and the bytes are equal
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.compress_type = zipfile.ZIP_STORED if file.suffix == ".png" else zipfile.ZIP_DEFLATED
            entry.file_size = file.stat().st_size  # beyond 2 GB the format needs to know before
            with file.open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Yield a folder with what came back; a zip is unpacked to a temporary one, a single file copied to one.

    Raises:
        PacketError: nothing there, a folder that leads elsewhere, or an unsafe archive.
    """
    if path.is_dir():
        _refuse_odd_files(path)
        yield path
        return
    if not path.is_file():
        raise PacketError("is not there", hint="give the folder or zip that came back", path=path)
    # What a kill left of a return is of people: it goes as soon as anybody looks at the next one.
    sweep(Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*"))
    with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY_PREFIX}{this_process().token}-") as name:
        folder = Path(name).resolve()
        if zipfile.is_zipfile(path):
            _extract(path, folder)
        elif _begins_as_zip(path):
            raise PacketError("is a zip that is cut short", hint="copy or send it again", path=path)
        else:
            shutil.copyfile(path, folder / path.name)
        yield folder


def _refuse_odd_files(folder: Path) -> None:
    """Raise where a folder holds anything but files and folders, since what a link leads to was not sent, or a path as a name."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise PacketError("is no file but leads elsewhere", hint="send copies of files, no links", path=path)
        if "\\" in path.name:
            message = "has its folders in its name, as some programs unpack what Windows zipped"
            raise PacketError(message, hint="give the zip itself", path=path)


def _extract(path: Path, folder: Path) -> None:
    """Unpack a zip.

    Raises:
        PacketError: broken, encrypted, too large, with a path that leads outside, or with two files of one name.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            for entry in entries:
                entry.filename = entry.filename.replace("\\", "/")  # as some programs of Windows write folders
            # Reading stops at the size an entry declares, so the declared sizes bound what is written.
            if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > LARGEST_ZIP_BYTES:
                raise PacketError("unpacks to more than any packet holds", hint="send only what was changed", path=path)
            if any(_is_bomb(entry) for entry in entries):
                raise PacketError(
                    "holds a file that unpacks out of all proportion", hint="zip the folder again", path=path
                )
            _check_entries(entries, path)
            for entry in entries:
                archive.extract(entry, folder)
    except OSError as error:
        if error.errno not in _OF_NAMES:
            raise
        raise PacketError(f"cannot be unpacked: {error.strerror}", hint="zip the folder again", path=path) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PacketError(f"cannot be unpacked: {error}", hint="zip it again, without a password", path=path) from error


def _begins_as_zip(path: Path) -> bool:
    with opened_file(path) as stream:
        return stream.read(len(ZIP_HEAD)) == ZIP_HEAD


def _is_bomb(entry: zipfile.ZipInfo) -> bool:
    return entry.file_size > LARGE_BYTES and entry.file_size > MOST_TIMES_PACKED * entry.compress_size


def _check_entries(entries: list[zipfile.ZipInfo], path: Path) -> None:
    """Raise where an entry would leave the folder it is unpacked to, or be written over another."""
    names: set[str] = set()
    for entry in entries:
        name = entry.filename
        parts = PurePosixPath(name).parts
        is_special = stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR)
        if not parts:
            raise PacketError("holds a file without a name", hint="zip the folder again", path=path)
        if name.startswith("/") or PureWindowsPath(name).drive or ".." in parts or is_special:
            raise PacketError("holds a path that leads outside", hint="zip the folder again", path=path, where=name)
        key = "/".join(parts).casefold()  # on many disks "A" is "a"
        if not entry.is_dir() and key in names:
            raise PacketError("holds two files of one name", hint="zip the folder again", path=path, where=name)
        names.add(key)
