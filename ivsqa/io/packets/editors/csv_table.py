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
from ivsqa.io.packets.adapter import NOT_SENT_HINT, DocumentAdapter, PacketFileAdapter, PacketReturn, first_line_of
from ivsqa.io.packets.packet import (
    PacketFrame,
    PacketOrigin,
    ReturnedFrame,
    sent_unless_moved,
)

FILE_NAME = "contours.csv"

Rows: TypeAlias = tuple[FrameKey, Contours]
"""The contours of a frame, by the labels in the table."""


class CsvAdapter(PacketFileAdapter, DocumentAdapter[Rows]):
    """Our contours.csv, out and back."""

    name = "csv"
    suffix = ".csv"

    def documents(
        self,
        frames: Sequence[PacketFrame],
        structures: StructureSet,  # noqa: ARG002
        origin: PacketOrigin,  # noqa: ARG002
    ) -> Mapping[str, str]:
        """Return contours.csv."""
        # A pullback has one spacing, whichever of its frames says it.
        spacing_mm = {frame.pullback_id: frame.spacing_mm for frame in frames}
        rows = ((frame.pullback_id, frame.frame_index, frame.contours) for frame in frames)
        return {FILE_NAME: contours_csv_text(rows, spacing_mm)}

    def is_ours(self, path: Path) -> bool:
        """Return whether a table has the columns of contours.csv."""
        columns = first_line_of(path)
        return b"pullback_id" in columns and b"vertex" in columns

    def paths(self, packet: PacketReturn) -> list[Path]:
        """Return the one table below the folder.

        Raises:
            AnnotationError: there is none, more than one, or it cannot be read.
        """
        tables = self.files(packet.folder, packet.structures)
        if len(tables) != 1:
            hint = f"send one {FILE_NAME} with all frames"
            raise PacketError(f"has {len(tables)} tables of contours", hint=hint, path=packet.folder)
        check_whole(tables[0])
        read_contours_csv(tables[0])  # all is in this one file: where it is broken, nothing of the return can be used
        return tables

    def entries(self, path: Path) -> list[Rows]:
        """Return the rows of each frame."""
        return [
            (FrameKey(pullback_id, index), contours)
            for pullback_id, frames in read_contours_csv(path).items()
            for index, contours in frames.items()
        ]

    def read_frame(self, entry: Rows, packet: PacketReturn) -> ReturnedFrame:
        """Return one frame of the table, its structures by their proper names."""
        key, drawn = entry
        contours: dict[str, Contour] = {}
        with located(where=f"{key.pullback_id}, frame {key.frame_index}"):
            frame = packet.by_key.get(key)
            if frame is None:
                raise PacketError("was not sent in this packet", hint=NOT_SENT_HINT)
            for label, contour in drawn.items():
                name = structure_named(label, packet.structures)
                if name in contours:
                    raise PacketError(f"has {name} twice, in other letters", hint="keep one")
                contours[name] = sent_unless_moved(contour, frame.contours.get(name))
        return ReturnedFrame(frame, contours, checked=None, unreadable=False)
