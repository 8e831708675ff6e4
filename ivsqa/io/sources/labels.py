"""Labels beside frames: what their values mean, and the contours of what they show.

    labels.csv       value,structure    for labels with other numbers than 1 the innermost structure, 2 what the next one adds …

A blank structure leaves a label out on purpose; a value that has no name is refused, so that nothing is lost unseen. Whatever the
numbers are, a structure includes the ones it encloses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from ivsqa.domain.contour import Contour, Mask, contour_from_mask
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, located
from ivsqa.io.formats.contours_csv import FrameContours
from ivsqa.io.formats.label_marks import MARKS, WALL
from ivsqa.io.sources.archives.contour_format import FoundAnnotations, structure_named
from ivsqa.io.tables import FIRST_ROW, read_rows, whole_number

LABELS_TABLE = ("labels.csv", "value")
RING_NAMES = (WALL, "plaque", "media", "vessel")
"""What sets call the ring between lumen and EEM, or the EEM with all in it: here they are the same."""
HOLLOW_SHARE = 0.5
"""A mask that covers less of what its outline encloses is no area with a shadow in it."""
NO_BORDERS = (*MARKS, "perivascular")


@dataclass(frozen=True)
class LabelMeaning:
    """What the values of labels mean.

    Attributes:
        names: By (layer, value) the structure whose own ring it is; None for a label that is left out on purpose.
        is_guess: Nothing says what the values mean, so a set that numbers from the outside is refused.
        notes: What a person should know of the table that says so.
    """

    names: Mapping[tuple[int, int], str | None]
    is_guess: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def of_names(
        cls, named: Iterable[tuple[tuple[int, int], str | None]], structures: StructureSet, *, path: Path
    ) -> LabelMeaning:
        """Return the meaning of the names that a file gives to (layer, value) pairs; None leaves one out on purpose.

        Raises:
            AnnotationError: a name is none of the structures.
        """
        with located(path=path):
            return cls({pair: None if name is None else _ring_named(name, structures) for pair, name in named})

    @classmethod
    def beside(cls, folder: Path, structures: StructureSet) -> LabelMeaning:
        """Return the meaning of labels in a folder: as in labels.csv, else 1 for the innermost structure, and so on.

        Raises:
            AnnotationError: labels.csv cannot be used.
        """
        notes: list[str] = []
        names = read_names(folder, LABELS_TABLE, structures, notes)
        by_value = dict(enumerate(structures.names, start=1)) if names is None else names
        return cls({(0, value): name for value, name in by_value.items()}, is_guess=names is None, notes=tuple(notes))


def _ring_named(name: str, structures: StructureSet) -> str | None:
    """Return the structure whose ring has a name, None for what is no border; raises AnnotationError."""
    word = name.strip().casefold()
    if word in NO_BORDERS:
        return None
    # With three structures a wall could lie between any two of them.
    if word in RING_NAMES and len(structures) == 2 and word not in structures.names:
        return structures.outermost
    return structure_named(name, structures)


def read_names(
    folder: Path, table: tuple[str, str], structures: StructureSet, notes: list[str]
) -> dict[int, str | None] | None:
    """Return structures by number from a table in a folder or beside it, None where there is no such file.

    Args:
        folder: Where the labels are.
        table: Name of the file, and of its column of numbers.
        structures: The structures of the study; a blank one becomes None.
        notes: Gets what a person should know of the table.

    Raises:
        AnnotationError: it is no such table, or names a structure that the study has not.
    """
    name, column = table
    path = next((path for path in (folder / name, folder.parent / name) if path.is_file()), None)
    if path is None:
        return None
    rows = read_rows(path, "table of names", (column, "structure"), error=AnnotationError, notes=notes)
    names: dict[int, str | None] = {}
    for line, row in enumerate(rows, start=FIRST_ROW):
        value, structure = whole_number(row[column]), row["structure"]
        with located(path=path, where=f"line {line}"):
            if value is None:
                hint = f"its columns are {column},structure"
                raise AnnotationError(f"is no table of names: {row[column]!r} is no number", hint=hint)
            if value in names:
                raise AnnotationError(f"{column} {value} is given twice", hint="keep one line")
            names[value] = structure_named(structure, structures) if structure else None
    return names


def label_pixels(image: Image.Image) -> NDArray[np.integer]:
    """Return label values (height, width), or channels (height, width, n) where they differ.

    A palette's indices are the labels. Grey saved as RGB is taken back to one channel; alpha that is not opaque everywhere
    is a channel of its own.
    """
    pixels = np.asarray(image).astype(np.uint8) if image.mode == "1" else np.asarray(image)
    if pixels.ndim == 2:
        return pixels
    # Alpha of 255 everywhere says nothing: programs add it when they save.
    opaque = pixels.shape[2] in {1, 3} or bool((pixels[..., -1] == 255).all())
    colours = pixels[..., : 3 if pixels.shape[2] >= 3 else 1]
    return colours[..., 0] if opaque and (colours == colours[..., :1]).all() else pixels


def masks_of_labels(layers: NDArray[np.integer], meaning: LabelMeaning, structures: StructureSet) -> dict[str, Mask]:
    """Return the mask of each structure whose own label is in a frame, with what it encloses.

    A structure without a label of its own is left out: the wall was not drawn there, and the lumen is no EEM.

    Args:
        layers: Label values, (layers, height, width).
        meaning: What they mean.
        structures: The structures of the study.

    Raises:
        AnnotationError: a value without a name, or numbers from the outside where nothing says so.
    """
    present = {(layer, int(value)) for layer, labels in enumerate(layers) for value in np.unique(labels)}
    unknown = sorted((layer, value) for layer, value in present - meaning.names.keys() if value != 0)
    if unknown:
        raise AnnotationError(
            f"label {unknown[0][1]} has no name",
            hint="say which structure each value is in a labels.csv beside it: value,structure and lines as 1,lumen; "
            "a blank structure leaves a value out",
        )
    if meaning.is_guess and _is_inverted(layers[0]):
        raise AnnotationError(
            "label 2 lies inside label 1, so 1 is not the innermost structure here",
            hint="say which is which in a labels.csv beside it: value,structure and lines as 1,eem and 2,lumen",
        )
    masks: dict[str, Mask] = {}
    inside = np.zeros(layers.shape[1:], dtype=np.bool_)
    for structure in structures.names:
        own = [pair for pair in present if meaning.names.get(pair) == structure]
        for layer, value in own:
            inside = inside | (layers[layer] == value)
        if own:  # else the ring was not drawn here, and what it encloses is no border of it
            masks[structure] = inside
    return masks


def _is_inverted(labels: NDArray[np.integer]) -> bool:
    """Return whether label 2 lies inside label 1: public sets exist that number from the outside (EEM 1, lumen 2)."""
    outer = labels == 2
    enclosed = scipy.ndimage.binary_fill_holes(labels == 1) & outer
    # Half is enough: borders drawn by hand may cross here and there.
    return bool(outer.any() and enclosed.sum() > outer.sum() / 2)


def contours_from_masks(frames: Iterable[tuple[int, Mapping[str, Mask]]], structures: StructureSet) -> FoundAnnotations:
    """Return the outlines of masks that are not empty; of several objects the largest counts, and a note says so.

    Args:
        frames: frame_index and its masks by structure; one by one, as the masks of a whole pullback need not fit into memory.
        structures: The structures of the study.

    Raises:
        AnnotationError: a mask is a ring around what it should show.
    """
    contours: FrameContours = {}
    scattered: dict[str, list[int]] = {name: [] for name in structures.names}
    for index, masks in frames:
        for structure in (name for name in structures.names if name in masks):
            contour = contour_from_mask(masks[structure])
            if contour is None:
                continue
            _check_inside(masks[structure], contour, structure, f"frame {index}")
            contours.setdefault(index, {})[structure] = contour
            if scipy.ndimage.label(masks[structure])[1] > 1:
                scattered[structure].append(index)
    notes = tuple(
        f"{structure}: {len(indices)} masks hold several objects, of which the largest was kept (first in frame {indices[0]})"
        for structure, indices in scattered.items()
        if indices
    )
    return FoundAnnotations(contours, notes)


def _check_inside(mask: Mask, contour: Contour, structure: str, where: str) -> None:
    """Raise where a mask shows what lies around its structure, within the field of view."""
    if mask.sum() < HOLLOW_SHARE * contour.area_px2 and scipy.ndimage.label(mask)[1] == 1:
        message = f"the mask of {structure} is a ring around a hole larger than itself"
        hint = "a mask is white inside and black outside: turn it around, or draw what it encloses"
        raise AnnotationError(message, hint=hint, where=where)
