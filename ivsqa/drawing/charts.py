"""Diagrams as inline SVG, for pages that must open anywhere: no script, no font, no file beside them.

Here is what stands where; how it is drawn is in the templates beside this module. Series differ in colour and in marker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isnan, log10, nan

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ivsqa.domain.agreement.reader_agreement import BlandAltman
from ivsqa.drawing.scales import Plot, Scale, round_step, ticks_between
from ivsqa.drawing.templates import fill

SIDE, GAP = 440.0, 20.0
"""Width and height of a diagram, and the room between two."""
LEFT, TOP, RIGHT, BOTTOM = 58.0, 44.0, 14.0, 52.0
"""Room around the plot."""
BAR = 50.0
"""Height of the highest bar beneath a reliability diagram."""
N_SHARES = 101
"""Points of a review curve: one a hundredth of the frames."""
COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f7f", "#f0e442", "#882255", "#332288")
"""Okabe & Ito's, told apart by the colour-blind, then two of Tol's."""


@dataclass(frozen=True)
class Point:
    """A point of a diagram.

    Attributes:
        x: Its value along x.
        y: Its value along y.
        n: How many things it stands for.
        low: Lower end of its interval in y; NaN where there is none.
        high: Upper end.
    """

    x: float
    y: float
    n: int = 1
    low: float = nan
    high: float = nan


@dataclass(frozen=True)
class Series:
    """Points of one structure or one model: its name, its colour as "#rrggbb", and the points in order of x."""

    name: str
    color: str
    points: Sequence[Point]

    @property
    def places(self) -> list[tuple[float, float]]:
        """The points as a line."""
        return [(point.x, point.y) for point in self.points]

    @property
    def band(self) -> list[tuple[float, float]]:
        """The outline of the intervals: the upper ends, and back along the lower ones."""
        known = [point for point in self.points if not isnan(point.low)]
        return [(point.x, point.high) for point in known] + [(point.x, point.low) for point in reversed(known)]


@dataclass(frozen=True)
class Panel:
    """A diagram of curves.

    Attributes:
        series: The curves, by rising x above 0.
        x_label: What its x axis is.
        level: A level that is to be reached; NaN where there is none.
        level_name: What that is.
        x_ticks: Ticks of the x axis; empty: round numbers.
    """

    series: Sequence[Series]
    x_label: str
    level: float = nan
    level_name: str = ""
    x_ticks: Sequence[float] = ()


def scatter_chart(series: Sequence[Series]) -> Markup:
    """Return predicted (y) against true Dice (x), with the line on which the two are equal; both axes are cut alike."""
    values = [value for group in series for point in group.points for value in (point.x, point.y)]
    low = min(0.9, floor(min(values, default=0.0) * 10.0) / 10.0)
    plot = _unit_plot(low, "true Dice", "predicted Dice")
    n = max((len(group.points) for group in series), default=0)
    return fill("drawing/scatter_chart.svg.j2", side=SIDE, plot=plot, series=series, n=n)


def reliability_chart(series: Sequence[Series]) -> Markup:
    """Return the observed share of wrong pixels (y) against the predicted probability (x), and beneath how many there were.

    Args:
        series: Points in order of x; `n` is the number of pixels.
    """
    plot = _unit_plot(0.0, "predicted probability of error", "share of pixels that was wrong")
    most = max((point.n for curve in series for point in curve.points), default=1)
    # Bars by decades: pixels that are surely right outnumber all others many times.
    decades = max(1.0, log10(max(most, 1)))

    def bar_height(n: int) -> float:
        # Never less than a line: no bar would mean no pixel.
        return max(1.0, log10(max(n, 1)) / decades * BAR)

    return fill(
        "drawing/reliability_chart.svg.j2", side=SIDE, plot=plot, series=series, most=most, bar_height=bar_height
    )


def review_chart(curves: Mapping[str, NDArray[np.float64]], *, goal: float) -> Markup:
    """Return the mean Dice of a pool (y) against how much of it people mended (x), beside the random order.

    Args:
        curves: By the name of the order, from `review_curve`; without frames a curve is left out.
        goal: Mean Dice that is to be reached.
    """
    # A curve has a point a frame; more than these would only make the page larger.
    percents = np.linspace(0.0, 100.0, N_SHARES)
    series = [
        Series(name, color, [Point(x, y) for x, y in zip(percents.tolist(), dice.tolist(), strict=True)])
        for (name, curve), color in zip(curves.items(), COLORS, strict=False)
        for dice in [np.interp(percents, np.linspace(0.0, 100.0, len(curve)), curve)]
        if not np.isnan(curve).any()
    ]
    mean = min((group.points[0].y for group in series), default=goal)
    y = _unit_plot(floor(20.0 * min(mean, goal)) / 20.0, "", "mean Dice of all frames").y
    x = Scale(0.0, 100.0, LEFT, SIDE - RIGHT, range(0, 101, 20), "frames mended, %")
    return fill("drawing/review_chart.svg.j2", side=SIDE, plot=Plot(x, y), series=series, mean=mean, goal=goal)


def bound_chart(shares: Sequence[float], bounds: Sequence[float], *, at_most: float, chosen: float) -> Markup:
    """Return what is proved of accepted frames (y) against the share of frames accepted (x), as the bar rises.

    Args:
        shares: Rising, of all frames, in [0, 1].
        bounds: What is proved at each, in [0, 1]; the curve is cut at four times what is promised.
        at_most: What is promised.
        chosen: The share that was accepted.
    """
    high = min(1.0, 4.0 * at_most)
    step = round_step(high, 4)
    points = [Point(100.0 * share, min(bound, high)) for share, bound in zip(shares, bounds, strict=True)]
    plot = Plot(
        Scale(0.0, 100.0, LEFT, SIDE - RIGHT, range(0, 101, 20), "frames accepted, %"),
        Scale(
            0.0,
            high,
            SIDE - BOTTOM,
            TOP,
            ticks_between(0.0, high, step),
            "what is proved: at most",
            "%.3g",
        ),
    )
    curve = Series("proved", COLORS[0], points)
    return fill(
        "drawing/bound_chart.svg.j2", side=SIDE, plot=plot, series=curve, at_most=at_most, chosen=100.0 * chosen
    )


def agreement_chart(
    pairs: NDArray[np.float64], *, limits: BlandAltman, others: BlandAltman | None, color: str, name: str, unit: str
) -> Markup:
    """Return differences of two methods (y) against their means (x), with bias and limits of agreement.

    Args:
        pairs: (n, 2), the method that is judged first; without NaN.
        limits: Their bias and limits.
        others: Of two readers of one frame, to judge by; None: nobody knows.
        color: "#rrggbb".
        name: What is measured.
        unit: Its unit.

    Source: Bland & Altman, Lancet 1986;1:307.
    """
    differences, means = pairs[:, 0] - pairs[:, 1], pairs.mean(axis=1)
    ends = [end for one in (limits, others) if one for end in (one.low, one.high) if not isnan(end)]
    # Areas that are all alike, and two that agree to the last digit, have axes too.
    least = max(0.01 * float(np.abs(means).max()), 1e-9)
    reach = max(1.1 * max(abs(value) for value in (*differences.tolist(), *ends)), least)
    y_step, x_step = round_step(2.0 * reach, 6), round_step(max(float(np.ptp(means)), least), 4)
    # A tick beyond each end: no marker is cut, and equal means have an axis.
    x_low, x_high = floor(means.min() / x_step - 1e-9) * x_step, ceil(means.max() / x_step + 1e-9) * x_step
    reach = ceil(reach / y_step) * y_step
    plot = Plot(
        Scale(x_low, x_high, LEFT, SIDE - RIGHT, ticks_between(x_low, x_high, x_step), f"mean of both, {unit}", "%.3g"),
        Scale(
            -reach,
            reach,
            SIDE - BOTTOM,
            TOP,
            ticks_between(-reach, reach, y_step),
            f"{name}: predicted − drawn, {unit}",
            "%.3g",
        ),
    )
    points = [Point(x, y) for x, y in zip(means.tolist(), differences.tolist(), strict=True)]
    return fill(
        "drawing/agreement_chart.svg.j2",
        side=SIDE,
        plot=plot,
        series=Series(name, color, points),
        limits=limits,
        others=others,
    )


def histogram_chart(values: NDArray[np.float64], *, limit: float, title: str) -> Markup:
    """Return a histogram of values in [0, 1], bars below the limit strong; the lower end is cut where nothing lies.

    Args:
        values: (n,), at least one.
        limit: A multiple of the width of a bar, 0.05 or 0.02.
        title: For those who cannot see it.
    """
    # Narrow bars where all frames are alike, which a good model's are.
    width, labelled = (0.02, 5) if values.min() >= 0.6 else (0.05, 2)
    # The two bars below the limit stay in view, empty or not: that nothing is poor should be seen, too.
    n_bars = round((1.0 - min(limit - 2.0 * width, floor(values.min() / width) * width)) / width)
    counts, edges = np.histogram(values, bins=n_bars, range=(1.0 - n_bars * width, 1.0))
    tallest = 180.0 / counts.max()
    bars = [
        {"low": low, "high": high, "n": n, "height": tallest * n, "is_poor": high <= limit + 1e-9}
        for low, high, n in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    ]
    ticks = [edge for edge in edges.tolist() if round(edge / width) % labelled == 0]
    x = Scale(float(edges[0]), 1.0, 14.0, SIDE - RIGHT, ticks)
    return fill(
        "drawing/histogram_chart.svg.j2", side=SIDE, bars=bars, x=x, most=counts.max(), n=len(values), title=title
    )


def curve_chart(panel: Panel, *, y_label: str, title: str) -> Markup:
    """Return curves over a logarithmic axis with their intervals, in the colours of the page around them."""
    return _curves([panel], y_label, title, stands_alone=False)


def curve_figure(panels: Sequence[Panel], *, y_label: str, title: str) -> Markup:
    """Return diagrams of curves side by side, with one legend, as an SVG file that brings its own colours."""
    return _curves(panels, y_label, title, stands_alone=True)


def _curves(panels: Sequence[Panel], y_label: str, title: str, *, stands_alone: bool) -> Markup:
    """Return diagrams of curves side by side."""
    return fill(
        "drawing/curve_chart.svg.j2",
        plots=[(panel, _curve_plot(panel, y_label)) for panel in panels],
        side=SIDE,
        step=SIDE + GAP,
        width=len(panels) * (SIDE + GAP) - GAP,
        title=title,
        stands_alone=stands_alone,
    )


def _unit_plot(low: float, x_label: str, y_label: str) -> Plot:
    """Return a square of data from `low` to 1 on both axes."""
    step = 0.2 if low < 0.5 else 0.1 if low < 0.8 else 0.05
    # Down from 1, so that perfection has a tick whatever the lower end is.
    ticks = [1.0 - step * number for number in range(floor((1.0 - low) / step + 1e-9) + 1)]
    return Plot(
        Scale(low, 1.0, LEFT, SIDE - RIGHT, ticks, x_label, "%.3g"),
        Scale(low, 1.0, SIDE - BOTTOM, TOP, ticks, y_label, "%.3g"),
    )


def _curve_plot(panel: Panel, y_label: str) -> Plot:
    """Return a logarithmic x axis and a y axis that fit the curves, their intervals and the level to be reached."""
    points = [point for curve in panel.series for point in curve.points]
    ys = [y for point in points for y in (point.y, point.low, point.high) if not isnan(y)]
    ys += [] if isnan(panel.level) else [panel.level]
    span = max(ys) - min(ys)
    step = 0.1 if span > 0.6 else 0.05 if span > 0.15 else 0.02 if span > 0.06 else 0.01
    # Accuracy ends at 1; an axis that went on would promise more.
    y_high = min(1.0, ceil((max(ys) + 0.1 * step) / step) * step)
    y_low = min(floor(min(ys) / step) * step, y_high - step)
    xs = [point.x for point in points]
    lone = 2.0 if min(xs) == max(xs) else 1.0  # a single place stands in the middle
    x_low, x_high = min(xs) / lone, max(xs) * lone
    decades = range(floor(log10(x_low)), ceil(log10(x_high)) + 1)
    x_ticks = panel.x_ticks or [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    return Plot(
        Scale(
            x_low,
            x_high,
            LEFT,
            SIDE - RIGHT,
            [tick for tick in x_ticks if x_low * 0.999 <= tick <= x_high * 1.001],
            panel.x_label,
            is_logarithmic=True,
        ),
        Scale(y_low, y_high, SIDE - BOTTOM, TOP, ticks_between(y_low, y_high, step), y_label, "%.2f"),
    )
