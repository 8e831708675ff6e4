"""Doubtful arcs: the stretches of a border that a person should look at first.

An arc is an interval of angle around the centroid of its contour: 0° points along +x (3 o'clock) and angles grow clockwise
on the screen, as hours do. An arc may pass through 0°; then its stop is the smaller number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Points

DEG_PER_HOUR = 30.0

N_ARCS = 36
"""Equal arcs that a border is judged in, 10° each; the first begins at 0°."""

MOST_ARCS = 3
"""Arcs that are marked in a frame."""
LEAST_SPAN_DEG = 20.0
"""Span of a marked arc: a shorter one says little (benchmarks/doubtful_arcs.py)."""


@dataclass(frozen=True)
class DoubtfulArc:
    """Part of one structure's border where the predicted error is high.

    Attributes:
        structure: Name of the structure.
        start_deg: Where the arc begins, in [0, 360).
        stop_deg: Where it ends, going clockwise; equal to `start_deg`, or 360 more, means the whole circle.

    Example:
        >>> DoubtfulArc("eem", 350.0, 20.0).span_deg
        30.0
        >>> str(DoubtfulArc("eem", 30.0, 90.0))
        "eem 4 to 6 o'clock"
    """

    structure: str
    start_deg: float
    stop_deg: float

    @property
    def span_deg(self) -> float:
        """Angle covered, in (0, 360]."""
        return (self.stop_deg - self.start_deg) % 360.0 or 360.0

    def __str__(self) -> str:
        """The arc as an annotator says it: by the hours of a clock face laid on the vessel."""
        if self.span_deg < DEG_PER_HOUR:
            return f"{self.structure} {(_hour(self.start_deg + 0.5 * self.span_deg) - 1) % 12 + 1} o'clock"
        first, last = _hour(self.start_deg), _hour(self.start_deg + self.span_deg)
        if last - first >= 12:  # nearly a turn ends at the hour it began, and a lone hour would say next to nothing
            return f"{self.structure} all around"
        first, last = ((hour - 1) % 12 + 1 for hour in (first, last))
        return f"{self.structure} {first} o'clock" if first == last else f"{self.structure} {first} to {last} o'clock"


def _hour(angle_deg: float) -> int:
    """Return the nearest hour, the later one half way, counted on beyond 12 in a second turn."""
    return int(np.floor(3.5 + angle_deg / DEG_PER_HOUR))


class ErrorByArc(NamedTuple):
    """The expected error of one border in each of n equal arcs, the first from 0°.

    Attributes:
        area_px: Expected number of wrong pixels in each arc's sector, (n,).
        length_px: Length of border in it, (n,).
    """

    area_px: Points
    length_px: Points

    @property
    def distance_px(self) -> Points:
        """How far off the border is expected to be, (n,) px; NaN in an arc through which no border runs."""
        has_border = self.length_px > 0.0
        return np.where(has_border, self.area_px / np.where(has_border, self.length_px, 1.0), np.nan)


def arc_numbers(x: Points, y: Points, n_arcs: int) -> NDArray[np.intp]:
    """Return the number, from 0, of the equal arc in which each offset from the centre lies."""
    turns = np.arctan2(y, x) / (2.0 * np.pi) % 1.0
    return np.minimum((turns * n_arcs).astype(np.intp), n_arcs - 1)


def line_beside(
    contour: Contour,
    arc: DoubtfulArc,
    *,
    offset_px: float = 0.0,
    step_deg: float = 2.0,
    centre_px: Points | None = None,
) -> Points:
    """Return an open line that follows a border over an arc.

    Args:
        contour: The border the arc belongs to.
        arc: Which part of it.
        offset_px: Distance of the line outside the border, along the ray from the centroid.
        step_deg: Angle between the points of the line.
        centre_px: Centre of the arc's angles; None: the centroid of the contour.

    Returns:
        (m, 2) float64, m ≥ 2, (x, y), integer = pixel centre, clockwise. Where a ray meets the border more than once, the
        outermost crossing counts.
    """
    centre = contour.centroid_px if centre_px is None else centre_px
    x, y = (contour.resampled(1440).points_px - centre).T
    outermost = np.zeros(360)  # by degree
    np.maximum.at(outermost, (np.degrees(np.arctan2(y, x)) % 360.0).astype(np.intp) % 360, np.hypot(x, y))
    seen = np.flatnonzero(outermost)
    wanted = arc.start_deg + np.linspace(0.0, arc.span_deg, max(2, int(np.ceil(arc.span_deg / step_deg)) + 1))
    reach = np.interp(wanted % 360.0, seen + 0.5, outermost[seen], period=360.0) + offset_px
    directions = np.column_stack([np.cos(np.radians(wanted)), np.sin(np.radians(wanted))])
    return np.asarray(centre + reach[:, None] * directions)


def error_by_arc(error_map: NDArray[np.floating], contour: Contour, *, n_arcs: int = N_ARCS) -> ErrorByArc:
    """Return the expected error of the border in each arc.

    A border drawn d px too far out, with the map at 1 on the band between, is off by about d.

    Args:
        error_map: Calibrated probability that a pixel is wrong, (height, width), zero where errors do not count.
        contour: The predicted border, in the pixels of the map.
        n_arcs: Number of equal arcs; the first begins at 0°.
    """
    rows, columns = np.nonzero(error_map)
    centre = contour.centroid_px
    area = np.bincount(
        arc_numbers(columns - centre[0], rows - centre[1], n_arcs),
        weights=error_map[rows, columns].astype(np.float64),
        minlength=n_arcs,
    )
    n_points = max(32 * n_arcs, int(4 * contour.perimeter_px))
    x, y = (contour.resampled(n_points).points_px - centre).T
    length_px = np.bincount(arc_numbers(x, y, n_arcs), minlength=n_arcs) * (contour.perimeter_px / n_points)
    return ErrorByArc(area.astype(np.float64), length_px.astype(np.float64))


def worst_arcs(errors: Mapping[str, ErrorByArc], *, threshold_px: float, most: int = MOST_ARCS) -> list[DoubtfulArc]:
    """Return the arcs of a frame's borders that are expected to be off by more than a distance, worst first.

    The worst arc is the one with the largest expected area of error: what a reader has most to mend in. Each arc is judged
    together with its neighbours, since borders are off alike nearby; one by one, a stretch would fall into pieces.

    Args:
        errors: Of each border, by structure.
        threshold_px: Distance, in px of the maps.
        most: How many arcs at most: where all is marked, nothing is.

    Example:
        >>> area_px = np.zeros(36)
        >>> area_px[0:6], area_px[20:22] = 9.0, 4.0
        >>> eem, lumen = ErrorByArc(area_px, np.full(36, 2.0)), ErrorByArc(area_px / 2, np.full(36, 2.0))
        >>> [str(arc) for arc in worst_arcs({"eem": eem, "lumen": lumen}, threshold_px=1.0)]
        ["eem 3 to 5 o'clock", "lumen 3 to 5 o'clock", "eem 10 o'clock"]
    """
    ranked = [
        (-float(error.area_px[_numbers_in(arc, len(error.area_px))].sum()), arc)
        for name, error in errors.items()
        for arc in arcs_above(_with_neighbours(error).distance_px, name, threshold=threshold_px)
        if arc.span_deg >= LEAST_SPAN_DEG
    ]
    return [arc for _, arc in sorted(ranked, key=lambda pair: pair[0])[:most]]


def _with_neighbours(error: ErrorByArc) -> ErrorByArc:
    """Return the error of each arc and its two neighbours together."""
    return ErrorByArc(*(part + np.roll(part, 1) + np.roll(part, -1) for part in error))


def _numbers_in(arc: DoubtfulArc, n_arcs: int) -> NDArray[np.intp]:
    """Return the numbers of the equal arcs that an arc is made of."""
    width_deg = 360.0 / n_arcs
    first = round(arc.start_deg / width_deg)
    return np.arange(first, first + round(arc.span_deg / width_deg)) % n_arcs


def arcs_above(values: Points, structure: str, *, threshold: float) -> list[DoubtfulArc]:
    """Return the arcs of a border in which a distance exceeds a threshold, by where they start.

    Neighbours are merged, also across 0°; the whole circle is one arc from 0° to 360°.

    Args:
        values: (n_arcs,) such as the distance of an `ErrorByArc`, or how far readers differ; NaN does not count.
        structure: Name of the border's structure.
        threshold: In the unit of the values.

    Example:
        >>> [str(arc) for arc in arcs_above(np.array([2.0, 0.1, 0.1, 3.0]), "eem", threshold=1.0)]
        ["eem 12 to 6 o'clock"]
    """
    doubtful = np.asarray(values) > threshold
    width_deg = 360.0 / len(doubtful)
    if doubtful.all():
        return [DoubtfulArc(structure, 0.0, 360.0)]
    starts = np.flatnonzero(doubtful & ~np.roll(doubtful, 1))
    stops = np.flatnonzero(doubtful & ~np.roll(doubtful, -1)) + 1
    if len(stops) and stops[0] <= starts[0]:
        stops = np.roll(stops, -1)  # the first stop ends the arc that began before 0°
    return [
        DoubtfulArc(structure, float(start * width_deg), float(stop * width_deg % 360.0))
        for start, stop in zip(starts, stops, strict=True)
    ]
