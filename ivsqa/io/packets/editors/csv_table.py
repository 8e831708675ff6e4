"""contours.csv: the contours of a whole packet in one table, for scripts and spreadsheets.

A frame without any row did not come back; a frame with rows for one structure only has lost the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.formats.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.formats.documents import check_whole
from ivsqa.io.packets.packet import (
    PacketFrame,
    PacketOrigin,
    ReturnedFrame,
    ReturnedPacket,
    SentFrame,
    files_under,
    sent_unless_moved,
    structure_named,
)

FILE_NAME = "contours.csv"


@dataclass(frozen=True)
class CsvAdapter:
    """Our contours.csv, out and back."""

    name: Final = "csv"
    tolerance_px: Final = 0.01

    def write(
        self,
        folder: Path,
        frames: Iterable[PacketFrame],
        structures: StructureSet,  # noqa: ARG002
        origin: PacketOrigin,  # noqa: ARG002
    ) -> Iterator[PacketFrame]:
        """Write `contours.csv` when the frames run out; contours are small, images are not kept."""
        rows: list[tuple[str, int, Contours]] = []
        spacing_mm: dict[str, tuple[float, float] | None] = {}
        for frame in frames:
            rows.append((frame.pullback_id, frame.frame_index, frame.contours))
            spacing_mm[frame.pullback_id] = frame.spacing_mm
            yield frame
        (folder / FILE_NAME).write_text(contours_csv_text(rows, spacing_mm), encoding="utf-8", newline="\n")

    def recognises(self, folder: Path, structures: StructureSet) -> bool:  # noqa: ARG002
        """Return whether a table has the columns of contours.csv."""
        return bool(_tables(folder))

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Read the one table below the folder.

        Raises:
            PacketError: there is none, or more than one.
        """
        tables = _tables(folder)
        if len(tables) != 1:
            raise PacketError(
                f"has {len(tables)} tables of contours", hint=f"send one {FILE_NAME} with all frames", path=folder
            )
        path = tables[0]
        check_whole(path)
        by_key = {frame.key: frame for frame in sent}
        found: dict[str, ReturnedFrame] = {}
        rejected: list[IvsqaError] = []
        for pullback_id, frames in read_contours_csv(path).items():
            for frame_index, drawn in frames.items():
                where = f"{pullback_id}, frame {frame_index}"
                frame = by_key.get(FrameKey(pullback_id, frame_index))
                try:
                    if frame is None:
                        raise PacketError(
                            "was not sent in this packet",
                            hint="send only what belongs to this packet",
                            path=path,
                            where=where,
                        )
                    found[frame.name] = _returned(frame, drawn, structures, path=path, where=where)
                except IvsqaError as error:
                    rejected.append(error)
        return ReturnedPacket(
            self.name, tuple(found[frame.name] for frame in sent if frame.name in found), tuple(rejected)
        )


def _tables(folder: Path) -> list[Path]:
    """Return the tables of contours below a folder, by the columns in their first line."""
    return [path for path in files_under(folder, ".csv") if _has_our_columns(path)]


def _has_our_columns(path: Path) -> bool:
    with path.open("rb") as stream:
        first_line = stream.readline(4096).lower()
    return b"pullback_id" in first_line and b"vertex" in first_line


def _returned(
    frame: SentFrame, drawn: dict[str, Contour], structures: StructureSet, *, path: Path, where: str
) -> ReturnedFrame:
    """Return one frame of the table, its structures by their proper names."""
    contours: dict[str, Contour] = {}
    for label, contour in drawn.items():
        name = structure_named(label, structures, path=path, where=where)
        if name in contours:
            raise PacketError(f"has {name} twice, in other letters", hint="keep one", path=path, where=where)
        contours[name] = sent_unless_moved(contour, frame.contours.get(name))
    return ReturnedFrame(frame, contours, checked=None, unreadable=False, path=path)
