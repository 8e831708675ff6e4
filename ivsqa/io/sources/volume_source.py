"""Pullbacks from volumes: a NIfTI or NRRD file with a slice a frame, and perhaps a label volume beside it.

run.nii.gz    run-labels.nii.gz    run.seg.nrrd    run_mask.nrrd
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import SourceError
from ivsqa.io.formats.files import bare_name
from ivsqa.io.formats.grey import deep_white
from ivsqa.io.formats.volume import Volume, open_volume
from ivsqa.io.sources.archives.contour_format import Target
from ivsqa.io.sources.archives.registry import annotations_beside, merged
from ivsqa.io.sources.facts_beside import with_facts_beside
from ivsqa.io.sources.source import FoundAnnotations, fingerprint_of_files
from ivsqa.io.sources.volume_labels import Meaning, read_label_volume

LABEL_NAME = re.compile(r"(?P<image>.+)[._-](seg|segmentation|labels?|labelmap|masks?)", re.IGNORECASE)
IMAGE_NAME = re.compile(r"(?P<stem>.+)[._-]image", re.IGNORECASE)
MOST_LABELS = 16
DEEPEST = (1 << 16) - 1


@dataclass(frozen=True)
class VolumeSource:
    """One pullback in a volume.

    Attributes:
        path: The file.
        relative: See `PullbackSource`.
        labels: The label volumes beside it.
        meaning: What the values of the label volumes mean in a study, where something else than they says so.
    """

    path: Path
    relative: str
    labels: tuple[Path, ...] = ()
    meaning: Callable[[StructureSet], Meaning] | None = None

    @cached_property
    def _volume(self) -> Volume:
        return open_volume(self.path)

    def kind(self) -> str:
        """Return which kind of volume it is, and with which labels."""
        name = "NRRD volume" if self.path.suffix.lower() == ".nrrd" else "NIfTI volume"
        name = f"{name} of nnU-Net" if self.meaning is not None else name
        return f"{name} with {', '.join(path.name for path in self.labels)}" if self.labels else name

    def fingerprint(self) -> str:
        """Return the hex SHA-256 over the file."""
        return fingerprint_of_files([self.path])

    def facts(self) -> PullbackFacts:
        """Return what the header says; raises SourceError."""
        volume = self._volume
        n_frames, height, width = volume.shape
        step_s = volume.frame_step_s
        facts = PullbackFacts(
            n_frames=n_frames,
            height_px=height,
            width_px=width,
            spacing_mm=volume.spacing_mm,
            spacing_source=volume.spacing_source,
            frame_time_s=None if step_s is None else tuple((np.arange(n_frames) * step_s).tolist()),
            frame_time_source="unknown" if step_s is None else "NIfTI time step",
        )
        return with_facts_beside(facts, self.path)

    def iter_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames in order, grey, uint8 (height, width); raises SourceError."""
        voxels = self._volume.voxels()
        white = _white(voxels, self.path)
        for frame in voxels:
            grey = frame if white == 255.0 else np.round(np.asarray(frame, dtype=np.float64) * (255.0 / white))
            yield np.ascontiguousarray(grey, dtype=np.uint8)

    def patient_key(self) -> str | None:
        """Return None: what a header may say of a patient is free text, and not read."""
        return None

    def read_annotations(self, structures: StructureSet, facts: PullbackFacts | None = None) -> FoundAnnotations:
        """Return the contours of files beside it, and what label volumes show where they have nothing; raises AnnotationError."""
        facts, name = facts or self.facts(), self.relative.rpartition("/")[2]
        target = Target(name, facts.n_frames, facts.frame_shape, structures, facts.spacing_mm)
        found = annotations_beside(self.path, target)
        meaning = self.meaning(structures) if self.meaning is not None and self.labels else None
        for path in self.labels:
            shown = read_label_volume(path, self._volume, structures, meaning)
            note = f"{path.name} (label volume): contours of {len(shown.contours)} frames"
            found = FoundAnnotations(merged(shown.contours, found.contours), (*found.notes, note, *shown.notes))
        return found

    def annotations(self, structures: StructureSet) -> dict[int, dict[str, Contour]]:
        """Return the contours by frame_index and structure; raises AnnotationError."""
        return self.read_annotations(structures).contours


def _white(voxels: NDArray[Any], path: Path) -> float:
    """Return the value that becomes 255, one for all frames.

    Raises:
        SourceError: labels, negative values, or values for which no white is defined.
    """
    low, high = float(voxels.min()), float(voxels.max())
    if voxels.dtype.kind not in "buif" or not (np.isfinite([low, high]).all() and low >= 0.0 and high <= DEEPEST):
        hint = "save the image as 8- or 16-bit grey, from 0 for black"
        raise SourceError(f"holds values from {low:g} to {high:g}, which are no grey", hint=hint, path=path)
    is_share = voxels.dtype.kind == "f" and high <= 1.0
    if is_share and not np.isin(voxels[len(voxels) // 2], (0.0, 1.0)).all():
        return 1.0
    if high < MOST_LABELS:
        hint = "name it like the image it belongs to, with -labels behind: run.nii.gz, run-labels.nii.gz"
        raise SourceError("holds labels, not an image", hint=hint, path=path)
    return float(deep_white(int(np.ceil(high))))


def volume_sources(paths: Sequence[Path], relative: dict[Path, str]) -> tuple[list[VolumeSource], list[SourceError]]:
    """Return the pullbacks among the volumes of a folder, each with its labels, and label volumes that have no image.

    Args:
        paths: NIfTI and NRRD files.
        relative: What each is called below what is searched.
    """
    images = {bare_name(path.name): path for path in paths if LABEL_NAME.fullmatch(bare_name(path.name)) is None}
    by_stem = images | {match["stem"]: images[stem] for stem in images if (match := IMAGE_NAME.fullmatch(stem))}
    labels: dict[Path, list[Path]] = {path: [] for path in images.values()}
    errors = []
    for path in (each for each in paths if each not in labels):
        match = LABEL_NAME.fullmatch(bare_name(path.name))
        image = by_stem.get(match["image"]) if match else None
        if image is None:
            hint = "put the image beside it: run.nii.gz, run-labels.nii.gz"
            errors.append(SourceError("is called like labels, but its image is not here", hint=hint, path=path))
        else:
            labels[image].append(path)
    return [VolumeSource(path, relative[path], tuple(labels[path])) for path in labels], errors
