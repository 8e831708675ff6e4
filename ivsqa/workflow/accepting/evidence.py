"""What an audit says about a model: the frames it was drawn from, what was predicted of them, and what the audited ones lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.acceptance.audit import Audit, FramePool
from ivsqa.domain.acceptance.losses import frame_loss
from ivsqa.domain.acceptance.promise import LossKind
from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import StateError
from ivsqa.io.project.annotation_status import revision_that_counts
from ivsqa.io.project.audits import AuditRecord
from ivsqa.io.project.certificates import AuditedFrame
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a model by some audits that continue each other.

    Attributes:
        keys: The frames that were to be finished when the first of them was drawn, in order of pullback and frame.
        predicted: (N,) what the model was predicted to lose in each, in [0, 1]; NaN: nothing is predicted.
        subjects: (N,) number of each one's subject.
        n_read: Frames that had been read before.
        audited: The audited frames, in the order of the draw.
    """

    keys: list[FrameKey]
    predicted: NDArray[np.float64]
    subjects: NDArray[np.intp]
    n_read: int
    audited: list[AuditedFrame]

    def pool(self, reader_loss: float) -> FramePool:
        """Return the frames to be finished; a reader's own frame is taken to lose as much as is given."""
        return FramePool(self.predicted, self.subjects, self.n_read, reader_loss)

    def audit(self) -> Audit:
        """Return the audit of these frames."""
        row_of = {key: row for row, key in enumerate(self.keys)}
        rows = np.array([row_of[frame.key] for frame in self.audited], dtype=np.intp)
        return Audit(rows, np.array([nan if frame.loss is None else frame.loss for frame in self.audited]))


def serving_audits(
    project: Project, model: ModelRecord, round_id: str | None, *, continued: bool
) -> tuple[AuditRecord, ...]:
    """Return the audits that can judge a model together, oldest first.

    An audit goes on with the one before where nothing but that one was read between the two draws: together they are one
    longer draw.

    Args:
        project: The project.
        model: It has to be older than the draw: what is drawn later than a model was made is drawn without regard to it.
        round_id: The last of them; None: the newest that can judge the model.
        continued: Take in the audits that the last one goes on with.

    Raises:
        NotFoundError: no such round.
        StateError: the round is no audit, there is none, or it cannot judge the model.
    """
    audits = project.audits.all()
    if round_id is not None:
        if project.audits.find(project.get_round(round_id).round_id) is None:
            raise StateError(f"{round_id} is no audit", hint="list rounds with: ivsqa status")
        audits = audits[: 1 + next(row for row, audit in enumerate(audits) if audit.round_id == round_id)]
    if not audits:
        raise StateError("there is no audit yet", hint="draw one with: ivsqa audit -n 100")
    able = [audit for audit in audits if model.model_id in audit.models]
    if not able or (round_id is not None and able[-1].round_id != round_id):
        raise StateError(
            f"{audits[-1].round_id} was drawn before {model.model_id} was there, and cannot judge it",
            hint=f"draw another with: ivsqa audit -n 100; or name a model of then: --model {audits[-1].models[-1]}",
        )
    chain = [able.pop()]
    while continued and able and _goes_on(project, able[-1], chain[0]):
        chain.insert(0, able.pop())
    return tuple(chain)


def _goes_on(project: Project, earlier: AuditRecord, later: AuditRecord) -> bool:
    """Whether an audit was drawn from what was left after an earlier one, no more and no less."""
    if earlier.is_assisted != later.is_assisted:
        return False
    return set(project.audits.pool(later)) == set(project.audits.pool(earlier)) - set(project.audits.frames(earlier))


def unread_audited(project: Project, audits: Sequence[AuditRecord]) -> list[FrameKey]:
    """Return the audited frames of which no reading counts, in the order of the draw.

    Raises:
        StateError: readers are in dispute about some.
    """
    drawn = [key for audit in audits for key in project.audits.frames(audit)]
    standings = {
        pullback_id: project.pullback(pullback_id).standings for pullback_id in {key.pullback_id for key in drawn}
    }
    known = {key: standings[key.pullback_id].get(key.frame_index) for key in drawn}
    disputed = [key for key, standing in known.items() if standing is not None and standing.is_disputed]
    if disputed:
        raise StateError(
            f"{len(disputed)} audited frames are in dispute between readers, such as {disputed[0]}",
            hint="settle them with: ivsqa adjudicate",
        )
    return [key for key, standing in known.items() if standing is None]


def gather_evidence(project: Project, model: ModelRecord, audits: Sequence[AuditRecord], loss: LossKind) -> Evidence:
    """Return what audits say about a model; audited frames without a reading have lost all.

    Raises:
        StateError: a pullback is not scored to its end, or has no spacing where a distance is wanted.
        NotFoundError: a pullback of the pool is gone.
        IntegrityError: what was written of an audit is missing or was changed.
    """
    keys = project.audits.pool(audits[0])
    pullbacks = {
        pullback_id: project.pullback(pullback_id) for pullback_id in sorted({key.pullback_id for key in keys})
    }
    store = project.scores(model)
    read = store.columns({name: pullback.n_frames for name, pullback in pullbacks.items()}, ["quality"])
    predicted = np.array([1.0 - read[name]["quality"][index] for name, index in keys])
    _, number_of = np.unique([pullback.subject_id for pullback in pullbacks.values()], return_inverse=True)
    subject_of = dict(zip(pullbacks, number_of.tolist(), strict=True))
    audited = [key for audit in audits for key in project.audits.frames(audit)]
    lost = {
        FrameKey(name, frame.frame_index): frame
        for name in {key.pullback_id for key in audited}
        for frame in _audited_frames(
            project,
            model,
            pullbacks[name],
            {
                key.frame_index: 1.0 - float(read[name]["quality"][key.frame_index])
                for key in audited
                if key.pullback_id == name
            },
            loss,
        )
    }
    return Evidence(
        keys=keys,
        predicted=np.clip(predicted, 0.0, 1.0),
        subjects=np.array([subject_of[name] for name, _ in keys], dtype=np.intp),
        n_read=audits[0].n_read,
        audited=[lost[key] for key in audited],
    )


def _audited_frames(
    project: Project, model: ModelRecord, pullback: Pullback, predicted_losses: Mapping[int, float], loss: LossKind
) -> list[AuditedFrame]:
    """Return what the audited frames of a pullback lost, given what each was predicted to lose by its index."""
    if loss == "distance" and pullback.spacing_mm is None:
        raise StateError(
            f"{pullback.pullback_id} has no spacing, and a distance in mm needs one",
            hint="use --loss dice or --loss area",
        )
    names, store = project.structures.names, project.scores(model)
    drawn = store.contours(pullback.pullback_id, pullback.n_frames)
    annotations, standings = pullback.annotations, pullback.standings
    frames = []
    for index, predicted in predicted_losses.items():
        lost = None
        if (annotation := annotations.get(index)) is not None:
            # Annotations outlive settings: they may hold a structure that project.yaml names no more.
            reference = {name: contour for name, contour in annotation.contours.items() if name in names}
            lost = frame_loss(drawn[index], reference, loss, spacing_mm=pullback.spacing_mm)
        frames.append(
            AuditedFrame(
                pullback_id=pullback.pullback_id,
                frame_index=index,
                predicted_loss=None if isnan(predicted) else predicted,
                loss=lost,
                revision_id=revision_that_counts(standings.get(index)),
            )
        )
    return frames
