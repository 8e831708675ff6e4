"""Pullbacks from DICOM: a multi-frame file, or a folder of single-frame files."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ivsqa.domain.pullback import PullbackFacts
from ivsqa.io.formats.dicom_header import check_image, n_frames_of, read_header, text, transfer_syntax
from ivsqa.io.formats.dicom_pixels import iter_grey_frames
from ivsqa.io.formats.files import natural_key
from ivsqa.io.sources.dicom_facts import calibration_of, facts_from_header
from ivsqa.io.sources.source import PullbackSource


@dataclass(frozen=True)
class DicomSource(PullbackSource):
    """One pullback in DICOM.

    Attributes:
        files: The file, or the single-frame files in the order of the frames.
    """

    files: tuple[Path, ...]

    @cached_property
    def _header(self) -> Dataset:
        """Header of the first file, checked."""
        header = read_header(self.files[0])
        check_image(header, self.files[0])
        return header

    def kind(self) -> str:
        """Return DICOM and the transfer syntax; raises SourceError."""
        files = f"DICOM in {len(self.files)} files" if len(self.files) > 1 else "DICOM"
        return f"{files}, {transfer_syntax(self._header).keyword}"

    def frame_files(self) -> Sequence[Path]:
        """Return the files, in the order of the frames."""
        return self.files

    def own_facts(self) -> PullbackFacts:
        """Return the facts in the header; raises SourceError."""
        n_frames = n_frames_of(self._header) if len(self.files) == 1 else len(self.files)
        return facts_from_header(self._header, n_frames=n_frames)

    def iter_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames in order, grey, uint8 (height, width); raises SourceError."""
        for file in self.files:
            yield from iter_grey_frames(file)

    def patient_key(self) -> str | None:
        """Return the PatientID, else name and birth date, else None."""
        name = text(self._header, "PatientName").strip("^ ")
        named = f"{name}\n{text(self._header, 'PatientBirthDate')}" if name else None
        return text(self._header, "PatientID") or named


def group_single_frames(files: Iterable[tuple[Path, Dataset]]) -> list[tuple[Path, ...]]:
    """Return the single-frame files of one folder as pullbacks, each in natural order of names.

    Files belong together if they agree in kind, size, colour, depth and calibration, and have the study, or the patient and
    the number of the series, in common. The UID of the series says nothing: exports give each file its own. What fits no
    other file is a pullback of one frame.

    Args:
        files: Path and header of each single-frame image of the folder.
    """
    groups: dict[Hashable, list[_Group]] = {}
    for path, header in sorted(files, key=lambda each: natural_key(each[0].name)):
        alike = groups.setdefault(_look(header), [])
        origins = _origins(header)
        joined = [group for group in alike if group.origins & origins]
        members = [path, *(member for group in joined for member in group.files)]
        merged = _Group(members, origins.union(*(group.origins for group in joined)))
        alike[:] = [*(group for group in alike if group not in joined), merged]
    found = [_in_order(group.files) for alike in groups.values() for group in alike]
    return sorted(found, key=lambda each: natural_key(each[0].name))


@dataclass(frozen=True)
class _Group:
    """Files that belong together, and the studies and series they come from."""

    files: Sequence[Path]
    origins: frozenset[Hashable]


def _look(header: Dataset) -> Hashable:
    """Return what frames of one pullback have in common."""
    tags = ("SOPClassUID", "Modality", "Rows", "Columns", "PhotometricInterpretation", "BitsStored")
    return (*(text(header, tag) for tag in tags), calibration_of(header))


def _origins(header: Dataset) -> frozenset[Hashable]:
    """Return the study and the numbered series a file says it comes from; a file that says nothing goes with its like."""
    study, patient, series = (text(header, tag) for tag in ("StudyInstanceUID", "PatientID", "SeriesNumber"))
    origins: list[Hashable] = [("study", study)] if study else []
    if patient and series:
        origins.append(("series", patient, series))
    return frozenset(origins or [("nothing said",)])


def _in_order(files: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(sorted(files, key=lambda path: natural_key(path.name)))
