"""contours-….json: what the page of a packet saves.

Each save holds all frames that were looked at, so of one session only the latest counts, whatever the files are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ivsqa.domain.contour import Contour
from ivsqa.domain.geometry.refinement import Nudge
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError, located
from ivsqa.io.formats.documents import mapping_of, read_json
from ivsqa.io.formats.label_marks import structure_named
from ivsqa.io.formats.shapes import drawn_contour, points_of
from ivsqa.io.packets.adapter import DocumentAdapter, PacketReturn
from ivsqa.io.packets.packet import ReturnedFrame, SentFrame, sent_unless_moved

KIND = "ivsqa/contours"
SCHEMA_VERSION = 1
"""Version 1: ivsqa 0.1."""
SHORT_HASH = 16
"""Digits of an image's hash that tell it from any other."""
LONGEST_S = 1e6
"""No frame takes a fortnight."""
PAGE = "the page index.html"
SAVE_AGAIN = f"save again in {PAGE}"


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

    @property
    def names(self) -> set[str]:
        """The frames that it holds."""
        return {str(frame["name"]) for frame in self.frames if isinstance(frame, dict) and "name" in frame}


class PageReturns(DocumentAdapter[tuple[str, str, object]]):
    """The page's files, read back; an entry holds the packet it answers, its place, and the data of a frame."""

    name = "page"
    suffix = ".json"
    marks = ((KIND.encode(),),)

    def paths(self, packet: PacketReturn) -> list[Path]:
        """Return the latest save of each session below a folder, and what it lacks; every other is left aside."""
        paths = super().paths(packet)
        sessions: dict[str, list[_Save]] = {}
        counting: set[Path] = set()
        for path in paths:
            try:
                save = _read_save(path)
            except PacketError:
                counting.add(path)  # read again, where what is wrong with it is reported
                continue
            sessions.setdefault(save.session_id, []).append(save)
        for saves in sessions.values():
            # Browsers number downloads as they like, so the count inside the file tells which is the latest.
            newest = max(save.number for save in saves)
            held = set().union(*(save.names for save in saves if save.number == newest))
            # A save holds all of those before it, but for another tab's: two of one number, or frames that the latest lacks. Such
            # files count besides, so that frames in which they differ are named and not chosen between.
            counting |= {save.path for save in saves if save.number == newest or save.names - held}
        return [path for path in paths if path in counting]

    def entries(self, path: Path) -> list[tuple[str, str, object]]:
        """Return the frames of a file."""
        save = _read_save(path)
        return [(save.packet_id, f"entry {number}", frame) for number, frame in enumerate(save.frames, start=1)]

    def read_frame(self, entry: tuple[str, str, object], packet: PacketReturn) -> ReturnedFrame:
        """Return a frame, checked against what was sent."""
        packet_id, where, stored = entry[0], entry[1], mapping_of(entry[2])
        name = stored.get("name")
        if not isinstance(name, str):
            raise PacketError("has a frame without a name", hint=SAVE_AGAIN, where=where)
        with located(where=name):
            frame = packet.frame_of_image(name)
            if stored.get("image_sha256") != frame.image_sha256[:SHORT_HASH]:
                hint = f"this file answers {packet_id}; name its round with: --round ID"
                raise PacketError("was drawn on another image", hint=hint)
            contours = _contours(_mapping(stored.get("contours")), frame, packet.structures)
            points = stored.get("points")
            if not isinstance(points, list):
                raise PacketError("is not what the page saves", hint=SAVE_AGAIN)
            nudges = tuple(_point(_mapping(point), packet.structures) for point in points)
        laid = " and ".join(sorted({nudge.structure for nudge in nudges}))
        note = f"{laid} laid through {len(nudges)} point{'' if len(nudges) == 1 else 's'} by the reader"
        return ReturnedFrame(
            frame,
            contours,
            checked=stored.get("checked") is True,
            unreadable=stored.get("unreadable") is True,
            notes=(note,) if nudges else (),
            nudges=nudges,
            nudges_followed=True,
            active_s=_seconds(stored.get("active_s")),
        )


def _read_save(path: Path) -> _Save:
    """Return a file with its head checked.

    Raises:
        PacketError: it is not what the page saves, or of a later version.
    """
    document = read_json(path, editor=PAGE)
    if not isinstance(document, dict) or document.get("kind") != KIND or not isinstance(document.get("frames"), list):
        raise PacketError("is not what the page saves", hint=SAVE_AGAIN, path=path)
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        hint = "take a newer ivsqa" if isinstance(version, int) and version > SCHEMA_VERSION else SAVE_AGAIN
        raise PacketError(f"has schema_version {version!r}, known is {SCHEMA_VERSION}", hint=hint, path=path)
    number = document.get("save")
    return _Save(
        path,
        str(document.get("session_id")),
        number if isinstance(number, int) else 0,
        str(document.get("packet_id")),
        document["frames"],
    )


def _contours(stored: Mapping[str, object], frame: SentFrame, structures: StructureSet) -> dict[str, Contour]:
    """Return the borders of a frame; unmoved ones are the very objects that were sent."""
    contours: dict[str, Contour] = {}
    for label, numbers in stored.items():
        structure = structure_named(label, structures)
        with located(where=f"{frame.name}, {structure}"):
            if structure in contours:
                raise PacketError("is there twice, in other letters", hint="keep one")
            contour = drawn_contour(points_of(numbers), frame.shape)
        contours[structure] = sent_unless_moved(contour, frame.contours.get(structure))
    return contours


def _point(point: Mapping[str, object], structures: StructureSet) -> Nudge:
    """Return a point that a border passes."""
    structure = structure_named(str(point.get("structure")), structures)
    ((x_px, y_px),) = points_of([[point.get("x_px"), point.get("y_px")]]).tolist()
    try:
        return Nudge(structure, x_px, y_px)
    except ValueError as error:
        raise PacketError(str(error), hint=SAVE_AGAIN) from error


def _seconds(value: object) -> float | None:
    """Return a time; None where it is none."""
    return float(value) if isinstance(value, int | float) and 0.0 <= value < LONGEST_S else None


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise PacketError("is not what the page saves", hint=SAVE_AGAIN)
    return value
