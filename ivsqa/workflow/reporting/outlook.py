"""Outlook: the expected quality of the frames that nobody read, and the likely gain of another round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ivsqa.domain.selection.learning_curve import POOR_DICE, Outlook, expected_accuracy
from ivsqa.domain.statistics.bootstrap import means_over_subjects, subject_numbers
from ivsqa.errors import StateError
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord, RoundRecord


def find_outlook(project: Project, pullbacks: Sequence[Pullback]) -> Outlook | None:
    """Return the outlook; None before every training frame is scored by the current model, and once all are read.

    Args:
        project: The project.
        pullbacks: All for training.
    """
    model = project.current_model()
    if model is None:
        return None
    try:
        columns = project.scores(model).columns(
            {pullback.pullback_id: pullback.n_frames for pullback in pullbacks}, ["quality"]
        )
    except StateError:
        return None
    unread = {pullback.pullback_id: pullback.unread for pullback in pullbacks}
    quality = np.concatenate([np.empty(0), *(columns[name]["quality"][mask] for name, mask in unread.items())])
    if not len(quality):
        return None
    subjects = [pullback.subject_id for pullback in pullbacks for _ in range(int(unread[pullback.pullback_id].sum()))]
    # One seed for all calls: the same project has the same interval in status and in the report.
    (mean,) = means_over_subjects(quality[:, None], subject_numbers(subjects), rng=np.random.default_rng(0))
    n_next = _round_size(project.round_records())
    return Outlook(
        n_pool=sum(int(free.sum()) for free in project.choosable(pullbacks).values()),
        n_unread=len(quality),
        quality=mean,
        poor_share=float((quality < POOR_DICE).mean()),
        n_next=n_next,
        expected_gain=_gain(project.models(), model, n_next),
    )


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
