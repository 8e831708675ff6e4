"""Accepting: what a model drew is delivered without a look at each frame, as far as an audit proves what is promised of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from ivsqa.domain.acceptance.accepting import Acceptance
from ivsqa.domain.acceptance.accepting import accept as accept_frames
from ivsqa.domain.acceptance.needed import least_audit
from ivsqa.domain.acceptance.promise import LossKind
from ivsqa.errors import IntegrityError, StateError
from ivsqa.io import atomic
from ivsqa.io.ledger import doors
from ivsqa.io.project.audits import AuditRecord, PromiseRecord
from ivsqa.io.project.certificates import UNSEALED, AcceptedFrame, CertificateRecord, CurvePoint, digest
from ivsqa.io.project.layout import next_id
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import read_manifest, write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import ModelRecord, ScoresRecord, provenance
from ivsqa.workflow.accepting.certificate_page import draw_certificate
from ivsqa.workflow.accepting.evidence import Evidence, gather_evidence, serving_audits, unread_audited
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context


@dataclass(frozen=True)
class AcceptResult:
    """What an audit lets be accepted.

    Attributes:
        promise: What was to be proved.
        certificate: What was written, or was there already; None: nothing is accepted, or nothing was looked at (`dry_run`).
        page: Its page, below the project's folder; "" without a certificate.
        is_new: It was written now.
        reason: Why nothing is accepted, in plain words; "" otherwise.
        audits: The rounds that prove it, oldest first.
        n_pool: Frames that were to be finished when the first of them was drawn.
        n_audited: Audited frames.
        n_missing: Audited frames of which no reading counts.
        n_needed: Audited frames without any loss that would prove it; real ones need more.
        n_tried: Promises that were tried on these audits, this one among them.
        joint_confidence: With how much confidence all of them hold together.
    """

    promise: PromiseRecord
    certificate: CertificateRecord | None
    page: str
    is_new: bool
    reason: str
    audits: tuple[str, ...]
    n_pool: int
    n_audited: int
    n_missing: int
    n_needed: int
    n_tried: int
    joint_confidence: float


def accept(
    project: Project,
    *,
    loss: LossKind = "dice",
    at_most: float = 0.05,
    confidence: float = 0.9,
    worse_than: float | None = None,
    reader_loss: float = 0.0,
    model_id: str | None = None,
    round_id: str | None = None,
    missing_as_lost: bool = False,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> AcceptResult:
    """Accept as many frames as an audit allows: the most permissive bar on predicted quality at which the promise is proved.

    Writes `certificates/<id>/` with a page for people, which takes the place of the certificates before it, and notes in
    `audit.yaml` that the promise was tried, whatever came of it. The same call on the same readings gives the same certificate.

    Args:
        project: The project.
        loss: What a frame loses: `dice`, `area` or `distance`, of its worst structure.
        at_most: Mean loss of all frames, or share of the frames under the bar that are worse than `worse_than`.
        confidence: How often such promises hold.
        worse_than: Promise a share of frames; None: a mean loss.
        reader_loss: What a reader's own frame is taken to lose.
        model_id: Whose contours; None: the current model's.
        round_id: The audit; None: the newest that can judge the model.
        missing_as_lost: Count audited frames without a reading as wholly lost.
        dry_run: Look at no loss and write nothing; say what the audit could prove at best.
        context: Clock.

    Raises:
        StateError: there is no model or no audit that can judge it, frames are not scored, or audited ones have no reading.
        NotFoundError: no such model or round.
        IntegrityError: what was written of an audit, or of scores, is missing or was changed.
    """
    model = project.get_model(model_id)
    lock, now = project.layout.lock("rounds"), context.clock()
    with project_lock(lock, purpose="accepting frames", started_at=now, dry_run=dry_run):
        promise = PromiseRecord(
            model_id=model.model_id,
            loss=loss,
            at_most=at_most,
            confidence=confidence,
            worse_than=worse_than,
            reader_loss=reader_loss,
        )
        # Bets on a mean may go on for as long as one likes. Of a share, how many are drawn has to be decided before.
        audits = serving_audits(project, model, round_id, continued=worse_than is None)
        missing = unread_audited(project, audits)
        tried = list(dict.fromkeys([*(one for audit in audits for one in audit.tried), promise]))
        known = AcceptResult(
            promise=promise,
            certificate=None,
            page="",
            is_new=False,
            reason="",
            audits=tuple(audit.round_id for audit in audits),
            n_pool=audits[0].n_pool,
            n_audited=sum(len(project.audits.frames(audit)) for audit in audits),
            n_missing=len(missing),
            n_needed=least_audit(at_most, confidence, counted=worse_than is not None),
            n_tried=len(tried),
            joint_confidence=max(0.0, round(1.0 - sum(1.0 - one.confidence for one in tried), 6)),
        )
        if dry_run:
            return known
        if missing and not missing_as_lost:
            raise StateError(
                f"{len(missing)} of {known.n_audited} audited frames have no reading that counts, such as {missing[0]}",
                hint="take in what is missing with: ivsqa import-annotations PATH; or count it as lost: --missing-as-lost",
            )
        _check_scores(project, model)
        evidence = gather_evidence(project, model, audits, loss)
        # Noted first: whatever happens now, somebody may have seen what came of it.
        _note_tried(project, audits, promise)
        found = accept_frames(evidence.pool(reader_loss), evidence.audit(), promise.promise)
        if found.reason:
            return replace(known, reason=found.reason)
        return _certified(project, model, audits, evidence, found, known, context)


def withdraw_certificate(
    project: Project, certificate_id: str | None = None, *, dry_run: bool = False, context: Context = DEFAULT_CONTEXT
) -> CertificateRecord:
    """Give a certificate up and return it: its frames are accepted no more, and the one before it is in force again.

    Args:
        project: The project.
        certificate_id: Which; None: the newest that is not withdrawn.
        dry_run: Write nothing.
        context: Clock.

    Raises:
        NotFoundError: no such certificate.
        StateError: there is none, or it was withdrawn before.
    """
    store = project.certificates
    lock, now = project.layout.lock("rounds"), context.clock()
    with project_lock(lock, purpose="withdrawing", started_at=now, dry_run=dry_run):
        done = None if dry_run else doors.done_before(project.root, r"certificates/c\d+/certificate\.yaml")
        if done is not None:
            return store.get(Path(done).parent.name)
        certificate_id = certificate_id or store.newest_id()
        if certificate_id is None:
            raise StateError("there is no certificate to withdraw")
        return store.withdraw(certificate_id, dry_run=dry_run)


def _check_scores(project: Project, model: ModelRecord) -> None:
    """Refuse scores that other weights of the same name made; raises IntegrityError."""
    path = project.layout.scores_record(model.model_id)
    if path.is_file() and read_manifest(path, ScoresRecord).weights_sha256 != model.weights_sha256:
        raise IntegrityError(
            f"the scores of {model.model_id} were made by other weights",
            path=path,
            hint="score anew: ivsqa score --all",
        )


def _note_tried(project: Project, audits: Sequence[AuditRecord], promise: PromiseRecord) -> None:
    """Write into each audit that a promise was tried on it."""
    for audit in audits:
        if promise not in audit.tried:
            noted = audit.model_copy(update={"tried": (*audit.tried, promise)})
            write_manifest(project.layout.audit_record(audit.round_id), noted)


def _certified(
    project: Project,
    model: ModelRecord,
    audits: Sequence[AuditRecord],
    evidence: Evidence,
    found: Acceptance,
    known: AcceptResult,
    context: Context,
) -> AcceptResult:
    """Write the certificate of what was found, unless the one in force says the same, and return it."""
    store, newest = project.certificates, project.certificates.newest()
    if (
        newest is not None
        and (newest.promise, newest.audits) == (known.promise, known.audits)
        and store.audited(newest) == evidence.audited
    ):
        return replace(known, certificate=newest, page=_with_page(project, newest))
    frames = list(_iter_accepted(project, model, evidence, found))
    record = CertificateRecord(
        certificate_id=next_id("c", store.ids()),
        promise=known.promise,
        sentence=known.promise.sentence,
        assumptions=tuple(_iter_assumptions(known.promise, audits, found)),
        weights_sha256=model.weights_sha256 or UNSEALED,
        audits=known.audits,
        is_assisted=audits[0].is_assisted,
        bar=found.bar,
        bound=found.bound,
        n_pool=len(evidence.keys),
        n_read=evidence.n_read,
        n_audited=len(evidence.audited),
        n_lost=sum(frame.loss is None for frame in evidence.audited),
        n_accepted=len(frames),
        n_left=len(evidence.keys) - len(evidence.audited) - len(frames),
        n_tried=known.n_tried,
        joint_confidence=known.joint_confidence,
        provenance=provenance(context.clock(), "numpy", "scipy"),
    )
    curve = [CurvePoint(point.bar, point.share, point.bound) for point in found.curve]
    record = store.write(record, frames, evidence.audited, curve)
    return replace(known, certificate=record, page=_with_page(project, record), is_new=True)


def _with_page(project: Project, record: CertificateRecord) -> str:
    """Return the name of the page of a certificate, which is drawn unless it is there: a stop may have come before it."""
    page = project.layout.certificate_page(record.certificate_id)
    if not page.is_file():
        atomic.write_text(page, draw_certificate(project, record))
    return page.relative_to(project.root).as_posix()


def _iter_accepted(
    project: Project, model: ModelRecord, evidence: Evidence, found: Acceptance
) -> Iterator[AcceptedFrame]:
    """Yield the accepted frames with the digest of their contours, pullback by pullback."""
    rows = np.flatnonzero(found.accepted).tolist()
    for pullback_id, group in groupby(rows, lambda row: evidence.keys[row].pullback_id):
        drawn = project.scores(model).contours(pullback_id, project.pullback(pullback_id).n_frames)
        for row in group:
            index = evidence.keys[row].frame_index
            yield AcceptedFrame(pullback_id, index, float(evidence.predicted[row]), digest(drawn[index]))


def _iter_assumptions(promise: PromiseRecord, audits: Sequence[AuditRecord], found: Acceptance) -> Iterator[str]:
    """Yield what must be true for the promise to hold, in plain words."""
    yield found.assumption
    if audits[0].is_assisted:
        yield "audited frames were read with the model's contours in sight, which draws readers to them: it may lose more"
    else:
        yield "audited frames were read without sight of the model's contours"
    yield "what the readers of the audit drew is taken for the truth"
    if promise.worse_than is None:
        own = f"taken to lose {promise.reader_loss:g} in each" if promise.reader_loss else "taken to lose nothing"
        yield f"frames that are not accepted are read by people, who are {own}"
    yield "nothing is concluded about frames that were imported later, or about other subjects"
