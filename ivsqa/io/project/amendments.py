"""Facts of a pullback that somebody corrected since its import: appended beside its manifest, never written into it.

What counts is the manifest with every amendment laid over it, in their order, but for those that a later one withdraws.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from ivsqa.io.ledger import doors
from ivsqa.io.project.layout import ProjectLayout, next_id
from ivsqa.io.project.manifest import Manifest, ReadManifest, write_manifest
from ivsqa.io.project.records import Provenance, PullbackRecord, Split

Positive = Annotated[float, Field(gt=0.0)]
Frame = Annotated[int, Field(ge=0)]


class AmendmentRecord(Manifest):
    """`amendment-001.yaml` beside `pullback.yaml`: facts that are corrected, by whom and why; null: as they were.

    `withdraws` names an earlier amendment that counts no more; such a record corrects nothing itself.
    Version 1: ivsqa 0.2.
    """

    KIND = "amendment"

    amendment_id: str
    pullback_id: str
    spacing_mm: tuple[Positive, Positive] | None = None
    frame_rate_hz: Positive | None = None
    pullback_speed_mm_s: Positive | None = None
    start_frame_index: Frame | None = None
    stop_frame_index: Frame | None = None
    subject_id: str | None = None
    split: Split | None = None
    withdraws: str | None = None
    by: str
    why: str
    provenance: Provenance

    @property
    def fields(self) -> dict[str, Any]:
        """What it changes in a manifest, by the names there."""
        source = f"amendment {self.amendment_id}"
        changed: dict[str, Any] = {}
        if self.spacing_mm is not None:
            changed |= {"spacing_mm": self.spacing_mm, "spacing_source": source}
        if self.frame_rate_hz is not None:
            interval = round(1.0 / self.frame_rate_hz, 9)
            changed |= {"frame_interval_s": interval, "frame_time_s": None, "frame_time_source": source}
        if self.pullback_speed_mm_s is not None:
            changed |= {"pullback_speed_mm_s": self.pullback_speed_mm_s, "pullback_speed_source": source}
        for name in ("start_frame_index", "stop_frame_index", "subject_id", "split"):
            value = getattr(self, name)
            changed |= {} if value is None else {name: value}
        return changed


def read_amendments(layout: ProjectLayout, pullback_id: str, read: ReadManifest) -> list[AmendmentRecord]:
    """Return every amendment of a pullback, oldest first."""
    # One that is gone would bring back, without a word, what it corrected.
    paths = doors.entries_of(layout.pullback_record(pullback_id).parent, r"amendment-[0-9]+\.yaml")
    return [read(path, AmendmentRecord) for path in sorted(paths, key=lambda path: (len(path.name), path.name))]


def in_force(amendments: Iterable[AmendmentRecord]) -> list[AmendmentRecord]:
    """Return the amendments that count: none that withdraws another, nor one that is withdrawn."""
    listed = list(amendments)
    withdrawn = {amendment.withdraws for amendment in listed}
    return [one for one in listed if one.withdraws is None and one.amendment_id not in withdrawn]


def amended(record: PullbackRecord, amendments: Iterable[AmendmentRecord]) -> PullbackRecord:
    """Return a manifest with the amendments laid over it that count."""
    for amendment in in_force(amendments):
        record = record.model_copy(update=amendment.fields)
    return record


def append_amendment(layout: ProjectLayout, amendment: AmendmentRecord) -> None:
    """Write an amendment beside its pullback."""
    write_manifest(layout.amendment(amendment.pullback_id, amendment.amendment_id), amendment)


def next_amendment_id(amendments: Iterable[AmendmentRecord]) -> str:
    """Return the id of the next amendment of a pullback."""
    return next_id("a", [amendment.amendment_id for amendment in amendments])
