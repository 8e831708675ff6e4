"""Where each annotated frame stands: what counts of each reader, and what counts of the frame.

Everything here is derived from revisions and moves of pointers, and says nothing that these do not. A reader's pointer is at the
newest revision unless it was moved. A frame that one person read is annotated. One that several read is in dispute until a
reference settles it: nobody's contours are taken silently for everybody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ivsqa.errors import IntegrityError
from ivsqa.io.project.records import PointerRecord, RevisionRecord

CONSENSUS = "consensus"
"""Who settles what readers agree on: no person's name."""

Counting: TypeAlias = dict[int, dict[str, RevisionRecord]]
"""By frame and reader, the revision that the reader's pointer is at."""


@dataclass(frozen=True)
class Standing:
    """The standing of one frame among its readers: what counts of it.

    Attributes:
        readings: By reader, what counts of each; a reader who took everything back is absent.
        reference: What settles the frame between them; None where nothing does.
    """

    readings: Mapping[str, RevisionRecord]
    reference: RevisionRecord | None

    @property
    def current(self) -> RevisionRecord | None:
        """What counts of the frame: the reference, else the only reading; None while it is in dispute."""
        if self.reference is not None or len(self.readings) != 1:
            return self.reference
        return next(iter(self.readings.values()))

    @property
    def round_id(self) -> str | None:
        """The round that what counts of the frame answers; None where nothing counts, or no round was answered."""
        return None if self.current is None else self.current.round_id

    @property
    def is_disputed(self) -> bool:
        """Whether several people read the frame and nothing settles it."""
        return self.current is None

    def is_annotated(self, frame_index: int) -> bool:
        """Whether contours count of the frame, of which this is the standing."""
        return self.current is not None and self.current.origin_of(frame_index) != "unreadable"


def revision_that_counts(standing: Standing | None) -> str:
    """Return the id of the revision that counts of a frame; "" where none does."""
    return standing.current.revision_id if standing is not None and standing.current is not None else ""


def counting_revisions(revisions: Iterable[RevisionRecord], pointers: Iterable[PointerRecord]) -> Counting:
    """Return the revisions that count, by frame and reader; references are among them.

    Raises:
        IntegrityError: a pointer leads to a revision that is not there.
    """
    by_id = {record.revision_id: record for record in revisions}
    # A revision and a move of the same moment: the move was meant for it.
    events = sorted(
        [(record.provenance.created_at, 0, record.revision_id, record) for record in by_id.values()]
        + [(record.provenance.created_at, 1, record.pointer_id, record) for record in pointers],
        key=lambda event: event[:3],
    )
    counting: Counting = {}
    for *_, event in events:
        if isinstance(event, RevisionRecord):
            for index in event.frame_indices:
                counting.setdefault(index, {})[event.reader] = event
            continue
        if event.revision_id is not None and event.revision_id not in by_id:
            raise IntegrityError(
                f"{event.pullback_id}: {event.pointer_id} points to {event.revision_id}, which is not there",
                hint="restore the revision from a copy",
            )
        for index in event.frames:
            of_frame = counting.setdefault(index, {})
            of_frame.pop(event.reader, None)
            if event.revision_id is not None:
                of_frame[event.reader] = by_id[event.revision_id]
    return counting


def standings(counting: Counting) -> dict[int, Standing]:
    """Return the standings of the frames of which something counts, by frame index."""
    return {index: _standing(counting[index]) for index in sorted(counting) if counting[index]}


def steps_of(
    revisions: Iterable[RevisionRecord], counting: Counting, frame_index: int, reader: str
) -> tuple[list[RevisionRecord], int]:
    """Return the revisions of a frame by one reader, oldest first, and the number of the one that counts, from 0; -1: none."""
    said = [record for record in revisions if record.reader == reader and frame_index in record.frame_indices]
    at = counting.get(frame_index, {}).get(reader)
    return said, -1 if at is None else said.index(at)


def _standing(of_frame: Mapping[str, RevisionRecord]) -> Standing:
    """Return the standing of a frame.

    What a person decided holds until it is undone. What readers agreed on holds as long as they say just that: where one reads
    again, takes back, or another joins them, the frame is open again.
    """
    readings = {reader: record for reader, record in sorted(of_frame.items()) if not record.settles}
    said = {record.revision_id for record in readings.values()}
    references = [
        record
        for record in of_frame.values()
        if record.settles and (record.reader != CONSENSUS or set(record.settles) == said)
    ]
    newest = max(references, key=lambda record: (record.provenance.created_at, record.revision_id), default=None)
    return Standing(readings, newest)
