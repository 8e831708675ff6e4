"""Pullbacks from DICOM: a multi-frame file, its parts, or a folder of single-frame files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.pullback import PullbackClaims, PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.io.formats.dicom_header import DicomHeader
from ivsqa.io.formats.dicom_length import read_image_header
from ivsqa.io.formats.dicom_pixels import iter_grey_frames
from ivsqa.io.sources.archives.contour_format import FoundAnnotations
from ivsqa.io.sources.dicom_claims import claims_from_headers
from ivsqa.io.sources.dicom_regions import pane_notes
from ivsqa.io.sources.dicom_runs import DicomRun
from ivsqa.io.sources.person import Person, person_of
from ivsqa.io.sources.source import PullbackSource


@dataclass(frozen=True)
class DicomSource(PullbackSource):
    """One pullback in DICOM.

    Attributes:
        run: Its files, in the order of the frames.
    """

    run: DicomRun

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, or the files in the order of the frames."""
        return self.run.files

    @cached_property
    def _header(self) -> DicomHeader:
        """Header of the first file, checked."""
        header = read_image_header(self.files[0])
        header.check_image()
        return header

    @cached_property
    def _headers(self) -> list[DicomHeader]:
        """Headers of the files that claim something."""
        return [self._header, *map(read_image_header, self.run.speakers[1:])]

    def kind(self) -> str:
        """Return DICOM and the transfer syntax; raises SourceError."""
        files = f"DICOM in {len(self.files)} files" if len(self.files) > 1 else "DICOM"
        return f"{files}, {self._header.syntax.keyword}"

    def frame_files(self) -> Sequence[Path]:
        """Return the files, in the order of the frames."""
        return self.files

    def own_claims(self) -> PullbackClaims:
        """Return what the header says; raises SourceError."""
        has_all = len(self._headers) == len(self.files)
        # Else each file is a frame.
        n_frames = sum(header.n_frames for header in self._headers) if has_all else len(self.files)
        claims = claims_from_headers(self._headers, n_frames=n_frames)
        return claims.with_claims(notes=self.run.notes)

    def iter_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames in order, grey, uint8 (height, width); raises SourceError."""
        for file in self.files:
            yield from iter_grey_frames(file)

    def person(self) -> Person:
        """Return the person in the header; raises SourceError."""
        return person_of(self._header.dataset)

    def read_annotations(self, structures: StructureSet, facts: PullbackFacts | None = None) -> FoundAnnotations:
        """Return the contours of files beside it; where its panes differ in scale, with a note on the one they lie in."""
        facts = facts or self.facts()
        found = super().read_annotations(structures, facts)
        notes = pane_notes(self._header.dataset, found.contours) if facts.spacing_mm is None else ()
        return replace(found, notes=(*found.notes, *notes))
