"""Certificates: `certificates/c001/`, what was accepted of a model's contours, with the audit that proves what is promised.

`certificate.yaml` says what is promised and why, `frames.csv` of which frames, `audited.csv` what the audited frames lost, and
`curve.csv` what each bar would have let in. A certificate carries a seal, the hash of all that it says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from ivsqa.domain.acceptance.minutes import Minutes
from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import FrameKey, OfFrame
from ivsqa.errors import IntegrityError, NotFoundError, StateError
from ivsqa.io import atomic
from ivsqa.io.hashes import sha256_of_file
from ivsqa.io.ledger import doors
from ivsqa.io.outside import is_file
from ivsqa.io.project.annotation_status import revision_that_counts
from ivsqa.io.project.annotations import AnnotationStore
from ivsqa.io.project.audits import PromiseRecord
from ivsqa.io.project.layout import ProjectLayout, numbered_folders
from ivsqa.io.project.manifest import Manifest, ReadManifest, manifest_text, read_manifest, write_manifest
from ivsqa.io.project.records import Provenance, Sha256
from ivsqa.io.tables import csv_of_records, read_records

UNSEALED = "0" * 64
MEND = "restore it from a copy, or withdraw the certificate with: ivsqa accept --withdraw"


class CertificateRecord(Manifest):
    """`certificate.yaml`: what is promised of which frames, how it was proved, and what must be true for it to hold.

    Counts are of frames. The pool is what nobody had read when the audit was drawn: `n_pool` of it, `n_read` besides it;
    `n_lost` of the audited ones count as wholly lost, since their reader gave them up or they did not come back. `n_accepted`
    frames are delivered as the model drew them; the promise counts on the other `n_left` being read. `n_tried` promises were
    tried on the same audits, this one among them; that all of them hold is sure with `joint_confidence`.
    Version 1: ivsqa 0.2.
    """

    KIND = "certificate"

    certificate_id: str
    is_withdrawn: bool = False
    promise: PromiseRecord
    sentence: str
    assumptions: tuple[str, ...]
    weights_sha256: Sha256
    audits: tuple[str, ...]
    is_assisted: bool
    bar: float
    bound: float
    n_pool: int
    n_read: int
    n_audited: int
    n_lost: int
    n_accepted: int
    n_left: int
    n_tried: int
    joint_confidence: float
    frames_sha256: Sha256 = UNSEALED
    audited_sha256: Sha256 = UNSEALED
    curve_sha256: Sha256 = UNSEALED
    provenance: Provenance
    seal: Sha256 = UNSEALED

    @property
    def model_id(self) -> str:
        """The model whose contours it speaks of."""
        return self.promise.model_id

    def sealed(self) -> Self:
        """Return it with the seal of what it says now."""
        return self.model_copy(update={"seal": self._hash()})

    @property
    def is_sealed(self) -> bool:
        """Whether it says what it said when it was sealed."""
        return self.seal == self._hash()

    def _hash(self) -> str:
        return hashlib.sha256(manifest_text(self.model_copy(update={"seal": UNSEALED})).encode()).hexdigest()


@dataclass(frozen=True)
class AcceptedFrame(OfFrame):
    """A frame that is delivered as the model drew it.

    Attributes:
        pullback_id: Its pullback.
        frame_index: 0-based.
        predicted_loss: What the model was predicted to lose in it.
        contours: `digest` of the contours that were accepted: others are not.
    """

    pullback_id: str
    frame_index: int
    predicted_loss: float
    contours: str


@dataclass(frozen=True)
class AuditedFrame(OfFrame):
    """An audited frame, in the order of the draw.

    Attributes:
        pullback_id: Its pullback.
        frame_index: 0-based.
        predicted_loss: What the model was predicted to lose in it; None: it had no prediction.
        loss: What it lost against its reader's contours; None: the reader gave it up, or it did not come back, so it lost all.
        revision_id: Where its reader's contours stand; "" where it did not come back.
    """

    pullback_id: str
    frame_index: int
    predicted_loss: float | None
    loss: float | None
    revision_id: str


@dataclass(frozen=True)
class CurvePoint:
    """A bar that was tried: see `BoundPoint`."""

    bar: float
    share: float
    bound: float


@dataclass(frozen=True)
class Finishing:
    """How far a study is from its end.

    Attributes:
        certificate: The newest one that is not withdrawn.
        is_in_force: Its audit stands, so that its frames are delivered.
        stale: Why it is not of today, in plain words, each with what mends it; () where it is.
        n_accepted: Frames that it accepts and nobody read.
        n_read: Frames that people read.
        n_out: Frames that are out with readers.
        n_left: Frames that are left to read.
        minutes: What reading those is expected to take; None where not all of them are scored.
        n_timed: Readings of a frame whose time an editor reported.
        minutes_spent: What these took; None where there is none.
    """

    certificate: CertificateRecord
    is_in_force: bool
    stale: tuple[str, ...]
    n_accepted: int
    n_read: int
    n_out: int
    n_left: int
    minutes: Minutes | None
    n_timed: int
    minutes_spent: float | None


def digest(contours: Mapping[str, Contour]) -> str:
    """Return 16 hexadecimal digits that tell contours from others, however little they differ as they are stored."""
    packed = hashlib.sha256()
    for name, contour in sorted(contours.items()):
        packed.update(f"{name}:{len(contour.points_px)}:".encode())
        packed.update(contour.points_px.astype("<f4").tobytes())
    return packed.hexdigest()[:16]


class CertificateStore:
    """Reads and writes the certificates of one project."""

    def __init__(self, layout: ProjectLayout, annotations: AnnotationStore, read: ReadManifest = read_manifest) -> None:
        self._layout = layout
        self._annotations = annotations
        self._read = read
        self._accepted: dict[str, dict[str, dict[int, AcceptedFrame]]] = {}

    def ids(self) -> list[str]:
        """Return the ids of all certificates, oldest first."""
        return numbered_folders(self._layout.certificates, "certificate.yaml")

    def get(self, certificate_id: str) -> CertificateRecord:
        """Return a certificate.

        Raises:
            NotFoundError: there is no such certificate.
            IntegrityError: it does not say what it said when it was written.
        """
        record = self._unchecked(certificate_id)
        if not record.is_sealed:
            raise IntegrityError(
                "was changed after it was written, so it proves nothing",
                path=self._layout.certificate_record(certificate_id),
                hint=f"restore it from a copy, or give it up with: ivsqa accept --withdraw {certificate_id}",
            )
        return record

    def newest_id(self) -> str | None:
        """Return the id of the newest certificate that is not withdrawn; None: there is none."""
        return next((name for name in reversed(self.ids()) if not self._unchecked(name).is_withdrawn), None)

    def newest(self) -> CertificateRecord | None:
        """Return the newest certificate that is not withdrawn, which takes the place of all before it; None: there is none.

        Raises:
            IntegrityError: it does not say what it said when it was written.
        """
        certificate_id = self.newest_id()
        return None if certificate_id is None else self.get(certificate_id)

    def in_force(self) -> CertificateRecord | None:
        """Return the newest certificate, as long as its audit stands; else None.

        Raises:
            IntegrityError: it, or what proves it, is not as it was written.
        """
        record = self.newest()
        return None if record is None or self.changed_audits(record) else record

    def changed_audits(self, record: CertificateRecord) -> list[FrameKey]:
        """Return the audited frames whose reading was taken back or replaced since: the certificate proves nothing then."""
        audited = self.audited(record)
        standings = {
            pullback_id: self._annotations.standings(pullback_id)
            for pullback_id in {one.pullback_id for one in audited}
        }
        return [
            one.key
            for one in audited
            if one.revision_id != revision_that_counts(standings[one.pullback_id].get(one.frame_index))
        ]

    def accepted(self, record: CertificateRecord, pullback_id: str) -> dict[int, AcceptedFrame]:
        """Return the frames of a pullback that a certificate accepts, by frame index, whether or not they were read since.

        Raises:
            IntegrityError: their list is missing or was changed.
        """
        by_pullback = self._accepted.get(record.frames_sha256)
        if by_pullback is None:
            path = self._layout.accepted_frames(record.certificate_id)
            what = "the list of accepted frames"
            frames = read_records(path, AcceptedFrame, what=what, hint=MEND, sha256=record.frames_sha256)
            by_pullback = self._accepted[record.frames_sha256] = {
                name: {frame.frame_index: frame for frame in group}
                for name, group in groupby(frames, lambda frame: frame.pullback_id)
            }
        return by_pullback.get(pullback_id, {})

    def audited(self, record: CertificateRecord) -> list[AuditedFrame]:
        """Return the audited frames behind a certificate; raises IntegrityError where their list is missing or was changed."""
        path = self._layout.audited_frames(record.certificate_id)
        what = "the list of audited frames"
        return read_records(path, AuditedFrame, what=what, hint=MEND, sha256=record.audited_sha256)

    def curve(self, record: CertificateRecord) -> list[CurvePoint]:
        """Return the curve of bound against share accepted; raises IntegrityError where it is missing or was changed."""
        path = self._layout.certificate_curve(record.certificate_id)
        what = "the curve of the certificate"
        return read_records(path, CurvePoint, what=what, hint=MEND, sha256=record.curve_sha256)

    def write(
        self,
        record: CertificateRecord,
        frames: Iterable[AcceptedFrame],
        audited: Iterable[AuditedFrame],
        curve: Iterable[CurvePoint],
    ) -> CertificateRecord:
        """Write a certificate and return it sealed; frames are in order of pullback and frame."""
        layout, name = self._layout, record.certificate_id
        tables = {
            "frames_sha256": (layout.accepted_frames(name), csv_of_records(AcceptedFrame, frames)),
            "audited_sha256": (layout.audited_frames(name), csv_of_records(AuditedFrame, audited)),
            "curve_sha256": (layout.certificate_curve(name), csv_of_records(CurvePoint, curve)),
        }
        hashes = {}
        for key, (path, text) in tables.items():
            atomic.write_text(path, text)
            hashes[key] = sha256_of_file(path)
        # The manifest comes last: where a certificate is, its tables are.
        record = record.model_copy(update=hashes).sealed()
        write_manifest(layout.certificate_record(name), record)
        return record

    def withdraw(self, certificate_id: str, *, dry_run: bool = False) -> CertificateRecord:
        """Give a certificate up and return it: nothing is accepted by it any more, and its files stay; `dry_run` writes nothing.

        Raises:
            NotFoundError: there is no such certificate.
            StateError: it was given up before.
        """
        with doors.open_doors():  # also one that was changed, which nothing else may be done with
            record = self._unchecked(certificate_id)
        if record.is_withdrawn:
            raise StateError(f"{certificate_id} was withdrawn before")
        # One that was changed by hand stays recognisable: only a certificate that is whole is sealed anew.
        withdrawn = record.model_copy(update={"is_withdrawn": True})
        withdrawn = withdrawn.sealed() if record.is_sealed else withdrawn
        if not dry_run:
            write_manifest(self._layout.certificate_record(certificate_id), withdrawn)
        return withdrawn

    def _unchecked(self, certificate_id: str) -> CertificateRecord:
        path = self._layout.certificate_record(certificate_id)
        if not is_file(path):
            raise NotFoundError.among("certificate", certificate_id, self.ids(), first="ivsqa accept")
        return self._read(path, CertificateRecord)
