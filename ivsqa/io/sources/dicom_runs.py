"""Which DICOM files are one pullback, and which place each frame has in it.

A multi-frame file is a pullback, and so are the parts of a concatenation together. Single-frame files belong together by how they
look and where they come from. Their order is that of InstanceNumber, else of temporal position, place or time; names count only
where headers say nothing. What is there twice counts once. Whatever contradicts that order, or is missing in it, is noted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ivsqa.errors import SourceError
from ivsqa.io.formats.dicom_header import DicomHeader, number, numbers, signed_number, text
from ivsqa.io.formats.dicom_length import pixel_bytes
from ivsqa.io.formats.files import natural_key
from ivsqa.io.sources.dicom_claims import calibration_of, timing_of
from ivsqa.io.sources.dicom_groups import moment_of

COPY_ALL = "copy all of them into one folder"
INSTANCE = "InstanceNumber"
MOST_NAMED = 5
PROMISES = ("NumberOfSeriesRelatedInstances", "ImagesInAcquisition", "NumberOfTemporalPositions")


@dataclass(frozen=True)
class DicomRun:
    """The files of one pullback.

    Attributes:
        files: In the order of the frames.
        speakers: Of these the first, and each that claims something else of spacing, time or speed than those before it; of the
            parts of a concatenation, all.
        notes: What a person should know of order, and of what is missing or there twice.
    """

    files: tuple[Path, ...]
    speakers: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of_file(cls, path: Path) -> DicomRun:
        """Return the pullback in one file."""
        return cls((path,), (path,))


def runs_of(headers: Sequence[DicomHeader]) -> list[DicomRun]:
    """Return the pullbacks in the images of one folder, none part of a concatenation, by the names of their first files."""
    of_many = [header for header in headers if header.n_frames > 1]
    multi_frame_series = {text(header.dataset, "SeriesInstanceUID") for header in of_many}
    runs = [DicomRun.of_file(header.path) for header in of_many]
    runs += _single_frame_runs([header for header in headers if header.n_frames <= 1], multi_frame_series)
    return sorted(runs, key=lambda run: natural_key(run.files[0].name))


# Concatenations


def concatenated(parts: Sequence[DicomHeader]) -> DicomRun:
    """Return the pullback in parts of one multi-frame image.

    Raises:
        SourceError: a part is missing, there in two versions, or of another size.
    """
    parts, notes = _once(parts)
    places = {header.path: int(number(header.dataset, "InConcatenationNumber") or 0) for header in parts}
    parts = sorted(parts, key=lambda header: places[header.path])
    numbers_here = [places[header.path] for header in parts]
    total = max(*(int(number(header.dataset, "InConcatenationTotalNumber") or 0) for header in parts), *numbers_here, 1)
    first = parts[0].path
    if len(set(numbers_here)) < len(parts):
        raise SourceError("a part of a concatenation is there in two versions", hint="keep the right one", path=first)
    missing = sorted({*range(1, total + 1)} - {*numbers_here})
    if missing:
        message = f"is part of a pullback in {total} files, of which {_listed(missing)} is not here"
        raise SourceError(message, hint=COPY_ALL, path=first)
    begin = 0
    for header in parts:
        offset = number(header.dataset, "ConcatenationFrameOffsetNumber")
        if offset is not None and offset != begin:
            message = f"begins at frame {offset:g} of its concatenation, but the parts before it hold {begin}"
            raise SourceError(message, hint=COPY_ALL, path=header.path)
        if header.shape != parts[0].shape:
            raise SourceError("is of another size than the first part of its concatenation", path=header.path)
        begin += header.n_frames
    paths = tuple(header.path for header in parts)
    return DicomRun(paths, paths, tuple(notes))


# Single frames


def _single_frame_runs(headers: Sequence[DicomHeader], multi_frame_series: set[str]) -> list[DicomRun]:
    """Return single-frame files as pullbacks.

    Files belong together if they agree in kind, size, colour, depth and calibration, and have the study, or the patient and
    the number of the series, in common; of these, the series that hold several files are apart. A series UID that each file has
    for itself says nothing: some exports give one to each. What fits no other file is a pullback of one frame.
    """
    groups: dict[Hashable, list[tuple[frozenset[Hashable], list[DicomHeader]]]] = {}
    for header in headers:
        alike = groups.setdefault(_look(header), [])
        origins, members = _origins(header.dataset), [header]
        # One file may join groups that were apart so far: the one by its study, the other by its series.
        joined = [group for group in alike if group[0] & origins]
        for other_origins, others in joined:
            origins, members = origins | other_origins, others + members
        alike[:] = [*(group for group in alike if group not in joined), (origins, members)]
    runs = [(part, _ordered(part)) for alike in groups.values() for _, members in alike for part in _by_series(members)]
    n_of_series = Counter(text(header.dataset, "SeriesInstanceUID") for members, _ in runs for header in members[:1])
    return [
        replace(run, notes=(*run.notes, *_series_notes(members, n_of_series, multi_frame_series)))
        for members, run in runs
    ]


def _series_notes(
    members: Sequence[DicomHeader], n_of_series: Mapping[str, int], multi_frame_series: set[str]
) -> Iterator[str]:
    """Yield notes on a series of which this pullback is not all."""
    series = text(members[0].dataset, "SeriesInstanceUID")
    if series and n_of_series[series] > 1:
        yield f"its series is {n_of_series[series]} pullbacks, since frames differ in size, colour, scale or acquisition"
    if series and series in multi_frame_series:
        yield "its series also holds a run of many frames: these may be single pictures taken from it"


def _look(header: DicomHeader) -> Hashable:
    """Return the properties that frames of one pullback have in common."""
    kind = (header.sop_class, header.modality, header.shape, header.photometric, header.bits_stored)
    return (*kind, calibration_of(header.dataset))


def _origins(tags: Dataset) -> frozenset[Hashable]:
    """Return the study and the numbered series a file says it comes from; a file that says nothing goes with its like."""
    study, patient, series = (text(tags, name) for name in ("StudyInstanceUID", "PatientID", "SeriesNumber"))
    origins: list[Hashable] = [("study", study)] if study else []
    if patient and series:  # the number alone repeats from patient to patient
        origins.append(("series", patient, series))
    return frozenset(origins or [("nothing said",)])


def _by_series(members: list[DicomHeader]) -> list[list[DicomHeader]]:
    """Return files of one origin apart by series, and by acquisition where the numbers of instances begin anew."""
    # Where one series holds several files, its UID means something; its number is left out by some files of a series.
    for keyword, n_shared in (("SeriesInstanceUID", 1), ("SeriesNumber", 2)):
        parts = _parted(members, keyword, n_shared=n_shared)
        if len(parts) > 1:
            return [smaller for part in parts for smaller in _by_acquisition(part)]
    return _by_acquisition(members)


def _by_acquisition(members: list[DicomHeader]) -> list[list[DicomHeader]]:
    """Return files apart by AcquisitionNumber, where InstanceNumber repeats and does not within an acquisition."""

    def numbers_differ(part: list[DicomHeader]) -> bool:
        return _are_distinct(PLACES[INSTANCE](_once(part)[0]))

    if numbers_differ(members):
        return [members]
    parts = _parted(members, "AcquisitionNumber", n_shared=2)
    return parts if all(map(numbers_differ, parts)) else [members]


def _parted(members: list[DicomHeader], keyword: str, *, n_shared: int) -> list[list[DicomHeader]]:
    """Return files apart by a tag, if so many of its values are shared by several files; else all together."""
    parts: dict[str, list[DicomHeader]] = {}
    for header in members:
        parts.setdefault(text(header.dataset, keyword), []).append(header)
    shared = [value for value, part in parts.items() if value and len(part) > 1]
    return list(parts.values()) if len(shared) >= n_shared else [members]


# Order


Places: TypeAlias = list[float] | None
"""A number a file, by which the files can be sorted; None where some file has none."""


def _by_tag(keyword: str, headers: Sequence[DicomHeader]) -> Places:
    places = [signed_number(header.dataset, keyword) for header in headers]
    return [place for place in places if place is not None] if None not in places else None


def _by_moment(written: Sequence[Sequence[str]], headers: Sequence[DicomHeader]) -> Places:
    """Return places by a moment, as the tags say that are there of one way to write it: in one, or as a date and a time."""
    ways = (["".join(text(header.dataset, keyword) for keyword in way) for way in written] for header in headers)
    moments = [moment for dates in ways if (moment := moment_of(next(filter(None, dates), ""))) is not None]
    if len(moments) < len(headers):
        return None
    return [(moment - min(moments)).total_seconds() for moment in moments]


def _by_position(headers: Sequence[DicomHeader]) -> Places:
    """Return places along the axis in space along which they differ most."""
    positions = [numbers(header.dataset, "ImagePositionPatient") for header in headers]
    if not all(len(position) == 3 and np.isfinite(position).all() for position in positions):
        return None
    space = np.array(positions)
    return [float(place) for place in space[:, np.ptp(space, axis=0).argmax()]]


PLACES: dict[str, Callable[[Sequence[DicomHeader]], Places]] = {
    INSTANCE: partial(_by_tag, INSTANCE),
    "TemporalPositionIdentifier": partial(_by_tag, "TemporalPositionIdentifier"),
    "SliceLocation": partial(_by_tag, "SliceLocation"),
    "ImagePositionPatient": _by_position,
    "the time of acquisition": partial(_by_moment, (("AcquisitionDateTime",), ("AcquisitionDate", "AcquisitionTime"))),
    "the time of content": partial(_by_moment, (("ContentDate", "ContentTime"),)),
}
"""What gives a frame its place, in the order in which it is believed."""

PARTLY = (INSTANCE, "TemporalPositionIdentifier", "SliceLocation")
"""Tags of one number: where they are there and do not give every file a place, they are no silence."""
EITHER_WAY = ("SliceLocation", "ImagePositionPatient")
"""A catheter is pulled back or pushed forward: places may fall along the run."""
NO_CONTRADICTION = ("the time of content",)
"""May be that of an export."""


def _are_distinct(places: Places) -> bool:
    """Return whether each file has a place of its own."""
    return places is not None and len(set(places)) == len(places)


def _ordered(headers: Sequence[DicomHeader]) -> DicomRun:
    """Return single-frame files as one pullback, in the order of its frames."""
    distinct, notes = _once(sorted(headers, key=lambda header: natural_key(header.path.name)))
    said = {name: places for name, place in PLACES.items() if (places := place(distinct)) is not None}
    by = next((name for name, places in said.items() if _are_distinct(places)), "")
    order = np.argsort(said[by], kind="stable") if by else np.arange(len(distinct))
    in_part = [name for name in PARTLY if name not in said and any(text(header.dataset, name) for header in distinct)]
    if in_part:
        notes.append(f"{in_part[0]} stands in some of the files only, or is no number, and says nothing of their order")
    if not by and (said or in_part) and len(distinct) > 1:
        notes.append("no tag gives each frame a place of its own: frames are in the order of their names")
    for name, places in said.items():
        if name not in (by, *NO_CONTRADICTION) and not _fits(np.array(places)[order], either_way=name in EITHER_WAY):
            notes.append(f"{name} orders the frames otherwise than {by or 'their names'}, which counts")
    ordered = [distinct[index] for index in order]
    if len(ordered) > 1:
        notes += _missing(ordered)
    return DicomRun(tuple(header.path for header in ordered), _speakers(ordered), tuple(notes))


def _fits(places: NDArray[np.float64], *, either_way: bool) -> bool:
    """Return whether places never fall along the run, or, for some, never rise."""
    steps = np.diff(places)
    return bool((steps >= 0.0).all() or (either_way and (steps <= 0.0).all()))


def _missing(ordered: Sequence[DicomHeader]) -> Iterator[str]:
    """Yield notes on frames that are promised and not here, or not promised and here."""
    instances = sorted(set(PLACES[INSTANCE](ordered) or []))
    steps = {later - earlier for earlier, later in pairwise(instances)}
    if len(instances) == len(ordered) and len(steps) > 1:
        step = min(steps)
        n_missing = round((instances[-1] - instances[0]) / step) + 1 - len(instances)
        yield (
            f"{INSTANCE} goes from {instances[0]:g} to {instances[-1]:g}, but {n_missing} of these are not here: "
            "frames may be missing, and times and places be wrong after the first gap"
        )
    for keyword in PROMISES:
        promised = {number(header.dataset, keyword) for header in ordered} - {None}
        if promised and promised != {float(len(ordered))}:
            said = " and ".join(f"{count:g}" for count in sorted(count for count in promised if count is not None))
            yield f"{keyword} says {said}, but {len(ordered)} frames are here"


# Files that are there twice


def _once(headers: Sequence[DicomHeader]) -> tuple[list[DicomHeader], list[str]]:
    """Return files without those that hold the same instance again, with a note on them."""
    by_uid: dict[str, list[DicomHeader]] = {}
    for header in headers:
        by_uid.setdefault(text(header.dataset, "SOPInstanceUID") or str(header.path), []).append(header)
    kept: list[DicomHeader] = []
    n_twice = n_unlike = 0
    for same in by_uid.values():
        # Some exports give one UID to all files, so pixels decide.
        pixels = {header.path: _pixels_sha256(header) for header in same} if len(same) > 1 else {}
        of_one = list({pixels.get(header.path, ""): header for header in reversed(same)}.values())[::-1]
        kept += of_one
        n_twice += len(same) - len(of_one)
        n_unlike += len(of_one) > 1
    notes = []
    if n_twice:
        notes.append(f"left out, since another file holds the same instance: {n_twice}")
    if n_unlike:
        notes.append("files with different pixels have one SOPInstanceUID: each is taken as a frame")
    return kept, notes


def _pixels_sha256(header: DicomHeader) -> str:
    return hashlib.sha256(pixel_bytes(header.path)).hexdigest()


def _speakers(headers: Sequence[DicomHeader]) -> tuple[Path, ...]:
    """Return the first file of each set of claims on spacing, time and speed."""
    speakers: dict[Hashable, Path] = {}
    for header in headers:
        speakers.setdefault((calibration_of(header.dataset), timing_of(header.dataset)), header.path)
    return tuple(speakers.values())


def _listed(missing: Sequence[int]) -> str:
    """Return the numbers of parts, of many the first."""
    more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
    return f"part {', '.join(map(str, missing[:MOST_NAMED]))}{more}"
