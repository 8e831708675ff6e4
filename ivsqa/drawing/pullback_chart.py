"""A pullback from its first frame to its last, as one diagram: the vessel cut along the catheter, areas, plaque burden, quality.

All share one axis along the vessel. Structures differ in colour and in dashes, drawn frames are ticks, frames of poor quality
dark bars: nothing rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, inf, isnan

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ivsqa.drawing.scales import Plot, Scale, round_step, ticks_between
from ivsqa.drawing.templates import fill

WIDTH, LEFT, RIGHT = 900.0, 56.0, 76.0
GAP = 30.0
VIEW, AREAS, BURDEN, QUALITY, FLAGS = 170.0, 170.0, 90.0, 62.0, 20.0
"""Heights of the panels, and of the row of numbers beneath the first."""
LOWEST_QUALITY = 0.5
MOST_POINTS = 500
"""Points of a line: more would not be seen, and make the page heavy."""


@dataclass(frozen=True, eq=False)
class Line:
    """A measure along the vessel.

    Attributes:
        name: What it is called.
        color: "#rrggbb".
        values: (n, 3) value, low and high end; NaN where not known.
    """

    name: str
    color: str
    values: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PullbackView:
    """What is drawn of a pullback of n frames.

    Attributes:
        title: For those who cannot see it.
        place: (n,) position of each frame, never falling, mm or frame index.
        in_mm: Whether places are in mm.
        view: The cut along the catheter, JPEG; from the first place to the last.
        unit: Of the cut across the vessel: mm, or px where spacing is unknown.
        extent: (low, high) of the cut, 0 in its middle.
        cuts: Where the cut meets each structure, by name: (n, 2) in the unit of `extent`.
        colors: "#rrggbb" by structure.
        areas: One a structure, mm²; empty where spacing is unknown.
        burden: Plaque burden, or None.
        burden_limit: From where on it belongs to a lesion.
        lesions: (first, last) places.
        minimum: (place, area) of the minimum lumen area, or None.
        quality: (n,) predicted Dice; NaN where not known, None without a model.
        poor: Below this a frame is poor.
        drawn: (n,) whether a person drew the frame.
        marked: Places of the frames shown as pictures, in the order of their numbers.
    """

    title: str
    place: NDArray[np.float64]
    in_mm: bool
    view: bytes
    unit: str
    extent: tuple[float, float]
    cuts: Mapping[str, NDArray[np.float64]]
    colors: Mapping[str, str]
    areas: Sequence[Line]
    burden: Line | None
    burden_limit: float
    lesions: Sequence[tuple[float, float]]
    minimum: tuple[float, float] | None
    quality: NDArray[np.float64] | None
    poor: float
    drawn: NDArray[np.bool_]
    marked: Sequence[float]


@dataclass(frozen=True, eq=False)
class _Trace:
    """A line in a panel, in the values of its axes.

    Attributes:
        name: What stands at its right end; "" for nothing.
        color: "#rrggbb".
        runs: Its stretches without a gap, as points (place, value).
        bands: The outlines of its intervals.
        end: Its last value, beside which the name stands.
    """

    name: str
    color: str
    runs: Sequence[Sequence[tuple[float, float]]]
    bands: Sequence[Sequence[tuple[float, float]]]
    end: float


@dataclass(frozen=True, eq=False)
class _Panel:
    """A strip of the diagram.

    Attributes:
        kind: "cut", "areas", "burden" or "quality".
        title: What its height stands for.
        plot: Its axes; y from its foot to 0, its top.
        traces: The lines in it.
    """

    kind: str
    title: str
    plot: Plot
    traces: Sequence[_Trace] = ()

    @property
    def labels(self) -> list[tuple[float, str]]:
        """The names of lines and where they stand, kept apart where lines end close to each other."""
        labels, lowest = [], -inf
        # Sorted from the top, so that each name needs to make room for the one above it only.
        for y, name in sorted((self.plot.y(trace.end), trace.name) for trace in self.traces if not isnan(trace.end)):
            lowest = max(y, lowest + 15.0)
            labels.append((lowest, name))
        return labels


def pullback_chart(view: PullbackView) -> Markup:
    """Return the diagram; panels of which nothing is known are left out."""
    rows = _drawn_rows(view)
    panels = _panels(view, rows, _axis_along(view))
    flags = FLAGS if view.marked else 0.0
    steps = [panel.plot.y.start + GAP + (flags if panel.kind == "cut" else 0.0) for panel in panels]
    tops = list(accumulate(steps, initial=22.0))
    # The image of the cut shows every frame; lines and bars as many as can be told apart.
    edges = _edges(view.place[rows])
    bars = [] if view.quality is None else zip(edges[:-1], edges[1:], view.quality[rows].tolist(), strict=True)
    return fill(
        "drawing/pullback_chart.svg.j2",
        width=WIDTH,
        view=view,
        # There is a top more than panels: the last lies below all.
        panels=list(zip(tops, panels, strict=False)),
        foot=tops[-1] - GAP,
        bars=[bar for bar in bars if not isnan(bar[2])],
    )


def _drawn_rows(view: PullbackView) -> NDArray[np.intp]:
    """Return the frames whose values are drawn: all, or as many as can be seen, the minimum lumen area among them."""
    n = len(view.place)
    rows = np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(np.intp))
    return rows if view.minimum is None else np.union1d(rows, np.searchsorted(view.place, [view.minimum[0]]))


def _axis_along(view: PullbackView) -> Scale:
    """Return the axis along the vessel."""
    first = float(view.place[0])
    last = float(max(view.place[-1], first + 1e-9))  # a pullback of one frame has a length, too
    step = max(round_step(last - first, 8), 1e-3 if view.in_mm else 1.0)
    ticks = [first + tick for tick in ticks_between(0.0, last - first, step)]
    return Scale(first, last, LEFT, WIDTH - RIGHT, ticks, "mm" if view.in_mm else "frame")


def _panels(view: PullbackView, rows: NDArray[np.intp], x: Scale) -> list[_Panel]:
    """Return the panels of which something is known, from the top."""
    place = view.place[rows]

    def axes(height: float, low: float, high: float, step: float, tick_format: str = "%g") -> Plot:
        return Plot(x, Scale(low, high, height, 0.0, ticks_between(low, high, step), tick_format=tick_format))

    def traces(lines: Sequence[Line], factor: float = 1.0) -> list[_Trace]:
        return [_trace(line.name, line.color, place, factor * line.values[rows]) for line in lines]

    step = round_step(view.extent[1] - view.extent[0], 4)
    cuts = [_cut_trace(name, view.colors[name], place, cut[rows]) for name, cut in view.cuts.items()]
    panels = [
        _Panel("cut", f"cut along the catheter, {view.unit} from its middle", axes(VIEW, *view.extent, step), cuts)
    ]
    if view.areas:
        most = max((float(np.nanmax(line.values)) for line in view.areas if not np.isnan(line.values).all()), default=1)
        step = round_step(most, 4)
        # One step at least: an axis of areas that are all 0 would have no height.
        plot = axes(AREAS, 0.0, step * max(1, ceil(most / step)), step)
        panels.append(_Panel("areas", "area, mm²", plot, traces(view.areas)))
    if view.burden is not None:
        plot = axes(BURDEN, 0.0, 100.0, 50.0, "%g %%")
        panels.append(_Panel("burden", "plaque burden", plot, traces([view.burden], 100.0)))
    if view.quality is not None:
        title = "predicted Dice, bars hang lower where it is worse"
        panels.append(_Panel("quality", title, axes(QUALITY, LOWEST_QUALITY, 1.0, 0.25)))
    return panels


def _trace(name: str, color: str, place: NDArray[np.float64], values: NDArray[np.float64]) -> _Trace:
    """Return a measure, values (n, 3), with its intervals; a band has a step for each frame, since none lies between two."""
    edges, bands = _edges(place), []
    for run in _runs(~np.isnan(values[:, 1]) & ~np.isnan(values[:, 2])):
        across = np.repeat(edges[run[0] : run[-1] + 2], 2)[1:-1]
        low, high = (np.repeat(values[run, end], 2) for end in (1, 2))
        bands.append(_points(np.concatenate([across, across[::-1]]), np.concatenate([high, low[::-1]])))
    known = values[~np.isnan(values[:, 0]), 0]
    return _Trace(name, color, _lines(place, values[:, 0]), bands, float(known[-1]) if len(known) else np.nan)


def _cut_trace(name: str, color: str, place: NDArray[np.float64], cut: NDArray[np.float64]) -> _Trace:
    """Return both sides of a border in the cut, (n, 2)."""
    known = cut[~np.isnan(cut).any(axis=1)]
    lines = [line for side in cut.T for line in _lines(place, side)]
    return _Trace(name, color, lines, [], float(known[-1, 1]) if len(known) else np.nan)


def _lines(place: NDArray[np.float64], values: NDArray[np.float64]) -> list[list[tuple[float, float]]]:
    """Return the stretches of values without a gap."""
    return [_points(place[run], values[run]) for run in _runs(~np.isnan(values))]


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _runs(known: NDArray[np.bool_]) -> Iterable[NDArray[np.intp]]:
    """Return the stretches of known values, as rows."""
    rows = np.flatnonzero(known)
    return [run for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(run)]


def _edges(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges between the stretches of frames, half way to their neighbours, (n + 1,)."""
    return np.concatenate([place[:1], (place[1:] + place[:-1]) / 2.0, place[-1:]])
