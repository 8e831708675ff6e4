"""Reading what came back: a folder, a zip or one file; whole or in part; one level down or not.

What a stranger's archive says is not believed: no path leads outside, nothing is larger than it may be.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.packets.packet import ReturnedFrame, ReturnedPacket, SentFrame
from ivsqa.io.packets.registry import ADAPTERS, get_adapter
from ivsqa.io.packets.worklist import Tick, read_ticks

LARGEST_ZIP_BYTES = 4 * 2**30
MOST_FILES = 100_000


def read_return(
    path: Path,
    sent: Sequence[SentFrame],
    structures: StructureSet,
    *,
    format: str | None = None,  # noqa: A002
) -> ReturnedPacket:
    """Return what an annotator sent back, compared with what was sent.

    Args:
        path: A folder, a zip, or a single file of a format.
        sent: The frames of the packet.
        structures: The structures of the study.
        format: The format to read; None recognises it. Of several, the one that was worked on counts.

    Returns:
        The frames that came back, with paths relative to `path`; errors in `rejected` name the path in full.

    Raises:
        PacketError: nothing there, nothing recognised, an unsafe archive, or work in two formats at once.
    """
    with _opened(path) as folder:
        try:
            adapters = [get_adapter(format)] if format else [a for a in ADAPTERS if a.recognises(folder, structures)]
            if not adapters:
                known = ", ".join(adapter.name for adapter in ADAPTERS)
                raise PacketError("holds no annotations that are known here", hint=f"formats: {known}", path=folder)
            packets = [adapter.read(folder, sent, structures) for adapter in adapters]
            ticks, errors = read_ticks(folder)
        except IvsqaError as error:
            raise _moved(error, folder, path) from error
        packet = _worked_on(packets, path)
        return ReturnedPacket(
            packet.format,
            tuple(_ticked(replace(frame, path=frame.path.relative_to(folder)), ticks) for frame in packet.frames),
            tuple(_moved(error, folder, path) for error in (*packet.rejected, *errors)),
        )


def _worked_on(packets: Sequence[ReturnedPacket], path: Path) -> ReturnedPacket:
    """Return the packet that an annotator changed, or the first where none was.

    Raises:
        PacketError: two were changed, and which one counts is not ours to guess.
    """
    changed = [packet for packet in packets if packet.rejected or any(_is_changed(frame) for frame in packet.frames)]
    if len(changed) > 1:
        names = " and ".join(packet.format for packet in changed)
        raise PacketError(f"was changed in {names}", hint=f"say which counts: --format {changed[0].format}", path=path)
    return changed[0] if changed else packets[0]


def _is_changed(returned: ReturnedFrame) -> bool:
    """Return whether anything in a frame differs from what was sent; contours that were not moved are the same objects."""
    names = set(returned.contours) | set(returned.frame.contours)
    moved = any(returned.contours.get(name) is not returned.frame.contours.get(name) for name in names)
    return moved or bool(returned.checked) or returned.unreadable or bool(returned.nudges)


def _ticked(returned: ReturnedFrame, ticks: dict[str, Tick]) -> ReturnedFrame:
    """Return the frame with what the worklist says of it added; a tick in either place counts."""
    tick = ticks.get(returned.frame.name)
    if tick is None:
        return returned
    if tick is Tick.UNREADABLE:
        return replace(returned, unreadable=True)
    return replace(returned, checked=bool(returned.checked) or tick is Tick.CHECKED)


def _moved(error: IvsqaError, folder: Path, path: Path) -> IvsqaError:
    """Return an error about a file in a temporary folder as one about what the user gave."""
    if error.path is not None and error.path.is_relative_to(folder):
        inside = error.path.relative_to(folder)
        error.path = path if inside in (Path(), Path(path.name)) else path / inside
    return error


@contextmanager
def _opened(path: Path) -> Iterator[Path]:
    """Yield a folder with what came back; a zip is unpacked to a temporary one."""
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise PacketError("is not there", hint="give the folder or zip that came back", path=path)
    with tempfile.TemporaryDirectory(prefix="ivsqa-return-") as name:
        folder = Path(name).resolve()
        if zipfile.is_zipfile(path):
            _extract(path, folder)
        else:
            shutil.copyfile(path, folder / path.name)
        yield folder


def _extract(path: Path, folder: Path) -> None:
    """Unpack a zip.

    Raises:
        PacketError: broken, encrypted, too large, or with a path that leads outside.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > LARGEST_ZIP_BYTES:
                raise PacketError("unpacks to more than any packet holds", hint="send only what was changed", path=path)
            for entry in entries:
                _check_entry(entry, path)
                archive.extract(entry, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PacketError(f"cannot be unpacked: {error}", hint="zip it again, without a password", path=path) from error


def _check_entry(entry: zipfile.ZipInfo, path: Path) -> None:
    """Raise where an entry would leave the folder it is unpacked to."""
    name = entry.filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    if name.startswith(("/", "\\")) or PureWindowsPath(name).drive or ".." in parts or is_link:
        raise PacketError("holds a path that leads outside", hint="zip the folder again", path=path, where=name)
