"""Doubtful arcs: the stretches of a border that a person should look at first.

An arc is an interval of angle around the centroid of its contour: 0° points along +x (3 o'clock) and angles grow clockwise
on the screen, as hours do. An arc may pass through 0°; then its stop is the smaller number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Points

DEG_PER_HOUR = 30.0

N_ARCS = 36
"""Equal arcs that a border is judged in, 10° each; the first begins at 0°."""


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
        if self.span_deg == 360.0:
            return f"{self.structure} all around"
        first, last = _hour(self.start_deg), _hour(self.stop_deg)
        return f"{self.structure} {first} o'clock" if first == last else f"{self.structure} {first} to {last} o'clock"


def _hour(angle_deg: float) -> int:
    """Return the nearest hour, 1 to 12."""
    return round(3.0 + angle_deg / DEG_PER_HOUR - 1.0) % 12 + 1


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


def error_by_arc(error_map: NDArray[np.floating], contour: Contour, *, n_arcs: int = N_ARCS) -> Points:
    """Return the expected error of the border in each arc, in px.

    It is the expected number of wrong pixels in the sector over the length of border in it: a border drawn d px too far out,
    with the map at 1 on the band between, gives about d.

    Args:
        error_map: Calibrated probability that a pixel is wrong, (height, width), zero where errors do not count.
        contour: The predicted border, in the pixels of the map.
        n_arcs: Number of equal arcs; the first begins at 0°.

    Returns:
        (n_arcs,) float64; NaN in an arc through which no border runs.
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
    return np.where(length_px > 0.0, area / np.where(length_px > 0.0, length_px, 1.0), np.nan)


def arcs_above(values: Points, structure: str, *, threshold: float) -> list[DoubtfulArc]:
    """Return the arcs of a border in which a distance exceeds a threshold, by where they start.

    Neighbours are merged, also across 0°; the whole circle is one arc from 0° to 360°.

    Args:
        values: (n_arcs,) such as the error from `error_by_arc`, or how far readers differ; NaN does not count.
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
