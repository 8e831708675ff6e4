"""Why: the chain behind one frame, from its file to the models that learnt from it."""

from __future__ import annotations

from dataclasses import dataclass

from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.io.project.annotation_records import PointerMove, PointerRecord, RevisionRecord
from ivsqa.io.project.annotation_status import Standing
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord, RoundRecord
from ivsqa.io.project.selections import SelectedFrame
from ivsqa.io.project.training_frames_csv import read_training_frames


@dataclass(frozen=True)
class FrameChain:
    """The history of a frame.

    Attributes:
        pullback: Where it comes from.
        frame_index: 0-based.
        position_mm: Along the pullback; None where unknown.
        scores: What each model said of it, oldest first.
        selections: The rounds it was chosen for, with rank and reason.
        revisions: What people said of it, oldest first.
        pointers: Moves of a reader's pointer that concern it: what was undone, oldest first.
        standing: What counts of each reader and of the frame; None where nothing does.
        held_by: The audit that holds it back from models; None: none does.
        accepted_by: The certificate in force that accepts it as the model drew it; None: none does, or somebody read it since.
        trained: Models that learnt from it.
    """

    pullback: Pullback
    frame_index: int
    position_mm: float | None
    scores: list[tuple[ModelRecord, FrameScore]]
    selections: list[tuple[RoundRecord, SelectedFrame]]
    revisions: list[RevisionRecord]
    pointers: list[tuple[PointerRecord, PointerMove]]
    standing: Standing | None
    held_by: str | None
    accepted_by: str | None
    trained: list[str]

    def counts(self, revision: RevisionRecord) -> bool:
        """Whether a revision counts of its reader now, or as the reference."""
        standing = self.standing
        return standing is not None and revision in (*standing.readings.values(), standing.reference)

    def is_compared(self, revision: RevisionRecord) -> bool:
        """Whether a revision is what its reader says in a second reading now: it is compared with the first."""
        return self.standing is not None and revision in self.standing.repeats.values()


def explain_frame(project: Project, frame: str) -> FrameChain:
    """Return the chain behind a frame; reads only.

    Args:
        project: The project.
        frame: "<pullback_id>:<frame_index>", or a packet's file name "<pullback_id>_f<frame_index>" with or without extension.

    Raises:
        NotFoundError: no such frame.
    """
    record, index = project.find_frame(frame)
    key = FrameKey(record.pullback_id, index)
    history = project.annotations.history(record.pullback_id)
    models = project.ready_models()
    certificate = project.certificates.in_force()
    return FrameChain(
        pullback=record,
        frame_index=index,
        position_mm=record.position_mm(index),
        scores=[(model, score) for model in models if (score := project.scores(model).find(*key)) is not None],
        selections=[(opened, chosen) for opened in project.rounds() for chosen in opened.frames if chosen.key == key],
        revisions=[revision for revision in history.revisions if index in revision.frame_indices],
        pointers=[(moved, move) for moved in history.pointers if (move := moved.move_of(key)) is not None],
        standing=history.standings().get(index),
        held_by=project.audits.held_frames().get(key),
        accepted_by=certificate.certificate_id if certificate and index in record.accepted(certificate) else None,
        trained=[model.model_id for model in models if key in _trained_on(project, model)],
    )


def _trained_on(project: Project, model: ModelRecord) -> frozenset[FrameKey]:
    """Return the frames a model learnt from; none where their list was lost, which `check` reports."""
    path = project.layout.training_frames(model.model_id)
    return read_training_frames(path, "train") if path.is_file() else frozenset()
