"""Where each annotated frame stands: what counts of each reader, and what counts of the frame.

Everything here is derived from revisions and moves of pointers, and says nothing that these do not. A reader's pointer is at the
last revision unless it was moved. A frame that one person read is annotated. One that several read is in dispute until a
reference settles it: nobody's contours are taken silently for everybody's. Who reads a frame once more to be compared with
themselves changes nothing of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from ivsqa.errors import IntegrityError
from ivsqa.io.project.annotation_records import PointerRecord, RevisionRecord

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
        repeats: By the name that it goes by, what a reader said who read the frame once more; it is compared with their reading,
            and counts for nothing else.
    """

    readings: Mapping[str, RevisionRecord]
    reference: RevisionRecord | None
    repeats: Mapping[str, RevisionRecord] = field(default_factory=dict)

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


Standings: TypeAlias = Mapping[str, Mapping[int, Standing]]
"""Standings by pullback and frame index."""


def revision_that_counts(standing: Standing | None) -> str:
    """Return the id of the revision that counts of a frame; "" where none does."""
    return standing.current.revision_id if standing is not None and standing.current is not None else ""


Event: TypeAlias = RevisionRecord | PointerRecord


@dataclass(frozen=True)
class History:
    """Everything that was said of the frames of one pullback, in order, and what it comes to.

    The order follows from what each revision and move names as its parents. The time that it was written counts only between
    those of which neither knew the other: a machine whose clock is wrong changes nothing.

    Attributes:
        pullback_id: Whose frames they are.
        revisions: In order.
        pointers: In order.
        counting: The revisions that count.
        heads: By frame and reader, the id of what moved the pointer last.
    """

    pullback_id: str
    revisions: tuple[RevisionRecord, ...]
    pointers: tuple[PointerRecord, ...]
    counting: Counting
    heads: Mapping[int, Mapping[str, str]]

    @classmethod
    def of(cls, pullback_id: str, revisions: Iterable[RevisionRecord], pointers: Iterable[PointerRecord]) -> History:
        """Return the history of a pullback; records are those of its frames, in any order.

        Raises:
            IntegrityError: one names another that is not there, or does not speak of a frame.
        """
        by_id: dict[str, RevisionRecord] = {record.revision_id: record for record in revisions}
        events = _in_order(pullback_id, [*by_id.values(), *pointers])
        counting: Counting = {}
        heads: dict[int, dict[str, str]] = {}
        for event in events:
            for index, target in _moved(event, pullback_id):
                of_frame = counting.setdefault(index, {})
                of_frame.pop(event.reader, None)
                if target is not None:
                    of_frame[event.reader] = _said_of(index, by_id[target], event)
                heads.setdefault(index, {})[event.reader] = _id_of(event)
        said = tuple(event for event in events if isinstance(event, RevisionRecord))
        moved = tuple(event for event in events if isinstance(event, PointerRecord))
        return cls(pullback_id, said, moved, counting, heads)

    def standings(self) -> dict[int, Standing]:
        """Return the standings of the frames of which something counts, by frame index."""
        places = {record.revision_id: place for place, record in enumerate(self.revisions)}
        standings = ((index, _standing(self.counting[index], places)) for index in sorted(self.counting))
        return {index: standing for index, standing in standings if standing.readings or standing.reference}

    def steps(self, frame_index: int, reader: str) -> tuple[list[RevisionRecord], int]:
        """Return the revisions of a frame by one reader in order, and the number of the one that counts, from 0; -1: none."""
        said = [record for record in self.revisions if record.reader == reader and frame_index in record.frame_indices]
        at = self.counting.get(frame_index, {}).get(reader)
        return said, -1 if at is None else said.index(at)

    def parents(self, frames: Iterable[int], reader: str, *, of_reference: bool = False) -> tuple[str, ...]:
        """Return the ids of what a revision or a move of some frames comes after: what had moved the reader's pointer there.

        A reference comes after other references, too, as it takes their place.
        """
        found = set()
        for index in frames:
            others = self.counting.get(index, {}) if of_reference else {}
            readers = {reader, *(name for name, record in others.items() if record.settles)}
            found |= {head for name, head in self.heads.get(index, {}).items() if name in readers}
        return tuple(sorted(found))


def _said_of(index: int, revision: RevisionRecord, event: Event) -> RevisionRecord:
    """Return the revision that a pointer leads to, once it is known to speak of the frame; raises IntegrityError."""
    if event is not revision and all(index not in indices for indices in revision.frames.values()):
        raise IntegrityError(
            f"{revision.pullback_id}: {_id_of(event)} leads to {revision.revision_id}, which says nothing of frame {index}",
            hint="restore it from a copy",
        )
    return revision


def _in_order(pullback_id: str, events: Iterable[Event]) -> list[Event]:
    """Return revisions and moves in order: each behind its parents, and else by time.

    Raises:
        IntegrityError: a parent is not there, or two come after each other.
    """
    by_id = {_id_of(event): event for event in events}
    waits_for = {name: _parents_of(event, pullback_id) for name, event in by_id.items()}
    followers: dict[str, list[str]] = {}
    for name, parents in waits_for.items():
        for parent in parents:
            if parent not in by_id:
                raise IntegrityError(
                    f"{pullback_id}: {name} comes after {parent}, which is not there",
                    hint="restore the revision from a copy",
                )
            followers.setdefault(parent, []).append(name)
    n_open = {name: len(parents) for name, parents in waits_for.items()}
    ready = [(_time_of(by_id[name]), name) for name, n in n_open.items() if not n]
    heapify(ready)
    ordered = []
    while ready:
        _, name = heappop(ready)
        ordered.append(by_id[name])
        for follower in followers.get(name, ()):
            n_open[follower] -= 1
            if not n_open[follower]:
                heappush(ready, (_time_of(by_id[follower]), follower))
    if len(ordered) < len(by_id):
        raise IntegrityError(
            f"{pullback_id}: annotations come after one another in a circle", hint="restore them from a copy"
        )
    return ordered


def _id_of(event: Event) -> str:
    return event.revision_id if isinstance(event, RevisionRecord) else event.pointer_id


def _time_of(event: Event) -> tuple[str, bool]:
    """Return when something was written; of a revision and a move of the same moment, the move was meant for it."""
    return event.provenance.created_at, isinstance(event, PointerRecord)


def _parents_of(event: Event, pullback_id: str) -> set[str]:
    """Return the ids of all that something comes after: also of what it settles or leads to."""
    if isinstance(event, RevisionRecord):
        return {*event.parents, *event.settles}
    moves = event.moves_in(pullback_id)
    return {name for move in moves for name in (*move.parents, move.revision_id) if name is not None}


def _moved(event: Event, pullback_id: str) -> Iterator[tuple[int, str | None]]:
    """Yield (frame index, the revision that its reader's pointer is at from then on)."""
    if isinstance(event, RevisionRecord):
        yield from ((index, event.revision_id) for index in event.frame_indices)
        return
    for move in event.moves_in(pullback_id):
        yield from ((index, move.revision_id) for index in move.frames)


def _standing(of_frame: Mapping[str, RevisionRecord], places: Mapping[str, int]) -> Standing:
    """Return the standing of a frame; `places` are those of revisions in order.

    What a person decided holds until it is undone. What readers agreed on holds as long as they say just that: where one reads
    again, takes back, or another joins them, the frame is open again.
    """
    said_of = {reader: record for reader, record in sorted(of_frame.items()) if not record.settles}
    readings = {reader: record for reader, record in said_of.items() if record.repeats is None}
    said = {record.revision_id for record in readings.values()}
    references = [
        record
        for record in of_frame.values()
        if record.settles and (record.reader != CONSENSUS or set(record.settles) == said)
    ]
    newest = max(references, key=lambda record: places[record.revision_id], default=None)
    return Standing(readings, newest, {name: record for name, record in said_of.items() if name not in readings})
