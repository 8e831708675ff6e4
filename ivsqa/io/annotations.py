"""The annotation store: append-only revisions, one folder a pullback. Nothing a person drew is ever overwritten.

A revision is a CSV of contours, then the manifest that makes it count. Its id is a hash of what it says, so the same return
imported twice is one revision. What is current is derived: for each frame the latest revision that speaks of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ivsqa.domain.contour import Contour, Contours
from ivsqa.errors import IntegrityError
from ivsqa.io import atomic
from ivsqa.io.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.layout import ProjectLayout
from ivsqa.io.manifest import read_manifest, write_manifest
from ivsqa.io.records import Provenance, RevisionRecord

Origin = Literal["new", "edited", "nudged", "accepted", "imported", "unreadable"]


@dataclass(frozen=True)
class NewAnnotation:
    """What a person says of one frame.

    Attributes:
        contours: By structure; a structure that is absent has no border in this frame.
        origin: How it came about; `unreadable` says that nobody can annotate this frame.
    """

    contours: Contours
    origin: Origin


@dataclass(frozen=True)
class Annotation:
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

    def __init__(self, layout: ProjectLayout) -> None:
        self._layout = layout

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
    ) -> tuple[RevisionRecord, bool]:
        """Append a revision, unless one that says the same is already there.

        Args:
            pullback_id: Whose frames they are.
            frames: By frame index.
            reader: Who drew them.
            source: Where they came from: a format and packet, or an import.
            made: Provenance of now.
            round_id: The round they answer.
            spacing_mm: Adds mm columns to the CSV.

        Returns:
            The revision, and whether it is new.
        """
        text = contours_csv_text(
            ((pullback_id, index, frames[index].contours) for index in sorted(frames)), {pullback_id: spacing_mm}
        )
        by_origin: dict[Origin, list[int]] = {}
        for index in sorted(frames):
            by_origin.setdefault(frames[index].origin, []).append(index)
        said = "\n".join([pullback_id, reader, source, round_id or "", repr(sorted(by_origin.items())), text])
        revision_id = f"rev-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
        path = self._layout.revision(pullback_id, revision_id)
        if path.is_file():
            return read_manifest(path, RevisionRecord), False
        latest = self._latest(pullback_id)
        record = RevisionRecord(
            revision_id=revision_id,
            pullback_id=pullback_id,
            reader=reader,
            source=source,
            round_id=round_id,
            parents=tuple(sorted({latest[index].revision_id for index in frames if index in latest})),
            frames={origin: tuple(indices) for origin, indices in by_origin.items()},
            contours_sha256=hashlib.sha256(text.encode()).hexdigest(),
            provenance=made,
        )
        atomic.write_text(self._layout.revision_contours(pullback_id, revision_id), text)
        write_manifest(path, record)
        return record, True

    def revisions(self, pullback_id: str) -> list[RevisionRecord]:
        """Return every revision of a pullback, oldest first."""
        folder = self._layout.annotations / pullback_id
        if not folder.is_dir():
            return []
        records = [
            read_manifest(path, RevisionRecord)
            for path in sorted(folder.glob("*.yaml"))
            if not path.name.startswith(".")
        ]
        return sorted(records, key=lambda record: (record.provenance.created_at, record.revision_id))

    def annotated_frames(self, pullback_id: str) -> list[int]:
        """Return the indices of the annotated frames, in order, without reading a contour."""
        latest = self._latest(pullback_id)
        return sorted(index for index, revision in latest.items() if revision.origin_of(index) != "unreadable")

    def settled_frames(self, pullback_id: str) -> list[int]:
        """Return the frames that need no annotator: annotated, or found unreadable."""
        return sorted(self._latest(pullback_id))

    def current(self, pullback_id: str) -> dict[int, Annotation]:
        """Return the current annotation of every annotated frame of a pullback; unreadable frames have none.

        Raises:
            IntegrityError: a contour file is not what its manifest says.
        """
        latest = {
            index: revision
            for index, revision in self._latest(pullback_id).items()
            if revision.origin_of(index) != "unreadable"
        }
        needed = {revision.revision_id: revision for revision in latest.values()}
        contours = {revision_id: self.contours(revision) for revision_id, revision in needed.items()}
        return {
            index: Annotation(pullback_id, index, contours[revision.revision_id].get(index, {}), revision)
            for index, revision in sorted(latest.items())
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

    def _latest(self, pullback_id: str) -> dict[int, RevisionRecord]:
        """Return the newest revision that speaks of each frame."""
        latest: dict[int, RevisionRecord] = {}
        for record in self.revisions(pullback_id):
            latest.update(dict.fromkeys(record.frame_indices, record))
        return latest
