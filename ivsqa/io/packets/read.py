"""Reading what came back: a folder, a zip or one file; whole or in part; one level down or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.formats.archive import opened
from ivsqa.io.formats.label_marks import Tick
from ivsqa.io.packets.adapter import files_under
from ivsqa.io.packets.images import check_image_beside
from ivsqa.io.packets.packet import ReturnedFrame, ReturnedPacket, SentFrame, names_of
from ivsqa.io.packets.registry import ADAPTERS, get_adapter
from ivsqa.io.packets.worklist import read_ticks

_NAMING_SUFFIXES = (".json", ".xml", ".svg", ".geojson")
"""Files in which the name of the packet stands, where the format has a place for it."""
MOST_KINDS = 5
"""Of files, that a message names."""


def read_return(
    path: Path,
    sent: Sequence[SentFrame],
    structures: StructureSet,
    *,
    format: str | None = None,  # noqa: A002
    others: Mapping[str, str] | None = None,
) -> ReturnedPacket:
    """Return the packet that an annotator sent back, compared with what was sent.

    Args:
        path: A folder, a zip, or a single file of a format.
        sent: The frames of the packet.
        structures: The structures of the study.
        format: The format to read; None recognises it. Of several, the one that was worked on counts.
        others: Ids of packets with the same frames that went to others, and to whom: theirs is refused.

    Returns:
        The frames that came back, with paths relative to `path`; errors in `rejected` name the path in full.

    Raises:
        PacketError: nothing there, nothing recognised, another's packet, an unsafe archive, or work in two formats at once.
    """
    with opened(path) as folder:
        try:
            _refuse_packet_of_another(folder, others or {})
            adapters = [get_adapter(format)] if format else [a for a in ADAPTERS if a.recognises(folder, structures)]
            if not adapters:
                raise _unknown_error(folder)
            packets = [adapter.read(folder, sent, structures) for adapter in adapters]
            ticks, errors = read_ticks(folder)
        except IvsqaError as error:
            raise _moved(error, folder, path) from error
        packet = _with_images_checked(_worked_on(packets, path), folder)
        frames = [_ticked(frame, ticks) for frame in packet.frames]
        _refuse_lost(frames, structures, path)
        said, emptied = _with_emptied_refused(frames)
        return ReturnedPacket(
            packet.format,
            # The folder may be a temporary one, gone when somebody reads the path.
            tuple(replace(frame, path=frame.path.relative_to(folder)) for frame in said),
            tuple(_moved(error, folder, path) for error in (*packet.rejected, *emptied, *errors)),
        )


def _unknown_error(folder: Path) -> PacketError:
    """Return the error for a return in no known format, with the kinds of files that it holds."""
    zips = files_under(folder, ".zip")
    if zips:
        return PacketError(
            f"holds {zips[0].name}, which is a packet of its own", hint="give the zip itself", path=folder
        )
    counts = Counter(path.suffix.lower() or "file without a suffix" for path in folder.rglob("*") if path.is_file())
    found = ", ".join(f"{n} {suffix}" for suffix, n in counts.most_common(MOST_KINDS)) or "nothing"
    known = ", ".join(adapter.name for adapter in ADAPTERS)
    return PacketError(f"holds no annotations that are known here: {found}", hint=f"formats: {known}", path=folder)


def _refuse_packet_of_another(folder: Path, others: Mapping[str, str]) -> None:
    """Refuse what names the packet of somebody else: one reader's work must not count as another's.

    Raises:
        PacketError: a file says so. Formats that cannot carry the name of a packet pass.
    """
    for path in (path for suffix in _NAMING_SUFFIXES if others for path in files_under(folder, suffix)):
        # As bytes: broken files are searched as well, whatever their encoding.
        text = path.read_bytes()
        for packet_id, reader in others.items():
            if packet_id.encode() in text:
                whose = f"the packet of {reader}" if reader else "the packet that went to nobody in particular"
                raise PacketError(f"belongs to {packet_id}, {whose}", hint="say whose it is: --reader NAME", path=path)


def _worked_on(packets: Sequence[ReturnedPacket], path: Path) -> ReturnedPacket:
    """Return the packet that an annotator changed, or the first where none was.

    Raises:
        PacketError: two were changed, and which one counts is not ours to guess.
    """
    changed = [packet for packet in packets if packet.is_changed]
    if len(changed) > 1:
        names = " and ".join(packet.format for packet in changed)
        raise PacketError(f"was changed in {names}", hint=f"say which counts: --format {changed[0].format}", path=path)
    return changed[0] if changed else packets[0]


def _with_images_checked(packet: ReturnedPacket, folder: Path) -> ReturnedPacket:
    """Return the packet without the frames whose image came back as another one."""
    frames, rejected = [], list(packet.rejected)
    for frame in packet.frames:
        try:
            check_image_beside(frame, folder)
            frames.append(frame)
        except PacketError as error:
            rejected.append(error)
    return ReturnedPacket(packet.format, tuple(frames), tuple(rejected))


def _refuse_lost(frames: Sequence[ReturnedFrame], structures: StructureSet, path: Path) -> None:
    """Refuse a packet without any of the contours sent, or any of one structure: so they are lost on the way, not deleted.

    Raises:
        PacketError: that is so, in more frames than one; unreadable frames have no vote. That all borders went no tick can say.
    """
    drawn = [frame for frame in frames if frame.frame.contours and not frame.unreadable]
    if len(drawn) > 1 and not any(frame.contours for frame in drawn):
        raise PacketError(
            f"none of the contours that were sent in {len(drawn)} frames came back",
            hint="load the contours of the packet into the editor first, as INSTRUCTIONS.html says",
            path=path,
        )
    for name in structures.names:
        of_name = [frame for frame in drawn if name in frame.frame.contours]
        is_said = all(frame.checked for frame in of_name)
        if len(of_name) > 1 and not (is_said or any(name in frame.contours for frame in of_name)):
            raise PacketError(
                f"{name} was sent in {len(of_name)} frames and came back in none",
                hint=f"export {name} too; where it was deleted on purpose, tick the frames as checked",
                path=path,
            )


def _with_emptied_refused(frames: Sequence[ReturnedFrame]) -> tuple[list[ReturnedFrame], list[PacketError]]:
    """Return the frames that say something, and an error a file for those that lost all their contours without a tick.

    A frame that an export left out looks the same as one that was emptied on purpose: deleting is not done on a guess.
    """
    said: list[ReturnedFrame] = []
    emptied: dict[Path, list[str]] = {}
    for frame in frames:
        is_emptied = bool(frame.frame.contours) and not (frame.contours or frame.nudges)
        if is_emptied and not (frame.checked or frame.unreadable):
            emptied.setdefault(frame.path, []).append(frame.frame.name)
        else:
            said.append(frame)
    hint = "where that is meant, tick them checked or unreadable; else they count as not returned"
    message = "nothing is drawn any more where contours were sent"
    return said, [PacketError(message, hint=hint, path=path, where=names_of(names)) for path, names in emptied.items()]


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
