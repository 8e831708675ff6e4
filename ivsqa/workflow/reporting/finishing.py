"""Finishing: what is delivered of a study, what is left to read, and what a certificate in force promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ivsqa.domain.acceptance.minutes import Minutes
from ivsqa.errors import StateError
from ivsqa.io.project.annotation_status import Standings
from ivsqa.io.project.certificates import CertificateRecord, Finishing
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.workflow.rounds.reading_times import reading_times
from ivsqa.workflow.rounds.review import frames_to_read, minutes_to_read


def find_finishing(project: Project, pullbacks: Sequence[Pullback], standings: Standings) -> Finishing | None:
    """Return how far a study is from its end; None where no certificate was written.

    Args:
        project: The project.
        pullbacks: All there are.
        standings: What counts of each frame that somebody read.

    Raises:
        IntegrityError: the certificate, or what proves it, is not as it was written.
    """
    certificate = project.certificates.newest()
    if certificate is None:
        return None
    n_undone = len(project.certificates.changed_audits(certificate))
    left = frames_to_read(project, pullbacks, standings)
    accepted = [0]
    if not n_undone:
        accepted = [len(pullback.accepted(certificate, standings[pullback.pullback_id])) for pullback in pullbacks]
    n_read, n_left = sum(map(len, standings.values())), sum(map(len, left.values()))
    n_frames = sum(pullback.n_frames for pullback in pullbacks)
    model = project.current_model()
    try:
        minutes = minutes_to_read(project, model, left) if model is not None and n_left else Minutes(0.0, 0.0, 0.0)
    except StateError:  # frames that came later are not scored yet
        minutes = None
    times = reading_times(project, pullbacks)
    return Finishing(
        certificate=certificate,
        is_in_force=not n_undone,
        stale=tuple(_iter_stale(certificate, n_undone, n_frames, model.model_id if model else "")),
        n_accepted=sum(accepted),
        n_read=n_read,
        n_out=n_frames - n_read - n_left - sum(accepted),
        n_left=n_left,
        minutes=minutes,
        n_timed=times.n_frames,
        minutes_spent=times.minutes,
    )


def _iter_stale(certificate: CertificateRecord, n_undone: int, n_frames: int, model_id: str) -> Iterator[str]:
    """Yield why a certificate is not of today."""
    if n_undone:
        yield f"{n_undone} audited frames were undone or read anew, so it proves nothing: ivsqa accept"
    n_new = n_frames - certificate.n_pool - certificate.n_read
    if n_new > 0:
        yield f"{n_new} frames came after its audit, and it says nothing of them: ivsqa audit -n 100"
    if model_id != certificate.model_id:
        yield f"it speaks of what {certificate.model_id} drew, and {model_id} is in use now: ivsqa audit -n 100"
