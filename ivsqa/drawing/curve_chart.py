"""Learning curves: accuracy against cost on a logarithmic scale, with intervals; as a figure that stands alone, or in a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isnan, log10, nan

from ivsqa.drawing.svg_shapes import document, line, marker, text

PANEL, GAP, HEIGHT = 420.0, 40.0, 400.0
LEFT, TOP, RIGHT, BOTTOM = 58.0, 58.0, 12.0, 56.0
COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f7f", "#f0e442", "#882255", "#332288")
"""Okabe & Ito's, told apart by the colour-blind, then two of Tol's."""


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve with its interval; NaN ends where there is none."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """One curve, by rising x above 0."""

    name: str
    points: Sequence[CurvePoint]


@dataclass(frozen=True)
class Panel:
    """One diagram.

    Attributes:
        curves: Its curves.
        x_label: What its x axis is.
        level: A level that is to be reached; NaN where there is none.
        level_name: What that is.
        x_ticks: Ticks of the x axis; empty: round numbers.
    """

    curves: Sequence[Curve]
    x_label: str
    level: float = nan
    level_name: str = ""
    x_ticks: Sequence[float] = ()


def curve_figure(panels: Sequence[Panel], *, y_label: str, title: str) -> str:
    """Return panels side by side, with one legend, as one SVG file."""
    width = _width(panels)
    body = [
        f'<rect width="{width:g}" height="{HEIGHT:g}" fill="#fff"/>',
        '<g color="#1d232b" font-family="sans-serif">',
        *_panels(panels, y_label),
        "</g>",
    ]
    return document(width, HEIGHT, title, body) + "\n"


def curve_chart(panel: Panel, *, y_label: str, title: str) -> str:
    """Return one panel with its legend, in the colours of the page around it."""
    return document(_width([panel]), HEIGHT, title, _panels([panel], y_label))


def _width(panels: Sequence[Panel]) -> float:
    return len(panels) * PANEL + (len(panels) - 1) * GAP


def _panels(panels: Sequence[Panel], y_label: str) -> list[str]:
    """Return panels side by side, and the legend of the first."""
    body = []
    for number, panel in enumerate(panels):
        body += [f'<g transform="translate({number * (PANEL + GAP):g} 0)">', *_panel(panel, y_label), "</g>"]
    return [*body, *_legend([curve.name for curve in panels[0].curves])]


@dataclass(frozen=True)
class _Axes:
    """Data to places within a panel."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        share = (log10(value) - log10(self.x_low)) / max(1e-9, log10(self.x_high) - log10(self.x_low))
        return LEFT + share * (PANEL - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (min(max(value, self.y_low), self.y_high) - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _panel(panel: Panel, y_label: str) -> list[str]:
    """Return grid, labels, intervals and curves."""
    points = [point for curve in panel.curves for point in curve.points]
    ys = [y for point in points for y in (point.y, point.low, point.high) if not isnan(y)]
    ys += [] if isnan(panel.level) else [panel.level]
    xs = [point.x for point in points]
    lone = 2.0 if min(xs) == max(xs) else 1.0  # a single place stands in the middle
    step = 0.05 if max(ys) - min(ys) > 0.15 else 0.02 if max(ys) - min(ys) > 0.06 else 0.01
    highest = min(1.0, ceil((max(ys) + 0.1 * step) / step) * step)
    axes = _Axes(min(xs) / lone, max(xs) * lone, min(floor(min(ys) / step) * step, highest - step), highest)
    body = _grid(axes, step, panel.x_ticks)
    if not isnan(panel.level):
        y = axes.y(panel.level)
        body += [
            line(LEFT, y, PANEL - RIGHT, y, opacity=0.7, extra=' stroke-dasharray="5 4"'),
            text(PANEL - RIGHT - 2.0, y - 5.0, panel.level_name, anchor="end"),
        ]
    body += [
        text((LEFT + PANEL - RIGHT) / 2.0, HEIGHT - 14.0, panel.x_label, anchor="middle"),
        f'<g transform="rotate(-90 16 200)">{text(16.0, 200.0, y_label, anchor="middle")}</g>',
    ]
    for index, curve in enumerate(panel.curves):
        color = COLORS[index % len(COLORS)]
        known = [point for point in curve.points if not isnan(point.low)]
        band = [(point.x, point.high) for point in known] + [(point.x, point.low) for point in reversed(known)]
        faint = f'stroke="{color}" stroke-opacity=".35"'  # so that the band of a single point can be seen
        body.append(f'<polygon points="{_path(axes, band)}" fill="{color}" fill-opacity=".13" {faint}/>')
        path = _path(axes, [(point.x, point.y) for point in curve.points])
        body.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        body += [marker(index, axes.x(point.x), axes.y(point.y), color) for point in curve.points]
    return body


def _grid(axes: _Axes, step: float, x_ticks: Sequence[float]) -> list[str]:
    """Return the ticks of both axes."""
    body = []
    for number in range(round((axes.y_high - axes.y_low) / step) + 1):
        value = axes.y_low + number * step
        y = axes.y(value)
        body += [
            line(LEFT, y, PANEL - RIGHT, y, opacity=0.13),
            text(LEFT - 7.0, y + 4.5, f"{value:.2f}", anchor="end"),
        ]
    decades = range(floor(log10(axes.x_low)), ceil(log10(axes.x_high)) + 1)
    for value in x_ticks or [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]:
        if axes.x_low * 0.999 <= value <= axes.x_high * 1.001:
            x = axes.x(value)
            body += [
                line(x, TOP, x, HEIGHT - BOTTOM, opacity=0.13),
                text(x, HEIGHT - BOTTOM + 18.0, f"{value:g}", anchor="middle"),
            ]
    return body


def _path(axes: _Axes, points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in points)


def _legend(names: Sequence[str]) -> list[str]:
    """Return the marker and the name of each curve, in a row on top."""
    body, x = [], LEFT + 4.0
    for index, name in enumerate(names):
        body += [
            marker(index, x, 24.0, COLORS[index % len(COLORS)]),
            text(x + 10.0, 28.5, escape(name), anchor="start"),
        ]
        x += 30.0 + 7.6 * len(name)
    return body
