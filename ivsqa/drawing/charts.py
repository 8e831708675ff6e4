"""Diagrams as inline SVG, for pages that must open anywhere: no script, no font, no file beside them.

Lines and words take the page's own colour, so a diagram follows light and dark. Series differ in colour and in marker, so they
can be told apart in grey and by the colour-blind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from ivsqa.drawing.svg_shapes import document, line, marker, text

WIDTH, HEIGHT = 440.0, 440.0
LEFT, TOP, RIGHT, BOTTOM = 58.0, 44.0, 14.0, 52.0
STRIP, STRIP_GAP = 64.0, 50.0
"""Height of the bars beneath a diagram, and the room between the two."""


@dataclass(frozen=True)
class Point:
    """A point, and how many things it stands for."""

    x: float
    y: float
    n: int = 1


@dataclass(frozen=True)
class Series:
    """Points of one structure: its name, its colour as "#rrggbb", and the points in order."""

    name: str
    color: str
    points: Sequence[Point]


def scatter_chart(series: Sequence[Series]) -> str:
    """Return predicted (y) against true Dice (x), with the line on which the two are equal; both axes are cut alike."""
    values = [value for one in series for point in one.points for value in (point.x, point.y)]
    plot = _Plot(min(0.9, floor(min(values, default=0.0) * 10.0) / 10.0))
    marks = [marker(index, plot.x(p.x), plot.y(p.y), one.color) for index, one in enumerate(series) for p in one.points]
    body = [*plot.frame("true Dice", "predicted Dice"), *marks, *_legend(series)]
    n = max((len(one.points) for one in series), default=0)
    return document(WIDTH, HEIGHT, f"Predicted against true Dice of {n} frames", body)


def reliability_chart(series: Sequence[Series]) -> str:
    """Return the observed share of wrong pixels (y) against the predicted probability (x), and beneath how many there were.

    Args:
        series: Points in order of x; `n` is the number of pixels.
    """
    plot = _Plot(0.0)
    body = plot.frame("predicted probability of error", "share of pixels that was wrong")
    for index, one in enumerate(series):
        path = " ".join(f"{plot.x(p.x):.1f},{plot.y(p.y):.1f}" for p in one.points)
        body.append(f'<polyline points="{path}" fill="none" stroke="{escape(one.color)}" stroke-width="2"/>')
        body += [marker(index, plot.x(p.x), plot.y(p.y), one.color) for p in one.points]
    body += [*_legend(series), *_count_bars(series, plot)]
    height = HEIGHT + STRIP_GAP + STRIP
    return document(WIDTH, height, "Observed against predicted share of wrong pixels, and their number", body)


def histogram_chart(values: NDArray[np.float64], *, limit: float, title: str) -> str:
    """Return how many values lie where in [0, 1], in bars, those below the limit strong; the lower end is cut where nothing lies.

    Args:
        values: (n,), at least one.
        limit: A multiple of the width of a bar, 0.05 or 0.02.
        title: For those who cannot see it.
    """
    width = 0.02 if values.min() >= 0.6 else 0.05
    low = min(limit - 2.0 * width, floor(values.min() / width) * width)
    n_bars = round((1.0 - low) / width)
    counts, edges = np.histogram(values, bins=n_bars, range=(1.0 - n_bars * width, 1.0))
    left, bottom, tall = 14.0, 210.0, 180.0
    across = (WIDTH - left - RIGHT) / n_bars
    body = []
    for number, n in enumerate(counts.tolist()):
        height, opacity = tall * n / counts.max(), 0.85 if edges[number + 1] <= limit + 1e-9 else 0.4
        x = left + number * across
        box = f'x="{x + 1.0:.1f}" y="{bottom - height:.1f}" width="{across - 2.0:.1f}" height="{height:.1f}"'
        body.append(f'<rect {box} fill="currentColor" fill-opacity="{opacity}"><title>{n:,}</title></rect>')
        if round(edges[number] / width) % (5 if width == 0.02 else 2) == 0:
            body.append(text(x, bottom + 18.0, f"{edges[number]:.1f}", anchor="middle"))
    body += [
        line(left, bottom, WIDTH - RIGHT, bottom, opacity=0.6),
        text(WIDTH - RIGHT, bottom + 18.0, "1.0", anchor="end"),
    ]
    body.append(
        text(left, bottom - tall - 10.0, f"highest bar: {counts.max():,} of {len(values):,} frames", anchor="start")
    )
    return document(WIDTH, bottom + 26.0, title, body)


@dataclass(frozen=True)
class _Plot:
    """A square of data from `low` to 1 on both axes."""

    low: float

    def x(self, value: float) -> float:
        """Return where a value stands, from the left."""
        return LEFT + (value - self.low) / (1.0 - self.low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return where a value stands, from the top."""
        return HEIGHT - BOTTOM - (value - self.low) / (1.0 - self.low) * (HEIGHT - TOP - BOTTOM)

    def frame(self, x_label: str, y_label: str) -> list[str]:
        """Return grid, ticks, labels and the line of equality."""
        step = 0.2 if self.low < 0.5 else 0.1 if self.low < 0.8 else 0.05
        # Down from 1, so that perfection has a tick whatever the lower end is.
        ticks = [1.0 - step * index for index in range(int((1.0 - self.low) / step + 1.0 + 1e-9))]
        drawn = []
        for tick in ticks:
            x, y = self.x(tick), self.y(tick)
            drawn += [
                line(x, self.y(self.low), x, self.y(1.0), opacity=0.13),
                line(self.x(self.low), y, self.x(1.0), y, opacity=0.13),
                text(x, self.y(self.low) + 18.0, f"{tick:.3g}", anchor="middle"),
                text(self.x(self.low) - 8.0, y + 4.5, f"{tick:.3g}", anchor="end"),
            ]
        middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2.0, (TOP + HEIGHT - BOTTOM) / 2.0
        ends = (self.x(self.low), self.y(self.low), self.x(1.0), self.y(1.0))
        return [
            *drawn,
            line(*ends, opacity=0.55, extra=' stroke-dasharray="5 4"'),
            text(middle_x, HEIGHT - BOTTOM + 40.0, x_label, anchor="middle"),
            f'<g transform="rotate(-90 16 {middle_y:.1f})">{text(16.0, middle_y, y_label, anchor="middle")}</g>',
        ]


def _count_bars(series: Sequence[Series], plot: _Plot) -> list[str]:
    """Return bars of the number of pixels behind each point, on a logarithmic scale."""
    most = max((point.n for one in series for point in one.points), default=1)
    decades = max(1.0, log10(max(most, 1)))
    base, width = HEIGHT + STRIP_GAP + STRIP - 22.0, 7.0
    bars = [
        text(LEFT, base - STRIP - 2.0, f"pixels, logarithmic, up to {most:,}", anchor="start"),
        line(LEFT, base, WIDTH - RIGHT, base, opacity=0.4),
    ]
    for index, one in enumerate(series):
        shift = (index - len(series) / 2.0) * width
        for point in one.points:
            tall = max(1.0, log10(max(point.n, 1)) / decades * (STRIP - 14.0))
            bars.append(
                f'<rect x="{plot.x(point.x) + shift:.1f}" y="{base - tall:.1f}" width="{width - 1.0:g}" height="{tall:.1f}"'
                f' fill="{escape(one.color)}"><title>{escape(one.name)}: {point.n:,}</title></rect>'
            )
    return bars


def _legend(series: Sequence[Series]) -> Iterable[str]:
    """Yield the marker and the name of each series, in a row on top."""
    x = LEFT + 6.0
    for index, one in enumerate(series):
        yield marker(index, x, TOP - 24.0, one.color)
        yield text(x + 11.0, TOP - 19.5, one.name, anchor="start")
        x += 34.0 + 8.0 * len(one.name)
