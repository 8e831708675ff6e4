"""Masks and label maps beside frames. Labels are mapped by name: of a folder, or of a line in labels.csv or planes.csv.

    <structure>/*    one mask a frame: what is not black is inside
    labels/*         one label map a frame: 0 background, 1 the innermost structure, 2 what the next one adds (the wall) …
    labels.csv       value,structure    for label maps with other numbers, as EEM = 1, lumen = 2
    planes.csv       plane,structure    for pictures whose channels (0, 1, 2, alpha = 3) are masks that overlap

A blank structure in either table leaves that label out on purpose; what is in neither is refused, so that nothing is lost
unseen. Whatever the numbers are, a structure includes the ones it encloses.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from ivsqa.domain.contour import Contour, Mask, contour_from_mask
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError
from ivsqa.io.formats.files import IMAGE_EXTENSIONS, bare_name, natural_key
from ivsqa.io.formats.pictures import Picture, opened
from ivsqa.io.sources.source import FoundAnnotations, structure_named

LABEL_FOLDERS = ("labels", "label", "labelmaps", "masks", "mask", "annotations", "segmentations")
"""Folders that say that they hold labels, but not of what."""

LABELS_TABLE = ("labels.csv", "value")
PLANES_TABLE = ("planes.csv", "plane")

SOFT_EDGE_SHARE = 0.02
"""Masks that were resampled or saved as JPEG are grey at the border only: this share of the image at most."""

Names: TypeAlias = Mapping[int, str | None]
"""Structure by label value or plane; None leaves it out."""


@dataclass(frozen=True)
class Frames:
    """The frames that masks belong to.

    Attributes:
        index_by_stem: frame_index by file name without extension.
        shape: (height, width) in px.
    """

    index_by_stem: Mapping[str, int]
    shape: tuple[int, int]


def label_files(folder: Path) -> list[Path]:
    """Return the pictures directly in a folder, in natural order."""
    files = [
        each for each in folder.iterdir() if each.suffix.lower() in IMAGE_EXTENSIONS and not each.name.startswith(".")
    ]
    return sorted(files, key=lambda each: natural_key(each.name))


def is_mask_like(picture: Path) -> bool:
    """Return whether a picture has exactly two grey values, as masks have and frames never do; raises AnnotationError."""
    with opened(Picture(picture), error=AnnotationError) as image:
        return image.mode == "1" or len(np.unique(np.asarray(image))) == 2


def read_label_folders(folders: Sequence[Path], frames: Frames, structures: StructureSet) -> FoundAnnotations:
    """Return the contours of all masks in folders beside the frames.

    Args:
        folders: Named like a structure, or one of `LABEL_FOLDERS`, which may hold folders named like structures.
        frames: What the masks belong to.
        structures: The structures of the study.

    Raises:
        AnnotationError: a folder, value or plane without a name, a mask of another size, or one without a frame.
    """
    found: dict[int, dict[str, Mask]] = {}
    for folder in folders:
        is_general = folder.name.casefold() in LABEL_FOLDERS
        inner = sorted(each for each in folder.iterdir() if each.is_dir()) if is_general else [folder]
        for named in inner:
            if _holds_pictures(named, structures):
                continue
            structure = structure_named(named.name, structures, path=named)
            for index, path in _mask_files(named, frames):
                _add(found, index, {structure: _mask(path, frames.shape, index)}, path)
        if is_general:
            _add_label_images(found, folder, frames, structures)
    return contours_from_masks(found, structures)


def _holds_pictures(folder: Path, structures: StructureSet) -> bool:
    """Return whether a folder that has no structure's name holds no masks either, but pictures made of the frames."""
    files = label_files(folder)
    is_named = folder.name.casefold() in {name.casefold() for name in structures.names}
    return not is_named and not (files and is_mask_like(files[0]))


def _add_label_images(
    found: dict[int, dict[str, Mask]], folder: Path, frames: Frames, structures: StructureSet
) -> None:
    """Add the masks of label maps, or of pictures with a mask in each channel."""
    values = read_names(folder, LABELS_TABLE, structures)
    planes = read_names(folder, PLANES_TABLE, structures)
    for index, path in _mask_files(folder, frames):
        with opened(Picture(path), error=AnnotationError, where=f"frame {index}") as image:
            pixels = label_pixels(image)
        _check_shape(pixels.shape, frames.shape, path, index)
        if pixels.ndim == 3:
            _add(found, index, _masks_from_planes(pixels, planes, path, index), path)
        else:
            _add(found, index, masks_from_labels(pixels, values, structures, path, index), path)


def _add(found: dict[int, dict[str, Mask]], index: int, masks: Mapping[str, Mask], path: Path) -> None:
    """Add masks to a frame; a structure that already has one there is refused."""
    twice = sorted(found.setdefault(index, {}).keys() & masks.keys())
    if twice:
        raise AnnotationError(
            f"{twice[0]} has another mask for this frame", hint="keep one of the two", path=path, where=f"frame {index}"
        )
    found[index] |= masks


def contours_from_masks(found: Mapping[int, Mapping[str, Mask]], structures: StructureSet) -> FoundAnnotations:
    """Return the outlines of masks; an empty mask is no contour, of several objects the largest counts and a note says so."""
    contours: dict[int, dict[str, Contour]] = {}
    scattered: dict[str, list[int]] = {name: [] for name in structures.names}
    for index in sorted(found):
        masks = found[index]
        for structure in structures.names:
            mask = masks.get(structure)
            contour = None if mask is None else contour_from_mask(mask)
            if mask is None or contour is None:
                continue
            contours.setdefault(index, {})[structure] = contour
            if scipy.ndimage.label(mask)[1] > 1:
                scattered[structure].append(index)
    notes = tuple(
        f"{structure}: {len(indices)} masks hold several objects, of which the largest was kept (first in frame {indices[0]})"
        for structure, indices in scattered.items()
        if indices
    )
    return FoundAnnotations(contours, notes)


def _mask_files(folder: Path, frames: Frames) -> list[tuple[int, Path]]:
    """Return the pictures of a folder with the frame each belongs to; one that belongs to none is refused."""
    pairs = []
    for path in label_files(folder):
        index = frames.index_by_stem.get(bare_name(path.name))
        if index is None:
            raise AnnotationError("there is no frame of this name", hint="a mask is named like its frame", path=path)
        pairs.append((index, path))
    return pairs


def _check_shape(shape: tuple[int, ...], wanted: tuple[int, int], path: Path, index: int) -> None:
    """Raise where a mask has not the size of its frame."""
    if shape[:2] != wanted:
        size, frame_size = f"{shape[1]} × {shape[0]}", f"{wanted[1]} × {wanted[0]}"
        raise AnnotationError(
            f"is {size} px, but its frame is {frame_size} px",
            hint="export the masks in the size of the frames",
            path=path,
            where=f"frame {index}",
        )


def _mask(path: Path, shape: tuple[int, int], index: int) -> Mask:
    """Return the mask of a picture: what is not black is inside, bool (height, width)."""
    where = f"frame {index}"
    with opened(Picture(path), error=AnnotationError, where=where) as image:
        grey = np.asarray(
            image if image.mode in {"1", "L"} or image.mode.startswith("I") else image.convert("RGB").convert("L")
        )
    _check_shape(grey.shape, shape, path, index)
    white = int(grey.max(initial=0))
    if white == 0 or grey.dtype == np.bool_ or np.isin(grey, (0, white)).all():
        return np.asarray(grey > 0)
    soft = np.mean((grey > white * 0.1) & (grey < white * 0.9))
    if soft > SOFT_EDGE_SHARE:
        raise AnnotationError(
            f"is no mask: it has {len(np.unique(grey))} grey values",
            hint="a mask is black outside and white inside; label maps belong in a folder called labels",
            path=path,
            where=where,
        )
    return np.asarray(grey > white / 2)


def label_pixels(image: Image.Image) -> NDArray[np.integer]:
    """Return label values (height, width), or channels (height, width, n) where they differ.

    A palette's indices are the labels. Grey saved as RGB is taken back to one channel; alpha that is not opaque everywhere
    is a channel of its own.
    """
    pixels = np.asarray(image).astype(np.uint8) if image.mode == "1" else np.asarray(image)
    if pixels.ndim == 2:
        return pixels
    opaque = pixels.shape[2] in {1, 3} or bool((pixels[..., -1] == 255).all())
    colours = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
    return colours[..., 0] if opaque and (colours == colours[..., :1]).all() else pixels


def _masks_from_planes(planes: NDArray[np.integer], names: Names | None, path: Path, index: int) -> dict[str, Mask]:
    """Return the mask of each channel that has a name."""
    where = f"frame {index}"
    if names is None:
        raise AnnotationError(
            f"has {planes.shape[2]} different channels, which have no names",
            hint="say which structure each is in a planes.csv beside it: plane,structure and lines as 0,lumen; "
            "a blank structure leaves a channel out",
            path=path,
            where=where,
        )
    masks: dict[str, Mask] = {}
    for plane in range(planes.shape[2]):
        inside = np.asarray(planes[..., plane] > 0)
        if plane not in names and inside.any():
            raise AnnotationError(
                f"channel {plane} is not in planes.csv", hint=f"add the line {plane},", path=path, where=where
            )
        structure = names.get(plane)
        if structure is not None:
            masks[structure] = masks.get(structure, np.zeros_like(inside)) | inside
    return masks


def masks_from_labels(
    labels: NDArray[np.integer], names: Names | None, structures: StructureSet, path: Path, index: int
) -> dict[str, Mask]:
    """Return the mask of each structure of a label map, each with what it encloses."""
    by_value = dict(enumerate(structures.names, start=1)) if names is None else names
    unknown = [int(value) for value in np.unique(labels) if value != 0 and value not in by_value]
    if unknown:
        raise AnnotationError(
            f"label {unknown[0]} has no name",
            hint="say which structure each value is in a labels.csv beside it: value,structure and lines as 1,lumen; "
            "a blank structure leaves a value out",
            path=path,
            where=f"frame {index}",
        )
    if names is None:
        refuse_inverted(labels, path, index)
    ranks = {name: rank for rank, name in enumerate(structures.names)}
    masks: dict[str, Mask] = {}
    for structure in dict.fromkeys(name for name in by_value.values() if name is not None):
        within = [value for value, name in by_value.items() if name is not None and ranks[name] <= ranks[structure]]
        masks[structure] = np.isin(labels, within)
    return _without_empty_rings(masks, labels, by_value)


def _without_empty_rings(masks: dict[str, Mask], labels: NDArray[np.integer], names: Names) -> dict[str, Mask]:
    """Leave out structures whose own label is not in the image: the wall was not drawn there, the lumen is no EEM."""
    present = {names.get(int(value)) for value in np.unique(labels)}
    return {structure: mask for structure, mask in masks.items() if structure in present}


def refuse_inverted(labels: NDArray[np.integer], path: Path, index: int) -> None:
    """Raise where label 2 lies inside label 1: public sets exist that number from the outside (EEM 1, lumen 2)."""
    outer = labels == 2
    enclosed = scipy.ndimage.binary_fill_holes(labels == 1) & outer
    if outer.any() and enclosed.sum() > outer.sum() / 2:
        raise AnnotationError(
            "label 2 lies inside label 1, so 1 is not the innermost structure here",
            hint="say which is which in a labels.csv beside it: value,structure and lines as 1,eem and 2,lumen",
            path=path,
            where=f"frame {index}",
        )


def read_names(folder: Path, table: tuple[str, str], structures: StructureSet) -> Names | None:
    """Return the names in labels.csv or planes.csv, in the folder or beside it; None where there is no such file."""
    name, column = table
    path = next((each for each in (folder / name, folder.parent / name) if each.is_file()), None)
    if path is None:
        return None
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream, skipinitialspace=True))
    names: dict[int, str | None] = {}
    for line, row in enumerate(rows, start=2):
        value, structure = (row.get(column) or "").strip(), (row.get("structure") or "").strip()
        if not value.isdecimal() or "structure" not in row:
            raise AnnotationError(
                "is no table of names", hint=f"its columns are {column},structure", path=path, where=f"line {line}"
            )
        if int(value) in names:
            raise AnnotationError(
                f"{column} {value} is given twice", hint="keep one line", path=path, where=f"line {line}"
            )
        found = structure_named(structure, structures, path=path, where=f"line {line}") if structure else None
        names[int(value)] = found
    return names
