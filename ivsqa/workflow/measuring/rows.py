"""From the measures of a pullback to the rows of the tables, with the names and units of their columns.

Without spacing, columns in mm are there, and empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import nan
from typing import Any, TypeAlias

import numpy as np

from ivsqa.domain.measures.frame_measures import EEM, LUMEN, column, dimension, frame_measures_of
from ivsqa.domain.measures.intervals import MISSING, Ranged
from ivsqa.domain.measures.pullback_measures import (
    Course,
    Integral,
    Lesion,
    LesionRule,
    Smallest,
    atheroma_fraction,
    find_lesions,
    integrate,
    smallest,
)
from ivsqa.io.project.pullbacks import Pullback

Row: TypeAlias = dict[str, Any]

PLAQUE = "plaque_media"


def bounded_solids(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of volumes: the structures, and plaque plus media where lumen and EEM are there."""
    return (*names, PLAQUE) if {LUMEN, EEM} <= set(names) else tuple(names)


def _with_ends(measures: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of measures that have an interval."""
    return tuple(
        name for measure in measures for name in (column(measure), column(measure, "low"), column(measure, "high"))
    )


_MLA = (*_with_ends(["mla"]), "mla_frame_index", "mla_position_mm", "mla_is_drawn", "mla_n_frames")


def frame_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of the table of frames."""
    return ("pullback_id", "subject_id", "frame_index", "position_mm", "source", *_with_ends(frame_measures_of(names)))


def lesion_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of the table of lesions."""
    where = ("first_frame_index", "last_frame_index", "n_frames", "start_position_mm", "end_position_mm", "length_mm")
    site = (*_MLA, *_with_ends(["plaque_burden"]))
    compared = ("reference", "proximal_frame_index", "distal_frame_index")
    indices = _with_ends(["remodelling_index", "area_stenosis"])
    volumes = _with_ends(_volumes_of(names))
    return ("pullback_id", "subject_id", "lesion", *where, *site, *compared, *indices, *volumes)


def pullback_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of the table of pullbacks."""
    frames = ("split", "n_frames", "n_annotated", "n_predicted", "n_accepted", "n_lesions")
    lengths = ("length_mm", "measured_length_mm", "n_gaps")
    site = _MLA if LUMEN in names else ()
    means = _with_ends([f"{solid}_area_mean" for solid in bounded_solids(names)])
    return ("pullback_id", "subject_id", *frames, *lengths, *site, *_with_ends(_volumes_of(names)), *means)


def _volumes_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the measures of volumes along a stretch."""
    solids = bounded_solids(names)
    return (*(f"{solid}_volume" for solid in solids), *(("atheroma_volume_fraction",) if PLAQUE in solids else ()))


def frame_rows(record: Pullback, course: Course, sources: Sequence[str], names: tuple[str, ...]) -> list[Row]:
    """Return one row a frame."""
    cells = {measure: course.ranged(measure) for measure in frame_measures_of(names)}
    return [
        _ids(record)
        | {"frame_index": int(course.frame_index[row]), "source": source}
        | _plain(record, {"position": course.position_mm[row]})
        | _ranged(record, {measure: values[row] for measure, values in cells.items()})
        for row, source in enumerate(sources)
    ]


def pullback_row(
    record: Pullback, course: Course, sources: Sequence[str], names: tuple[str, ...], max_gap_mm: float
) -> Row:
    """Return the row of a pullback, but for its number of lesions."""
    rows = np.arange(len(course.frame_index))
    along = {solid: integrate(course, f"{solid}_area", rows, max_gap_mm=max_gap_mm) for solid in bounded_solids(names)}
    # Without positions nothing lies between two frames: no length, and no gap.
    has_positions = len(rows) > 0 and not np.isnan(course.position_mm).any()
    return (
        _ids(record)
        | {
            "split": record.split,
            "n_frames": len(rows),
            "n_annotated": sources.count("annotation"),
            "n_predicted": sources.count("prediction") + sources.count("accepted"),
            "n_accepted": sources.count("accepted"),
        }
        | _plain(
            record,
            {
                "length": float(course.position_mm[-1] - course.position_mm[0]) if has_positions else nan,
                # Structures may be known of different frames: the shortest stretch stands for all.
                "measured_length": min(area.length_mm for area in along.values()) if has_positions else nan,
            },
        )
        | {"n_gaps": max(area.n_gaps for area in along.values()) if has_positions else None}
        | (_site(record, course, smallest(course, f"{LUMEN}_area", rows)) if LUMEN in names else {})
        | _volumes(record, course, along, pooled=True)
        | _ranged(
            record,
            {
                f"{solid}_area_mean": course.calibration.ranged(f"{solid}_area", *area.mean, pooled=True)
                for solid, area in along.items()
            },
        )
    )


def lesion_rows(
    record: Pullback, course: Course, names: tuple[str, ...], rule: LesionRule, max_gap_mm: float
) -> list[Row]:
    """Return one row a lesion, the most distal first."""
    lesions = find_lesions(course, rule, max_gap_mm=max_gap_mm)
    return [
        _lesion_row(record, course, names, rule, lesion, max_gap_mm) | {"lesion": number}
        for number, lesion in enumerate(lesions, start=1)
    ]


def _lesion_row(
    record: Pullback, course: Course, names: tuple[str, ...], rule: LesionRule, lesion: Lesion, max_gap_mm: float
) -> Row:
    """Return the row of one lesion, but for its number."""
    along = {
        solid: integrate(course, f"{solid}_area", lesion.rows, max_gap_mm=max_gap_mm) for solid in bounded_solids(names)
    }
    frame = course.frame_index
    first, last = int(lesion.rows[0]), int(lesion.rows[-1])
    return (
        _ids(record)
        | {
            "first_frame_index": int(frame[first]),
            "last_frame_index": int(frame[last]),
            "n_frames": len(lesion.rows),
            "proximal_frame_index": None if lesion.proximal_row is None else int(frame[lesion.proximal_row]),
            "distal_frame_index": None if lesion.distal_row is None else int(frame[lesion.distal_row]),
            "reference": rule.reference,
        }
        | _plain(
            record,
            {
                "start_position": course.position_mm[first],
                "end_position": course.position_mm[last],
                "length": lesion.length_mm,
            },
        )
        | _ranged(
            record,
            {
                "plaque_burden": lesion.plaque_burden,
                "remodelling_index": lesion.remodelling_index,
                "area_stenosis": lesion.area_stenosis,
            },
        )
        | _site(record, course, lesion.mla)
        | _volumes(record, course, along, pooled=False)
    )


def _site(record: Pullback, course: Course, mla: Smallest | None) -> Row:
    """Return the minimum lumen area, where it is, whether it was drawn, and how many frames could hold it."""
    place = nan if mla is None else course.position_mm[mla.row]
    return (
        _ranged(record, {"mla": MISSING if mla is None else mla.value})
        | {"mla_frame_index": None if mla is None else int(course.frame_index[mla.row])}
        | _plain(record, {"mla_position": place})
        | {"mla_is_drawn": mla and mla.is_drawn, "mla_n_frames": mla and mla.n_frames}
    )


def _volumes(record: Pullback, course: Course, along: Mapping[str, Integral], *, pooled: bool) -> Row:
    """Return volumes, and the share of plaque in the EEM's.

    Args:
        record: The pullback.
        course: Its measures.
        along: Areas along it, or along a part of it.
        pooled: They are of all of it. Errors of fewer frames cancel out less: those of a lesion are taken to be all alike.
    """
    ranged = partial(course.calibration.ranged, pooled=pooled)
    values = {f"{solid}_volume": ranged(f"{solid}_area", *area.whole) for solid, area in along.items()}
    if PLAQUE in along:
        fraction = atheroma_fraction(along[LUMEN].whole, along[EEM].whole)
        values["atheroma_volume_fraction"] = ranged("plaque_burden", *fraction)
    return _ranged(record, values)


def _ids(record: Pullback) -> Row:
    return {"pullback_id": record.pullback_id, "subject_id": record.subject_id}


def _plain(record: Pullback, values: Mapping[str, float]) -> Row:
    """Return cells of measures without an interval."""
    return {
        column(measure): nan if dimension(measure) and record.spacing_mm is None else float(value)
        for measure, value in values.items()
    }


def _ranged(record: Pullback, values: Mapping[str, Ranged]) -> Row:
    """Return cells of measures, each followed by the ends of its interval."""
    cells: Row = {}
    for measure, ranged in values.items():
        known = MISSING if dimension(measure) and record.spacing_mm is None else ranged
        cells |= dict(zip(_with_ends([measure]), map(float, known), strict=True))
    return cells
