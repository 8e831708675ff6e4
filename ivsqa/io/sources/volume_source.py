"""Pullbacks from volumes: a NIfTI or NRRD file with a slice a frame, and perhaps a label volume beside it.

run.nii.gz    run-labels.nii.gz    run.seg.nrrd    run_mask.nrrd
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.claims import FRAME_STEP, SPACING, Claim
from ivsqa.domain.contour import Mask
from ivsqa.domain.pullback import PullbackClaims, PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, SourceError, located
from ivsqa.io.budgets import check_unpacked
from ivsqa.io.formats.files import bare_name
from ivsqa.io.formats.grey import DEEPEST, deep_white
from ivsqa.io.formats.nrrd import read_segmentation
from ivsqa.io.formats.volume import Volume, open_volume
from ivsqa.io.formats.voxels import OFF_GRID_PX, whole_numbers
from ivsqa.io.sources.archives.contour_format import FoundAnnotations
from ivsqa.io.sources.labels import LabelMeaning, contours_from_masks, masks_of_labels
from ivsqa.io.sources.source import PullbackSource

LABEL_NAME = re.compile(r"(?P<image>.+)[._-](seg|segmentation|labels?|labelmap|masks?)", re.IGNORECASE)
IMAGE_NAME = re.compile(r"(?P<stem>.+)[._-]image", re.IGNORECASE)
MOST_LABELS = 16
SEG_NRRD = ".seg.nrrd"
MOST_LAYERS = 16
"""More voxels than the image has in so many layers are no answer to it, and are not unpacked."""


@dataclass(frozen=True)
class VolumeSource(PullbackSource):
    """One pullback in a volume.

    Attributes:
        labels: The label volumes beside it.
        meaning: What the values of the label volumes mean in a study, where something else than they says so.
    """

    labels: tuple[Path, ...] = ()
    meaning: Callable[[StructureSet], LabelMeaning] | None = None

    @cached_property
    def _volume(self) -> Volume:
        return open_volume(self.path)

    def kind(self) -> str:
        """Return the kind of volume, and the names of its labels."""
        name = "NRRD volume" if self.path.suffix.lower() == ".nrrd" else "NIfTI volume"
        name = f"{name} of nnU-Net" if self.meaning is not None else name
        return f"{name} with {', '.join(path.name for path in self.labels)}" if self.labels else name

    def own_claims(self) -> PullbackClaims:
        """Return the facts in the header; raises SourceError."""
        volume = self._volume
        n_frames, height, width = volume.shape
        # All of it is read into memory, whatever type it is stored in.
        with located(path=self.path):
            check_unpacked((width, height, n_frames), volume.voxel_bytes, self.path.stat().st_size, error=SourceError)
        volume.check_length()
        claims = []
        if volume.spacing_mm is not None:
            claims.append(Claim(SPACING, volume.spacing_mm, volume.spacing_source))
        if volume.placed_mm is not None:
            claims.append(Claim(SPACING, volume.placed_mm, "NIfTI affine"))
        if volume.frame_step_s is not None:
            claims.append(Claim(FRAME_STEP, (volume.frame_step_s,), "NIfTI time step"))
        return PullbackClaims(
            n_frames=n_frames,
            height_px=height,
            width_px=width,
            claims=tuple(claims),
            no_spacing=volume.spacing_source,
        )

    def iter_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames in order, grey, uint8 (height, width); raises SourceError."""
        voxels = self._volume.voxels()
        white = _white(voxels, self.path)
        for frame in voxels:
            grey = frame if white == 255.0 else np.round(np.asarray(frame, dtype=np.float64) * (255.0 / white))
            yield np.ascontiguousarray(grey, dtype=np.uint8)

    def read_annotations(self, structures: StructureSet, facts: PullbackFacts | None = None) -> FoundAnnotations:
        """Return the contours of files beside it, else of its label volumes; raises AnnotationError."""
        annotations = super().read_annotations(structures, facts)
        meaning = self.meaning(structures) if self.meaning is not None and self.labels else None
        for path in self.labels:
            shown = read_label_volume(path, self._volume, structures, meaning)
            note = f"{path.name} (label volume): contours of {len(shown.contours)} frames"
            annotations = annotations.over(FoundAnnotations(shown.contours, (note, *shown.notes)))
        return annotations


def _white(voxels: NDArray[Any], path: Path) -> float:
    """Return the value that becomes 255, one for all frames.

    Raises:
        SourceError: labels, negative values, or values for which no white is defined.
    """
    low, high = float(voxels.min()), float(voxels.max())
    if voxels.dtype.kind not in "buif" or not (np.isfinite([low, high]).all() and low >= 0.0 and high <= DEEPEST):
        hint = "save the image as 8- or 16-bit grey, from 0 for black"
        raise SourceError(f"holds values from {low:g} to {high:g}, which are no grey", hint=hint, path=path)
    is_share = voxels.dtype.kind == "f" and high <= 1.0  # or a mask saved as float, of which 0 and 1 are all
    if is_share and not np.isin(voxels[len(voxels) // 2], (0.0, 1.0)).all():
        return 1.0
    if high < MOST_LABELS:
        hint = "name it like the image it belongs to, with -labels behind: run.nii.gz, run-labels.nii.gz"
        raise SourceError("holds labels, not an image", hint=hint, path=path)
    return float(deep_white(int(np.ceil(high))))


def volume_sources(paths: Sequence[Path], relative: dict[Path, str]) -> tuple[list[VolumeSource], list[SourceError]]:
    """Return the pullbacks among the volumes of a folder, with their labels, and errors of labels without image.

    Args:
        paths: NIfTI and NRRD files.
        relative: What each is called below what is searched.
    """
    images = {bare_name(path.name): path for path in paths if LABEL_NAME.fullmatch(bare_name(path.name)) is None}
    # Packets call a stack's files run-image and run-labels, so the image's own word does not count.
    by_stem = images | {match["stem"]: images[stem] for stem in images if (match := IMAGE_NAME.fullmatch(stem))}
    labels: dict[Path, list[Path]] = {path: [] for path in images.values()}
    errors = []
    for path in (path for path in paths if path not in labels):
        match = LABEL_NAME.fullmatch(bare_name(path.name))
        image = by_stem.get(match["image"]) if match else None
        if image is None:
            hint = "put the image beside it: run.nii.gz, run-labels.nii.gz"
            errors.append(SourceError("is called like labels, but its image is not here", hint=hint, path=path))
        else:
            labels[image].append(path)
    return [VolumeSource(path, relative[path], tuple(labels[path])) for path in labels], errors


def read_label_volume(
    path: Path, frames: Volume, structures: StructureSet, meaning: LabelMeaning | None = None
) -> FoundAnnotations:
    """Return the contours of a label volume.

    Values mean what the file itself says (segments of a `.seg.nrrd`), else what a labels.csv beside it says.

    Args:
        path: The label volume.
        frames: The volume it belongs to.
        structures: The structures of the study.
        meaning: What its values mean, where something else says so.

    Raises:
        AnnotationError: it cannot be read, lies on another grid, or holds a value without a name.
    """
    try:
        is_segmentation = path.name.lower().endswith(SEG_NRRD)
        labels, own = _segmentation(path, frames, structures) if is_segmentation else (_labels(path, frames), None)
    except SourceError as error:
        raise AnnotationError(error.message, hint=error.hint, path=path) from error
    values = _on_grid(labels, frames, path)
    known = meaning or own or LabelMeaning.beside(path.parent, structures)

    def masks_of_frames() -> Iterator[tuple[int, Mapping[str, Mask]]]:
        for index in range(values.shape[1]):
            with located(path=path, where=f"frame {index}"):
                masks = masks_of_labels(values[:, index], known, structures)
            yield index, masks

    drawn = contours_from_masks(masks_of_frames(), structures)
    return FoundAnnotations(drawn.contours, (*known.notes, *drawn.notes))


@dataclass(frozen=True, eq=False)
class _Grid:
    """Where voxels lie: (width, height, frames), and from voxel index to mm, None where it is not said."""

    size: Sequence[int]
    to_lps_mm: NDArray[np.float64] | None

    def size_text(self) -> str:
        return " × ".join(str(side) for side in self.size)

    def steps_text(self) -> str:
        return "" if self.to_lps_mm is None else _numbers(np.linalg.norm(self.to_lps_mm[:3, :3], axis=0), " × ")

    def axes_text(self) -> str:
        if self.to_lps_mm is None:
            return ""
        axes = self.to_lps_mm[:3, :3] / np.maximum(np.linalg.norm(self.to_lps_mm[:3, :3], axis=0), np.finfo(float).tiny)
        return " and ".join(f"({_numbers(axis, ', ')})" for axis in axes.T)

    def place_text(self) -> str:
        return "" if self.to_lps_mm is None else f"({_numbers(self.to_lps_mm[:3, 3], ', ')})"


def _numbers(values: NDArray[np.float64], between: str) -> str:
    return between.join(f"{value + 0.0:.4g}" for value in np.round(values, 6))


@dataclass(frozen=True, eq=False)
class _Labels:
    """Values as stored, (layers, frames, height, width), and from voxel index to mm; None where it is not said."""

    values: NDArray[np.integer]
    to_lps_mm: NDArray[np.float64] | None


def _labels(path: Path, frames: Volume) -> _Labels:
    volume = open_volume(path)
    with located(path=path):
        # Before they are unpacked: black shrinks to nothing, so a small file may hold any number of voxels.
        if np.prod(volume.shape, dtype=object) > np.prod(frames.shape, dtype=object):
            raise _off_the_frames(_Grid(volume.shape[::-1], volume.to_lps_mm), frames, path)
        return _Labels(whole_numbers(volume.voxels())[None], volume.to_lps_mm)


def _segmentation(path: Path, frames: Volume, structures: StructureSet) -> tuple[_Labels, LabelMeaning | None]:
    """Return the labels that 3D Slicer saved, and their meaning by the names of its segments."""
    file = read_segmentation(path, MOST_LAYERS * int(np.prod(frames.shape)))
    named = [((segment.layer, segment.value), segment.name) for segment in file.segments]
    meaning = LabelMeaning.of_names(named, structures, path=path) if named else None
    return _Labels(file.layers.transpose(0, 3, 2, 1), file.to_lps_mm), meaning


def _on_grid(labels: _Labels, frames: Volume, path: Path) -> NDArray[np.integer]:
    """Return label values on the grid of the frames, (layers, frames, height, width); what a crop left out is 0.

    Raises:
        AnnotationError: the grids differ in more than where they begin.
    """
    start = np.zeros(3, dtype=np.intp)
    if labels.to_lps_mm is not None and frames.to_lps_mm is not None:
        step = np.linalg.solve(frames.to_lps_mm, labels.to_lps_mm)
        start = np.round(step[:3, 3]).astype(np.intp)
        fits = np.allclose(step[:3, :3], np.eye(3), atol=1e-3) and np.abs(step[:3, 3] - start).max() <= OFF_GRID_PX
    else:
        fits = labels.values.shape[1:] == frames.shape  # without a place only the size can be compared
    grid = np.array(frames.shape[::-1])
    # Backwards and without the layers: width, height, frames.
    size = np.array(labels.values.shape[:0:-1])
    if not fits or (start < 0).any() or (start + size > grid).any():
        raise _off_the_frames(_Grid(tuple(size), labels.to_lps_mm), frames, path)
    placed = np.zeros((len(labels.values), *frames.shape), dtype=labels.values.dtype)
    x, y, z = start
    width, height, n_frames = size
    placed[:, z : z + n_frames, y : y + height, x : x + width] = labels.values
    return placed


def _off_the_frames(labels: _Grid, frames: Volume, path: Path) -> AnnotationError:
    """Return the error of labels that lie on another grid than the frames, with what differs first: size, voxels, axes, place."""
    grid = _Grid(frames.shape[::-1], frames.to_lps_mm)
    texts = {
        "voxels": _Grid.size_text,
        "mm a voxel": _Grid.steps_text,
        "as axes": _Grid.axes_text,
        "mm as its beginning": _Grid.place_text,
    }
    pairs = [(differs, text(labels), text(grid)) for differs, text in texts.items()]
    differs, theirs, ours = next((pair for pair in pairs if pair[1] != pair[2]), pairs[-1])
    message = f"does not lie on the frames: it has {theirs} {differs}, they have {ours}"
    return AnnotationError(message, hint="save the labels with the size and the affine of the image", path=path)
