"""What a simulation came to: where each way of choosing reaches full-data accuracy, and what it gains, with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from ivsqa.domain.selection.learning_curve import cost_to_reach, mean_accuracy, paired_gain
from ivsqa.domain.selection.plan import Strategy
from ivsqa.drawing.charts import COLORS, Panel, Point, Series, curve_figure
from ivsqa.errors import StateError
from ivsqa.io import atomic
from ivsqa.io.project.simulations import iter_arms
from ivsqa.io.tables import csv_text
from ivsqa.workflow.simulating.simulate import BASELINE, REFERENCE, Simulation

LEVELS = (0.95, 0.99)
"""Shares of full-data Dice that are worth reaching."""
COSTS = {"labels": "n_labels", "effort": "effort", "clicks": "clicks"}
"""What accuracy is held against, and where a rung says it: frames annotated, border drawn, points set and vertices drawn."""


@dataclass(frozen=True)
class StrategySummary:
    """What a strategy came to, over its seeds.

    Attributes:
        strategy: Its name.
        n_seeds: Seeds whose arm and reference are complete.
        share: Mean share of the labels at which it first has 95 % and 99 % of full-data Dice, by level; NaN where some seed
            never gets there.
        reach: The same in each of `COSTS`, by cost and level.
        reached: Seeds that get there, by level.
        area: Mean accuracy over the logarithm of each cost.
        gain: How much that is above the baseline, paired by seed: mean, low, high; by cost.
    """

    strategy: str
    n_seeds: int
    share: dict[float, float]
    reach: dict[str, dict[float, float]]
    reached: dict[float, int]
    area: dict[str, float]
    gain: dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class SimulationSummary:
    """What a simulation came to.

    Attributes:
        full_dice: Mean Dice with all labels, over seeds.
        strategies: By strategy; seeds that are not complete are left out.
        rows: One a rung, as in the CSV.
        n_missing: Arms that are not complete.
    """

    full_dice: float
    strategies: list[StrategySummary]
    rows: list[dict[str, Any]]
    n_missing: int


def summarize(simulation: Simulation, folder: Path) -> SimulationSummary:
    """Return what is known so far of a simulation.

    Raises:
        StateError: not one seed is complete yet.
    """
    arms = dict(iter_arms(folder))
    whole = {
        name: arms[name]
        for name, plan in simulation.arms()
        if arms.get(name) and arms[name][-1]["n_labels"] >= plan.ladder[-1] * 0.999
    }
    seeds = [
        seed
        for seed in simulation.seeds
        if all(f"{name}-{seed}" in whole for name in (REFERENCE, *simulation.strategies))
    ]
    if not seeds:
        raise StateError("no seed of this simulation is complete yet", hint="run the same command again")
    full = {seed: whole[f"{REFERENCE}-{seed}"][-1]["mean_dice"] for seed in seeds}
    areas = {
        strategy: _areas([whole[f"{strategy}-{seed}"] for seed in seeds], whole, simulation.strategies, seeds)
        for strategy in simulation.strategies
    }
    baseline = areas.get(BASELINE, areas[simulation.strategies[0]])
    return SimulationSummary(
        float(np.mean(list(full.values()))),
        [
            _summary(strategy, [whole[f"{strategy}-{seed}"] for seed in seeds], list(full.values()), own, baseline)
            for strategy, own in areas.items()
        ],
        [row for name in whole for row in whole[name]],
        sum(1 for _ in simulation.arms()) - len(whole),
    )


def _areas(
    curves: Sequence[list[dict[str, Any]]],
    whole: Mapping[str, list[dict[str, Any]]],
    strategies: Sequence[Strategy],
    seeds: Sequence[int],
) -> dict[str, list[float]]:
    """Return the mean accuracy of each seed over each cost, up to where the cheapest strategy ends."""
    areas: dict[str, list[float]] = {name: [] for name in COSTS}
    for curve, seed in zip(curves, seeds, strict=True):
        dice = [row["mean_dice"] for row in curve]
        for name, key in COSTS.items():
            end = min(whole[f"{strategy}-{seed}"][-1][key] for strategy in strategies)
            areas[name].append(mean_accuracy([row[key] for row in curve], dice, curve[0][key], end))
    return areas


def _summary(
    strategy: str,
    curves: Sequence[list[dict[str, Any]]],
    full: Sequence[float],
    own: Mapping[str, list[float]],
    baseline: Mapping[str, list[float]],
) -> StrategySummary:
    """Return the figures of one strategy."""

    def reach(key: str) -> dict[float, list[float]]:
        return {
            level: [
                cost_to_reach([row[key] for row in curve], [row["mean_dice"] for row in curve], level * dice)
                for curve, dice in zip(curves, full, strict=True)
            ]
            for level in LEVELS
        }

    def means(key: str) -> dict[float, float]:
        return {level: float(np.mean(costs)) for level, costs in reach(key).items()}

    return StrategySummary(
        strategy,
        len(curves),
        share=means("share"),
        reach={name: means(key) for name, key in COSTS.items()},
        reached={level: int(np.sum(np.isfinite(costs))) for level, costs in reach("share").items()},
        area={name: float(np.mean(own[name])) for name in COSTS},
        gain={name: paired_gain(own[name], baseline[name]) for name in COSTS},
    )


def write_results(simulation: Simulation, folder: Path, summary: SimulationSummary) -> None:
    """Write `simulation.json`, `rungs.csv` and `learning-curves.svg`."""
    names = simulation.study.structures
    keys = ("strategy", "seed", "n_labels", "share", "effort", "clicks", "mean_dice")
    lines = ([*(row[key] for key in keys), *(row["dice"][name] for name in names)] for row in summary.rows)
    atomic.write_text(folder / "rungs.csv", csv_text([*keys, *(f"dice_{name}" for name in names)], lines))
    atomic.write_text(folder / "simulation.json", json.dumps(facts_of(summary), indent=1) + "\n")
    atomic.write_text(folder / "learning-curves.svg", _figure(simulation, summary))


def facts_of(summary: SimulationSummary) -> dict[str, Any]:
    """Return a summary as JSON holds it; what is not known is null."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 6)

    return {
        "full_dice": known(summary.full_dice),
        "strategies": [
            {
                "strategy": one.strategy,
                "n_seeds": one.n_seeds,
                **{
                    f"{name}_{level * 100:.0f}": known(values[level])
                    for name, values in (("share", one.share), *one.reach.items())
                    if name != "labels"  # the share says it
                    for level in LEVELS
                },
                **{f"seeds_{level * 100:.0f}": one.reached[level] for level in LEVELS},
                **{f"area_{name}": known(value) for name, value in one.area.items()},
                **{f"gain_{name}": [known(value) for value in gain] for name, gain in one.gain.items()},
            }
            for one in summary.strategies
        ],
    }


def _figure(simulation: Simulation, summary: SimulationSummary) -> str:
    """Return the learning curves against each cost."""
    unit = "px of the grid" if np.isnan(simulation.study.px_mm).any() else "mm"
    panels = []
    for key, factor, label in (
        ("share", 100.0, "labels, % of the pool"),
        ("effort", 1.0, f"border drawn, {unit}"),
        ("clicks", 1.0, "points set or vertices drawn"),
    ):
        curves = []
        for strategy, color in zip(simulation.strategies, cycle(COLORS), strict=False):
            by_rung: dict[int, list[dict[str, Any]]] = {}
            for seed in simulation.seeds:
                rows = [row for row in summary.rows if (row["strategy"], row["seed"]) == (strategy, seed)]
                for number, row in enumerate(rows):
                    by_rung.setdefault(number, []).append(row)
            points = []
            for rows in by_rung.values():
                dice = [row["mean_dice"] for row in rows]
                mean, low, high = paired_gain(dice, [0.0] * len(dice))
                cost = factor * float(np.mean([row[key] for row in rows]))
                points.append(Point(cost, mean, low=low, high=high))
            curves.append(Series(strategy, color, points))
        panels.append(Panel(curves, label, 0.99 * summary.full_dice, "99 % of all labels"))
    return curve_figure(panels, y_label="Dice on subjects held back", title="Learning curves")
