"""Outlook: how good the frames that nobody annotated are expected to be, and what another round would likely bring."""

from __future__ import annotations

import numpy as np

from ivsqa.domain.selection.learning_curve import POOR_DICE, Outlook, expected_accuracy
from ivsqa.domain.statistics.bootstrap import means_over_subjects, subject_numbers
from ivsqa.errors import StateError
from ivsqa.io.project.annotations import AnnotationStore
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import ModelRecord, RoundRecord
from ivsqa.io.project.scores import ScoreStore


def find_outlook(project: Project) -> Outlook | None:
    """Return the outlook; None before every training frame is scored by the current model, and once all are annotated."""
    model = project.current_model()
    if model is None:
        return None
    records = [record for record in project.iter_pullbacks() if record.split == "train"]
    store = ScoreStore(project.layout, model.model_id, model.structures)
    try:
        read = store.columns({record.pullback_id: record.n_frames for record in records}, ["quality"])
    except StateError:
        return None
    annotations = AnnotationStore(project.layout)
    qualities, subjects = [], []
    for record in records:
        left = np.ones(record.n_frames, dtype=np.bool_)
        left[annotations.read_frames(record.pullback_id)] = False
        qualities.append(read[record.pullback_id]["quality"][left])
        subjects += [record.subject_id] * int(left.sum())
    quality = np.concatenate([np.empty(0), *qualities])
    if not len(quality):
        return None
    (mean,) = means_over_subjects(quality[:, None], subject_numbers(subjects), rng=np.random.default_rng(0))
    n_next = _round_size(project.rounds())
    return Outlook(
        len(quality), mean, float((quality < POOR_DICE).mean()), n_next, _gain(project.models(), model, n_next)
    )


def _round_size(rounds: list[RoundRecord]) -> int:
    """Return the frames of the last round for training; 50 before there was one."""
    return next((one.n for one in reversed(rounds) if one.split == "train"), 50)


def _gain(models: list[ModelRecord], current: ModelRecord, n_more: int) -> float | None:
    """Return what more labels would likely add to the validation Dice, from the models there are."""
    known = [
        (model.n_training_frames, model.validation_dice)
        for model in models
        if model.state == "ready" and model.validation_dice is not None
    ]
    if current.validation_dice is None:
        return None
    expected = expected_accuracy([n for n, _ in known], [dice for _, dice in known], current.n_training_frames + n_more)
    return None if np.isnan(expected) else max(0.0, expected - current.validation_dice)
