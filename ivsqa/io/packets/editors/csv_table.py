"""contours.csv: the contours of a whole packet in one table, for scripts and spreadsheets.

A frame without any row did not come back; a frame with rows for one structure only has lost the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError, located
from ivsqa.io.formats.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.formats.documents import check_whole
from ivsqa.io.formats.label_marks import structure_named
from ivsqa.io.packets.adapter import NOT_SENT_HINT, PacketFileAdapter, PacketReturn, first_line_of, gathered
from ivsqa.io.packets.packet import (
    PacketFrame,
    PacketOrigin,
    ReturnedFrame,
    ReturnedPacket,
    SentFrame,
    sent_unless_moved,
)

FILE_NAME = "contours.csv"

Rows: TypeAlias = tuple[str, int, Contours]
"""pullback_id, frame_index, and the contours of that frame."""


class CsvAdapter(PacketFileAdapter[tuple[Rows, tuple[float, float] | None]]):
    """Our contours.csv, out and back."""

    name = "csv"
    suffix = ".csv"

    def part(
        self,
        frame: PacketFrame,
        structures: StructureSet,  # noqa: ARG002
        origin: PacketOrigin,  # noqa: ARG002
    ) -> tuple[Rows, tuple[float, float] | None]:
        """Return the rows and the spacing of a frame."""
        return (frame.pullback_id, frame.frame_index, frame.contours), frame.spacing_mm

    def documents(
        self,
        parts: Sequence[tuple[Rows, tuple[float, float] | None]],
        structures: StructureSet,  # noqa: ARG002
        origin: PacketOrigin,  # noqa: ARG002
    ) -> Mapping[str, str]:
        """Return contours.csv."""
        spacing_mm = {pullback_id: spacing for (pullback_id, *_), spacing in parts}
        return {FILE_NAME: contours_csv_text((rows for rows, _ in parts), spacing_mm)}

    def is_ours(self, path: Path) -> bool:
        """Return whether a table has the columns of contours.csv."""
        columns = first_line_of(path)
        return b"pullback_id" in columns and b"vertex" in columns

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Return what the one table below the folder holds.

        Raises:
            AnnotationError: there is none, more than one, or it cannot be read.
        """
        tables = self.files(folder, structures)
        if len(tables) != 1:
            hint = f"send one {FILE_NAME} with all frames"
            raise PacketError(f"has {len(tables)} tables of contours", hint=hint, path=folder)
        check_whole(tables[0])
        rows: list[Rows] = [
            (pullback_id, index, contours)
            for pullback_id, frames in read_contours_csv(tables[0]).items()
            for index, contours in frames.items()
        ]
        packet = PacketReturn(folder, sent, structures)
        return gathered(self.name, tables, sent, lambda _: rows, lambda entry, path: _read_frame(entry, path, packet))


def _read_frame(rows: Rows, path: Path, packet: PacketReturn) -> ReturnedFrame:
    """Return one frame of the table, its structures by their proper names."""
    pullback_id, frame_index, drawn = rows
    contours: dict[str, Contour] = {}
    with located(where=f"{pullback_id}, frame {frame_index}"):
        frame = packet.by_key.get(FrameKey(pullback_id, frame_index))
        if frame is None:
            raise PacketError("was not sent in this packet", hint=NOT_SENT_HINT)
        for label, contour in drawn.items():
            name = structure_named(label, packet.structures)
            if name in contours:
                raise PacketError(f"has {name} twice, in other letters", hint="keep one")
            contours[name] = sent_unless_moved(contour, frame.contours.get(name))
    return ReturnedFrame(frame, contours, checked=None, unreadable=False, path=path)
