"""Agreement of readers: the contours of two people in the same frames, compared border by border. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.agreement.consensus import common_centre
from ivsqa.domain.agreement.contour_agreement import ContourAgreement, contour_agreement
from ivsqa.domain.agreement.reader_agreement import (
    BlandAltman,
    IntraclassCorrelation,
    bland_altman,
    distance_by_arc,
    icc_value,
    intraclass_correlation,
)
from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.geometry.arcs import N_ARCS
from ivsqa.domain.geometry.topology import enclosed_area
from ivsqa.domain.statistics.bootstrap import Measured, bootstrap_over_subjects, means_over_subjects, subject_numbers
from ivsqa.io.project.annotation_records import RevisionRecord
from ivsqa.io.project.annotations import AnnotationStore
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.tables import csv_text

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class ReadTwice:
    """One border of one frame, by two readers.

    Attributes:
        pullback: Its pullback.
        frame_index: 0-based.
        structure: The border.
        readers: First and second, by name.
        contours: Dice, ASSD and so on of the first against the second; all NaN where neither drew it.
        areas_px2: What each encloses; NaN where not drawn.
        areas_mm2: The same in mm²; NaN also where spacing is unknown.
        by_arc_px: Distance in each arc of 10°, (36,); NaN unless both drew it.
        by_arc_mm: The same in mm; NaN where spacing is unknown.
    """

    pullback: Pullback
    frame_index: int
    structure: str
    readers: Pair
    contours: ContourAgreement
    areas_px2: tuple[float, float]
    areas_mm2: tuple[float, float]
    by_arc_px: NDArray[np.float64]
    by_arc_mm: NDArray[np.float64]


@dataclass(frozen=True)
class AreaAgreement:
    """Agreement of two readers on areas, in the unit that its field is named by.

    Attributes:
        icc: ICC(2,1), with the interval that papers give: as if frames were independent.
        icc_over_subjects: The same with its interval over subjects, which frames of one subject do not narrow.
        bland_altman: Bias of the first against the second, and limits of agreement.
        bias_over_subjects: The bias with its interval over subjects.
    """

    icc: IntraclassCorrelation
    icc_over_subjects: Measured
    bland_altman: BlandAltman
    bias_over_subjects: Measured


@dataclass(frozen=True, eq=False)
class PairAgreement:
    """Agreement of two readers on one border.

    Attributes:
        readers: First and second, by name.
        structure: The border.
        n_frames: Frames in which both drew it.
        n_one_only: Frames in which only one did; they are in none of the figures below.
        n_subjects: Subjects of those frames.
        dice: Mean, with its 95 % interval over subjects.
        assd_px: The same of the average distance between the lines.
        assd_mm: In mm; NaN where spacing is unknown.
        area_mm2: Agreement on areas.
        area_px2: The same in px².
        by_arc_mm: Mean distance in each arc of 10° around the lumen, (36,), the first from 0° (3 o'clock), clockwise.
        by_arc_px: The same in px.
    """

    readers: Pair
    structure: str
    n_frames: int
    n_one_only: int
    n_subjects: int
    dice: Measured
    assd_px: Measured
    assd_mm: Measured
    area_mm2: AreaAgreement
    area_px2: AreaAgreement
    by_arc_mm: NDArray[np.float64]
    by_arc_px: NDArray[np.float64]


@dataclass(frozen=True)
class ReaderAgreement:
    """Agreement of the readers of a project.

    Attributes:
        n_frames: Frames that two or more read.
        n_disputed: Those of them that nothing settles yet.
        n_unreadable_for_some: Frames that one reader gave up on and another did not.
        frames: Each border that two readers judged, by pullback and frame.
        pairs: The figures, by readers and structure; empty where nobody read what another did.
    """

    n_frames: int
    n_disputed: int
    n_unreadable_for_some: int
    frames: list[ReadTwice]
    pairs: list[PairAgreement]


def reader_agreement(project: Project, *, round_id: str | None = None) -> ReaderAgreement:
    """Return the agreement of a project's readers, on all frames that several read, or on those of one round.

    What counts of each reader is compared, whether or not it was adjudicated since; a reference is nobody's reading. A person who
    reads a round once more under a second name is compared with themselves.

    Args:
        project: The project.
        round_id: Only readings that answer this round.

    Raises:
        NotFoundError: no such round.
    """
    if round_id is not None:
        # Refuses a round that is not there, which would look like one that nobody read twice.
        project.get_round(round_id)
    store = project.annotations
    frames: list[ReadTwice] = []
    n_frames = n_disputed = n_unreadable = 0
    for pullback in project.pullbacks():
        for index, standing in pullback.standings.items():
            records = {
                reader: record
                for reader, record in standing.readings.items()
                if round_id is None or record.round_id == round_id
            }
            if len(records) < 2:  # nobody to compare with
                continue
            able = {name: record for name, record in records.items() if record.origin_of(index) != "unreadable"}
            n_frames += 1
            n_disputed += standing.is_disputed
            n_unreadable += 0 < len(able) < len(records)
            frames += _read_twice(project, store, pullback, index, able)
    pairs: dict[tuple[Pair, str], list[ReadTwice]] = {}
    for row in frames:
        pairs.setdefault((row.readers, row.structure), []).append(row)
    order = sorted(pairs, key=lambda pair: (pair[0], project.structures.names.index(pair[1])))
    return ReaderAgreement(n_frames, n_disputed, n_unreadable, frames, [_figures(pairs[pair]) for pair in order])


def _read_twice(
    project: Project,
    store: AnnotationStore,
    pullback: Pullback,
    index: int,
    records: dict[str, RevisionRecord],
) -> Iterator[ReadTwice]:
    """Yield each border of a frame for each pair of those who could judge it."""
    drawn = {reader: store.contours(record).get(index, {}) for reader, record in records.items()}
    for first, second in combinations(sorted(drawn), 2):
        both: list[Contours] = [drawn[first], drawn[second]]
        for name in project.structures.names:
            a, b = both[0].get(name), both[1].get(name)
            spacing, by_arc_px, by_arc_mm = pullback.spacing_mm, np.full(N_ARCS, nan), np.full(N_ARCS, nan)
            if a is not None and b is not None:
                # One centre for all borders of a frame, so that an arc is the same direction for each.
                centre = common_centre(both, project.structures)
                by_arc_px = distance_by_arc(a, b, centre)
                if spacing is not None:
                    by_arc_mm = distance_by_arc(a, b, centre, spacing=spacing)
            pixel_mm2 = nan if spacing is None else spacing[0] * spacing[1]
            areas = (_area_px2(a), _area_px2(b))
            yield ReadTwice(
                pullback=pullback,
                frame_index=index,
                structure=name,
                readers=(first, second),
                contours=contour_agreement(a, b, spacing_mm=spacing),
                areas_px2=areas,
                areas_mm2=(areas[0] * pixel_mm2, areas[1] * pixel_mm2),
                by_arc_px=by_arc_px,
                by_arc_mm=by_arc_mm,
            )


def _area_px2(contour: Contour | None) -> float:
    """Return the area of a contour, px²; NaN where there is none."""
    return nan if contour is None else float(enclosed_area(contour).area)


def _figures(rows: Sequence[ReadTwice]) -> PairAgreement:
    """Return the figures of one border and pair of readers."""
    both = [row for row in rows if row.contours.is_comparison]
    subjects = subject_numbers([row.pullback.subject_id for row in both])
    table = np.array([(row.contours.dice, row.contours.assd_px, row.contours.assd_mm) for row in both]).reshape(-1, 3)
    # The same draws for every pair, so that their intervals can be compared.
    dice, assd_px, assd_mm = means_over_subjects(table, subjects, rng=np.random.default_rng(0))
    return PairAgreement(
        readers=rows[0].readers,
        structure=rows[0].structure,
        n_frames=len(both),
        # Dice is 0 where only one of them drew it, NaN where neither did.
        n_one_only=sum(row.contours.dice == 0.0 and not row.contours.is_comparison for row in rows),
        n_subjects=len(set(subjects.tolist())),
        dice=dice,
        assd_px=assd_px,
        assd_mm=assd_mm,
        area_mm2=_area_agreement(np.array([row.areas_mm2 for row in both]).reshape(-1, 2), subjects),
        area_px2=_area_agreement(np.array([row.areas_px2 for row in both]).reshape(-1, 2), subjects),
        by_arc_mm=_mean_by_arc([row.by_arc_mm for row in both]),
        by_arc_px=_mean_by_arc([row.by_arc_px for row in both]),
    )


def _area_agreement(areas: NDArray[np.float64], subjects: NDArray[np.intp]) -> AreaAgreement:
    """Return the agreement on areas, (n, 2), NaN where unknown."""
    n_subjects = int(subjects.max(initial=-1)) + 1
    rows_of = [np.flatnonzero(subjects == subject) for subject in range(n_subjects)]

    def statistic(drawn: NDArray[np.intp]) -> list[float]:
        # A subject is drawn with all its frames: they are no independent observations.
        rows = np.concatenate([np.empty(0, dtype=np.intp), *(rows_of[subject] for subject in drawn)])
        return [icc_value(areas[rows]), bland_altman(*areas[rows].T).bias]

    icc, bias = bootstrap_over_subjects(statistic, n_subjects, rng=np.random.default_rng(0))
    return AreaAgreement(intraclass_correlation(areas), icc, bland_altman(*areas.T), bias)


def _mean_by_arc(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of each arc over frames, NaN where no frame has it."""
    table = np.array(rows).reshape(-1, N_ARCS)
    n = (~np.isnan(table)).sum(axis=0)
    return np.asarray(np.divide(np.nansum(table, axis=0), n, out=np.full(N_ARCS, nan), where=n > 0))


def agreement_csv(rows: Sequence[ReadTwice]) -> str:
    """Return a table with a row a frame, border and pair of readers; blank where a number is not known."""
    head = ("pullback_id", "subject_id", "frame_index", "structure", "first_reader", "second_reader")
    measures = ("dice", "assd_px", "assd_mm", "hd95_px", "hd95_mm")
    areas = ("area_first_px2", "area_second_px2", "area_first_mm2", "area_second_mm2")
    arcs = [f"arc_{10 * number:03d}_px" for number in range(N_ARCS)]
    lines = (
        [
            row.pullback.pullback_id,
            row.pullback.subject_id,
            row.frame_index,
            row.structure,
            *row.readers,
            *(getattr(row.contours, name) for name in measures),
            *row.areas_px2,
            *row.areas_mm2,
            *row.by_arc_px.tolist(),
        ]
        for row in rows
    )
    return csv_text([*head, *measures, *areas, *arcs], lines, decimals=".5g")
