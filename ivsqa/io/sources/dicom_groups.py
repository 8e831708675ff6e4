"""Functional groups of enhanced DICOM objects: what is said of all frames at once, and of each (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydicom.dataset import Dataset
from pydicom.valuerep import DT

from ivsqa.io.formats.dicom_header import DicomHeader, numbers, signed_number, tag_value, text

MOMENTS = ("FrameAcquisitionDateTime", "FrameReferenceDateTime")
PLACES = ("TemporalPositionIndex", "InStackPositionNumber")


@dataclass(frozen=True, eq=False)
class FrameGroups:
    """The functional groups of the files of a pullback.

    Attributes:
        shared: Said of all frames of a file.
        per_frame: Said of each, in the order the frames are stored.
    """

    shared: tuple[Dataset, ...]
    per_frame: tuple[Dataset, ...]

    @classmethod
    def of(cls, headers: Sequence[DicomHeader]) -> FrameGroups:
        """Return the groups in the headers of a pullback; of most, none."""
        both = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
        shared, per_frame = ([item for one in headers for item in _items(one.dataset, keyword)] for keyword in both)
        return cls(tuple(shared), tuple(per_frame))

    def pixel_sizes_mm(self) -> list[tuple[float, ...]]:
        """Return each size of a pixel that is stated, as (rows, columns)."""
        sizes = [tuple(numbers(measures, "PixelSpacing")) for measures in self._each("PixelMeasuresSequence")]
        return list(dict.fromkeys(size for size in sizes if size))

    def times_s(self) -> dict[str, list[float]]:
        """Return the time of each frame from the first, by what says so; a time that some frame lacks is left out."""
        contents = [next(_items(frame, "FrameContentSequence"), Dataset()) for frame in self.per_frame]
        times: dict[str, list[float]] = {}
        for keyword in MOMENTS:
            moments = [
                moment for moment in (moment_of(text(content, keyword)) for content in contents) if moment is not None
            ]
            if contents and len(moments) == len(contents):
                times[keyword] = [(moment - moments[0]).total_seconds() for moment in moments]
        offsets = [
            signed_number(next(_items(frame, "TemporalPositionSequence"), Dataset()), "TemporalPositionTimeOffset")
            for frame in self.per_frame
        ]
        known = [offset for offset in offsets if offset is not None]
        if known and len(known) == len(offsets):
            times["TemporalPositionTimeOffset"] = [offset - known[0] for offset in known]
        return times

    def places(self) -> dict[str, list[float]]:
        """Return the number that each frame has by its place, by what says so; of some frames only, left out."""
        contents = [next(_items(frame, "FrameContentSequence"), Dataset()) for frame in self.per_frame]
        found: dict[str, list[float]] = {}
        for keyword in PLACES:
            numbers_of_frames = [signed_number(content, keyword) for content in contents]
            known = [place for place in numbers_of_frames if place is not None]
            if known and len(known) == len(contents):
                found[keyword] = known
        return found

    def _each(self, keyword: str) -> Iterator[Dataset]:
        """Yield the items of a group, of all frames and of each."""
        for item in (*self.shared, *self.per_frame):
            yield from _items(item, keyword)


def _items(item: Dataset, keyword: str) -> Iterator[Dataset]:
    yield from tag_value(item, keyword) or ()


def moment_of(written: str) -> datetime | None:
    """Return a date and time as DICOM writes it, None where there is none or it is broken.

    Example:
        >>> moment_of("20200131120000.5"), moment_of("noon")
        (datetime.datetime(2020, 1, 31, 12, 0, 0, 500000), None)
    """
    try:
        moment: datetime | None = DT(written)
    except (ValueError, TypeError):
        return None
    if moment is None:
        return None
    plain = datetime.combine(moment.date(), moment.timetz())
    # Without a zone it is taken as it stands: all frames of a run have the same.
    return plain.astimezone(UTC).replace(tzinfo=None) if plain.tzinfo else plain
