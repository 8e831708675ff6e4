"""Masks and label maps beside frames. Labels are mapped by name: of a folder, or of a line in labels.csv or planes.csv.

<structure>/*    one mask a frame: what is not black is inside; where opacity shows another area, planes.csv says which counts
labels/*         one label map a frame: 0 background, 1 the innermost structure, 2 what the next one adds (the wall) …
planes.csv       plane,structure    for pictures whose channels (0, 1, 2, alpha = 3) are masks that overlap
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivsqa.domain.contour import Mask
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, located
from ivsqa.io.formats.files import IMAGE_EXTENSIONS, bare_name, is_litter, visible_files
from ivsqa.io.formats.grey import is_white_least
from ivsqa.io.formats.pictures import LYING, Picture, opened, turn_of, turned
from ivsqa.io.sources.archives.contour_format import FoundAnnotations, Target, structure_named
from ivsqa.io.sources.labels import LabelMeaning, contours_from_masks, label_pixels, masks_of_labels, read_names

LABEL_FOLDERS = ("labels", "label", "labelmaps", "masks", "mask", "annotations", "segmentations")
"""Folders that say that they hold labels, but not of what."""
PLANES_TABLE = ("planes.csv", "plane")
SOFT_EDGE_SHARE = 0.02
"""Masks that were resampled or saved as JPEG are grey at the border only: this share of the image at most."""


def label_files(folder: Path) -> list[Path]:
    """Return the pictures directly in a folder, in natural order."""
    return visible_files(folder, IMAGE_EXTENSIONS)


def is_mask_like(picture: Path) -> bool:
    """Return whether a picture has exactly two grey values, as masks have and frames never do; raises AnnotationError."""
    with opened(Picture(picture), error=AnnotationError) as image:
        return image.mode == "1" or len(np.unique(np.asarray(image))) == 2


def read_label_folders(folders: Sequence[Path], target: Target) -> FoundAnnotations:
    """Return the contours of all masks in folders beside the frames.

    Args:
        folders: Named like a structure, or one of `LABEL_FOLDERS`, which may hold folders named like structures.
        target: The pullback, with the names of its frames.

    Raises:
        AnnotationError: a folder, value or plane without a name, a mask of another size, or one without a frame.
    """
    frames: dict[int, dict[str, Mask]] = {}
    notes: list[str] = []
    for folder in folders:
        for path, index, masks in _iter_masks(folder, target, notes):
            drawn = frames.setdefault(index, {})
            twice = sorted(drawn.keys() & masks.keys())
            if twice:
                message, where = f"{twice[0]} has another mask for this frame", f"frame {index}"
                raise AnnotationError(message, hint="keep one of the two", path=path, where=where)
            drawn |= masks
    drawn_in = contours_from_masks(sorted(frames.items()), target.structures)
    return FoundAnnotations(drawn_in.contours, (*notes, *drawn_in.notes))


def _iter_masks(folder: Path, target: Target, notes: list[str]) -> Iterator[tuple[Path, int, Mapping[str, Mask]]]:
    """Yield the masks in a folder and in folders in it: file, frame_index, mask by structure; `notes` gets what to know."""
    is_general = folder.name.casefold() in LABEL_FOLDERS
    inner = (path for path in folder.iterdir() if path.is_dir() and not is_litter(path.name))
    for named in sorted(inner) if is_general else [folder]:
        if _holds_pictures(named, target.structures):
            continue
        structure = structure_named(named.name, target.structures, path=named)
        names = read_names(named, PLANES_TABLE, target.structures, notes) or {}
        own_planes = [plane for plane, name in names.items() if name == structure]
        for path, index in _mask_files(named, target):
            with located(path=path, where=f"frame {index}"):
                mask = _mask(path, target.shape, target.turn_of(index), own_planes)
            yield path, index, {structure: mask}
    if is_general:
        meaning = LabelMeaning.beside(folder, target.structures)
        planes = read_names(folder, PLANES_TABLE, target.structures, notes)
        notes += meaning.notes
        for path, index in _mask_files(folder, target):
            with located(path=path, where=f"frame {index}"):
                pixels = read_label_map(path, target.shape, target.turn_of(index))
                if pixels.ndim == 3:
                    masks = _masks_from_planes(pixels, planes)
                else:
                    masks = masks_of_labels(pixels[None], meaning, target.structures)
            yield path, index, masks


def _holds_pictures(folder: Path, structures: StructureSet) -> bool:
    """Return whether a folder without a structure's name holds pictures made of the frames instead of masks."""
    files = label_files(folder)
    is_named = folder.name.casefold() in {name.casefold() for name in structures.names}
    # One picture decides: overlays are made for all frames alike.
    return not is_named and not (files and is_mask_like(files[0]))


def _mask_files(folder: Path, target: Target) -> list[tuple[Path, int]]:
    """Return the pictures of a folder with the frame each belongs to; one that belongs to none is refused."""
    pairs = [(path, target.index_by_stem.get(bare_name(path.name), -1)) for path in label_files(folder)]
    for path, index in pairs:
        if index < 0:
            raise AnnotationError("there is no frame of this name", hint="a mask is named like its frame", path=path)
    return pairs


def read_label_map(path: Path, shape: tuple[int, int], turn: int = 1) -> NDArray[np.integer]:
    """Return the label values of a frame, (height, width), or channels, (height, width, n), where they differ.

    Args:
        path: The label map.
        shape: (height, width) of its frame.
        turn: How the frame is turned, see `turn_of`.

    Raises:
        AnnotationError: it cannot be read, has not the size of its frame, or may be of the frame before it was turned.
    """
    with opened(Picture(path), error=AnnotationError) as image:
        own_turn = turn_of(image)
        pixels = label_pixels(image)
    return _on_frame(pixels, shape, own_turn, turn)


def _on_frame(pixels: NDArray[Any], shape: tuple[int, int], own_turn: int, turn: int) -> NDArray[Any]:
    """Return the pixels of a mask as its frame stands; raises where they do not fit it."""
    if own_turn == 1 and turn != 1:
        if turn not in LYING or shape[0] == shape[1]:
            message = "its frame is turned as its EXIF says, and nothing tells whether the mask is"
            hint = "save frames and masks as they stand, without EXIF"
            raise AnnotationError(message, hint=hint)
        own_turn = turn if pixels.shape[:2] == shape[::-1] else 1
    pixels = turned(pixels, own_turn)
    if pixels.shape[:2] != shape:
        message = f"is {pixels.shape[1]} × {pixels.shape[0]} px, but its frame is {shape[1]} × {shape[0]} px"
        raise AnnotationError(message, hint="export the masks in the size of the frames")
    return pixels


def _mask(path: Path, shape: tuple[int, int], turn: int, planes: Sequence[int]) -> Mask:
    """Return the mask of a picture as its frame stands, bool (height, width).

    Args:
        path: The picture.
        shape: (height, width) of its frame.
        turn: How the frame is turned, see `turn_of`.
        planes: The channels that are the mask, where a planes.csv says so and the picture leaves it open.
    """
    with opened(Picture(path), error=AnnotationError) as image:
        own_turn = turn_of(image)
        is_turned_around = is_white_least(image)
        is_grey = image.mode in {"1", "L"} or image.mode.startswith("I")
        grey = np.asarray(image if is_grey else image.convert("RGBA"))
    if not is_grey:
        return _on_frame(_inside_of_colours(grey, planes), shape, own_turn, turn)
    grey = grey.max(initial=0) - grey if is_turned_around else grey
    return _on_frame(_inside(grey), shape, own_turn, turn)


def _inside(grey: NDArray[Any]) -> Mask:
    """Return what is white in a picture of black and white, bool (height, width)."""
    # White is 1 in some masks, 255 or 65535 in others.
    white = int(grey.max(initial=0))
    if white == 0 or grey.dtype == np.bool_ or np.isin(grey, (0, white)).all():
        return np.asarray(grey > 0)
    soft = np.mean((grey > white * 0.1) & (grey < white * 0.9))
    if soft > SOFT_EDGE_SHARE:
        hint = "a mask is black outside and white inside; label maps belong in a folder called labels"
        raise AnnotationError(f"is no mask: it has {len(np.unique(grey))} grey values", hint=hint)
    return np.asarray(grey > white / 2)  # half covered counts as inside, so that areas stay


def _inside_of_colours(pixels: NDArray[np.uint8], planes: Sequence[int]) -> Mask:
    """Return what is inside in a picture of red, green, blue and opacity, (height, width, 4) → bool (height, width).

    Raises:
        AnnotationError: colours and opacity show different areas, and no plane is named.
    """
    opacity = pixels[..., 3]
    is_opacity_even = bool((opacity == opacity[0, 0]).all())  # one opacity everywhere says nothing
    if planes and not is_opacity_even:
        return np.asarray(np.any([_inside(pixels[..., plane]) for plane in planes], axis=0))
    inside = _inside(np.asarray(Image.fromarray(np.ascontiguousarray(pixels[..., :3])).convert("L")))
    if not is_opacity_even and not np.array_equal(inside, _inside(opacity)):
        raise AnnotationError(
            "its colours and its opacity show different areas, and nothing says which of them is the mask",
            hint="say so in a planes.csv beside it: plane,structure and a line as 3,lumen for the opacity or 0,lumen for the "
            "colours; or save the masks black and white, without transparency",
        )
    return inside


def _masks_from_planes(planes: NDArray[np.integer], names: Mapping[int, str | None] | None) -> dict[str, Mask]:
    """Return the mask of each channel that has a name."""
    if names is None:
        raise AnnotationError(
            f"has {planes.shape[2]} different channels, which have no names",
            hint="say which structure each is in a planes.csv beside it: plane,structure and lines as 0,lumen; "
            "a blank structure leaves a channel out",
        )
    masks: dict[str, Mask] = {}
    for plane in range(planes.shape[2]):
        inside = np.asarray(planes[..., plane] > 0)
        if plane not in names and inside.any():
            raise AnnotationError(f"channel {plane} is not in planes.csv", hint=f"add the line {plane},")
        structure = names.get(plane)
        if structure is not None:
            masks[structure] = masks.get(structure, np.zeros_like(inside)) | inside
    return masks
