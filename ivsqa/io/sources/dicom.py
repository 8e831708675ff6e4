"""Pullbacks from DICOM: a multi-frame file, or a folder of single-frame files."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ivsqa.domain.pullback import PullbackClaims
from ivsqa.io.formats.dicom_header import DicomHeader, read_header, text
from ivsqa.io.formats.dicom_pixels import iter_grey_frames
from ivsqa.io.formats.files import natural_key
from ivsqa.io.sources.dicom_claims import calibration_of, claims_from_headers
from ivsqa.io.sources.source import PullbackSource


@dataclass(frozen=True)
class DicomSource(PullbackSource):
    """One pullback in DICOM.

    Attributes:
        files: The file, or the single-frame files in the order of the frames.
    """

    files: tuple[Path, ...]

    @cached_property
    def _header(self) -> DicomHeader:
        """Header of the first file, checked."""
        header = read_header(self.files[0])
        header.check_image()
        return header

    def kind(self) -> str:
        """Return DICOM and the transfer syntax; raises SourceError."""
        files = f"DICOM in {len(self.files)} files" if len(self.files) > 1 else "DICOM"
        return f"{files}, {self._header.syntax.keyword}"

    def frame_files(self) -> Sequence[Path]:
        """Return the files, in the order of the frames."""
        return self.files

    def own_claims(self) -> PullbackClaims:
        """Return what the header says; raises SourceError."""
        n_frames = self._header.n_frames if len(self.files) == 1 else len(self.files)
        return claims_from_headers([self._header], n_frames=n_frames)

    def iter_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames in order, grey, uint8 (height, width); raises SourceError."""
        for file in self.files:
            yield from iter_grey_frames(file)

    def patient_key(self) -> str | None:
        """Return the PatientID, else name and birth date, else None."""
        tags = self._header.dataset
        name = text(tags, "PatientName").strip("^ ")
        return text(tags, "PatientID") or (f"{name}\n{text(tags, 'PatientBirthDate')}" if name else None)


def group_single_frames(headers: Iterable[DicomHeader]) -> list[tuple[Path, ...]]:
    """Return the single-frame files of one folder as pullbacks, each in natural order of names.

    Files belong together if they agree in kind, size, colour, depth and calibration, and have the study, or the patient and
    the number of the series, in common. The UID of the series says nothing: exports give each file its own. What fits no
    other file is a pullback of one frame.

    Args:
        headers: Header of each single-frame image of the folder.
    """
    groups: dict[Hashable, list[tuple[frozenset[Hashable], list[Path]]]] = {}
    for header in headers:
        alike = groups.setdefault(_look(header), [])
        origins, files = _origins(header.dataset), [header.path]
        # One file may join groups that were apart so far: the one by its study, the other by its series.
        joined = [group for group in alike if group[0] & origins]
        for other_origins, other_files in joined:
            origins, files = origins | other_origins, files + other_files
        alike[:] = [*(group for group in alike if group not in joined), (origins, files)]
    pullbacks = [
        tuple(sorted(files, key=lambda path: natural_key(path.name))) for alike in groups.values() for _, files in alike
    ]
    return sorted(pullbacks, key=lambda files: natural_key(files[0].name))


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
