"""The DICOM images of a search, folder by folder, and what of them belongs together across folders.

The parts of a concatenation are one pullback wherever they lie. Single frames are joined within a folder only: where frames of
one series lie in several, and where one instance is there in two versions, a note says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ivsqa.errors import IvsqaError
from ivsqa.io.formats.dicom_header import DicomHeader, text
from ivsqa.io.hashes import sha256_of_file
from ivsqa.io.outside import apart
from ivsqa.io.sources.dicom_runs import DicomRun, concatenated, runs_of

ALSO_ELSEWHERE = (
    "another file that was found has the same SOPInstanceUID and is not the same: perhaps one run in two versions"
)


@dataclass
class DicomSearch:
    """What was found so far."""

    _found: list[tuple[Path, DicomRun]] = field(default_factory=list)
    _parts: dict[str, list[DicomHeader]] = field(default_factory=dict)
    _instances: dict[str, list[Path]] = field(default_factory=dict)
    _series: dict[str, dict[Path, frozenset[str]]] = field(default_factory=dict)
    """By the UID of a series, the instances of each of its runs of single frames, which is named by its first file."""

    def add(self, images: Sequence[DicomHeader], folder: Path) -> None:
        """Add the images of a folder."""
        whole: list[DicomHeader] = []
        for header in images:
            concatenation = text(header.dataset, "ConcatenationUID")
            (self._parts.setdefault(concatenation, []) if concatenation else whole).append(header)
            if header.n_frames > 1:
                self._instances.setdefault(text(header.dataset, "SOPInstanceUID"), []).append(header.path)
        headers = {header.path: header for header in whole}
        runs = runs_of(whole)
        of_frames = [run for run in runs if len(run.files) > 1 or headers[run.files[0]].n_frames == 1]
        for run in runs:
            # A folder that is one pullback in several files gives it its name; else the first file of each does.
            self._found.append((folder if of_frames == [run] and len(run.files) > 1 else run.files[0], run))
        for run in of_frames:
            series = text(headers[run.files[0]].dataset, "SeriesInstanceUID")
            frames = frozenset(text(headers[file].dataset, "SOPInstanceUID") for file in run.files)
            self._series.setdefault(series, {})[run.files[0]] = frames

    def runs(self, failed: list[IvsqaError]) -> Iterator[tuple[Path, DicomRun]]:
        """Yield what each pullback is called by, and its files; `failed` gets what is no whole pullback."""
        for parts in self._parts.values():
            with apart(failed):
                run = concatenated(parts)
                self._found.append((self._place(run), run))
        twice = self._in_two_versions()
        for path, run in self._found:
            notes = [ALSO_ELSEWHERE] if run.files[0] in twice else []
            yield path, replace(run, notes=(*run.notes, *notes, *self._elsewhere(run)))

    def _place(self, concatenation: DicomRun) -> Path:
        """Return the folder of a concatenation that has it for itself, else its first file."""
        folder = concatenation.files[0].parent
        is_alone = not any(len(run.files) > 1 and run.files[0].parent == folder for _, run in self._found)
        has_all = len(concatenation.files) > 1 and all(file.parent == folder for file in concatenation.files)
        return folder if has_all and is_alone else concatenation.files[0]

    def _in_two_versions(self) -> set[Path]:
        """Return the files of many frames that share an instance with another file and are not the same to the byte."""
        found: set[Path] = set()
        for uid, paths in self._instances.items():
            # What is the same to the byte is found out when it is imported.
            if uid and len(paths) > 1 and len({sha256_of_file(path) for path in paths}) > 1:
                found |= set(paths)
        return found

    def _elsewhere(self, run: DicomRun) -> Iterator[str]:
        """Yield a note where other frames of the series of single-frame files lie in other folders."""
        first = run.files[0]
        for uid, frames in self._series.items():
            folders = {file.parent for file in frames if frames[file] != frames.get(first)} - {first.parent}
            if uid and first in frames and folders:
                yield (
                    f"frames of its series lie in {len(folders) + 1} folders, which are pullbacks of their own: if they are one "
                    "run, put them into one folder"
                )
