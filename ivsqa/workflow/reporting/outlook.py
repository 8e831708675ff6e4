"""Outlook: the expected quality of the frames that nobody read, and the likely gain of another round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ivsqa.domain.selection.learning_curve import POOR_DICE, Outlook, expected_accuracy
from ivsqa.domain.statistics.bootstrap import means_of_sums
from ivsqa.errors import StateError
from ivsqa.io.project.annotation_status import Standings
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord, RoundRecord


def find_outlook(project: Project, pullbacks: Sequence[Pullback], standings: Standings | None = None) -> Outlook | None:
    """Return the outlook; None before every training frame is scored by the current model, and once all are read.

    Args:
        project: The project.
        pullbacks: All for training.
        standings: What counts of each of their frames that somebody read; None: it is looked up.
    """
    model = project.current_model()
    if model is None:
        return None
    standings = project.standings(pullbacks) if standings is None else standings
    try:
        unread = _Unread.of(project, model, pullbacks, standings)
    except StateError:
        return None
    n_unread = sum(unread.counts.values())
    if not n_unread:
        return None
    subjects = sorted(unread.counts)
    # One seed for all calls: the same project has the same interval in status and in the report.
    (mean,) = means_of_sums(
        *(np.array([[of[one]] for one in subjects]) for of in (unread.sums, unread.known)),
        rng=np.random.default_rng(0),
    )
    n_next = _round_size(project.round_records())
    return Outlook(
        n_pool=sum(int(free.sum()) for _, free in project.choosable(pullbacks, standings)),
        n_unread=n_unread,
        quality=mean,
        poor_share=unread.n_poor / n_unread,
        n_next=n_next,
        expected_gain=_gain(project.models(), model, n_next),
    )


@dataclass
class _Unread:
    """The frames that nobody read, and their quality, by subject; none but subjects that have any.

    Attributes:
        counts: How many frames.
        known: How many have a quality.
        sums: The sum of these qualities.
        n_poor: Frames of all subjects that are poor.
    """

    counts: dict[str, int] = field(default_factory=dict)
    known: dict[str, float] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    n_poor: int = 0

    @classmethod
    def of(cls, project: Project, model: ModelRecord, pullbacks: Sequence[Pullback], standings: Standings) -> _Unread:
        """Return those of some pullbacks, one after the other; raises StateError where one is not scored to its end."""
        unread = cls()
        n_frames = {pullback.pullback_id: pullback.n_frames for pullback in pullbacks}
        read = project.scores(model).iter_columns(n_frames, ["quality"])
        for pullback, (_, columns) in zip(pullbacks, read, strict=True):
            quality, subject = (
                columns["quality"][pullback.all_but(standings[pullback.pullback_id])],
                pullback.subject_id,
            )
            if len(quality):
                known = quality[~np.isnan(quality)]
                # One after the other: the same sum, however the frames of a subject are shared out over pullbacks.
                sums = np.cumsum(np.append(unread.sums[subject], known) if subject in unread.sums else known)
                unread.sums[subject] = float(sums[-1]) if len(sums) else 0.0
                unread.known[subject] = unread.known.get(subject, 0.0) + len(known)
                unread.counts[subject] = unread.counts.get(subject, 0) + len(quality)
                unread.n_poor += int((quality < POOR_DICE).sum())
        return unread


def _round_size(rounds: list[RoundRecord]) -> int:
    """Return the frames of the last round for training; 50 before there was one."""
    return next((record.n for record in reversed(rounds) if record.split == "train"), 50)


def _gain(models: list[ModelRecord], current: ModelRecord, n_more: int) -> float | None:
    """Return the likely gain of more labels in validation Dice, judged by the models there are that learnt from any."""
    trained = [
        (model.n_training_frames, model.validation_dice)
        for model in models
        if model.state == "ready" and model.validation_dice is not None and model.n_training_frames
    ]
    if current.validation_dice is None:
        return None
    expected = expected_accuracy(
        [n for n, _ in trained], [dice for _, dice in trained], current.n_training_frames + n_more
    )
    return None if np.isnan(expected) else max(0.0, expected - current.validation_dice)
