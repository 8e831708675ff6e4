"""Finishing a study, replayed: the minutes of a reader until every frame is delivered, in several ways, and what is delivered.

Frames as a model sees them in, one row a way out: so any labelled data, and any model, can be replayed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.acceptance.accepting import accept
from ivsqa.domain.acceptance.audit import Audit, FramePool, draw_frames
from ivsqa.domain.acceptance.losses import frame_loss
from ivsqa.domain.acceptance.minutes import CostModel, Minutes
from ivsqa.domain.acceptance.promise import Promise
from ivsqa.domain.agreement.corrections import nearest_corrected
from ivsqa.workflow.simulating.erring_reader import ErringReader, Reading, Readings
from ivsqa.workflow.simulating.seen_frames import SeenFrames

BY_HAND, ASSISTED, CARRIED = "by hand", "assisted", "carried"
CERTIFIED, BY_CHANCE, BY_TRUTH = "certificate", "random score", "true loss"
ARMS = (BY_HAND, ASSISTED, CARRIED, CERTIFIED, BY_CHANCE, BY_TRUTH)
"""Ways to finish a study:

by hand       every border of every frame is drawn
assisted      every frame is seen as the model drew it, and corrected
carried       the same, with corrections carried on from the nearest frame that was read
certificate   an audit is read blind; what it lets be accepted by predicted loss is not seen; the rest as `carried`, worst first
random score  the same, with a random number for the predicted loss
true loss     the same, with the loss that the reader would find: the best that any prediction could do
"""


@dataclass(frozen=True)
class FinishPlan:
    """How a study is finished.

    Attributes:
        promise: What the certificate says.
        n_audit: Frames of the audit.
        n_frames: Frames of the study, drawn from those there are, subject by subject with replacement; None: those there are.
        cost: What a reader takes for what.
        reader: How they err.
    """

    promise: Promise = field(default_factory=lambda: Promise(0.05, 0.9))
    n_audit: int = 100
    n_frames: int | None = None
    cost: CostModel = field(default_factory=CostModel)
    reader: ErringReader = field(default_factory=ErringReader)


@dataclass(frozen=True)
class Finished:
    """What one way came to.

    Attributes:
        arm: Its name.
        minutes: Of the reader.
        n_frames: Frames delivered.
        n_seen: Frames that the reader saw.
        n_accepted: Frames delivered unseen.
        loss: Mean loss of all that is delivered, against the reference.
        promised: What the promise speaks of, as it is: by the reader's own eyes; None where nothing was promised.
        is_kept: Whether the promise holds; None where nothing was promised.
    """

    arm: str
    minutes: Minutes
    n_frames: int
    n_seen: int
    n_accepted: int
    loss: float
    promised: float | None = None
    is_kept: bool | None = None


def finish(frames: SeenFrames, plan: FinishPlan, *, seed: int, readings: Readings | None = None) -> list[Finished]:
    """Return what each way to finish a study comes to, in the order of `ARMS`.

    All ways have the same reader, who would draw the same in each frame, and the same audit.

    Args:
        frames: The frames.
        plan: How.
        seed: Of the reader's errors, the audit and the random score.
        readings: Those of an earlier call that differs in promise or audit alone, so that frames need not be read again.
    """
    job = _Job(frames, plan, seed, readings or Readings(frames, plan.reader, plan.cost, seed))
    chance = np.random.default_rng([seed, 2]).random(len(frames))
    predicted = {CERTIFIED: 1.0 - frames.quality, BY_CHANCE: chance, BY_TRUTH: job.by_reader}
    return [
        job.finished(BY_HAND, [job.readings.blind(row) for row in job.rows.tolist()]),
        job.finished(ASSISTED, [job.readings.assisted(row) for row in job.rows.tolist()]),
        job.finished(CARRIED, job.read(np.arange(len(job.rows))).values()),
        *(job.certified(arm, score) for arm, score in predicted.items()),
    ]


def drawn_pool(subject_ids: NDArray[np.str_], n: int | None, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the frames of a study of n frames, and the copy of a subject that each is of, (2, n).

    Args:
        subject_ids: Of the frames there are.
        n: Frames wanted: subjects are drawn with replacement, each with all its frames, the last one cut; None: what there is.
        rng: Randomness.

    Example:
        >>> drawn_pool(np.array(["a", "b", "b"]), 4, np.random.default_rng(3)).tolist()
        [[1, 2, 0, 0], [0, 0, 1, 2]]
    """
    subjects, of_frame = np.unique(subject_ids, return_inverse=True)
    if n is None:
        return np.stack([np.arange(len(of_frame)), of_frame])
    rows_of = [np.flatnonzero(of_frame == number) for number in range(len(subjects))]
    rows: list[int] = []
    copies: list[int] = []
    while len(rows) < n:
        drawn = rows_of[rng.integers(len(subjects))]
        copies += [copies[-1] + 1 if copies else 0] * len(drawn)
        rows += drawn.tolist()
    return np.array([rows, copies], dtype=np.intp)[:, :n]


class _Job:
    """A study that is to be finished: frame k of it is frame `rows[k]` of those there are."""

    def __init__(self, frames: SeenFrames, plan: FinishPlan, seed: int, readings: Readings) -> None:
        self._frames = frames
        self._plan = plan
        self.readings = readings
        self.rows, self._copies = drawn_pool(frames.subject_ids, plan.n_frames, np.random.default_rng([seed, 0]))
        self._audited = draw_frames(len(self.rows), plan.n_audit, np.random.default_rng([seed, 1]))

    @cached_property
    def by_reader(self) -> NDArray[np.float64]:
        """What each frame there is loses as the model drew it, by what the reader would draw."""
        drawn = enumerate(self._frames.drawn)
        return np.array([frame_loss(contours, self.readings.wanted(row), "dice") for row, contours in drawn])

    @cached_property
    def _of_model(self) -> NDArray[np.float64]:
        """The same by the reference."""
        pairs = zip(self._frames.drawn, self._frames.reference, strict=True)
        return np.array([frame_loss(contours, right, "dice") for contours, right in pairs])

    @cached_property
    def _positions_mm(self) -> dict[str, Mapping[int, float] | None]:
        """Places of frames along each pullback; None where one is unknown."""
        places: dict[str, dict[int, float]] = defaultdict(dict)
        columns = (self._frames.pullback_ids, self._frames.frame_index, self._frames.position_mm)
        for pullback_id, frame_index, position_mm in zip(*columns, strict=True):
            places[str(pullback_id)][int(frame_index)] = float(position_mm)
        return {name: None if np.isnan([*known.values()]).any() else known for name, known in places.items()}

    def read(self, order: NDArray[np.intp], blind: Iterable[int] = ()) -> dict[int, Reading]:
        """Return the readings of frames one after the other, each with corrections from the nearest one that was read before.

        Args:
            order: Frames to read with help.
            blind: Frames that were read before, without.
        """
        done = {at: self.readings.blind(int(self.rows[at])) for at in blind}
        read: dict[tuple[int, str], dict[int, Reading]] = defaultdict(dict)
        for at, reading in done.items():
            read[self._pullback(at)][int(self._frames.frame_index[reading.row])] = reading
        for at in order.tolist():
            row, others = int(self.rows[at]), read[self._pullback(at)]
            index = int(self._frames.frame_index[row])
            found = nearest_corrected(index, others, self._positions_mm[self._pullback(at)[1]])
            near, share = (None, 0.0) if found is None else (others[found[0]], found[1])
            done[at] = others[index] = self.readings.assisted(row, near, share)
        return done

    def _pullback(self, at: int) -> tuple[int, str]:
        """Return the copy of a subject, and the pullback, of a frame."""
        return int(self._copies[at]), str(self._frames.pullback_ids[self.rows[at]])

    def certified(self, arm: str, predicted: NDArray[np.float64]) -> Finished:
        """Return what comes of an audit and a certificate, and of reading what is not accepted.

        Args:
            arm: The name of the way.
            predicted: (n,) predicted loss of each frame there is.
        """
        ranked_by = predicted[self.rows]
        audited = self._audited
        acceptance = accept(
            FramePool(ranked_by, self._copies),
            Audit(audited, self.by_reader[self.rows[audited]]),
            self._plan.promise,
        )
        worst_first = np.argsort(-np.nan_to_num(ranked_by, nan=np.inf), kind="stable")
        is_left = ~acceptance.accepted
        is_left[audited] = False
        readings = self.read(worst_first[is_left[worst_first]], audited.tolist())
        return self.finished(arm, readings.values(), acceptance.accepted)

    def finished(self, arm: str, readings: Iterable[Reading], accepted: NDArray[np.bool_] | None = None) -> Finished:
        """Return what a way came to, from the frames that were read and those that were accepted; None: nothing was promised."""
        read = list(readings)
        minutes = self._plan.cost.minutes(reading.work for reading in read)
        rows = self.rows[:0] if accepted is None else self.rows[accepted]
        n_frames = len(read) + len(rows)
        loss = (sum(reading.loss for reading in read) + float(self._of_model[rows].sum())) / n_frames
        result = Finished(arm, minutes, n_frames, len(read), len(rows), loss)
        if accepted is None:
            return result
        counted = self._plan.promise.counted(self.by_reader[rows])
        of = n_frames if self._plan.promise.worse_than is None else max(len(rows), 1)
        promised = float(counted.sum()) / of
        return replace(result, promised=promised, is_kept=promised <= self._plan.promise.at_most)
