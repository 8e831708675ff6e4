"""The annotation store: append-only revisions, one folder a pullback. Nothing a person drew is ever overwritten.

A revision is a CSV of contours, then the manifest that makes it count. Its id is a hash of what it says, so the same return
imported twice is one revision. What is current is derived, see `standings`; an undo moves a pointer and deletes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ivsqa.domain.acceptance.minutes import TimedWork
from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.pullback import OfFrame
from ivsqa.errors import IntegrityError
from ivsqa.io import atomic
from ivsqa.io.formats.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.project.annotation_status import Counting, Standing, counting_revisions, standings, steps_of
from ivsqa.io.project.layout import ProjectLayout
from ivsqa.io.project.manifest import ReadManifest, read_manifest, write_manifest
from ivsqa.io.project.records import PointerRecord, Provenance, ReadingTimesRecord, RevisionRecord

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
        contours: By structure; absent means no border there.
        revision: The revision that says so.
    """

    pullback_id: str
    frame_index: int
    contours: dict[str, Contour]
    revision: RevisionRecord


class AnnotationStore:
    """Reads and appends the revisions of one project."""

    def __init__(self, layout: ProjectLayout, read: ReadManifest = read_manifest) -> None:
        self._layout = layout
        self._read = read

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
        if path.is_file():
            record = self._read(path, RevisionRecord)
            undone = self._undone(record)
            self.move(pullback_id, reader, dict.fromkeys(undone, revision_id), made=made)
            return record, bool(undone)
        counting = self._counting(pullback_id)
        record = RevisionRecord(
            revision_id=revision_id,
            pullback_id=pullback_id,
            reader=reader,
            source=source,
            round_id=round_id,
            parents=tuple(
                sorted({counting[index][reader].revision_id for index in frames if reader in counting.get(index, {})})
            ),
            frames={origin: tuple(indices) for origin, indices in by_origin.items()},
            settles=settles,
            times=_times_record({index: one.timed for index, one in frames.items() if one.timed is not None}),
            contours_sha256=hashlib.sha256(text.encode()).hexdigest(),
            provenance=made,
        )
        atomic.write_text(self._layout.revision_contours(pullback_id, revision_id), text)
        write_manifest(path, record)
        return record, True

    def move(
        self, pullback_id: str, reader: str, targets: Mapping[int, str | None], *, made: Provenance
    ) -> list[PointerRecord]:
        """Move a reader's pointer.

        Args:
            pullback_id: Whose frames they are.
            reader: Whose pointer.
            targets: By frame index, the revision that counts from now on; None: nothing of this reader does.
            made: Provenance of now.

        Returns:
            What was written, one record a target.
        """
        by_target: dict[str | None, list[int]] = {}
        for index in sorted(targets):
            by_target.setdefault(targets[index], []).append(index)
        records = []
        for target, indices in by_target.items():
            said = "\n".join([pullback_id, reader, target or "", repr(indices), made.created_at])
            record = PointerRecord(
                pointer_id=f"ptr-{hashlib.sha256(said.encode()).hexdigest()[:12]}",
                pullback_id=pullback_id,
                reader=reader,
                frames=tuple(indices),
                revision_id=target,
                provenance=made,
            )
            write_manifest(self._layout.pointer(pullback_id, record.pointer_id), record)
            records.append(record)
        return records

    def revisions(self, pullback_id: str) -> list[RevisionRecord]:
        """Return every revision of a pullback, oldest first."""
        records = [self._read(path, RevisionRecord) for path in self._manifests(pullback_id, "rev")]
        return sorted(records, key=lambda record: (record.provenance.created_at, record.revision_id))

    def pointers(self, pullback_id: str) -> list[PointerRecord]:
        """Return every move of a pointer in a pullback, oldest first."""
        records = [self._read(path, PointerRecord) for path in self._manifests(pullback_id, "ptr")]
        return sorted(records, key=lambda record: (record.provenance.created_at, record.pointer_id))

    def standings(self, pullback_id: str) -> dict[int, Standing]:
        """Return the standing of every frame that somebody read, by frame index, without reading a contour.

        Raises:
            IntegrityError: a pointer leads to a revision that is not there.
        """
        return standings(self._counting(pullback_id))

    def annotated_frames(self, pullback_id: str) -> list[int]:
        """Return the indices of the annotated frames, in order, without reading a contour."""
        return sorted(self._annotated(pullback_id))

    def unreadable_frames(self, pullback_id: str) -> list[int]:
        """Return the frames of which it stands that nobody can annotate them, in order."""
        standings = self.standings(pullback_id).items()
        return [index for index, one in standings if not (one.is_disputed or one.is_annotated(index))]

    def current(self, pullback_id: str) -> dict[int, Annotation]:
        """Return the current annotation of every annotated frame of a pullback; unreadable and disputed frames have none.

        Raises:
            IntegrityError: a contour file is not what its manifest says.
        """
        annotated = self._annotated(pullback_id)
        needed = {revision.revision_id: revision for revision in annotated.values()}
        contours = {revision_id: self.contours(revision) for revision_id, revision in needed.items()}
        return {
            index: Annotation(pullback_id, index, contours[revision.revision_id].get(index, {}), revision)
            for index, revision in annotated.items()
        }

    def contours(self, revision: RevisionRecord) -> dict[int, dict[str, Contour]]:
        """Return the contours of one revision by frame; see `current` for errors."""
        path = self._layout.revision_contours(revision.pullback_id, revision.revision_id)
        if not path.is_file() or atomic.sha256_of_file(path) != revision.contours_sha256:
            raise IntegrityError(
                "annotation contours are missing or were changed after they were written",
                path=path,
                hint="restore the file from a copy; annotations are append-only and never edited in place",
            )
        return read_contours_csv(path).get(revision.pullback_id, {})

    def history(self, pullback_id: str, frame_index: int) -> Iterator[RevisionRecord]:
        """Yield the revisions that speak of one frame, oldest first."""
        return (record for record in self.revisions(pullback_id) if frame_index in record.frame_indices)

    def timed_works(self, pullback_id: str) -> list[TimedWork]:
        """Return what readers did to frames of a pullback and how long it took, once for each frame, reader and round.

        A page goes on counting where its reader goes on, so of several revisions that answer one round the longest time counts,
        also where it was undone: the time was spent.
        """
        longest: dict[tuple[int, str, str | None], TimedWork] = {}
        for record in self.revisions(pullback_id):
            for index, timed in record.timed_works.items():
                key = (index, record.reader, record.round_id)
                if key not in longest or timed.seconds > longest[key].seconds:
                    longest[key] = timed
        return list(longest.values())

    def _annotated(self, pullback_id: str) -> dict[int, RevisionRecord]:
        """Return the revision that counts of each annotated frame, by frame index."""
        standings = self.standings(pullback_id).items()
        return {index: one.current for index, one in standings if one.current and one.is_annotated(index)}

    def _counting(self, pullback_id: str) -> Counting:
        """Return the revisions that count, by frame and reader."""
        return counting_revisions(self.revisions(pullback_id), self.pointers(pullback_id))

    def _undone(self, record: RevisionRecord) -> list[int]:
        """Return the frames for which a revision was said after the one that counts now, so that it must have been undone."""
        revisions = self.revisions(record.pullback_id)
        counting = counting_revisions(revisions, self.pointers(record.pullback_id))
        steps = ((index, steps_of(revisions, counting, index, record.reader)) for index in record.frame_indices)
        return [index for index, (said, at) in steps if said.index(record) > at]

    def _manifests(self, pullback_id: str, prefix: str) -> list[Path]:
        """Return the manifests of one kind, by name."""
        return sorted((self._layout.annotations / pullback_id).glob(f"{prefix}-*.yaml"))


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
