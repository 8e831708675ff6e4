"""contours.json: what the page of a packet saves.

Each save holds all frames that were looked at, so of one session only the latest counts, whatever browsers call the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.refinement import Nudge
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.formats.documents import head_of, read_json
from ivsqa.io.packets.drawing import drawn_contour, points_of
from ivsqa.io.packets.gather import Answer, files_like, frame_of_image, gathered
from ivsqa.io.packets.packet import (
    ReturnedFrame,
    ReturnedPacket,
    SentFrame,
    files_under,
    sent_unless_moved,
    structure_named,
)

KIND = "ivsqa/contours"
SCHEMA_VERSION = 1
"""Version 1: ivsqa 0.1."""
SHORT_HASH = 16
"""Digits of an image's hash that tell it from any other."""
LONGEST_S = 1e6
"""No frame takes a fortnight."""
PAGE = "the page index.html"


def is_page_return(folder: Path) -> bool:
    """Return whether some JSON begins like what the page saves."""
    return any(_looks_saved(path) for path in files_under(folder, ".json"))


def read_page_returns(
    format_name: str, folder: Path, sent: Sequence[SentFrame], structures: StructureSet
) -> ReturnedPacket:
    """Read the latest save of each session below a folder; every other is left aside."""
    paths = files_like(folder, ".json", _looks_saved)
    latest: dict[str, _Save] = {}
    broken: list[Path] = []
    for path in paths:
        try:
            save = _read_save(path)
        except PacketError:
            broken.append(path)  # read again below, where what is wrong with it is reported
            continue
        known = latest.get(save.session_id)
        if known is None or save.number > known.number:
            latest[save.session_id] = save
    saves = {save.path: save for save in latest.values()}
    return gathered(
        format_name,
        [path for path in paths if path in saves or path in broken],
        sent,
        lambda path: _iter_frames(saves.get(path) or _read_save(path), sent, structures),
    )


@dataclass(frozen=True)
class _Save:
    """One file.

    Attributes:
        path: Where it lies.
        session_id: One browser's work on one packet.
        number: Counts the saves of a session.
        packet_id: The packet it says it answers.
        frames: As they stand in the file.
    """

    path: Path
    session_id: str
    number: int
    packet_id: str
    frames: list[object]


def _looks_saved(path: Path) -> bool:
    return KIND.encode() in head_of(path)


def _read_save(path: Path) -> _Save:
    """Return a file with its head checked.

    Raises:
        PacketError: it is not what the page saves, or of a later version.
    """
    document = read_json(path, editor=PAGE)
    if not isinstance(document, dict) or document.get("kind") != KIND or not isinstance(document.get("frames"), list):
        raise PacketError("is not what the page saves", hint=f"save again in {PAGE}", path=path)
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        hint = (
            "take a newer ivsqa" if isinstance(version, int) and version > SCHEMA_VERSION else f"save again in {PAGE}"
        )
        raise PacketError(f"has schema_version {version!r}, known is {SCHEMA_VERSION}", hint=hint, path=path)
    number = document.get("save")
    return _Save(
        path,
        str(document.get("session_id")),
        number if isinstance(number, int) else 0,
        str(document.get("packet_id")),
        document["frames"],
    )


def _iter_frames(save: _Save, sent: Sequence[SentFrame], structures: StructureSet) -> Iterator[Answer]:
    """Yield the frames of a file, or what is wrong with each."""
    for number, one in enumerate(save.frames, start=1):
        try:
            yield _read_frame(one, save, sent, structures, where=f"entry {number}")
        except PacketError as error:
            yield error


def _read_frame(
    one: object, save: _Save, sent: Sequence[SentFrame], structures: StructureSet, *, where: str
) -> ReturnedFrame:
    """Return a frame, checked against what was sent."""
    path, stored = save.path, one if isinstance(one, dict) else {}
    name = stored.get("name")
    if not isinstance(name, str):
        raise PacketError("has a frame without a name", hint=f"save again in {PAGE}", path=path, where=where)
    frame = frame_of_image(name, sent, path=path, where=name)
    if stored.get("image_sha256") != frame.image_sha256[:SHORT_HASH]:
        hint = f"this file answers {save.packet_id}; name its round with: --round ID"
        raise PacketError("was drawn on another image", hint=hint, path=path, where=name)
    contours = _contours(_mapping(stored.get("contours"), path, name), frame, structures, path)
    points = [
        _point(_mapping(point, path, name), structures, path, name) for point in _list(stored.get("points"), path, name)
    ]
    laid = " and ".join(sorted({nudge.structure for nudge in points}))
    note = f"{laid} laid through {len(points)} point{'' if len(points) == 1 else 's'} by the reader"
    return ReturnedFrame(
        frame,
        contours,
        checked=stored.get("checked") is True,
        unreadable=stored.get("unreadable") is True,
        path=path,
        notes=(note,) if points else (),
        nudges=tuple(points),
        nudges_followed=True,
        active_s=_seconds(stored.get("active_s")),
    )


def _contours(
    stored: Mapping[str, object], frame: SentFrame, structures: StructureSet, path: Path
) -> dict[str, Contour]:
    """Return the borders of a frame; one that was not moved is the very object that was sent."""
    contours = {}
    for label, numbers in stored.items():
        structure = structure_named(label, structures, path=path, where=frame.name)
        where = f"{frame.name}, {structure}"
        if structure in contours:
            raise PacketError("is there twice, in other letters", hint="keep one", path=path, where=where)
        contour = drawn_contour(points_of(numbers, path=path, where=where), frame, path=path, where=where)
        contours[structure] = sent_unless_moved(contour, frame.contours.get(structure))
    return contours


def _point(point: Mapping[str, object], structures: StructureSet, path: Path, where: str) -> Nudge:
    """Return a point that a border passes."""
    structure = structure_named(str(point.get("structure")), structures, path=path, where=where)
    ((x_px, y_px),) = points_of([[point.get("x_px"), point.get("y_px")]], path=path, where=where).tolist()
    try:
        return Nudge(structure, x_px, y_px)
    except ValueError as error:
        raise PacketError(str(error), hint=f"save again in {PAGE}", path=path, where=where) from error


def _seconds(value: object) -> float | None:
    """Return a time; None where it is none."""
    return float(value) if isinstance(value, int | float) and 0.0 <= value < LONGEST_S else None


def _mapping(value: object, path: Path, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise PacketError("is not what the page saves", hint=f"save again in {PAGE}", path=path, where=where)
    return value


def _list(value: object, path: Path, where: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise PacketError("is not what the page saves", hint=f"save again in {PAGE}", path=path, where=where)
    return value
