"""Label volumes beside a volume of frames: what their values mean, where they lie, and the contours of each frame.

Values mean what the file itself says (segments of a `.seg.nrrd`), else `labels.csv` beside it, else 1 the innermost structure, 2
what the next one adds. A structure includes what it encloses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Mask
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, SourceError
from ivsqa.io.formats.label_marks import MARKS, WALL
from ivsqa.io.formats.seg_nrrd import read_segmentation
from ivsqa.io.formats.volume import Volume, open_volume
from ivsqa.io.formats.voxels import OFF_GRID_PX, whole_numbers
from ivsqa.io.sources.label_images import LABELS_TABLE, contours_from_masks, read_names, refuse_inverted
from ivsqa.io.sources.source import FoundAnnotations, structure_named

SEG_NRRD = ".seg.nrrd"
MOST_LAYERS = 16
"""More voxels than the image has in so many layers are no answer to it, and are not unpacked."""
Meaning: TypeAlias = Mapping[str, Sequence[tuple[int, int]]]
"""The (layer, value) pairs of each structure's own ring; under "" those that mean nothing here."""
RING_NAMES = (WALL, "plaque", "media", "vessel")
"""What sets call the ring between lumen and EEM, or the EEM with all in it: here they are the same."""
NO_BORDERS = (*MARKS, "perivascular")


def read_label_volume(
    path: Path, frames: Volume, structures: StructureSet, meaning: Meaning | None = None
) -> FoundAnnotations:
    """Return the contours of a label volume.

    Args:
        path: The label volume.
        frames: The volume it belongs to.
        structures: The structures of the study.
        meaning: What its values mean, where something else says so.

    Raises:
        AnnotationError: it cannot be read, lies on another grid, or holds a value without a name.
    """
    try:
        labels, said = (
            _segmentation(path, frames, structures) if path.name.lower().endswith(SEG_NRRD) else (_labels(path), None)
        )
    except SourceError as error:
        raise AnnotationError(error.message, hint=error.hint, path=path) from error
    meaning = meaning or said
    is_guess = meaning is None
    if meaning is None:
        names = read_names(path.parent, LABELS_TABLE, structures)
        is_guess = names is None
        said_names = dict(enumerate(structures.names, start=1)) if names is None else names
        meaning = meaning_of((((0, value), name) for value, name in said_names.items()), structures, path=path)
    return contours_of_values(_on_grid(labels, frames, path), meaning, structures, path=path, is_guess=is_guess)


def contours_of_values(
    values: NDArray[np.integer], meaning: Meaning, structures: StructureSet, *, path: Path, is_guess: bool = False
) -> FoundAnnotations:
    """Return the contours of label values.

    Args:
        values: (layers, frames, height, width).
        meaning: What they mean.
        structures: The structures of the study.
        path: Where they are from, for errors.
        is_guess: Nothing said what they mean, so a set that numbers from the outside is refused.

    Raises:
        AnnotationError: a value without a name.
    """
    return contours_from_masks(_Slices(values, meaning, structures, path, is_guess=is_guess), structures)


@dataclass(frozen=True, eq=False)
class _Labels:
    """Values as stored, (layers, frames, height, width), and from voxel index to mm; None where it is not said."""

    values: NDArray[np.integer]
    to_lps_mm: NDArray[np.float64] | None


def _labels(path: Path) -> _Labels:
    volume = open_volume(path)
    return _Labels(whole_numbers(volume.voxels(), path=path)[None], volume.to_lps_mm)


def _segmentation(path: Path, frames: Volume, structures: StructureSet) -> tuple[_Labels, Meaning | None]:
    """Return what 3D Slicer saved, and what its segments are called."""
    file = read_segmentation(path, MOST_LAYERS * int(np.prod(frames.shape)))
    named = [((each.layer, each.value), each.name) for each in file.segments]
    meaning = meaning_of(named, structures, path=path) if named else None
    return _Labels(file.layers.transpose(0, 3, 2, 1), file.to_lps_mm), meaning


def meaning_of(named: Iterable[tuple[tuple[int, int], str | None]], structures: StructureSet, *, path: Path) -> Meaning:
    """Return what (layer, value) pairs mean by the names a file gives them; None leaves one out on purpose.

    Raises:
        AnnotationError: a name is none of the structures.
    """
    meaning: dict[str, list[tuple[int, int]]] = {}
    for pair, name in named:
        word = (name or "").strip().casefold()
        if name is None or word in NO_BORDERS:
            structure = ""
        elif word in RING_NAMES and len(structures) == 2 and word not in structures.names:
            structure = structures.outermost
        else:
            structure = structure_named(name, structures, path=path)
        meaning.setdefault(structure, []).append(pair)
    return meaning


class _Slices(Mapping[int, Mapping[str, Mask]]):
    """The masks of each frame, made when they are asked for: those of a whole pullback would not fit into memory."""

    def __init__(
        self, values: NDArray[np.integer], meaning: Meaning, structures: StructureSet, path: Path, *, is_guess: bool
    ) -> None:
        self._values = values
        self._meaning = meaning
        self._structures = structures
        self._path = path
        self._is_guess = is_guess

    def __len__(self) -> int:
        return int(self._values.shape[1])

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __getitem__(self, index: int) -> Mapping[str, Mask]:
        values = self._values[:, index]
        known = {pair for pairs in self._meaning.values() for pair in pairs}
        for layer, each in enumerate(values):
            unknown = [int(value) for value in np.unique(each) if value != 0 and (layer, int(value)) not in known]
            if unknown:
                raise AnnotationError(
                    f"label {unknown[0]} has no name",
                    hint="say which structure each value is in a labels.csv beside it: value,structure and lines as 1,lumen",
                    path=self._path,
                    where=f"frame {index}",
                )
        if self._is_guess:
            refuse_inverted(values[0], self._path, index)
        masks: dict[str, Mask] = {}
        inside = np.zeros(values.shape[1:], dtype=np.bool_)
        for structure in self._structures.names:
            own = np.zeros_like(inside)
            for layer, value in self._meaning.get(structure, ()):
                own |= values[layer] == value
            inside = inside | own
            if own.any():
                masks[structure] = inside
        return masks


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
        fits = labels.values.shape[1:] == frames.shape
    grid = np.array(frames.shape[::-1])
    size = np.array(labels.values.shape[:0:-1])
    if not fits or (start < 0).any() or (start + size > grid).any():
        ours, theirs = (" × ".join(str(side) for side in each) for each in (grid, size))
        raise AnnotationError(
            f"does not lie on the frames: it has {theirs} voxels, they have {ours}",
            hint="save the labels in the geometry of the image",
            path=path,
        )
    placed = np.zeros((len(labels.values), *frames.shape), dtype=labels.values.dtype)
    x, y, z = start
    width, height, n_frames = size
    placed[:, z : z + n_frames, y : y + height, x : x + width] = labels.values
    return placed
