"""A pullback from its first frame to its last, as one diagram: the vessel cut along the catheter, areas, plaque burden, quality.

All share one axis along the vessel. Structures differ in colour and in dashes, drawn frames are ticks, frames of poor quality
dark bars: nothing rests on colour alone.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, inf, isnan, log10

import numpy as np
from numpy.typing import NDArray

from ivsqa.drawing.svg_shapes import document, line, text

WIDTH, LEFT, RIGHT = 900.0, 56.0, 76.0
GAP = 30.0
VIEW, AREAS, BURDEN, QUALITY, FLAGS = 170.0, 170.0, 90.0, 62.0, 20.0
"""Heights of the panels, and of the row of numbers beneath the first."""
DASHES = ("", "7 4", "2 3", "9 3 2 3")
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
class CourseView:
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


@dataclass(frozen=True)
class _Panel:
    """A strip of the diagram, and what its lower and upper edge stand for."""

    top: float
    height: float
    low: float
    high: float

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.top + self.height * (1.0 - share)


class _Axis:
    """Places along the vessel."""

    def __init__(self, place: NDArray[np.float64]) -> None:
        self.first, self.last = float(place[0]), float(max(place[-1], place[0] + 1e-9))

    def x(self, place: float) -> float:
        return LEFT + (place - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT)


def course_chart(course: CourseView) -> str:
    """Return the diagram, SVG; panels of which nothing is known are left out."""
    axis, top, body = _Axis(course.place), 22.0, []
    rows = _thinned(course)
    for height, draw in (
        (VIEW, _view),
        (AREAS if course.areas else 0.0, _areas),
        (BURDEN if course.burden is not None else 0.0, _burden),
        (QUALITY if course.quality is not None else 0.0, _quality),
    ):
        if height:
            body += draw(course, rows, axis, top, height)
            top += height + GAP + (FLAGS if draw is _view and course.marked else 0.0)
    body += _ticks(course, axis, top - GAP)
    return document(WIDTH, top + 2.0, course.title, body)


def _thinned(course: CourseView) -> NDArray[np.intp]:
    """Return the frames whose values are drawn: all, or as many as can be seen, those with a mark among them."""
    n = len(course.place)
    rows = np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(np.intp))
    return rows if course.minimum is None else np.union1d(rows, np.searchsorted(course.place, [course.minimum[0]]))


def _view(course: CourseView, rows: NDArray[np.intp], axis: _Axis, top: float, height: float) -> list[str]:
    """Return the cut along the catheter with its borders."""
    panel = _Panel(top, height, *course.extent)
    source = f"data:image/jpeg;base64,{base64.b64encode(course.view).decode()}"
    box = f'x="{LEFT:g}" y="{top:g}" width="{WIDTH - LEFT - RIGHT:g}" height="{height:g}"'
    body = [f'<image {box} preserveAspectRatio="none" href="{source}"/>']
    labels = []
    for number, (name, cut) in enumerate(course.cuts.items()):
        for side in cut.T:
            body += _paths(axis, panel, course.place[rows], side[rows], course.colors[name], number, width=1.8)
        ends = cut[rows][~np.isnan(cut[rows]).any(axis=1)]
        if len(ends):
            labels.append((panel.y(float(ends[-1, 1])), name))
    body += _labels(labels)
    step = _step(course.extent[1] - course.extent[0], 4)
    for value in np.arange(np.ceil(course.extent[0] / step), np.floor(course.extent[1] / step) + 0.5) * step:
        body.append(text(LEFT - 7.0, panel.y(float(value)) + 4.5, f"{value + 0.0:g}".replace("-", "−"), anchor="end"))
    body.append(text(LEFT, top - 8.0, f"cut along the catheter, {course.unit} from its middle", anchor="start"))
    for number, place in enumerate(course.marked, start=1):
        body.append(_flag(axis.x(place), top + height + 13.0, str(number)))
    return body


def _areas(course: CourseView, rows: NDArray[np.intp], axis: _Axis, top: float, height: float) -> list[str]:
    """Return areas with their bands, lesions as shades, and the minimum lumen area."""
    most = max((float(np.nanmax(one.values)) for one in course.areas if not np.isnan(one.values).all()), default=1.0)
    step = _step(most, 4)
    panel = _Panel(top, height, 0.0, step * np.ceil(most / step))
    body = [
        text(LEFT, top - 8.0, "area, mm²", anchor="start"),
        *_lesions(course, axis, panel),
        *_grid(panel, step),
    ]
    body += _lines(course.areas, course.place, rows, axis, panel)
    if course.minimum is not None:
        place, area = course.minimum
        x, y = axis.x(place), panel.y(area)
        anchor = "end" if x > WIDTH / 2.0 else "start"
        words = f"MLA {area:.1f} mm²"
        body += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="none" stroke="currentColor" stroke-width="2"/>',
            text(x + (-9.0 if anchor == "end" else 9.0), min(y + 18.0, top + height - 4.0), words, anchor=anchor),
        ]
    return body


def _burden(course: CourseView, rows: NDArray[np.intp], axis: _Axis, top: float, height: float) -> list[str]:
    """Return plaque burden with its band, and the limit from which a frame belongs to a lesion."""
    assert course.burden is not None
    panel = _Panel(top, height, 0.0, 1.0)
    limit = panel.y(course.burden_limit)
    return [
        text(LEFT, top - 8.0, "plaque burden", anchor="start"),
        *_lesions(course, axis, panel),
        *_grid(panel, 0.5, of_100=True),
        line(LEFT, limit, WIDTH - RIGHT, limit, opacity=0.6, extra=' stroke-dasharray="5 4"'),
        text(WIDTH - RIGHT + 6.0, limit + 4.5, f"{100.0 * course.burden_limit:g} %", anchor="start"),
        *_lines([course.burden], course.place, rows, axis, panel, named=False),
    ]


def _quality(course: CourseView, rows: NDArray[np.intp], axis: _Axis, top: float, height: float) -> list[str]:
    """Return predicted Dice as bars down from 1, dark where it is poor, with a tick for each drawn frame."""
    assert course.quality is not None
    panel = _Panel(top, height, LOWEST_QUALITY, 1.0)
    cells = _cells(axis, course.place[rows])
    body = [text(LEFT, top - 8.0, "predicted Dice, bars hang lower where it is worse", anchor="start")]
    body += _grid(panel, 0.25)
    for row, quality in enumerate(course.quality[rows].tolist()):
        if not isnan(quality):
            opacity = 0.85 if quality < course.poor else 0.4
            width = cells[row + 1] - cells[row]
            box = f'x="{cells[row]:.1f}" y="{top:g}" width="{0.85 * width:.1f}" height="{panel.y(quality) - top:.1f}"'
            body.append(f'<rect {box} fill="currentColor" fill-opacity="{opacity}"/>')
    limit = panel.y(course.poor)
    body += [
        line(LEFT, limit, WIDTH - RIGHT, limit, opacity=0.6, extra=' stroke-dasharray="5 4"'),
        text(WIDTH - RIGHT + 6.0, limit + 4.5, f"{course.poor:g}", anchor="start"),
    ]
    return body


def _lesions(course: CourseView, axis: _Axis, panel: _Panel) -> Iterator[str]:
    """Yield the shade of each lesion."""
    for first, last in course.lesions:
        x, width = axis.x(first), max(1.0, axis.x(last) - axis.x(first))
        box = f'x="{x:.1f}" y="{panel.top:g}" width="{width:.1f}" height="{panel.height:g}"'
        yield f'<rect {box} fill="currentColor" fill-opacity=".08"/>'


def _lines(
    lines: Sequence[Line],
    place: NDArray[np.float64],
    rows: NDArray[np.intp],
    axis: _Axis,
    panel: _Panel,
    *,
    named: bool = True,
) -> Iterator[str]:
    """Yield bands and lines, each line with its name at its end."""
    cells, labels = _cells(axis, place[rows]), []
    for number, one in enumerate(lines):
        values = one.values[rows]
        for run in _runs(~np.isnan(values[:, 1]) & ~np.isnan(values[:, 2])):
            # A step a frame: between two frames nothing was measured, and a drawn one has no interval.
            across = np.repeat(cells[run[0] : run[-1] + 2], 2)[1:-1]
            low, high = (np.repeat(values[run, end], 2) for end in (1, 2))
            outline = [*zip(across, high, strict=True), *zip(across[::-1], low[::-1], strict=True)]
            points = " ".join(f"{x:.1f},{panel.y(float(y)):.1f}" for x, y in outline)
            yield f'<polygon points="{points}" fill="{escape(one.color)}" fill-opacity=".28"/>'
        yield from _paths(axis, panel, place[rows], values[:, 0], one.color, number, width=2.0)
        known = np.flatnonzero(~np.isnan(values[:, 0]))
        if named and len(known):
            labels.append((panel.y(float(values[known[-1], 0])), one.name))
    yield from _labels(labels)


def _cells(axis: _Axis, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the stretch of each frame begins and the last one's ends, half way to its neighbours, (n + 1,)."""
    middles = (place[1:] + place[:-1]) / 2.0
    return np.array([axis.x(float(one)) for one in (place[0], *middles, place[-1])])


def _paths(
    axis: _Axis,
    panel: _Panel,
    place: NDArray[np.float64],
    values: NDArray[np.float64],
    color: str,
    number: int,
    *,
    width: float,
) -> Iterator[str]:
    """Yield a line for each stretch without a gap; a lone value is a dot."""
    dashes = f' stroke-dasharray="{DASHES[number % len(DASHES)]}"' if number % len(DASHES) else ""
    for run in _runs(~np.isnan(values)):
        places = [(axis.x(float(place[i])), panel.y(float(values[i]))) for i in run]
        if len(places) == 1:
            (x, y) = places[0]
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{escape(color)}"/>'
            continue
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{points}" fill="none" stroke="{escape(color)}" stroke-width="{width:g}"{dashes}/>'


def _runs(known: NDArray[np.bool_]) -> list[list[int]]:
    """Return the stretches of what is known, as lists of rows."""
    rows = np.flatnonzero(known)
    return [part.tolist() for part in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(part)]


def _grid(panel: _Panel, step: float, *, of_100: bool = False) -> Iterator[str]:
    """Yield the ticks of a panel."""
    for number in range(round((panel.high - panel.low) / step) + 1):
        value = panel.low + number * step
        yield line(LEFT, panel.y(value), WIDTH - RIGHT, panel.y(value), opacity=0.15)
        yield text(LEFT - 7.0, panel.y(value) + 4.5, f"{100.0 * value:g} %" if of_100 else f"{value:g}", anchor="end")


def _ticks(course: CourseView, axis: _Axis, bottom: float) -> Iterator[str]:
    """Yield the axis along the vessel, with a tick above it for each drawn frame."""
    span = axis.last - axis.first
    step = max(_step(span, 8), 1e-3 if course.in_mm else 1.0)
    for number in range(floor(span / step + 1e-9) + 1):
        place = axis.first + number * step
        yield line(axis.x(place), bottom, axis.x(place), bottom + 5.0, opacity=0.6)
        yield text(axis.x(place), bottom + 20.0, f"{place:g}", anchor="middle")
    yield line(LEFT, bottom, WIDTH - RIGHT, bottom, opacity=0.6)
    for place in course.place[course.drawn]:
        yield line(
            axis.x(float(place)), bottom - 7.0, axis.x(float(place)), bottom, opacity=1.0, extra=' stroke-width="2"'
        )
    yield text(WIDTH - RIGHT + 10.0, bottom + 20.0, "mm" if course.in_mm else "frame", anchor="start")


def _labels(places: Sequence[tuple[float, str]]) -> Iterator[str]:
    """Yield the names of lines at their right ends, kept apart where lines end close to each other."""
    lowest = -inf
    for y, name in sorted(places):
        lowest = max(y, lowest + 15.0)
        yield text(WIDTH - RIGHT + 6.0, lowest + 4.5, name, anchor="start")


def _flag(x: float, y: float, word: str) -> str:
    """Return a number in a circle."""
    return (
        f'<g><circle cx="{x:.1f}" cy="{y:.1f}" r="9" fill="none" stroke="currentColor" stroke-width="1.3"/>'
        f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle" font-size="12" fill="currentColor">{escape(word)}</text></g>'
    )


def _step(span: float, n: int) -> float:
    """Return a round step of which about n fit into a span.

    Example:
        >>> _step(10.0, 4), _step(17.0, 4), _step(0.9, 4)
        (2.0, 5.0, 0.2)
    """
    raw = max(span, 1e-9) / n
    decade = 10.0 ** floor(log10(raw))
    return float(min((factor * decade for factor in (1.0, 2.0, 5.0, 10.0)), key=lambda step: abs(log10(step / raw))))
