"""Measures along a pullback: volumes, minimum lumen area, lesions and their references.

Frames count at their true positions. Neighbours stand in for a frame without a value if they are at most `max_gap_mm` apart;
across a wider gap nothing is known, and a volume over it is missing too.

Each value has a scale, how far it is expected to be off. Scales add up as values do, and the calibration says what their sum
means. A contour that a person drew counts as it stands; what rests on such contours alone has no interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.measures.frame_measures import EEM, LUMEN
from ivsqa.domain.measures.intervals import MISSING, MeasureCalibration, Ranged, burden_scale

Reference: TypeAlias = Literal["proximal", "distal", "mean"]

_TOLERANCE_MM = 1e-6  # positions are times times speed: equal gaps differ in their last digits


@dataclass(frozen=True, eq=False)
class Course:
    """The measures of a pullback's frames, in the order of their positions.

    The first frame is distal: the catheter is pulled back towards the ostium.

    Attributes:
        frame_index: (n,) 0-based.
        position_mm: (n,) along the pullback, never falling; NaN where speed or timing is unknown.
        drawn: (n,) whether a person drew the contours.
        values: (n,) by measure; NaN where missing.
        scales: (n,) by measure: how far each is expected to be off; NaN where that is not known, and where a person drew.
        calibration: What the scales mean.
    """

    frame_index: NDArray[np.intp]
    position_mm: NDArray[np.float64]
    drawn: NDArray[np.bool_]
    values: Mapping[str, NDArray[np.float64]]
    scales: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    calibration: MeasureCalibration = field(default_factory=MeasureCalibration.nothing)

    def known(self, measure: str) -> NDArray[np.intp]:
        """Return the rows that have a value."""
        if measure not in self.values:
            return np.empty(0, dtype=np.intp)
        return np.flatnonzero(~np.isnan(self.values[measure]))

    def scale(self, measure: str) -> NDArray[np.float64]:
        """Return the scale of each value as sums count it, (n,): 0 where a person drew."""
        return np.where(self.drawn, 0.0, self.scales.get(measure, nan))

    def ranged(self, measure: str) -> NDArray[np.float64]:
        """Return values with their intervals, (n, 3); a drawn one has none."""
        if measure not in self.values:
            return np.full((len(self.frame_index), 3), nan)
        return self.calibration.ranged(
            measure, self.values[measure], np.where(self.drawn, nan, self.scales.get(measure, nan))
        )

    def at(self, row: int, measure: str) -> Ranged:
        """Return the value of one frame; a drawn one is its own ends, a missing one `MISSING`."""
        if measure not in self.values:
            return MISSING
        return self.calibration.ranged(measure, self.values[measure][row], self.scale(measure)[row])


class Expected(NamedTuple):
    """A measured value and its scale: how far it is expected to be off."""

    value: float
    scale: float


UNKNOWN = Expected(nan, nan)


@dataclass(frozen=True, eq=False)
class Integral:
    """A measure integrated along the pullback.

    Attributes:
        total: Over the measured length; its scale is NaN where every contour behind it was drawn.
        length_mm: Of the steps between neighbouring values that are no wider than the widest gap.
        n_gaps: Wider gaps, at the ends too.
    """

    total: Expected
    length_mm: float
    n_gaps: int

    @property
    def whole(self) -> Expected:
        """The integral where nothing is missing; `UNKNOWN` where there is a gap, since part of it is then not known."""
        return UNKNOWN if self.n_gaps else self.total

    @property
    def mean(self) -> Expected:
        """The mean over the measured length."""
        if self.length_mm <= 0.0:
            return UNKNOWN
        return Expected(self.total.value / self.length_mm, self.total.scale / self.length_mm)


def integrate(course: Course, measure: str, rows: NDArray[np.intp], *, max_gap_mm: float) -> Integral:
    """Return the integral of a measure over a stretch of frames, by trapezoids between true positions.

    Args:
        course: The pullback.
        measure: Its name.
        rows: (m,) rows of the stretch, in order, from end to end.
        max_gap_mm: Widest step that is bridged.
    """
    known = np.intersect1d(rows, course.known(measure))
    if len(known) == 0 or np.isnan(course.position_mm[rows]).any():
        return Integral(UNKNOWN, 0.0, 1)
    position = course.position_mm[known]
    steps = np.diff(position)
    bridged = steps <= max_gap_mm + _TOLERANCE_MM
    # What lies beyond the first and last value is a gap too.
    at_ends = np.abs(course.position_mm[rows[[0, -1]]] - position[[0, -1]])
    n_gaps = int((~bridged).sum() + (at_ends > max_gap_mm + _TOLERANCE_MM).sum())

    def total(of: NDArray[np.float64]) -> float:
        return float(steps[bridged] @ ((of[1:] + of[:-1]) / 2.0)[bridged])

    scale = nan if course.drawn[known].all() else total(course.scale(measure)[known])
    return Integral(Expected(total(course.values[measure][known]), scale), float(steps[bridged].sum()), n_gaps)


def atheroma_fraction(lumen: Expected, eem: Expected) -> Expected:
    """Return the share of plaque in the volume of the EEM: percent atheroma volume, as a fraction.

    Example:
        >>> atheroma_fraction(Expected(30.0, 1.0), Expected(60.0, 2.0))
        Expected(value=0.5, scale=0.03333333333333333)

    Source: EuroIntervention 2011;6:1123.
    """
    if not eem.value > 0.0:
        return UNKNOWN
    fraction = 1.0 - lumen.value / eem.value
    return Expected(fraction, burden_scale(lumen.scale, eem.scale, eem.value, fraction))


def ratio(numerator: Ranged, denominator: Ranged) -> Ranged:
    """Return a ratio whose interval holds whatever the two errors have to do with each other.

    Example:
        >>> ratio(np.array([6.0, 5.0, 8.0]), np.array([3.0, 2.0, 4.0])).tolist()
        [2.0, 1.25, 4.0]
    """
    below = denominator[[0, 2, 1]]  # the low end is over the high end of the denominator
    return np.asarray(np.divide(numerator, below, out=np.full(3, nan), where=below > 0.0))


class Smallest(NamedTuple):
    """The smallest value of a stretch.

    Attributes:
        row: Where it is; of equal ones the first.
        value: It, and its interval, (3,); without one where no frame that a person did not draw could hold a smaller one.
        is_drawn: Whether a person drew it.
        n_frames: Frames that could hold it; None where intervals are not known.
    """

    row: int
    value: Ranged
    is_drawn: bool
    n_frames: int | None


def smallest(course: Course, measure: str, rows: NDArray[np.intp]) -> Smallest | None:
    """Return the smallest value of a stretch; None where nothing is known.

    Which frame holds the true minimum is not known either: it is below the upper end of every frame, and above the lowest of the
    lower ends. A drawn frame is its own ends. So one that is drawn smallest may yet be undercut by a predicted one beside it.
    """
    known = np.intersect1d(rows, course.known(measure))
    if not len(known):
        return None
    values, drawn = course.values[measure][known], course.drawn[known]
    _, lows, highs = np.where(drawn[:, None], values[:, None], course.ranged(measure)[known]).T
    place, low, high = int(np.argmin(values)), float(lows.min()), float(highs.min())  # NaN where one is
    value = np.array([values[place], nan, nan] if low == high else [values[place], low, high])
    n_frames = None if np.isnan(high) else int((lows <= high).sum())
    return Smallest(int(known[place]), value, bool(drawn[place]), n_frames)


@dataclass(frozen=True)
class LesionRule:
    """What counts as a lesion, and what it is compared with.

    Attributes:
        burden: Plaque burden from which a frame belongs to a lesion.
        min_length_mm: Shorter stretches are none.
        separation_mm: Stretches closer than this are one lesion.
        reach_mm: How far from the lesion a reference may lie.
        reference: Which reference indices are taken against: proximal, distal, or the mean of both.

    Source:
        Burden and separation: Stone et al., N Engl J Med 2011;364:226 (lesions of a burden of 40 % in three successive frames,
        told apart by 5 mm). Reach: JACC (references within 10 mm).
    """

    burden: float = 0.4
    min_length_mm: float = 1.0
    separation_mm: float = 5.0
    reach_mm: float = 10.0
    reference: Reference = "mean"


@dataclass(frozen=True, eq=False)
class Lesion:
    """One lesion. Rows are rows of its course; areas are (3,) and in the unit of the course.

    Attributes:
        rows: Its frames, those without a value between its ends too.
        length_mm: From its first to its last frame.
        mla: Minimum lumen area; its row is the lesion's site.
        plaque_burden: At that site.
        proximal_row: The proximal reference: the largest lumen outside any lesion within reach; None where there is none.
        distal_row: The distal one.
        remodelling_index: EEM area at the site over that of the reference.
        area_stenosis: 1 - MLA over the lumen area of the reference.
    """

    rows: NDArray[np.intp]
    length_mm: float
    mla: Smallest
    plaque_burden: Ranged
    proximal_row: int | None
    distal_row: int | None
    remodelling_index: Ranged
    area_stenosis: Ranged


def find_lesions(course: Course, rule: LesionRule, *, max_gap_mm: float) -> list[Lesion]:
    """Return the lesions of a pullback, the most distal first; none where positions are unknown.

    A stretch without values that is wider than `max_gap_mm` ends a lesion: what lies in it is not known.
    """
    if np.isnan(course.position_mm).any():
        return []
    stretches = _stretches(course, rule, max_gap_mm)
    # References must lie outside all lesions, not just this one.
    is_free = np.ones(len(course.position_mm), dtype=np.bool_)
    for rows in stretches:
        is_free[rows] = False
    return [_lesion(course, rows, is_free, rule) for rows in stretches]


def _stretches(course: Course, rule: LesionRule, max_gap_mm: float) -> list[NDArray[np.intp]]:
    """Return the rows of each lesion: runs above the threshold, long enough, those close to each other joined."""
    known = course.known("plaque_burden")
    if not len(known):
        return []
    position = course.position_mm[known]
    burdened = course.values["plaque_burden"][known] >= rule.burden
    is_wide = np.diff(position) > max_gap_mm + _TOLERANCE_MM
    starts = np.flatnonzero(burdened & np.append(True, is_wide | ~burdened[:-1]))
    stops = np.flatnonzero(burdened & np.append(is_wide | ~burdened[1:], True))
    is_long = position[stops] - position[starts] >= rule.min_length_mm - _TOLERANCE_MM
    joined: list[tuple[int, int]] = []
    for start, stop in zip(starts[is_long].tolist(), stops[is_long].tolist(), strict=True):
        before = joined[-1][1] if joined else start
        near = position[start] - position[before] < rule.separation_mm - _TOLERANCE_MM
        if joined and near and not is_wide[before:start].any():
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return [np.arange(known[start], known[stop] + 1) for start, stop in joined]


def _lesion(course: Course, rows: NDArray[np.intp], is_free: NDArray[np.bool_], rule: LesionRule) -> Lesion:
    """Return the measures of one lesion; references are sought in free rows."""
    lumen, eem = f"{LUMEN}_area", f"{EEM}_area"
    mla = smallest(course, lumen, rows)
    if mla is None:
        raise ValueError("a lesion has plaque burden, and so a lumen")
    site = mla.row
    position, number, reach_mm = course.position_mm, np.arange(len(is_free)), rule.reach_mm + _TOLERANCE_MM
    start_mm, stop_mm = position[rows[[0, -1]]]
    beyond = is_free & (number > rows[-1]) & (position <= stop_mm + reach_mm)
    before = is_free & (number < rows[0]) & (position >= start_mm - reach_mm)
    proximal, distal = (_largest_lumen_row(course, np.flatnonzero(side)) for side in (beyond, before))
    chosen = {"proximal": [proximal], "distal": [distal], "mean": [proximal, distal]}[rule.reference]
    stenosis = 1.0 - ratio(course.at(site, lumen), _mean_at(course, chosen, lumen))[[0, 2, 1]]
    index = ratio(course.at(site, eem), _mean_at(course, chosen, eem))
    if course.drawn[[site, *(row for row in chosen if row is not None)]].all():
        stenosis[1:] = index[1:] = nan  # every contour behind them was drawn: no interval
    return Lesion(
        rows=rows,
        length_mm=float(stop_mm - start_mm),
        mla=mla,
        plaque_burden=course.ranged("plaque_burden")[site],
        proximal_row=proximal,
        distal_row=distal,
        remodelling_index=index,
        area_stenosis=stenosis,
    )


def _largest_lumen_row(course: Course, rows: NDArray[np.intp]) -> int | None:
    """Return the row of the largest lumen that has an EEM too; None where there is none.

    Source:
        JACC: the reference is the site with the largest lumen proximal (distal) to the stenosis, within the same segment.
    """
    both = np.intersect1d(rows, course.known("plaque_burden"))
    return int(both[np.argmax(course.values[f"{LUMEN}_area"][both])]) if len(both) else None


def _mean_at(course: Course, rows: Sequence[int | None], measure: str) -> Ranged:
    """Return the mean over some frames; `MISSING` where one of them is: another reference would be another index."""
    values = [MISSING if row is None else course.at(row, measure) for row in rows]
    return np.asarray(np.mean(values, axis=0))
