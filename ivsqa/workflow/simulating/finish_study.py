"""Finishing a project's labelled frames, replayed: each seed deals subjects anew, teaches a model, and finishes the rest.

What a seed came to is written as it ends, so that a stop loses one seed at most.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.acceptance.minutes import FrameWork, Minutes
from ivsqa.domain.geometry.border_prior import priors_of_labels
from ivsqa.errors import StateError
from ivsqa.io import atomic
from ivsqa.io.parallel import in_processes
from ivsqa.io.project.project import Project
from ivsqa.io.project.simulations import SeedStore
from ivsqa.io.tables import csv_text
from ivsqa.model.device import one_thread
from ivsqa.model.inference import Predictor
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.simulating.arm import run_arm
from ivsqa.workflow.simulating.finishing import ARMS, ASSISTED, BY_HAND, Finished, FinishPlan, finish
from ivsqa.workflow.simulating.labelled_study import LabelledStudy, deal
from ivsqa.workflow.simulating.seen_frames import calibration_on, seen_frames
from ivsqa.workflow.simulating.simulate import Simulation, simulation_of


@dataclass(frozen=True, eq=False)
class FinishSimulation:
    """The plan of a study that is finished again and again.

    Attributes:
        base: The labelled frames, the seeds, and how a model is taught.
        n_labels: Frames that the model learns from; as many at most calibrate it.
        plan: How the rest is finished.
    """

    base: Simulation
    n_labels: int
    plan: FinishPlan

    def sha256(self) -> str:
        """Return the hash of all that determines a seed besides its number."""
        digest = hashlib.sha256(self.base.sha256().encode())
        digest.update(json.dumps([self.n_labels, asdict(self.plan)], sort_keys=True).encode())
        if self.base.study.position_mm is not None:
            digest.update(np.ascontiguousarray(self.base.study.position_mm).data)
        return digest.hexdigest()


def finish_simulation_of(
    project: Project, *, n_seeds: int, n_labels: int, plan: FinishPlan, max_steps: int | None = None
) -> FinishSimulation:
    """Return the simulation of a project: all its annotated frames but those of test subjects, which stay sealed.

    Raises:
        StateError: annotated frames of fewer than three subjects.
    """
    base = simulation_of(project, strategies=(), n_seeds=n_seeds, ladder=(n_labels,), mode="anew", max_steps=max_steps)
    return FinishSimulation(base, n_labels, replace(plan, cost=project.settings.reading.cost_model))


def run_finish(
    simulation: FinishSimulation,
    folder: Path,
    *,
    device: str = "auto",
    n_jobs: int = 1,
    context: Context = DEFAULT_CONTEXT,
) -> None:
    """Run the seeds that are not there yet, and write each as it ends; the same call goes on after any stop.

    Args:
        simulation: What to run.
        folder: Where to keep it.
        device: Where to train.
        n_jobs: Seeds at once, each in a process of its own.
        context: Progress and wish to stop.

    Raises:
        StateError: the folder holds a simulation of other frames or settings.
    """
    request, store = simulation.sha256(), SeedStore(folder)
    done = store.facts()
    if any(facts["request"] != request for facts in done.values()):
        raise StateError(
            "this was run on other annotations or with other settings",
            path=folder,
            hint="give this simulation another --name, or remove the folder",
        )
    todo = [seed for seed in simulation.base.seeds if seed not in done]
    run = partial(_run_seed, simulation, store=store, request=request, device=device)
    with context.progress("Finishing", len(todo), "study") as advance:
        for note in in_processes(run, todo, n_jobs=n_jobs, should_stop=context.should_stop):
            advance(1, note)


def _run_seed(simulation: FinishSimulation, seed: int, *, store: SeedStore, request: str, device: str) -> str:
    """Teach a model, finish the frames of other subjects, and write what came of it; returns a note for people."""
    study, plan = simulation.base.study, simulation.plan
    arm = replace(simulation.base.template, strategy="stratified", seed=seed, ladder=(simulation.n_labels,))
    parts = deal(study, seed)
    # The number of threads changes the last bits.
    with one_thread():
        rung = next(run_arm(study, replace(arm, ladder=(min(simulation.n_labels, len(parts.pool)),)), device=device))
        rotation_deg = arm.training.augmentation.rotation_deg
        priors = priors_of_labels(rung.labels, len(study.structures), rotation_deg=rotation_deg)
        predictor = Predictor(rung.model, arm.network, device=device)
        calibrating = _spread(parts.calibration, simulation.n_labels)
        calibration = calibration_on(study, calibrating, predictor, priors)
        known = np.concatenate([rung.rows, parts.calibration])
        rest = np.flatnonzero(~np.isin(study.subject_ids, study.subject_ids[known]))
        ways = finish(seen_frames(study, rest, predictor, priors, calibration), plan, seed=seed)
    taught = np.concatenate([rung.rows, calibrating])
    facts = {
        "seed": seed,
        "request": request,
        "n_labels": rung.n_labels,
        "n_calibration": len(calibrating),
        "teaching": asdict(plan.cost.minutes(_drawn_by_hand(study, taught))),
        "n_labelled": len(rest),
        "arms": [asdict(way) for way in ways],
    }
    store.write(seed, facts)
    return f"seed {seed}: {ways[ARMS.index(BY_HAND)].n_frames} frames finished"


def _spread(rows: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Return n rows, evenly spread; all where there are fewer."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(np.intp))]


def _drawn_by_hand(study: LabelledStudy, rows: NDArray[np.intp]) -> Iterator[FrameWork]:
    """Yield what drawing some frames by hand takes."""
    for masks in study.masks(rows):
        yield FrameWork(drawn=float(masks.any(axis=(1, 2)).sum()))


@dataclass(frozen=True)
class ArmSummary:
    """What one way came to, as means over seeds.

    Attributes:
        arm: Its name.
        minutes: Of the reader.
        low: The lower end of their band.
        high: The upper end.
        of_by_hand: Minutes as a share of drawing all by hand.
        of_assisted: Minutes as a share of correcting all.
        seen: Share of the frames that the reader saw.
        accepted: Share of the frames delivered unseen.
        loss: Mean loss of what is delivered, against the reference.
        n_certified: Seeds in which anything was accepted; None where nothing was promised.
        n_kept: Seeds in which the promise holds; None where nothing was promised.
    """

    arm: str
    minutes: float
    low: float
    high: float
    of_by_hand: float
    of_assisted: float
    seen: float
    accepted: float
    loss: float
    n_certified: int | None
    n_kept: int | None


@dataclass(frozen=True)
class FinishSummary:
    """What a simulation came to.

    Attributes:
        seeds: Records of the seeds that are complete.
        arms: The ways, in the order of `ARMS`.
        n_missing: Seeds that are not complete.
        teaching_minutes: Mean minutes to draw, by hand, the frames that the model learns from and is calibrated on.
    """

    seeds: list[dict[str, Any]]
    arms: list[ArmSummary]
    n_missing: int
    teaching_minutes: float


def summarize_finish(simulation: FinishSimulation, folder: Path) -> FinishSummary:
    """Return the figures of a simulation so far.

    Raises:
        StateError: not one seed is complete yet.
    """
    kept = SeedStore(folder).facts()
    seeds = [kept[seed] for seed in simulation.base.seeds if seed in kept]
    if not seeds:
        raise StateError("no seed of this simulation is complete yet", hint="run the same command again")
    teaching = float(np.mean([seed["teaching"]["expected"] for seed in seeds]))
    ways = [[finished_of(facts) for facts in seed["arms"]] for seed in seeds]
    return FinishSummary(seeds, summaries_of(ways), len(simulation.base.seeds) - len(seeds), teaching)


def finished_of(facts: dict[str, Any]) -> Finished:
    """Return what one way came to, from its record."""
    return Finished(**{**facts, "minutes": Minutes(**facts["minutes"])})


def summaries_of(seeds: Sequence[Sequence[Finished]]) -> list[ArmSummary]:
    """Return the means of each way over seeds.

    Args:
        seeds: What `finish` returned for each.
    """
    by_arm = [dict(zip(ARMS, ways, strict=True)) for ways in seeds]

    def mean(values: Iterator[float]) -> float:
        return float(np.mean(list(values)))

    def summary(arm: str) -> ArmSummary:
        ways = [own[arm] for own in by_arm]
        promised = [way for way in ways if way.is_kept is not None]
        return ArmSummary(
            arm,
            mean(way.minutes.expected for way in ways),
            mean(way.minutes.low for way in ways),
            mean(way.minutes.high for way in ways),
            mean(own[arm].minutes.expected / own[BY_HAND].minutes.expected for own in by_arm),
            mean(own[arm].minutes.expected / own[ASSISTED].minutes.expected for own in by_arm),
            mean(way.n_seen / way.n_frames for way in ways),
            mean(way.n_accepted / way.n_frames for way in ways),
            mean(way.loss for way in ways),
            sum(way.n_accepted > 0 for way in promised) if promised else None,
            sum(bool(way.is_kept) for way in promised) if promised else None,
        )

    return [summary(arm) for arm in ARMS]


def facts_of_finish(simulation: FinishSimulation, summary: FinishSummary) -> dict[str, Any]:
    """Return a summary as JSON holds it."""
    plan = simulation.plan
    return {
        "n_seeds": len(summary.seeds),
        "n_labels": simulation.n_labels,
        "teaching_minutes": round(summary.teaching_minutes, 1),
        "promise": plan.promise.sentence("Dice error"),
        "n_audit": plan.n_audit,
        "arms": [
            {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(arm).items()}
            for arm in summary.arms
        ],
    }


def write_finish(simulation: FinishSimulation, folder: Path, summary: FinishSummary) -> None:
    """Write `finish.json` and, a row a seed and way, `finish.csv`."""
    columns = (
        "seed",
        "arm",
        "minutes",
        "low",
        "high",
        "n_frames",
        "n_seen",
        "n_accepted",
        "loss",
        "promised",
        "is_kept",
    )
    lines = [
        [seed["seed"], way.arm, *astuple(way.minutes), *astuple(way)[2:]]
        for seed in summary.seeds
        for way in map(finished_of, seed["arms"])
    ]
    atomic.write_text(folder / "finish.csv", csv_text(columns, lines))
    atomic.write_text(folder / "finish.json", json.dumps(facts_of_finish(simulation, summary), indent=1) + "\n")
