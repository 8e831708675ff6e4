"""Frames that were read twice, by two people or by one: each border beside itself, and how far the two agree. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import nan

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.agreement.consensus import common_centre
from ivsqa.domain.agreement.contour_agreement import ContourAgreement, contour_agreement
from ivsqa.domain.agreement.reader_agreement import BetweenReaders, bland_altman, distance_by_arc
from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.geometry.arcs import N_ARCS
from ivsqa.domain.geometry.topology import enclosed_area
from ivsqa.io.project.annotation_records import RevisionRecord
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import Split

Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class ReadTwice:
    """One border of one frame, by two readers, or by one of them in two readings.

    Attributes:
        pullback: Its pullback.
        frame_index: 0-based.
        structure: The border.
        readers: First and second, by name.
        is_repeat: Whether one person read twice; the second name is that of their second reading.
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
    is_repeat: bool
    contours: ContourAgreement
    areas_px2: tuple[float, float]
    areas_mm2: tuple[float, float]
    by_arc_px: NDArray[np.float64]
    by_arc_mm: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrameReadTwice:
    """A frame that two or more read, or one of them twice.

    Attributes:
        n_readers: How many people read it.
        is_disputed: Whether nothing settles it between them yet.
        is_unreadable_for_some: Whether one of them gave up on it and another did not.
        borders: Each border for each two readings of those who could judge it.
    """

    n_readers: int
    is_disputed: bool
    is_unreadable_for_some: bool
    borders: list[ReadTwice]


def frames_read_twice(
    project: Project, *, round_id: str | None = None, split: Split | None = None
) -> Iterator[FrameReadTwice]:
    """Yield the frames that two or more read, or one twice, by what counts of each reader; a reference is nobody's reading.

    Args:
        project: The project.
        round_id: Only readings that answer this round.
        split: Only frames of these subjects; None: of all.
    """
    pullbacks = project.pullbacks(split)
    for pullback, standings in zip(pullbacks, project.standings(pullbacks).values(), strict=True):
        contours_of = _reads_once(project)
        for index, standing in standings.items():
            said = {
                reader: record
                for reader, record in {**standing.readings, **standing.repeats}.items()
                if round_id is None or record.round_id == round_id
            }
            readers = sorted(name for name in said if name in standing.readings)
            again = [(str(said[name].repeats), name) for name in standing.repeats if name in said]
            pairs = [*combinations(readers, 2), *(pair for pair in again if pair[0] in readers)]
            if not pairs:  # nothing to compare with
                continue
            able = {name for name, record in said.items() if record.origin_of(index) != "unreadable"}
            borders = list[ReadTwice]()
            for first, second in pairs:
                if {first, second} <= able:
                    both = [contours_of(said[name]).get(index, {}) for name in (first, second)]
                    is_repeat = (first, second) in again
                    borders += _borders(project, pullback, index, (first, second), both, is_repeat=is_repeat)
            n_able = len(able.intersection(readers))
            yield FrameReadTwice(len(readers), standing.is_disputed, 0 < n_able < len(readers), borders)


def between_readers(frames: Iterable[FrameReadTwice], *, is_repeat: bool = False) -> dict[str, BetweenReaders]:
    """Return how far any two readers of one frame agree, by structure; a structure that no two drew is absent.

    Args:
        frames: Those that were read twice.
        is_repeat: Of one person who read a frame twice, instead of two people.
    """
    rows: dict[str, list[ReadTwice]] = {}
    for border in (border for frame in frames for border in frame.borders):
        if border.is_repeat == is_repeat and border.contours.is_comparison:
            rows.setdefault(border.structure, []).append(border)
    return {
        name: BetweenReaders(
            dice=float(np.mean([row.contours.dice for row in both])),
            area_mm2=bland_altman(*np.array([row.areas_mm2 for row in both]).T),
            n_frames=len({(row.pullback.pullback_id, row.frame_index) for row in both}),
        )
        for name, both in rows.items()
    }


def _reads_once(project: Project) -> Callable[[RevisionRecord], Mapping[int, Contours]]:
    """Return a function that gives the contours of a revision by frame, and reads its file once: it speaks of many frames."""
    read: dict[str, Mapping[int, Contours]] = {}

    def contours_of(record: RevisionRecord) -> Mapping[int, Contours]:
        if record.revision_id not in read:
            read[record.revision_id] = project.annotations.contours(record)
        return read[record.revision_id]

    return contours_of


def _borders(
    project: Project, pullback: Pullback, index: int, readers: Pair, both: list[Contours], *, is_repeat: bool
) -> Iterator[ReadTwice]:
    """Yield each border of a frame as two readings have it."""
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
            readers=readers,
            is_repeat=is_repeat,
            contours=contour_agreement(a, b, spacing_mm=spacing),
            areas_px2=areas,
            areas_mm2=(areas[0] * pixel_mm2, areas[1] * pixel_mm2),
            by_arc_px=by_arc_px,
            by_arc_mm=by_arc_mm,
        )


def _area_px2(contour: Contour | None) -> float:
    """Return the area of a contour, px²; NaN where there is none."""
    return nan if contour is None else float(enclosed_area(contour).area)
