"""The training loop: it can be stopped after any step, and goes on as if it had not been.

Every draw is a function of (seed, purpose, step), so weights, optimiser and step are all there is to keep. On one CPU with one
number of threads the weights of a resumed training equal those of an uninterrupted one bit by bit; on cores that others use too
that number changes, and with it the last bits.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ivsqa.domain.agreement.contour_agreement import mask_dice
from ivsqa.errors import IvsqaError, StateError
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.data import Samples
from ivsqa.model.device import CoreWatch, deterministic, select_device, uses_bf16
from ivsqa.model.losses import known_pixels, structure_masks
from ivsqa.model.network import NetworkOutput, TwoBranchNetwork
from ivsqa.model.objective import lesson_loss, new_network
from ivsqa.model.optimizer import AdamW
from ivsqa.model.ranks import ALONE, Ranks
from ivsqa.model.state import Stage, StepReport, TrainedModel, TrainingState
from ivsqa.model.task import Task, annotated_lesson, dropout_seed, unannotated_lesson

SAVE_EVERY_S = 20.0
GRADIENT_NORM = 1.0
_EVALUATION_BATCH = 32


@dataclass(frozen=True, eq=False)
class TrainResult:
    """The outcome of a training.

    Attributes:
        model: The running means of the weights at the best evaluation, or at the end where there were no validation frames.
        best_step: The step they are from; 0: the start was never bettered.
        steps: Steps taken.
        validation_dice: Mean Dice of that model on the validation frames; None without any.
        history: One report a step.
        finished: False when it was asked to stop.
    """

    model: TrainedModel
    best_step: int
    steps: int
    validation_dice: float | None
    history: tuple[StepReport, ...]
    finished: bool


def train(
    network_config: NetworkConfig,
    config: TrainingConfig,
    training: Samples,
    validation: Samples | None,
    *,
    unannotated: NDArray[np.uint8] | None = None,
    start: TrainedModel | None = None,
    state: TrainingState | None = None,
    device: str = "auto",
    save: Callable[[TrainingState], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    on_step: Callable[[StepReport], None] = lambda _: None,
    save_every_s: float = SAVE_EVERY_S,
    free_cores: Callable[[], int] | None = None,
    ranks: Ranks = ALONE,
) -> TrainResult:
    """Train on annotated frames until the steps are used up or the validation Dice stops rising, then on others besides.

    Args:
        network_config: The network.
        config: How to train it.
        training: Frames to learn from.
        validation: Frames that decide when to stop and what to keep; None: all steps are taken and the last weights kept.
        unannotated: Further frames of training subjects, uint8 (n, s, s), for self-training.
        start: Weights to begin with. They are evaluated first, so that what comes out is never worse on the validation frames.
        state: Where a stopped training goes on.
        device: As for `select_device`.
        save: Called with the state now and then, and when asked to stop; None: a stopped training begins anew.
        should_stop: Asked before each step; one rank that is asked to stop stops all.
        on_step: Told of each step.
        save_every_s: Time between two states, in seconds.
        free_cores: Asked now and then how many cores one rank computes on, on a CPU; None: as many as torch takes.
        ranks: Processes that train it together: each calls this with the same frames, configuration and state, and gets the same
            result. Their number changes nothing but the last bits, and may differ from that of the state.

    Raises:
        ValueError: frames or labels do not fit the network.
        StateError: the start is another network, or the state belongs to another training.
        IvsqaError: the loss is no number any more, or there are more ranks than frames in a step.
    """
    for samples in (training, validation):
        if samples is not None:
            samples.check_fits(size_px=network_config.size_px, n_structures=network_config.n_structures)
    chosen = select_device(device)
    # Several ranks keep the cores they began with: sums by another number of threads would let their weights part.
    look = CoreWatch(free_cores if chosen.type == "cpu" and ranks.size == 1 else None)
    with deterministic(chosen):
        look.when_due()
        others = unannotated if unannotated is not None and len(unannotated) else None
        task = Task(network_config, config, training, validation, others, start)
        _check_shares(task, ranks)
        run = _Run(task, chosen, ranks)
        if state is None:
            run.begin()
        else:
            run.restore(state)
        saved_at = time.monotonic()
        while not run.is_finished:
            if ranks.any_of(here=should_stop()):
                if save is not None:
                    save(run.state())
                return run.result()
            look.when_due()
            on_step(run.step())
            if save is not None and time.monotonic() - saved_at >= save_every_s:
                save(run.state())
                saved_at = time.monotonic()
        return run.result()


def validation_dice(
    network: TwoBranchNetwork, samples: Samples, *, device: torch.device, bf16: bool, ranks: Ranks = ALONE
) -> float:
    """Return the mean Dice over frames and structures on the working grid; a structure empty in both is left out.

    Each rank looks at its share of the frames. NaN where no frame has any structure.
    """
    share = ranks.share(len(samples))
    values = [np.empty((0, network.n_structures))]
    for first in range(0, len(share.rows), _EVALUATION_BATCH):
        part = share.rows[first : first + _EVALUATION_BATCH]
        images, labels = (torch.from_numpy(array).to(device) for array in samples.take(part))
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            output: NetworkOutput = network(images)
        known = known_pixels(labels)  # (b, 1, s, s)
        decided = (output.probabilities > 0.5) & known  # (b, K, s, s)
        wanted = structure_masks(labels, decided.shape[1])  # (b, K, s, s)
        values.append(mask_dice(decided.cpu().numpy(), wanted.cpu().numpy()))  # (b, K)
    return float(ranks.whole(torch.from_numpy(np.concatenate(values)), share).nanmean())


class _Run:
    """The moving parts of one training."""

    def __init__(self, task: Task, device: torch.device, ranks: Ranks) -> None:
        config = task.config
        self.task, self.config, self.ranks = task, config, ranks
        self.annotated, self.unannotated = ranks.share(config.batch_size), ranks.share(task.n_unannotated)
        self.device, self.bf16 = device, uses_bf16(config.precision, device)
        self.request = task.sha256()
        network = new_network(task.network, seed=config.seed)
        if task.start is not None:
            _warm_start(network, task.start, task.network)
        self.network = network.to(device)
        self.averaged = copy.deepcopy(self.network).requires_grad_(requires_grad=False).eval()
        self.optimizer = AdamW(self.network.parameters(), weight_decay=config.weight_decay)
        self.self_steps = 0 if task.unannotated is None else config.self_steps
        self.steps, self.stale, self.best_step = 0, 0, 0
        self.best: Mapping[str, Tensor] = {}
        self.best_dice: float | None = None
        self.self_begin: int | None = None
        self.history: list[StepReport] = []

    @property
    def stage(self) -> Stage:
        """The stage of the next step."""
        return "annotations" if self.self_begin is None else "self-training"

    @property
    def is_finished(self) -> bool:
        """Whether both stages are over."""
        return self.self_begin is not None and self.steps >= self.self_begin + self.self_steps

    def begin(self) -> None:
        """Measure what a warm start is worth before anything is changed."""
        if self.task.start is not None:
            self._evaluate()

    def step(self) -> StepReport:
        """Take one step of the current stage, and evaluate where it is time to."""
        stage = self.stage
        rate = self._learning_rate()
        loss = self._loss()
        self.network.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.ranks.add_up([p.grad for p in self.network.parameters() if p.grad is not None])
        for branch in self.network.branches:
            torch.nn.utils.clip_grad_norm_(branch.parameters(), GRADIENT_NORM)
        self.optimizer.step(rate)
        self.steps += 1
        self._average()
        report = StepReport(self.steps, stage, float(loss.detach()), rate)
        if not math.isfinite(report.loss):
            raise IvsqaError(
                f"training broke down at step {self.steps}: the loss is {report.loss}",
                hint="lower training.learning_rate in project.yaml, or set training.precision to fp32",
            )
        report = self._evaluated(report)
        self.history.append(report)
        return report

    def _learning_rate(self) -> float:
        """Return the learning rate of the next step."""
        if self.self_begin is None:
            return learning_rate(self.config, self.steps, n_steps=self.config.max_steps)
        return learning_rate(self.config, self.steps - self.self_begin, n_steps=self.self_steps)

    def _evaluated(self, report: StepReport) -> StepReport:
        """Evaluate where it is time to, and go on to self-training where annotations have taught what they can."""
        config, begin = self.config, self.self_begin
        last = config.max_steps if begin is None else begin + self.self_steps
        if self.steps % config.eval_every == 0 or self.steps == last:
            report = replace(report, validation_dice=self._evaluate())
        if begin is None and (self.steps >= last or self.stale >= config.patience):
            self.self_begin = self.steps
            done = self.best if self.best_dice is not None else _on_cpu(self.averaged)
            for network in (self.network, self.averaged):
                network.load_state_dict(dict(done))
        return report

    def _loss(self) -> Tensor:
        """Return the loss of this step's batch, a scalar."""
        share = self.annotated
        lesson = annotated_lesson(self.task, self.steps, share, self.device)
        torch.manual_seed(dropout_seed(self.task, self.steps))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            if self.stage == "self-training":
                others = unannotated_lesson(self.task, self.steps, self.unannotated, self.averaged, self.device)
                lesson, share = lesson.beside(others), share.beside(self.unannotated)
            return lesson_loss(self.network, lesson, share, self.ranks)

    def _average(self) -> None:
        """Move the running means of the weights; quickly at first, to forget the first weights."""
        n = self.steps
        update = get_ema_multi_avg_fn(min(self.config.average_decay, (1.0 + n) / (10.0 + n)))  # type: ignore[no-untyped-call]
        update(list(self.averaged.parameters()), list(self.network.parameters()), n)

    def _evaluate(self) -> float | None:
        """Return the validation Dice of the running means and keep them where it is the best so far."""
        if self.task.validation is None:
            return None
        dice = validation_dice(
            self.averaged, self.task.validation, device=self.device, bf16=self.bf16, ranks=self.ranks
        )
        if math.isnan(dice):
            return None
        if self.best_dice is None or dice > self.best_dice:
            self.best, self.best_dice, self.best_step, self.stale = _on_cpu(self.averaged), dice, self.steps, 0
        else:
            self.stale += 1
        return dice

    def state(self) -> TrainingState:
        """Return all that is needed to go on."""
        moments = self.optimizer.moments
        return TrainingState(
            request=self.request,
            step=self.steps,
            weights=_on_cpu(self.network),
            average=_on_cpu(self.averaged),
            optimizer={
                f"{n}/{key}": value.cpu().clone() for n, values in moments.items() for key, value in values.items()
            },
            best=self.best,
            best_step=self.best_step,
            best_dice=self.best_dice,
            stale=self.stale,
            self_begin=self.self_begin,
            history=tuple(self.history),
        )

    def restore(self, state: TrainingState) -> None:
        """Go back to a state.

        Raises:
            StateError: it belongs to another training.
        """
        if state.request != self.request:
            raise StateError(
                "the checkpoint belongs to a training with other frames or settings",
                hint="undo the change, or remove the checkpoint to begin anew",
            )
        self.network.load_state_dict(dict(state.weights))
        self.averaged.load_state_dict(dict(state.average))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.optimizer.items():
            number, _, key = name.partition("/")
            moments.setdefault(int(number), {})[key] = value
        self.optimizer.restore(moments)
        self.steps, self.stale, self.best_step = state.step, state.stale, state.best_step
        self.best, self.best_dice = dict(state.best), state.best_dice
        self.self_begin = state.self_begin
        self.history = list(state.history)

    def result(self) -> TrainResult:
        """Return the weights and figures reached so far."""
        kept = self.best_dice is not None
        return TrainResult(
            model=TrainedModel(self.task.network, self.best if kept else _on_cpu(self.averaged)),
            best_step=self.best_step if kept else self.steps,
            steps=self.steps,
            validation_dice=self.best_dice,
            history=tuple(self.history),
            finished=self.is_finished,
        )


def _check_shares(task: Task, ranks: Ranks) -> None:
    """Raise IvsqaError where a rank would get no frame of a step."""
    fewest = min(n for n in (task.config.batch_size, task.n_unannotated) if n)
    if fewest < ranks.size:
        raise IvsqaError(
            f"{ranks.size} processes cannot share out {fewest} frames a step",
            hint=f"start at most {fewest} processes, or raise training.batch_size in project.yaml",
        )


def learning_rate(config: TrainingConfig, step: int, *, n_steps: int) -> float:
    """Return the learning rate of a step, from 0, of a stage of n: a linear rise, then half a cosine down to zero."""
    rise = max(1, round(config.warmup * n_steps))
    if step < rise:
        return config.learning_rate * (step + 1) / rise
    done = (step - rise) / max(1, n_steps - rise)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))


def _warm_start(network: TwoBranchNetwork, start: TrainedModel, config: NetworkConfig) -> None:
    """Load the weights of a model."""
    if start.config != config:
        raise StateError(
            "the model to start from is another network than the settings describe",
            hint="undo the change of image or network in project.yaml, or train from scratch with: ivsqa train",
        )
    network.load_state_dict(dict(start.weights))


def _on_cpu(network: TwoBranchNetwork) -> dict[str, Tensor]:
    """Return a copy of all weights."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
