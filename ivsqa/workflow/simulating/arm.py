"""Rounds replayed on frames whose annotations are known: one arm is one strategy and seed, from the first labels to the last.

Everything a round does is done: train, evaluate on held-back subjects, score the pool, choose, let a simulated reader correct
what is wrong. Arrays in, one rung after the other out, so that any labelled data can be replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.agreement.contour_agreement import mask_dice
from ivsqa.domain.geometry.border_prior import BorderPrior, priors_of_labels
from ivsqa.domain.geometry.laid_borders import borders_of_frames, laid_borders
from ivsqa.domain.quality.frame_score import BALD
from ivsqa.domain.quality.predicted_quality import frame_quality, raw_error
from ivsqa.domain.quality.review_curve import ReviewShares, review_shares
from ivsqa.domain.selection.plan import COLUMN_OF, LOOKS_AT_FRAMES, Rule, Strategy, plan_selection
from ivsqa.domain.selection.pool import Allowed, Limits, Pool, PullbackFrames, Rows
from ivsqa.domain.selection.strategies import Choices
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.data import SampleSet
from ivsqa.model.inference import Prediction, Predictor
from ivsqa.model.state import TrainedModel
from ivsqa.model.training import train
from ivsqa.workflow.predicting.prediction import assess_frames
from ivsqa.workflow.predicting.signals import DRAW_SEED, N_DRAWS, frame_signals
from ivsqa.workflow.simulating.labelled_study import (
    Effort,
    LabelledStudy,
    Shown,
    SimulatedReader,
    deal,
    effort_of,
    left_by_reader,
)
from ivsqa.workflow.simulating.seen_frames import BATCH_FRAMES, calibration_on

Mode: TypeAlias = Literal["anew", "finetune"]


class TrialChoice(Protocol):
    """The choice of a rule on trial."""

    def __call__(
        self, pool: Pool, n: int, allowed: Allowed, rng: np.random.Generator, taken: Rows, *, progress: float
    ) -> Choices:
        """Choose as the functions in `ivsqa.domain.selection.strategies` do.

        Args:
            pool: The frames, described by the rule.
            n: How many.
            allowed: What may be chosen; takes what is yielded.
            rng: Randomness.
            taken: Rows annotated before.
            progress: Share of the rounds that are over: 0 in the first that has a model, 1 in the last.
        """
        ...


def _features(prediction: Prediction) -> NDArray[np.floating]:
    return prediction.features


@dataclass(frozen=True)
class TrialRule:
    """A way to choose that is tried before it is offered by name; its functions are of a module, so that processes find them.

    Attributes:
        name: In tables, and in the names of arms.
        choose: How.
        describe: What it wants to know of each frame of a prediction, (b, F): the features of its pool.
    """

    name: str
    choose: TrialChoice
    describe: Callable[[Prediction], NDArray[np.floating]] = _features

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class ArmPlan:
    """The plan of one arm.

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
        reader: How the simulated reader works.
    """

    strategy: Strategy | TrialRule
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
    reader: SimulatedReader = field(default_factory=SimulatedReader)


@dataclass(frozen=True, eq=False)
class JudgedPool:
    """The p frames of the pool as the model of a rung sees them, and as they are.

    Attributes:
        score: (p,) what the strategy ranks by; NaN where it ranks by nothing.
        features: (p, F) their descriptions.
        quality: (p,) predicted Dice of the worst structure.
        dice: (p,) true Dice of the worst structure; NaN where none is drawn or found.
    """

    score: NDArray[np.float64]
    features: NDArray[np.floating]
    quality: NDArray[np.float64]
    dice: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rung:
    """The result of one rung, with all that the next one needs.

    Attributes:
        rows: (n,) the annotated frames that the model learnt from, as rows of the study, in the order they were chosen.
        labels: What the reader left of them, uint8 (n, s, s).
        effort: What they cost.
        dice: Mean Dice on held-back frames by structure.
        model: The model.
        mended: Shares of the frames left in the pool that people would mend until their mean Dice is 0.95; None of a rung that is
            read back, and so for the pool.
        pool: The pool as the model sees it.
    """

    rows: NDArray[np.intp]
    labels: NDArray[np.uint8]
    effort: Effort
    dice: dict[str, float]
    model: TrainedModel
    mended: ReviewShares | None = None
    pool: JudgedPool | None = None

    @property
    def n_labels(self) -> int:
        """The number of frames that the model learnt from."""
        return len(self.rows)

    def facts(self) -> dict[str, Any]:
        """Return its record; what cannot be said is None."""
        shares = {} if self.mended is None else self.mended._asdict()
        return {
            "n_labels": self.n_labels,
            "effort": round(self.effort.length, 3),
            "clicks": self.effort.clicks,
            "dice": {name: round(value, 6) for name, value in self.dice.items()},
            "mean_dice": round(float(np.mean(list(self.dice.values()))), 6),
            "mended": {order: None if np.isnan(share) else round(share, 6) for order, share in shares.items()},
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
    arm, rung = _Arm(study, plan, device), before
    for n_labels in plan.ladder:
        if rung is not None and n_labels <= rung.n_labels:
            continue
        if should_stop():
            return
        rung = arm.first_rung(n_labels) if rung is None else arm.next_rung(rung, n_labels)
        yield rung
        if rung.n_labels < n_labels:  # nothing is left to choose
            return


class _Arm:
    """The steps of an arm, over the parts that its seed deals."""

    def __init__(self, study: LabelledStudy, plan: ArmPlan, device: str) -> None:
        self._study = study
        self._plan = plan
        self._device = device
        self._parts = deal(study, plan.seed)

    def first_rung(self, n_labels: int) -> Rung:
        """Return the first rung, drawn without the help of a model."""
        # Without a model all begin alike, so that arms of a seed differ by what they choose and not by their luck.
        rows = self._chosen("stratified", n_labels, np.empty(0, dtype=np.intp))
        effort = sum((effort_of(self._study, row, None, self._plan.reader) for row in rows), Effort())
        return self._trained(rows, self._study.labels[rows], effort, None)

    def next_rung(self, rung: Rung, n_labels: int) -> Rung:
        """Return the rung after one: its model scores the pool and draws what the reader corrects."""
        study, plan = self._study, self._plan
        predictor = Predictor(rung.model, plan.network, device=self._device)
        priors = self._priors(rung.labels)
        on_trial = isinstance(plan.strategy, TrialRule)
        pool = (rung.pool or self._judged(predictor, priors)) if on_trial or plan.strategy in LOOKS_AT_FRAMES else None
        score, features = (pool.score, pool.features) if pool else (None, None)
        added = self._chosen(self._rule(n_labels), n_labels - rung.n_labels, rung.rows, score, features)
        effort, labels = rung.effort, [rung.labels]
        for row in added:
            probabilities = predictor(study.images[row : row + 1]).probabilities[0]  # (K, s, s)
            shown = Shown(probabilities, laid_borders(probabilities, priors))
            effort += effort_of(study, row, shown, plan.reader)
            labels.append(left_by_reader(study, row, shown.borders.masks, plan.reader)[None])
        return self._trained(np.concatenate([rung.rows, added]), np.concatenate(labels), effort, rung)

    def _rule(self, n_labels: int) -> Strategy | Rule:
        """Return how the frames of the rung of so many labels are chosen."""
        strategy, ladder = self._plan.strategy, self._plan.ladder
        if not isinstance(strategy, TrialRule):
            return strategy
        return partial(strategy.choose, progress=(ladder.index(n_labels) - 1) / max(1, len(ladder) - 2))

    def _trained(self, rows: NDArray[np.intp], labels: NDArray[np.uint8], effort: Effort, before: Rung | None) -> Rung:
        """Return the rung of some labels: a model learns from them and is judged on the frames held back."""
        model = self._train(rows, labels, before)
        predictor, priors = Predictor(model, self._plan.network, device=self._device), self._priors(labels)
        by_structure = dict(
            zip(self._study.structures, np.nanmean(self._dice(predictor, priors), axis=0).tolist(), strict=True)
        )
        pool = self._judged(predictor, priors)
        left = ~np.isin(self._parts.pool, rows)
        mended = review_shares(pool.dice[left], pool.quality[left])
        return Rung(rows, labels, effort, by_structure, model, mended, pool)

    def _chosen(
        self,
        strategy: Strategy | Rule,
        n: int,
        taken: NDArray[np.intp],
        score: NDArray[np.float64] | None = None,
        features: NDArray[np.floating] | None = None,
        limits: Limits | None = None,
    ) -> NDArray[np.intp]:
        """Return the rows that a strategy chooses.

        Args:
            strategy: How.
            n: How many.
            taken: Rows chosen before.
            score: What to rank by, a value a row of the pool.
            features: Descriptions, (rows of the pool, F).
            limits: What keeps frames apart; None: those of the plan.
        """
        study, limits = self._study, limits or self._plan.limits
        row_of = {study.key(row): int(row) for row in self._parts.pool}
        pool = Pool.of(self._pool(score, features))
        most = limits.max_per_pullback or max(1, -(-2 * n // len(pool.pullback_ids)))
        selection = plan_selection(
            pool,
            strategy=strategy,
            n=n,
            # By rung: an arm that goes on after a stop draws what it would have drawn.
            rng=np.random.default_rng([self._plan.seed, len(taken)]),
            taken=[study.key(row) for row in taken],
            limits=replace(limits, max_per_pullback=most),
            diversity=self._plan.diversity,
        )
        if len(selection.chosen) < n and limits.min_gap_frames > 1:  # late rungs need frames that lie side by side
            return self._chosen(strategy, n, taken, score, features, Limits(len(pool)))
        return np.array([row_of[pool.key(chosen.row)] for chosen in selection.chosen], dtype=np.intp)

    def _pool(
        self, score: NDArray[np.float64] | None, features: NDArray[np.floating] | None
    ) -> Iterator[PullbackFrames]:
        """Yield the frames that may be chosen, by pullback."""
        study, rows = self._study, self._parts.pool
        for pullback_id in np.unique(study.pullback_ids[rows]):
            at = np.flatnonzero(study.pullback_ids[rows] == pullback_id)
            yield PullbackFrames(
                str(pullback_id),
                str(study.subject_ids[rows[at[0]]]),
                study.frame_index[rows[at]],
                score=None if score is None else score[at],
                features=None if features is None else features[at],
            )

    def _train(self, rows: NDArray[np.intp], labels: NDArray[np.uint8], before: Rung | None) -> TrainedModel:
        """Return the model of a rung."""
        study, plan = self._study, self._plan
        config = plan.training
        weights = np.ones(len(rows), dtype=np.float32)
        start = None
        if plan.mode == "finetune" and before is not None:
            config = replace(config, max_steps=plan.finetune_steps, learning_rate=plan.finetune_rate)
            weights[before.n_labels :] = plan.new_frame_weight
            start = before.model
        others = np.setdiff1d(self._parts.pool, rows) if config.self_steps else np.empty(0, dtype=np.intp)
        return train(
            plan.network,
            replace(config, seed=plan.seed),
            SampleSet(study.images[rows], labels, weights),
            None,
            unannotated=study.images[others],
            start=start,
            device=self._device,
        ).model  # nothing is saved on the way: a rung is short, and begins anew after a stop

    def _priors(self, labels: NDArray[np.uint8]) -> tuple[BorderPrior, ...]:
        """Return what borders look like in the labels that a model learns from."""
        rotation_deg = self._plan.training.augmentation.rotation_deg
        return priors_of_labels(labels, len(self._study.structures), rotation_deg=rotation_deg)

    def _judged(self, predictor: Predictor, priors: Sequence[BorderPrior]) -> JudgedPool:
        """Return the pool as a model sees it, and as it is."""
        study, rows, strategy = self._study, self._parts.pool, self._plan.strategy
        column, describe = (
            (None, strategy.describe) if isinstance(strategy, TrialRule) else (COLUMN_OF.get(strategy), _features)
        )
        calibration = calibration_on(study, self._parts.calibration, predictor, priors)
        scores: list[float | None] = []
        features, dice, quality = [], [], []
        for first in range(0, len(rows), BATCH_FRAMES):
            batch = rows[first : first + BATCH_FRAMES]
            prediction = predictor(study.images[batch])
            features.append(describe(prediction))
            masks = np.stack([laid.masks for laid in borders_of_frames(prediction.probabilities, priors)])
            dice.append(mask_dice(masks, study.masks(batch)))
            judged = assess_frames(study.structures, raw_error(prediction.probabilities, masks), masks, calibration)
            quality += [frame_quality(qualities.values()) for qualities in judged]
            if column is not None:
                draws = predictor.sample(study.images[batch], N_DRAWS, DRAW_SEED) if column == BALD else None
                scores += [signals[column] for signals in frame_signals(prediction, draws)]
        predicted = np.array(quality)
        by_quality = 1.0 - predicted if strategy == "sqa" else np.full(len(rows), np.nan)
        return JudgedPool(
            by_quality if column is None else np.array(scores, dtype=np.float64),  # None becomes NaN
            np.concatenate(features),
            predicted,
            np.fmin.reduce(np.concatenate(dice), axis=1),  # a structure neither drawn nor found makes no frame worse
        )

    def _dice(self, predictor: Predictor, priors: Sequence[BorderPrior]) -> NDArray[np.float64]:
        """Return the Dice of the frames held back, (m, K); NaN where a structure is neither drawn nor found."""
        study, rows = self._study, self._parts.held_back
        batches = [rows[first : first + BATCH_FRAMES] for first in range(0, len(rows), BATCH_FRAMES)]
        said = (predictor(study.images[batch]).probabilities for batch in batches)
        drawn = [laid.masks for probabilities in said for laid in borders_of_frames(probabilities, priors)]
        return mask_dice(np.stack(drawn), study.masks(rows))
