"""Rounds replayed on frames whose annotations are known: one arm is one strategy and seed, from the first labels to the last.

Everything a round does is done: train, evaluate on held-back subjects, score the pool, choose, let a reader correct what is
wrong. Arrays in, one record a rung out, so that any labelled data can be replayed; where they come from and where records are
kept is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.agreement.contour_agreement import mask_dice
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.quality.frame_score import BALD
from ivsqa.domain.quality.predicted_quality import (
    CalibrationFrame,
    ErrorCalibration,
    assess,
    fit_error_calibration,
    frame_quality,
    region_of_frame,
)
from ivsqa.domain.selection.plan import COLUMN_OF, LOOKS_AT_FRAMES, Strategy, plan_selection
from ivsqa.domain.selection.pool import Limits, Pool, PullbackFrames
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.data import SampleSet
from ivsqa.model.inference import Predictor
from ivsqa.model.state import TrainedModel
from ivsqa.model.training import train
from ivsqa.workflow.predicting.prediction import predicted_masks
from ivsqa.workflow.predicting.signals import DRAW_SEED, N_DRAWS, frame_signals
from ivsqa.workflow.simulating.labelled_study import (
    Effort,
    LabelledStudy,
    Parts,
    Reader,
    deal,
    effort_of,
    left_by_reader,
)

Mode: TypeAlias = Literal["anew", "finetune"]
BATCH_FRAMES = 32


@dataclass(frozen=True)
class ArmPlan:
    """What one arm does.

    Attributes:
        strategy: How frames are chosen.
        seed: Of the parts, the draws and the training.
        ladder: Labels at each rung, rising.
        network: What is trained.
        training: How, from scratch.
        finetune_steps: Steps of a fine-tuning.
        finetune_rate: Its learning rate.
        mode: "anew": every rung from scratch, so that a rung tells of its labels alone. "finetune": from the rung before, as in
            a study.
        new_frame_weight: Of the frames that a fine-tuning sees for the first time.
        limits: What keeps frames apart.
        diversity: Of "sqa".
        reader: Who corrects.
    """

    strategy: Strategy
    seed: int
    ladder: tuple[int, ...]
    network: NetworkConfig
    training: TrainingConfig
    finetune_steps: int = 200
    finetune_rate: float = 1e-3
    mode: Mode = "anew"
    new_frame_weight: float = 2.0
    limits: Limits = field(default_factory=Limits)
    diversity: float = 0.5
    reader: Reader = field(default_factory=Reader)


@dataclass(frozen=True, eq=False)
class Rung:
    """What one rung came to, and all that the next one needs.

    Attributes:
        n_labels: Annotated frames the model learnt from.
        rows: (n_labels,) their rows in the study, in the order they were chosen.
        labels: What the reader left of them, uint8 (n_labels, s, s).
        effort: What they cost.
        dice: Mean Dice on held-back frames by structure.
        frame_dice: (m,) mean over structures of each held-back frame.
        model: The model.
    """

    n_labels: int
    rows: NDArray[np.intp]
    labels: NDArray[np.uint8]
    effort: Effort
    dice: dict[str, float]
    frame_dice: NDArray[np.float64]
    model: TrainedModel

    def facts(self) -> dict[str, Any]:
        """Return what is written down of it."""
        return {
            "n_labels": self.n_labels,
            "effort": round(self.effort.length, 3),
            "clicks": self.effort.clicks,
            "dice": {name: round(value, 6) for name, value in self.dice.items()},
            "mean_dice": round(float(np.mean(list(self.dice.values()))), 6),
        }


def run_arm(
    study: LabelledStudy,
    plan: ArmPlan,
    *,
    device: str = "auto",
    before: Rung | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Rung]:
    """Yield the rungs of an arm, first to last, or those after one that is there.

    Args:
        study: The frames.
        plan: What to do.
        device: Where to train.
        before: The last rung there is; None: begin.
        should_stop: Asked between rungs.
    """
    parts = deal(study, plan.seed)
    rung = before
    for n_labels in plan.ladder:
        if rung is not None and n_labels <= rung.n_labels:
            continue
        if should_stop():
            return
        rows, labels, effort = _annotated(study, parts, plan, rung, n_labels, device)
        model = _train(study, parts, plan, rows, labels, rung, device)
        dice = _dice(study, parts.held_back, Predictor(model, plan.network, device=device))
        by_structure = dict(zip(study.structures, np.nanmean(dice, axis=0).tolist(), strict=True))
        rung = Rung(len(rows), rows, labels, effort, by_structure, np.nanmean(dice, axis=1), model)
        yield rung
        if len(rows) < n_labels:  # nothing is left to choose
            return


def _annotated(
    study: LabelledStudy, parts: Parts, plan: ArmPlan, rung: Rung | None, n_labels: int, device: str
) -> tuple[NDArray[np.intp], NDArray[np.uint8], Effort]:
    """Return rows, labels and effort with the frames of the next round added."""
    if rung is None:
        # Without a model all begin alike, so that arms of a seed differ by what they choose and not by their luck.
        rows = _chosen(study, parts.pool, plan, "stratified", n_labels, np.empty(0, dtype=np.intp), None, None)
        return rows, study.labels[rows], sum((effort_of(study, row, None, plan.reader) for row in rows), Effort())
    predictor = Predictor(rung.model, plan.network, device=device)
    score, features = None, None
    if plan.strategy in LOOKS_AT_FRAMES:
        calibration = _calibration(study, parts, predictor) if plan.strategy == "sqa" else None
        score, features = _scored(study, parts.pool, predictor, plan.strategy, calibration)
    added = _chosen(study, parts.pool, plan, plan.strategy, n_labels - rung.n_labels, rung.rows, score, features)
    effort = rung.effort
    labels = [rung.labels]
    for row in added:
        probabilities = predictor(study.images[row : row + 1]).probabilities[0]  # (K, s, s)
        effort += effort_of(study, row, probabilities, plan.reader)
        labels.append(left_by_reader(study, row, predicted_masks(probabilities), plan.reader)[None])
    return np.concatenate([rung.rows, added]), np.concatenate(labels), effort


def _chosen(
    study: LabelledStudy,
    pool_rows: NDArray[np.intp],
    plan: ArmPlan,
    strategy: Strategy,
    n: int,
    taken: NDArray[np.intp],
    score: NDArray[np.float64] | None,
    features: NDArray[np.float32] | None,
) -> NDArray[np.intp]:
    """Return the rows that a strategy chooses.

    Args:
        study: The frames.
        pool_rows: Rows to choose from.
        plan: Limits and seed.
        strategy: How.
        n: How many.
        taken: Rows chosen before.
        score: (len(pool_rows),) what to rank by.
        features: (len(pool_rows), F) descriptions.
    """
    row_of = {(str(study.pullback_ids[row]), int(study.frame_index[row])): int(row) for row in pool_rows}
    pool = Pool.of(
        PullbackFrames(
            str(pullback_id),
            str(study.subject_ids[pool_rows[at[0]]]),
            study.frame_index[pool_rows[at]],
            score=None if score is None else score[at],
            features=None if features is None else features[at],
        )
        for pullback_id in np.unique(study.pullback_ids[pool_rows])
        for at in [np.flatnonzero(study.pullback_ids[pool_rows] == pullback_id)]
    )
    n_pullbacks = len(pool.pullback_ids)
    limits = replace(plan.limits, max_per_pullback=plan.limits.max_per_pullback or max(1, -(-2 * n // n_pullbacks)))
    selection = plan_selection(
        pool,
        strategy=strategy,
        n=n,
        rng=np.random.default_rng([plan.seed, len(taken)]),
        taken=[FrameKey(str(study.pullback_ids[row]), int(study.frame_index[row])) for row in taken],
        limits=limits,
        diversity=plan.diversity,
    )
    if len(selection.chosen) < n and limits.min_gap_frames > 1:  # late rungs need frames that lie side by side
        closer = replace(plan, limits=Limits(len(pool)))
        return _chosen(study, pool_rows, closer, strategy, n, taken, score, features)
    return np.array([row_of[pool.key(one.row)] for one in selection.chosen], dtype=np.intp)


def _train(
    study: LabelledStudy,
    parts: Parts,
    plan: ArmPlan,
    rows: NDArray[np.intp],
    labels: NDArray[np.uint8],
    rung: Rung | None,
    device: str,
) -> TrainedModel:
    """Return the model of a rung; where nobody looks at errors, the error branch and its committee are left out."""
    config = plan.training
    if plan.strategy != "sqa" and not plan.strategy.startswith("deal"):
        config = replace(config, committee=0, error_share=0.0)
    weights = np.ones(len(rows), dtype=np.float32)
    start = None
    if plan.mode == "finetune" and rung is not None:
        config = replace(config, max_steps=plan.finetune_steps, learning_rate=plan.finetune_rate)
        weights[rung.n_labels :] = plan.new_frame_weight
        start = rung.model
    others = np.setdiff1d(parts.pool, rows) if config.committee else np.empty(0, dtype=np.intp)
    return train(
        plan.network,
        replace(config, seed=plan.seed),
        SampleSet(study.images[rows], labels, weights),
        None,
        unannotated=study.images[others],
        start=start,
        device=device,
        save=lambda _: None,
        should_stop=lambda: False,
        on_step=lambda _: None,
        save_every_s=float("inf"),
    ).model


def _calibration(study: LabelledStudy, parts: Parts, predictor: Predictor) -> ErrorCalibration:
    """Return what error maps mean, from the calibration subjects."""
    frames = []
    for row, reference in zip(parts.calibration, study.masks(parts.calibration), strict=True):
        prediction = predictor(study.images[row : row + 1])
        maps = (prediction.error[0], predicted_masks(prediction.probabilities[0]), reference)
        raw, predicted, true = (dict(zip(study.structures, one, strict=True)) for one in maps)
        frames.append(CalibrationFrame(raw, predicted, true, str(study.subject_ids[row])))
    return fit_error_calibration(frames, study.structures)


def _scored(
    study: LabelledStudy,
    rows: NDArray[np.intp],
    predictor: Predictor,
    strategy: Strategy,
    calibration: ErrorCalibration | None,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return what a strategy ranks by, and the descriptions, of some rows."""
    scores: list[float] = []
    features = []
    for first in range(0, len(rows), BATCH_FRAMES):
        images = study.images[rows[first : first + BATCH_FRAMES]]
        prediction = predictor(images)
        features.append(prediction.features)
        if calibration is not None:
            scores += [
                1.0 - _quality(study.structures, *maps, calibration)
                for maps in zip(prediction.probabilities, prediction.error, strict=True)
            ]
        elif strategy in COLUMN_OF:
            column = COLUMN_OF[strategy]
            draws = predictor.sample(images, N_DRAWS, DRAW_SEED) if column == BALD else None
            scores += [_number(one[column]) for one in frame_signals(prediction, draws)]
        else:
            scores += [np.nan] * len(images)
    return np.array(scores), np.concatenate(features)


def _quality(
    structures: Sequence[str],
    probabilities: NDArray[np.float32],
    raw: NDArray[np.uint8],
    calibration: ErrorCalibration,
) -> float:
    """Return the predicted Dice of the worst structure of a frame."""
    masks = predicted_masks(probabilities)
    region = region_of_frame(masks)
    return frame_quality(
        assess(raw[index], masks[index], calibration.structures[name], region) for index, name in enumerate(structures)
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _dice(study: LabelledStudy, rows: NDArray[np.intp], predictor: Predictor) -> NDArray[np.float64]:
    """Return the Dice of some frames, (m, K); NaN where a structure is neither drawn nor found."""
    found = []
    for first in range(0, len(rows), BATCH_FRAMES):
        part = rows[first : first + BATCH_FRAMES]
        masks, wanted = predictor(study.images[part]).probabilities > 0.5, study.masks(part)
        found.append(mask_dice(masks, wanted))
    return np.concatenate(found)
