"""Measures along a pullback: volumes, minimum lumen area, lesions and their references.

Frames count at their true positions. A frame without a value is missing: neighbours stand in for it as long as they are no
further apart than `max_gap_mm`; beyond that nothing is known, and a volume over it is missing too.

A value stands with the ends of its interval, (3,): value, low, high. Errors of neighbouring frames resemble each other, so all
ends are taken together, as if every frame of a pullback erred alike: the low end of a volume is the volume of the low ends. It
can only be too wide. A contour that a person drew counts as it stands; what rests on such contours alone has no interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.measures import EEM, LUMEN

Ranged: TypeAlias = NDArray[np.float64]
"""(3,): value, low and high end of its interval; NaN for what is not known."""

Reference: TypeAlias = Literal["proximal", "distal", "mean"]

MISSING: Ranged = np.full(3, nan)
MISSING.setflags(write=False)

_TOLERANCE_MM = 1e-6  # positions are times times speed: equal gaps differ in their last digits


@dataclass(frozen=True, eq=False)
class Course:
    """The measures of a pullback's frames, in the order of their positions.

    The first frame is distal: the catheter is pulled back towards the ostium.

    Attributes:
        frame_index: (n,) 0-based.
        position_mm: (n,) along the pullback, never falling; NaN where speed or timing is unknown.
        drawn: (n,) whether a person drew the contours.
        values: (n, 3) by measure: value and interval; NaN where missing.
    """

    frame_index: NDArray[np.intp]
    position_mm: NDArray[np.float64]
    drawn: NDArray[np.bool_]
    values: Mapping[str, NDArray[np.float64]]

    def known(self, measure: str) -> NDArray[np.intp]:
        """Return the rows that have a value."""
        if measure not in self.values:
            return np.empty(0, dtype=np.intp)
        return np.flatnonzero(~np.isnan(self.values[measure][:, 0]))

    def counted(self, measure: str) -> NDArray[np.float64]:
        """Return values as sums and minima count them, (n, 3): both ends of a drawn one are the value itself."""
        values = self.values[measure]
        return np.where(self.drawn[:, None], values[:, :1], values)

    def at(self, row: int, measure: str) -> Ranged:
        """Return the value of one frame as sums count it, or `MISSING`."""
        return self.counted(measure)[row] if measure in self.values else MISSING


@dataclass(frozen=True, eq=False)
class Integral:
    """A measure integrated along the pullback.

    Attributes:
        total: (3,) over the measured length.
        length_mm: The measured length: steps between neighbouring values that are no wider than the widest gap.
        n_gaps: Wider gaps, at the ends too.
    """

    total: Ranged
    length_mm: float
    n_gaps: int

    @property
    def whole(self) -> Ranged:
        """The integral where nothing is missing; `MISSING` where there is a gap, since part of it is then unknown."""
        return MISSING if self.n_gaps else self.total

    @property
    def mean(self) -> Ranged:
        """The mean over the measured length."""
        return self.total / self.length_mm if self.length_mm > 0.0 else MISSING


def integrate(course: Course, measure: str, rows: NDArray[np.intp], *, max_gap_mm: float) -> Integral:
    """Return the integral of a measure over a stretch of frames, by trapezoids between true positions.

    Args:
        course: The pullback.
        measure: Its name.
        rows: (m,) rows of the stretch, in order; its ends are where the first and the last lie.
        max_gap_mm: Widest step that is bridged.
    """
    known = np.intersect1d(rows, course.known(measure))
    if len(known) == 0 or np.isnan(course.position_mm[rows]).any():
        return Integral(MISSING, 0.0, 1)
    position, values = course.position_mm[known], course.counted(measure)[known]
    steps = np.diff(position)
    bridged = steps <= max_gap_mm + _TOLERANCE_MM
    middles = (values[1:] + values[:-1]) / 2.0
    at_ends = np.abs(course.position_mm[rows[[0, -1]]] - position[[0, -1]])
    n_gaps = int((~bridged).sum() + (at_ends > max_gap_mm + _TOLERANCE_MM).sum())
    total = steps[bridged] @ middles[bridged]
    return Integral(_interval_if_predicted(course, known, total), float(steps[bridged].sum()), n_gaps)


def ratio(numerator: Ranged, denominator: Ranged) -> Ranged:
    """Return a ratio whose interval holds whatever the two errors have to do with each other.

    Example:
        >>> ratio(np.array([6.0, 5.0, 8.0]), np.array([3.0, 2.0, 4.0])).tolist()
        [2.0, 1.25, 4.0]
    """
    below = denominator[[0, 2, 1]]
    return np.asarray(np.divide(numerator, below, out=np.full(3, nan), where=below > 0.0))


def minimum_row(course: Course, measure: str, rows: NDArray[np.intp]) -> int | None:
    """Return the row of the smallest value, the first of equal ones; None where nothing is known."""
    known = np.intersect1d(rows, course.known(measure))
    return int(known[np.argmin(course.values[measure][known, 0])]) if len(known) else None


def minimum(course: Course, measure: str, rows: NDArray[np.intp]) -> Ranged:
    """Return the smallest value of a stretch; its ends are the smallest low and the smallest high end there are."""
    known = np.intersect1d(rows, course.known(measure))
    if len(known) == 0:
        return MISSING
    return _interval_if_predicted(course, known, course.counted(measure)[known].min(axis=0))


def _interval_if_predicted(course: Course, rows: NDArray[np.intp], found: Ranged) -> Ranged:
    """Return a value without ends where every contour behind it was drawn."""
    return np.where([True, False, False], found, nan) if course.drawn[rows].all() else found


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
        mla: Minimum lumen area.
        mla_row: Its frame, the lesion's site.
        plaque_burden: At that site.
        proximal_row: The proximal reference: the largest lumen outside any lesion within reach; None where there is none.
        distal_row: The distal one.
        remodelling_index: EEM area at the site over that of the reference.
        area_stenosis: 1 - MLA over the lumen area of the reference.
    """

    rows: NDArray[np.intp]
    length_mm: float
    mla: Ranged
    mla_row: int
    plaque_burden: Ranged
    proximal_row: int | None
    distal_row: int | None
    remodelling_index: Ranged
    area_stenosis: Ranged


def find_lesions(course: Course, rule: LesionRule, *, max_gap_mm: float) -> list[Lesion]:
    """Return the lesions of a pullback, the most distal first; none where positions are unknown.

    A stretch without values that is wider than `max_gap_mm` ends a lesion: what lies in it is not known.
    """
    if not len(course.position_mm) or np.isnan(course.position_mm).any():
        return []
    stretches = _stretches(course, rule, max_gap_mm)
    inside = np.zeros(len(course.position_mm), dtype=np.bool_)
    for rows in stretches:
        inside[rows] = True
    return [_lesion(course, rows, inside, rule) for rows in stretches]


def _stretches(course: Course, rule: LesionRule, max_gap_mm: float) -> list[NDArray[np.intp]]:
    """Return the rows of each lesion: runs above the threshold, long enough, those close to each other joined."""
    known = course.known("plaque_burden")
    position = course.position_mm
    burdened = course.values["plaque_burden"][known, 0] >= rule.burden if len(known) else known > 0
    gap_before = np.append(True, np.diff(position[known]) > max_gap_mm + _TOLERANCE_MM)[: len(known)]
    starts_anew = gap_before | np.append(True, ~burdened[:-1])[: len(known)]
    part = np.cumsum(starts_anew)
    runs = [known[burdened & (part == number)] for number in np.unique(part[burdened])]
    runs = [run for run in runs if position[run[-1]] - position[run[0]] >= rule.min_length_mm - _TOLERANCE_MM]
    joined: list[tuple[int, int]] = []
    for run in runs:
        first, last = int(run[0]), int(run[-1])
        if joined and _close(course, joined[-1][1], first, rule, max_gap_mm):
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return [np.arange(first, last + 1) for first, last in joined]


def _close(course: Course, last: int, first: int, rule: LesionRule, max_gap_mm: float) -> bool:
    """Return whether two stretches are one lesion: near each other, with no gap between them."""
    between = course.known("plaque_burden")
    between = between[(between >= last) & (between <= first)]
    steps = np.diff(course.position_mm[between])
    near = course.position_mm[first] - course.position_mm[last] < rule.separation_mm - _TOLERANCE_MM
    return bool(near and (steps <= max_gap_mm + _TOLERANCE_MM).all())


def _lesion(course: Course, rows: NDArray[np.intp], inside: NDArray[np.bool_], rule: LesionRule) -> Lesion:
    """Return what is to be said of one lesion."""
    lumen, eem = f"{LUMEN}_area", f"{EEM}_area"
    site = minimum_row(course, lumen, rows)
    if site is None:
        raise ValueError("a lesion has plaque burden, and so a lumen")
    position = course.position_mm
    free = np.flatnonzero(~inside)
    reach = rule.reach_mm + _TOLERANCE_MM
    beyond = free[(free > rows[-1]) & (position[free] <= position[rows[-1]] + reach)]
    before = free[(free < rows[0]) & (position[free] >= position[rows[0]] - reach)]
    proximal, distal = _largest_lumen_row(course, beyond), _largest_lumen_row(course, before)
    chosen = {"proximal": [proximal], "distal": [distal], "mean": [proximal, distal]}[rule.reference]
    mla = minimum(course, lumen, rows)
    seen = np.array([site, *(row for row in chosen if row is not None)])
    stenosis = 1.0 - ratio(course.at(site, lumen), _mean_at(course, chosen, lumen))[[0, 2, 1]]
    index = ratio(course.at(site, eem), _mean_at(course, chosen, eem))
    return Lesion(
        rows=rows,
        length_mm=float(position[rows[-1]] - position[rows[0]]),
        mla=mla,
        mla_row=site,
        plaque_burden=_interval_if_predicted(course, np.array([site]), course.at(site, "plaque_burden")),
        proximal_row=proximal,
        distal_row=distal,
        remodelling_index=_interval_if_predicted(course, seen, index),
        area_stenosis=_interval_if_predicted(course, seen, stenosis),
    )


def _largest_lumen_row(course: Course, rows: NDArray[np.intp]) -> int | None:
    """Return the row of the largest lumen that has an EEM too; None where there is none.

    Source:
        JACC: the reference is the site with the largest lumen proximal (distal) to the stenosis, within the same segment.
    """
    both = np.intersect1d(rows, course.known("plaque_burden"))
    return int(both[np.argmax(course.values[f"{LUMEN}_area"][both, 0])]) if len(both) else None


def _mean_at(course: Course, rows: Sequence[int | None], measure: str) -> Ranged:
    """Return the mean over some frames; `MISSING` where one of them is: another reference would be another index."""
    if any(row is None for row in rows):
        return MISSING
    return np.asarray(np.mean([course.at(row, measure) for row in rows if row is not None], axis=0))
