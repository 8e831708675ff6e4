"""The annotation store: append-only revisions, one folder a pullback. Nothing a person drew is ever overwritten.

A revision is a CSV of contours, then the manifest that makes it count. Its id is a hash of what it says, so the same return
imported twice is one revision. What is current is derived, see `standings`; an undo moves a pointer and deletes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Literal, TypeAlias

from ivsqa.domain.acceptance.minutes import TimedWork
from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.pullback import FrameKey, OfFrame
from ivsqa.errors import IntegrityError
from ivsqa.io import atomic
from ivsqa.io.formats.contours_csv import contours_csv_text, contours_in
from ivsqa.io.ledger import doors
from ivsqa.io.outside import is_file, read_file
from ivsqa.io.project.annotation_records import PointerMove, PointerRecord, ReadingTimesRecord, RevisionRecord
from ivsqa.io.project.annotation_status import History, Standing
from ivsqa.io.project.layout import ProjectLayout
from ivsqa.io.project.manifest import ManifestCache, write_manifest
from ivsqa.io.project.records import Provenance

Moves: TypeAlias = Mapping[str, Sequence[PointerRecord]]
"""Moves of readers' pointers, by pullback."""
Origin = Literal["new", "edited", "nudged", "accepted", "imported", "agreed", "unreadable"]


@dataclass(frozen=True)
class NewAnnotation:
    """What a person says of one frame.

    Attributes:
        contours: By structure; a structure that is absent has no border in this frame.
        origin: How it came about; `unreadable` says that nobody can annotate this frame.
        timed: What the reader did, and how long it took; None where the editor does not say.
    """

    contours: Contours
    origin: Origin
    timed: TimedWork | None = None


@dataclass(frozen=True)
class Annotation(OfFrame):
    """The current annotation of one frame.

    Attributes:
        pullback_id: Its pullback.
        frame_index: 0-based.
        revision: The revision that says so.
    """

    pullback_id: str
    frame_index: int
    revision: RevisionRecord
    _drawn: Callable[[], dict[int, dict[str, Contour]]] = field(repr=False, compare=False)
    """Returns the contours of the revision by frame; they are read when they are first asked for."""

    @property
    def contours(self) -> dict[str, Contour]:
        """By structure; absent means no border there. Raises IntegrityError where their file was changed meanwhile."""
        return self._drawn().get(self.frame_index, {})


class AnnotationStore:
    """Reads and appends the revisions of one project."""

    def __init__(self, layout: ProjectLayout, read: ManifestCache | None = None) -> None:
        self._layout = layout
        self._read = read or ManifestCache()

    def append(
        self,
        pullback_id: str,
        frames: Mapping[int, NewAnnotation],
        *,
        reader: str,
        source: str,
        made: Provenance,
        round_id: str | None = None,
        spacing_mm: tuple[float, float] | None = None,
        settles: Iterable[str] = (),
        repeats: str | None = None,
    ) -> tuple[RevisionRecord, bool]:
        """Append a revision, unless one that says the same is already there; one that was undone counts again.

        Args:
            pullback_id: Whose frames they are.
            frames: By frame index.
            reader: Who drew them.
            source: Where they came from: a format and packet, or an import.
            made: Provenance of now.
            round_id: The round they answer.
            spacing_mm: Adds mm columns to the CSV.
            settles: The readings between which it decides, where it is a reference. They must be those of every frame.
            repeats: The reader who read them once more, under the name of `reader`.

        Returns:
            The revision, and whether it is new, or counts again.
        """
        settles = tuple(sorted(settles))
        text = contours_csv_text(
            ((pullback_id, index, frames[index].contours) for index in sorted(frames)), {pullback_id: spacing_mm}
        )
        by_origin: dict[Origin, list[int]] = {}
        for index in sorted(frames):
            by_origin.setdefault(frames[index].origin, []).append(index)
        said = "\n".join([pullback_id, reader, source, round_id or "", repr(sorted(by_origin.items())), *settles, text])
        revision_id = f"rev-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
        path = self._layout.revision(pullback_id, revision_id)
        if is_file(path):
            record = self._read(path, RevisionRecord)
            undone = [FrameKey(pullback_id, index) for index in self._undone(record)]
            if undone:
                self.move(reader, dict.fromkeys(undone, revision_id), made=made)
            return record, bool(undone)
        record = RevisionRecord(
            revision_id=revision_id,
            pullback_id=pullback_id,
            reader=reader,
            source=source,
            round_id=round_id,
            parents=self.history(pullback_id).parents(frames, reader, of_reference=bool(settles)),
            frames={origin: tuple(indices) for origin, indices in by_origin.items()},
            settles=settles,
            repeats=repeats,
            times=_times_record({index: one.timed for index, one in frames.items() if one.timed is not None}),
            contours_sha256=hashlib.sha256(text.encode()).hexdigest(),
            provenance=made,
        )
        atomic.write_text(self._layout.revision_contours(pullback_id, revision_id), text)
        write_manifest(path, record)
        return record, True

    def move(self, reader: str, targets: Mapping[FrameKey, str | None], *, made: Provenance) -> PointerRecord:
        """Move a reader's pointer; a stop leaves it everywhere where it was, or moves it everywhere.

        Args:
            reader: Whose pointer.
            targets: By frame, the revision that counts from now on; None: nothing of this reader does.
            made: Provenance of now.

        Returns:
            What was written.
        """
        by_target: dict[tuple[str, str | None], list[int]] = {}
        for key in sorted(targets):
            by_target.setdefault((key.pullback_id, targets[key]), []).append(key.frame_index)
        histories = self.histories({pullback_id for pullback_id, _ in by_target})
        moves = tuple(
            PointerMove(
                pullback_id=pullback_id,
                frames=tuple(indices),
                revision_id=target,
                parents=histories[pullback_id].parents(indices, reader),
            )
            for (pullback_id, target), indices in by_target.items()
        )
        said = "\n".join([reader, *(repr(move) for move in moves)])
        pointer_id = f"ptr-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
        record = PointerRecord(pointer_id=pointer_id, reader=reader, moves=moves, provenance=made)
        write_manifest(self._layout.pointer(pointer_id), record)
        return record

    def revisions(self, pullback_id: str) -> list[RevisionRecord]:
        """Return every revision of a pullback, each behind those that it follows."""
        return list(self.history(pullback_id).revisions)

    def history(self, pullback_id: str, moves: Moves | None = None) -> History:
        """Return everything that was said of the frames of a pullback, without reading a contour.

        Args:
            pullback_id: Whose frames.
            moves: All moves of readers' pointers, where many histories are asked for; None: they are read.

        Raises:
            IntegrityError: a revision that another follows, or that a pointer leads to, is not there.
        """
        moves = self.moves() if moves is None else moves
        folder = self._layout.annotations / pullback_id
        listed = doors.entries_of(folder, r"(rev|ptr)-\w+\.(yaml|contours\.csv)")
        records = [path for path in listed if path.name.endswith(".yaml")]
        revisions = [self._read(path, RevisionRecord) for path in records if path.name.startswith("rev-")]
        # Those of ivsqa 0.1 lie beside the revisions.
        earlier = (self._read(path, PointerRecord) for path in records if path.name.startswith("ptr-"))
        earlier = (record for record in earlier if record.moves_in(pullback_id))
        return History.of(pullback_id, revisions, [*earlier, *moves.get(pullback_id, ())])

    def histories(self, pullback_ids: Iterable[str]) -> dict[str, History]:
        """Return the histories of pullbacks by id, in their order; raises as `history`."""
        moves = self.moves()
        return {pullback_id: self.history(pullback_id, moves) for pullback_id in pullback_ids}

    def moves(self) -> Moves:
        """Return all moves of readers' pointers but those of ivsqa 0.1, by pullback."""
        moves: dict[str, list[PointerRecord]] = {}
        for path in self._pointer_paths():
            record = self._read(path, PointerRecord)
            for pullback_id in {move.pullback_id for move in record.moves}:
                moves.setdefault(pullback_id, []).append(record)
        return moves

    def _pointer_paths(self) -> list[Path]:
        return doors.entries_of(self._layout.annotations, r"ptr-\w+\.yaml")

    def pointer_ids(self) -> list[str]:
        """Return the ids of all moves of readers' pointers: another one is there after each undo."""
        return [path.stem for path in self._pointer_paths()]

    def standings(self, pullback_id: str) -> dict[int, Standing]:
        """Return the standing of every frame that somebody read, by frame index; raises as `history`."""
        return self.history(pullback_id).standings()

    def standings_of(self, pullback_ids: Iterable[str]) -> dict[str, dict[int, Standing]]:
        """Return the standings of pullbacks by id, see `standings`; of thousands this takes a part of the time."""
        return {pullback_id: history.standings() for pullback_id, history in self.histories(pullback_ids).items()}

    def annotated_frames(self, pullback_id: str) -> list[int]:
        """Return the indices of the annotated frames, in order, without reading a contour."""
        return sorted(_annotated(self.history(pullback_id)))

    def unreadable_frames(self, pullback_id: str) -> list[int]:
        """Return the frames of which it stands that nobody can annotate them, in order."""
        standings = self.standings(pullback_id).items()
        return [index for index, one in standings if not (one.is_disputed or one.is_annotated(index))]

    def current(self, pullback_id: str) -> dict[int, Annotation]:
        """Return the current annotation of every annotated frame of a pullback; see `annotations_of`."""
        return self.annotations_of(self.history(pullback_id))

    def annotations_of(self, history: History) -> dict[int, Annotation]:
        """Return the current annotation of every annotated frame of a pullback; unreadable and disputed frames have none.

        Raises:
            IntegrityError: a contour file is not what its manifest says.
        """
        annotated = _annotated(history)
        counting = {revision.revision_id: revision for revision in annotated.values()}
        for revision in counting.values():
            self._contours_csv(revision)  # what is damaged is told now, not where the work has long begun
        drawn = {name: cache(partial(self.contours, revision)) for name, revision in counting.items()}
        return {
            index: Annotation(history.pullback_id, index, revision, drawn[revision.revision_id])
            for index, revision in annotated.items()
        }

    def contours(self, revision: RevisionRecord) -> dict[int, dict[str, Contour]]:
        """Return the contours of one revision by frame; see `annotations_of` for errors."""
        path = self._layout.revision_contours(revision.pullback_id, revision.revision_id)
        return contours_in(self._contours_csv(revision).decode("utf-8"), path).get(revision.pullback_id, {})

    def _contours_csv(self, revision: RevisionRecord) -> bytes:
        """Return the contour file of a revision, which is what its manifest says."""
        path = self._layout.revision_contours(revision.pullback_id, revision.revision_id)
        data = read_file(path) if is_file(path) else None
        if data is None or hashlib.sha256(data).hexdigest() != revision.contours_sha256:
            raise IntegrityError(
                "annotation contours are missing or were changed after they were written",
                path=path,
                hint="restore the file from a copy; annotations are append-only and never edited in place",
            )
        return data

    def iter_timed_works(self, pullback_ids: Iterable[str]) -> Iterator[TimedWork]:
        """Yield what readers did to frames of pullbacks and how long it took, once for each frame, reader and round.

        A page goes on counting where its reader goes on, so of several revisions that answer one round the longest time counts,
        also where it was undone: the time was spent.
        """
        for history in self.histories(pullback_ids).values():
            longest: dict[tuple[int, str, str | None], TimedWork] = {}
            for record in history.revisions:
                for index, timed in record.timed_works.items():
                    key = (index, record.reader, record.round_id)
                    if key not in longest or timed.seconds > longest[key].seconds:
                        longest[key] = timed
            yield from longest.values()

    def _undone(self, record: RevisionRecord) -> list[int]:
        """Return the frames for which a revision was said after the one that counts now, so that it must have been undone."""
        history = self.history(record.pullback_id)
        steps = ((index, history.steps(index, record.reader)) for index in record.frame_indices)
        return [index for index, (said, at) in steps if said.index(record) > at]


def _annotated(history: History) -> dict[int, RevisionRecord]:
    """Return the revision that counts of each annotated frame, by frame index."""
    standings = history.standings().items()
    return {index: one.current for index, one in standings if one.current and one.is_annotated(index)}


def _times_record(timed: Mapping[int, TimedWork]) -> ReadingTimesRecord | None:
    """Return the record of how long frames took, by frame index; None of none."""
    if not timed:
        return None
    works = [timed[index] for index in sorted(timed)]
    return ReadingTimesRecord(
        frames=tuple(sorted(timed)),
        seconds=tuple(round(one.seconds, 1) for one in works),
        drawn=tuple(round(one.work.drawn) for one in works),
        points=tuple(round(one.work.points) for one in works),
    )
