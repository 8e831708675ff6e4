"""Agreement of readers, with each other and with themselves: contours of the same frames, border by border. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.agreement.reader_agreement import (
    BlandAltman,
    IntraclassCorrelation,
    bland_altman,
    icc_value,
    intraclass_correlation,
)
from ivsqa.domain.geometry.arcs import N_ARCS
from ivsqa.domain.statistics.bootstrap import Measured, bootstrap_over_subjects, means_over_subjects, subject_numbers
from ivsqa.io.project.project import Project
from ivsqa.io.tables import csv_text
from ivsqa.workflow.readers.read_twice import Pair, ReadTwice, frames_read_twice

MEANS = ("dice", "assd_px", "assd_mm", "hd95_px", "hd95_mm")
"""Of what contours agree on, what is averaged over frames."""


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
    """Agreement of two readers on one border, or of one reader with themselves.

    Attributes:
        readers: First and second, by name.
        is_repeat: Whether one person read twice; the second name is that of their second reading.
        structure: The border.
        n_frames: Frames in which both drew it.
        n_one_only: Frames in which only one did; they are in none of the figures below.
        n_subjects: Subjects of those frames.
        dice: Mean, with its 95 % interval over subjects.
        assd_px: The same of the average distance between the lines.
        assd_mm: In mm; NaN where spacing is unknown.
        hd95_px: The same of the 95th percentile of the distance.
        hd95_mm: In mm.
        area_mm2: Agreement on areas.
        area_px2: The same in px².
        by_arc_mm: Mean distance in each arc of 10° around the lumen, (36,), the first from 0° (3 o'clock), clockwise.
        by_arc_px: The same in px.
    """

    readers: Pair
    is_repeat: bool
    structure: str
    n_frames: int
    n_one_only: int
    n_subjects: int
    dice: Measured
    assd_px: Measured
    assd_mm: Measured
    hd95_px: Measured
    hd95_mm: Measured
    area_mm2: AreaAgreement
    area_px2: AreaAgreement
    by_arc_mm: NDArray[np.float64]
    by_arc_px: NDArray[np.float64]


@dataclass(frozen=True)
class ReaderAgreement:
    """Agreement of the readers of a project.

    Attributes:
        n_frames: Frames that two or more read.
        n_repeated: Frames that one reader read twice.
        n_disputed: Those of them that nothing settles yet.
        n_unreadable_for_some: Frames that one reader gave up on and another did not.
        frames: Each border that was judged in two readings, by pullback and frame.
        pairs: The figures, by readers and structure, repeats last; empty where nothing was read twice.
    """

    n_frames: int
    n_repeated: int
    n_disputed: int
    n_unreadable_for_some: int
    frames: list[ReadTwice]
    pairs: list[PairAgreement]


def reader_agreement(project: Project, *, round_id: str | None = None) -> ReaderAgreement:
    """Return the agreement of a project's readers, on all frames that several read, or on those of one round.

    What counts of each reader is compared, whether or not it was adjudicated since; a reference is nobody's reading. A reader who
    read frames once more is compared with themselves there, and with nobody else by that.

    Args:
        project: The project.
        round_id: Only readings that answer this round.

    Raises:
        NotFoundError: no such round.
    """
    if round_id is not None:
        # Refuses a round that is not there, which would look like one that nobody read twice.
        project.get_round(round_id)
    twice = list(frames_read_twice(project, round_id=round_id))
    frames = [border for frame in twice for border in frame.borders]
    pairs: dict[tuple[Pair, str], list[ReadTwice]] = {}
    for row in frames:
        pairs.setdefault((row.readers, row.structure), []).append(row)
    names = project.structures.names
    order = sorted(pairs, key=lambda pair: (pairs[pair][0].is_repeat, pair[0], names.index(pair[1])))
    return ReaderAgreement(
        n_frames=sum(frame.n_readers > 1 for frame in twice),
        n_repeated=len({(row.pullback.pullback_id, row.frame_index) for row in frames if row.is_repeat}),
        n_disputed=sum(frame.is_disputed for frame in twice),
        n_unreadable_for_some=sum(frame.is_unreadable_for_some for frame in twice),
        frames=frames,
        pairs=[_figures(pairs[pair]) for pair in order],
    )


def _figures(rows: Sequence[ReadTwice]) -> PairAgreement:
    """Return the figures of one border and pair of readers."""
    both = [row for row in rows if row.contours.is_comparison]
    subjects = subject_numbers([row.pullback.subject_id for row in both])
    table = np.array([[getattr(row.contours, name) for name in MEANS] for row in both]).reshape(-1, len(MEANS))
    # The same draws for every pair, so that their intervals can be compared.
    means = means_over_subjects(table, subjects, rng=np.random.default_rng(0))
    return PairAgreement(
        readers=rows[0].readers,
        is_repeat=rows[0].is_repeat,
        structure=rows[0].structure,
        n_frames=len(both),
        # Dice is 0 where only one of them drew it, NaN where neither did.
        n_one_only=sum(row.contours.dice == 0.0 and not row.contours.is_comparison for row in rows),
        n_subjects=len(set(subjects.tolist())),
        **dict(zip(MEANS, means, strict=True)),
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
    """Return a table with a row a frame, border and pair of readings; blank where a number is not known."""
    head = ("pullback_id", "subject_id", "frame_index", "structure", "first_reader", "second_reader")
    areas = ("area_first_px2", "area_second_px2", "area_first_mm2", "area_second_mm2")
    arcs = [f"arc_{10 * number:03d}_px" for number in range(N_ARCS)]
    lines = (
        [
            row.pullback.pullback_id,
            row.pullback.subject_id,
            row.frame_index,
            row.structure,
            *row.readers,
            *(getattr(row.contours, name) for name in MEANS),
            *row.areas_px2,
            *row.areas_mm2,
            *row.by_arc_px.tolist(),
        ]
        for row in rows
    )
    return csv_text([*head, *MEANS, *areas, *arcs], lines, decimals=".5g")
