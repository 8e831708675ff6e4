"""Results of a simulation: the cost at which each strategy reaches full-data accuracy, and its gain with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, zip_longest
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ivsqa.domain.quality.review_curve import ReviewShares
from ivsqa.domain.selection.learning_curve import cost_to_reach, mean_accuracy, paired_gain
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

ORDERS = ReviewShares._fields
"""In what order people would mend the frames left."""

Curve: TypeAlias = list[dict[str, Any]]
"""The records of the rungs of one arm, by labels."""


@dataclass(frozen=True)
class StrategySummary:
    """The results of a strategy over its seeds.

    Attributes:
        strategy: Its name.
        n_seeds: Seeds whose arm and reference are complete.
        reach: Mean share of the pool, effort and clicks at which it first has 95 % and 99 % of full-data Dice, by "share",
            "effort" and "clicks", then level; NaN where some seed never gets there.
        reached: Seeds that get there, by level.
        area: Mean accuracy over the logarithm of each cost.
        gain: How much that is above the baseline, paired by seed: mean, low, high; by cost.
        mended: Mean share of the frames left after the last rung that people would mend until their mean Dice is 0.95, by order:
            "predicted", "random" and "truth"; NaN where some seed does not say it.
    """

    strategy: str
    n_seeds: int
    reach: dict[str, dict[float, float]]
    reached: dict[float, int]
    area: dict[str, float]
    gain: dict[str, tuple[float, float, float]]
    mended: dict[str, float]

    @property
    def share(self) -> dict[float, float]:
        """Mean share of the labels at which it gets there, by level."""
        return self.reach["share"]


@dataclass(frozen=True)
class SimulationSummary:
    """The results of a simulation.

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
    """Return the figures of a simulation so far.

    Raises:
        StateError: not one seed is complete yet.
    """
    arms, plans = dict(iter_arms(folder)), dict(simulation.arms())
    whole = {
        name: arms[name]
        for name, plan in plans.items()
        if arms.get(name) and arms[name][-1]["n_labels"] >= plan.ladder[-1] * 0.999
    }
    names = (REFERENCE, *map(str, simulation.strategies))
    seeds = [seed for seed in simulation.seeds if all(f"{name}-{seed}" in whole for name in names)]
    if not seeds:
        raise StateError("no seed of this simulation is complete yet", hint="run the same command again")
    reference, *listed = [[whole[f"{name}-{seed}"] for seed in seeds] for name in names]
    curves = dict(zip(names[1:], listed, strict=True))
    full = [curve[-1]["mean_dice"] for curve in reference]
    areas = {strategy: _areas(of_strategy, listed) for strategy, of_strategy in curves.items()}
    # Where the baseline was not asked for, gains are over the first strategy.
    baseline = areas.get(BASELINE, areas[names[1]])
    return SimulationSummary(
        float(np.mean(full)),
        [_summary(strategy, curves[strategy], full, own, baseline) for strategy, own in areas.items()],
        [row for curve in whole.values() for row in curve],
        len(plans) - len(whole),
    )


def _areas(curves: Sequence[Curve], of_all: Sequence[Sequence[Curve]]) -> dict[str, list[float]]:
    """Return the mean accuracy of each seed over each cost, up to where the cheapest strategy ends.

    Args:
        curves: Of one strategy, by seed.
        of_all: The same of every strategy.
    """
    return {
        name: [
            mean_accuracy(_column(curve, key), _column(curve, "mean_dice"), curve[0][key], min(ends))
            for curve, *ends in zip(curves, *([curve[-1][key] for curve in listed] for listed in of_all), strict=True)
        ]
        for name, key in COSTS.items()
    }


def _column(curve: Curve, key: str) -> list[float]:
    return [rung[key] for rung in curve]


def _summary(
    strategy: str,
    curves: Sequence[Curve],
    full: Sequence[float],
    own: Mapping[str, list[float]],
    baseline: Mapping[str, list[float]],
) -> StrategySummary:
    """Return the figures of one strategy."""

    def costs(key: str, level: float) -> list[float]:
        """Return the cost of each seed up to a level."""
        return [
            cost_to_reach(_column(curve, key), _column(curve, "mean_dice"), level * dice)
            for curve, dice in zip(curves, full, strict=True)
        ]

    return StrategySummary(
        strategy,
        len(curves),
        reach={
            key: {level: float(np.mean(costs(key, level))) for level in LEVELS} for key in ("share", "effort", "clicks")
        },
        reached={level: int(np.sum(np.isfinite(costs("share", level)))) for level in LEVELS},
        area={name: float(np.mean(own[name])) for name in COSTS},
        gain={name: paired_gain(own[name], baseline[name]) for name in COSTS},
        mended={order: _mean_mended([curve[-1] for curve in curves], order) for order in ORDERS},
    )


def _mended(rung: Mapping[str, Any], order: str) -> float:
    """Return the share to mend after a rung; NaN where it cannot be said, and of a rung that an older version ran."""
    share = rung.get("mended", {}).get(order)
    return math.nan if share is None else float(share)


def write_results(simulation: Simulation, folder: Path, summary: SimulationSummary) -> None:
    """Write `simulation.json`, `rungs.csv`, `learning-curves.svg` and, where errors were learnt, `frames-to-mend.svg`."""
    names = simulation.study.structures
    keys = ("strategy", "seed", "n_labels", "share", "effort", "clicks", "mean_dice")
    lines = (
        [
            *(row[key] for key in keys),
            *(row["dice"][name] for name in names),
            *(_mended(row, order) for order in ORDERS),
        ]
        for row in summary.rows
    )
    columns = [*keys, *(f"dice_{name}" for name in names), *(f"mended_{order}" for order in ORDERS)]
    atomic.write_text(folder / "rungs.csv", csv_text(columns, lines))
    atomic.write_text(folder / "simulation.json", json.dumps(facts_of(summary), indent=1) + "\n")
    atomic.write_text(folder / "learning-curves.svg", _figure(simulation, summary))
    panels = [panel for strategy in map(str, simulation.strategies) for panel in _mended_panels(summary, strategy)]
    if panels:
        figure = curve_figure(panels, y_label="share of the frames left to mend", title="Frames left to mend")
        atomic.write_text(folder / "frames-to-mend.svg", figure)


def facts_of(summary: SimulationSummary) -> dict[str, Any]:
    """Return a summary as JSON holds it; what is not known is null."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 6)

    def facts(figures: StrategySummary) -> dict[str, Any]:
        reach = {(key, level): value for key, values in figures.reach.items() for level, value in values.items()}
        return {
            "strategy": figures.strategy,
            "n_seeds": figures.n_seeds,
            **{f"{key}_{level * 100:.0f}": known(value) for (key, level), value in reach.items()},
            **{f"seeds_{level * 100:.0f}": n_seeds for level, n_seeds in figures.reached.items()},
            **{f"area_{name}": known(value) for name, value in figures.area.items()},
            **{f"mended_{order}": known(share) for order, share in figures.mended.items()},
            **{f"gain_{name}": [known(value) for value in gain] for name, gain in figures.gain.items()},
        }

    return {"full_dice": known(summary.full_dice), "strategies": [facts(figures) for figures in summary.strategies]}


def _figure(simulation: Simulation, summary: SimulationSummary) -> str:
    """Return the learning curves against each cost."""
    unit = "px of the grid" if np.isnan(simulation.study.px_mm).any() else "mm"
    panels = [
        Panel(
            [
                Series(
                    strategy,
                    color,
                    [
                        _point(rungs, key, factor, _column(rungs, "mean_dice"))
                        for rungs in _by_rung(summary.rows, strategy)
                    ],
                )
                for strategy, color in zip(map(str, simulation.strategies), cycle(COLORS), strict=False)
            ],
            label,
            0.99 * summary.full_dice,
            "99 % of all labels",
        )
        for key, factor, label in (
            ("share", 100.0, "labels, % of the pool"),
            ("effort", 1.0, f"border drawn, {unit}"),
            ("clicks", 1.0, "points set or vertices drawn"),
        )
    ]
    return curve_figure(panels, y_label="Dice on subjects held back", title="Learning curves")


def _mended_panels(summary: SimulationSummary, strategy: str) -> Iterator[Panel]:
    """Yield the diagram of the frames left to mend after each rung of a strategy; none where its models predict no Dice."""
    rungs = [seeds for seeds in _by_rung(summary.rows, strategy) if not math.isnan(_mean_mended(seeds, "predicted"))]
    if rungs:
        names = {"predicted": "by predicted quality", "random": "at random", "truth": "by truth"}
        series = [
            Series(
                name,
                color,
                [_point(seeds, "share", 100.0, [_mended(rung, order) for rung in seeds]) for seeds in rungs],
            )
            for (order, name), color in zip(names.items(), COLORS, strict=False)
        ]
        yield Panel(series, f"{strategy}: labels, % of the pool")


def _mean_mended(rungs: Sequence[Mapping[str, Any]], order: str) -> float:
    """Return the mean share to mend over seeds; NaN where one of them does not say it."""
    return float(np.mean([_mended(rung, order) for rung in rungs]))


def _by_rung(rows: Sequence[dict[str, Any]], strategy: str) -> list[Curve]:
    """Return the rungs of a strategy, each over its seeds; a seed that is not complete has fewer."""
    curves: dict[int, Curve] = {}
    for row in rows:
        if row["strategy"] == strategy:
            curves.setdefault(row["seed"], []).append(row)
    return [[rung for rung in rungs if rung is not None] for rungs in zip_longest(*curves.values())]


def _point(rungs: Curve, key: str, factor: float, values: Sequence[float]) -> Point:
    """Return the mean of a rung's values over seeds, with its interval, at its mean cost."""
    # Ends of an interval of fractions go no further than fractions do.
    mean, low, high = (float(np.clip(end, 0.0, 1.0)) for end in paired_gain(values, [0.0] * len(values)))
    return Point(factor * float(np.mean(_column(rungs, key))), mean, low=low, high=high)
