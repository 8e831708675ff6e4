"""Simulation: rounds replayed on a project's annotated frames, to compare ways of choosing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ivsqa.domain.selection.plan import Strategy
from ivsqa.domain.selection.pool import Limits
from ivsqa.domain.shards import WHOLE, Shard
from ivsqa.errors import StateError
from ivsqa.io.parallel import in_processes
from ivsqa.io.project.project import Project
from ivsqa.io.project.simulations import ArmStore, StoredRung, iter_arms
from ivsqa.model.device import one_thread
from ivsqa.model.state import TrainedModel
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.predicting.networks import project_network, training_config
from ivsqa.workflow.predicting.samples import sample_set
from ivsqa.workflow.simulating.arm import ArmPlan, Mode, Rung, TrialRule, run_arm
from ivsqa.workflow.simulating.labelled_study import Effort, LabelledStudy, deal

REFERENCE = "all labels"
"""The arm that has every label at once: what the others are measured against."""
BASELINE: Strategy = "stratified"


@dataclass(frozen=True, eq=False)
class Simulation:
    """The plan of a simulation.

    Attributes:
        study: The frames.
        strategies: Ways to choose.
        seeds: Each deals the subjects anew.
        ladder: What is annotated at each rung, rising: a share of the pool in (0, 1], or a number of labels above 1.
        template: The plan of an arm; strategy, seed and ladder are filled in.
    """

    study: LabelledStudy
    strategies: tuple[Strategy | TrialRule, ...]
    seeds: tuple[int, ...]
    ladder: tuple[float, ...]
    template: ArmPlan

    def arms(self) -> Iterator[tuple[str, ArmPlan]]:
        """Yield name and plan of every arm, seed by seed, the reference of a seed first."""
        for seed in self.seeds:
            n_pool = len(deal(self.study, seed).pool)
            wanted = {max(2, round(rung if rung > 1.0 else rung * n_pool)) for rung in self.ladder}
            counts = sorted({min(n_pool, n_labels) for n_labels in wanted})
            yield f"{REFERENCE}-{seed}", replace(self.template, strategy="stratified", seed=seed, ladder=(n_pool,))
            for strategy in self.strategies:
                plan = replace(self.template, strategy=strategy, seed=seed, ladder=tuple(counts))
                yield f"{strategy}-{seed}", plan

    def sha256(self) -> str:
        """Return the hash of all that determines an arm besides its strategy, its seed and its rungs."""
        # Not these three: with more strategies, seeds or rungs, a simulation goes on with what is there.
        settings = {
            key: value for key, value in asdict(self.template).items() if key not in ("strategy", "seed", "ladder")
        }
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for array in (self.study.images, self.study.labels, self.study.frame_index, self.study.px_mm):
            digest.update(np.ascontiguousarray(array).data)
        digest.update("\n".join([*self.study.pullback_ids, *self.study.subject_ids]).encode())
        return digest.hexdigest()


def run_simulation(
    simulation: Simulation,
    folder: Path,
    *,
    device: str = "auto",
    n_jobs: int = 1,
    shard: Shard = WHOLE,
    context: Context = DEFAULT_CONTEXT,
) -> None:
    """Run the arms that are not there yet, and write each rung as it ends; the same call goes on after any stop.

    Args:
        simulation: What to run.
        folder: Where to keep it.
        device: Where to train.
        n_jobs: Arms at once, each in a process of its own.
        shard: Only its arms, so that several jobs of a cluster share the work.
        context: Progress and wish to stop.

    Raises:
        StateError: the folder holds a simulation of other frames or settings.
    """
    request = simulation.sha256()
    _check_same(folder, request)
    arms = list(simulation.arms())[shard.number - 1 :: shard.of]
    todo = [(name, plan) for name, plan in arms if len(ArmStore(folder, name).facts()) < len(plan.ladder)]
    n_rungs = sum(len(plan.ladder) - len(ArmStore(folder, name).facts()) for name, plan in todo)
    with context.progress("Simulating", n_rungs, "rung") as advance:
        if n_jobs == 1:  # without a process between them, each rung can be shown, and stopped after
            for name, plan in todo:
                for facts in _iter_rungs(simulation.study, plan, folder, name, request, device, context):
                    advance(1, f"{name}: {facts['n_labels']} labels, Dice {facts['mean_dice']:.3f}")
            return
        run = partial(_run_alone, simulation.study, folder=folder, request=request, device=device)
        for n, note in in_processes(run, todo, n_jobs=n_jobs, should_stop=context.should_stop):
            advance(n, note)


def is_complete(simulation: Simulation, folder: Path) -> bool:
    """Whether every arm has all its rungs."""
    return all(len(ArmStore(folder, name).facts()) == len(plan.ladder) for name, plan in simulation.arms())


def _check_same(folder: Path, request: str) -> None:
    """Refuse to go on with a simulation of other frames or settings."""
    for name, facts in iter_arms(folder):
        if facts and facts[0]["request"] != request:
            raise StateError(
                f"{name} was run on other annotations or with other settings",
                path=folder,
                hint="give this simulation another --name, or remove the folder",
            )


def _run_alone(
    study: LabelledStudy, arm: tuple[str, ArmPlan], *, folder: Path, request: str, device: str
) -> tuple[int, str]:
    """Run an arm in a process of its own, on one core; returns the number of rungs and a note for people."""
    name, plan = arm
    rungs = list(_iter_rungs(study, plan, folder, name, request, device, DEFAULT_CONTEXT))
    return len(rungs), f"{name}: Dice {rungs[-1]['mean_dice']:.3f}" if rungs else name


def _iter_rungs(
    study: LabelledStudy, plan: ArmPlan, folder: Path, name: str, request: str, device: str, context: Context
) -> Iterator[dict[str, Any]]:
    """Run the missing rungs of an arm, and yield the record of each once it is written."""
    store = ArmStore(folder, name)
    last = store.last()
    before = None if last is None else _rung(last)
    n_pool = len(deal(study, plan.seed).pool)
    # The number of threads changes the last bits, and with them what is chosen.
    with one_thread():
        for rung in run_arm(study, plan, device=device, before=before, should_stop=context.should_stop):
            share = rung.n_labels / n_pool
            # The name tells the reference from the baseline, which choose alike.
            facts = {"strategy": name.rsplit("-", 1)[0], "seed": plan.seed, "share": share, "request": request}
            facts |= rung.facts()
            store.write(StoredRung(facts, rung.rows, rung.labels, rung.model.to_bytes()))
            yield facts


def _rung(stored: StoredRung) -> Rung:
    """Return the rung that was written."""
    facts, rows, labels, weights = stored
    effort = Effort(facts["effort"], facts["clicks"])
    return Rung(rows, labels, effort, facts["dice"], TrainedModel.from_bytes(weights))


def simulation_of(
    project: Project,
    *,
    strategies: Sequence[Strategy],
    n_seeds: int,
    ladder: Sequence[float],
    mode: Mode,
    max_steps: int | None = None,
) -> Simulation:
    """Return the simulation of a project: all its annotated frames but those of test subjects, which stay sealed.

    Raises:
        StateError: annotated frames of fewer than three subjects.
    """
    settings = project.settings
    study = labelled_study(project)
    template = ArmPlan(
        strategy=BASELINE,
        seed=0,
        ladder=(),
        network=project_network(settings),
        training=training_config(settings.training, seed=0, max_steps=max_steps),
        finetune_steps=max_steps or settings.training.finetune_steps,
        finetune_rate=settings.training.finetune_learning_rate,
        mode=mode,
        new_frame_weight=settings.training.new_frame_weight,
        limits=Limits(settings.selection.max_per_pullback, settings.selection.min_gap_frames),
        diversity=settings.selection.diversity,
    )
    return Simulation(study, tuple(strategies), tuple(range(n_seeds)), tuple(sorted(ladder)), template)


def labelled_study(project: Project) -> LabelledStudy:
    """Return the annotated frames of training and validation subjects on the working grid.

    Raises:
        StateError: they are of fewer than three subjects.
    """
    frames = [*project.annotated_frames("train"), *project.annotated_frames("validation")]
    if len({frame.pullback.subject_id for frame in frames}) < 3:
        raise StateError(
            "a simulation needs annotated frames of at least three training or validation subjects",
            hint="annotate more, or import masks with: ivsqa import PATH --annotations DIR",
        )
    images, labels = sample_set(project, frames).take(np.arange(len(frames)))
    px_mm = [
        np.nan if spacing is None else spacing[0] * frame.pullback.grid.scale[0]
        for frame in frames
        for spacing in [frame.pullback.spacing_mm]
    ]
    pullbacks = {frame.pullback.pullback_id: frame.pullback for frame in frames}
    places_mm = {pullback_id: pullback.positions_mm() for pullback_id, pullback in pullbacks.items()}
    position_mm = [
        np.nan if along is None else along[frame.annotation.frame_index]
        for frame in frames
        for along in [places_mm[frame.pullback.pullback_id]]
    ]
    return LabelledStudy(
        project.structures.names,
        images,
        labels,
        np.array([frame.pullback.pullback_id for frame in frames]),
        np.array([frame.pullback.subject_id for frame in frames]),
        np.array([frame.annotation.frame_index for frame in frames]),
        np.array(px_mm),
        np.array(position_mm, dtype=np.float64),
    )
