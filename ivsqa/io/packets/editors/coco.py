"""COCO JSON: one `coco.json` for the packet, read by many editors and libraries.

Polygons are in edge convention. Images are matched by file name: editors number them anew. Each border carries the attributes
`checked` and `unreadable`; a frame is checked where all of its borders are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ivsqa.domain.contour import Mask, Points
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.formats.documents import head_of, read_json
from ivsqa.io.formats.run_lengths import mask_from_counts, mask_from_text
from ivsqa.io.packets.drawing import CHECKED, LOOK_HERE, UNREADABLE, Drawing, look_here_bands, points_of
from ivsqa.io.packets.gather import Answer, check_size, files_like, frame_of_image, gathered
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame, ReturnedPacket, SentFrame, files_under
from ivsqa.io.packets.thinning import written_edge_points

FILE_NAME = "coco.json"


@dataclass(frozen=True)
class CocoAdapter:
    """COCO JSON, out and back."""

    name: Final = "coco"
    tolerance_px: Final = 0.01

    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write `coco.json` when the frames run out; contours are small, images are not kept."""
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        labels = [*structures.names, LOOK_HERE]
        for frame in frames:
            height, width = frame.image.shape
            images.append({"id": len(images) + 1, "file_name": f"{frame.name}.png", "width": width, "height": height})
            # Innermost last: editors give the mouse to the last shape, and the lumen lies inside all others.
            drawn = [(LOOK_HERE, band) for band in look_here_bands(frame)]
            drawn += [
                (name, written_edge_points(frame.contours[name]))
                for name in reversed(structures.names)
                if name in frame.contours
            ]
            for label, points in drawn:
                ids = {"id": len(annotations) + 1, "image_id": len(images), "category_id": labels.index(label) + 1}
                annotations.append(ids | _annotation(label, points))
            yield frame
        document = {
            "info": {"description": origin.packet_id, "round_id": origin.round_id, "contributor": "ivsqa"},
            "licenses": [],
            "categories": [{"id": index, "name": name, "supercategory": ""} for index, name in enumerate(labels, 1)],
            "images": images,
            "annotations": annotations,
        }
        (folder / FILE_NAME).write_text(json.dumps(document) + "\n", encoding="utf-8", newline="\n")

    def recognises(self, folder: Path, structures: StructureSet) -> bool:  # noqa: ARG002
        """Return whether some JSON starts like COCO's."""
        return any(_looks_like_coco(path) for path in files_under(folder, ".json"))

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Read every COCO file below the folder."""
        paths = files_like(folder, ".json", _looks_like_coco)
        return gathered(self.name, paths, sent, lambda path: _iter_frames(path, sent, structures))


def _annotation(label: str, points: Points) -> dict[str, object]:
    """Return a polygon with the area and box that COCO wants beside it."""
    x, y = points.T
    area = 0.5 * abs(float(x @ np.roll(y, -1) - np.roll(x, -1) @ y))
    box = [*points.min(axis=0).tolist(), *np.ptp(points, axis=0).tolist()]
    annotation: dict[str, object] = {
        "segmentation": [points.ravel().tolist()],
        "area": round(area, 3),
        "bbox": np.round(box, 3).tolist(),
        "iscrowd": 0,
    }
    return annotation if label == LOOK_HERE else annotation | {"attributes": {CHECKED: False, UNREADABLE: False}}


def _looks_like_coco(path: Path) -> bool:
    """Return whether the beginning of a file names COCO's keys; broken files pass, so that they are reported."""
    head = head_of(path)
    return b'"categories"' in head or b'"file_name"' in head or b'"segmentation"' in head


def _iter_frames(path: Path, sent: Sequence[SentFrame], structures: StructureSet) -> Iterator[Answer]:
    """Yield the frames of a file; what is wrong with one leaves the others."""
    document = read_json(path, editor="the editor")
    if not isinstance(document, dict):
        raise PacketError("is not a COCO file: it is not one object", hint="export it as COCO", path=path)
    tables = {key: _table(document, key, path) for key in ("categories", "images", "annotations")}
    labels = {str(one.get("id")): one.get("name") for one in tables["categories"]}
    by_image: dict[str, list[Mapping[str, object]]] = {}
    for annotation in tables["annotations"]:
        by_image.setdefault(str(annotation.get("image_id")), []).append(annotation)
    known = {str(one.get("id")) for one in tables["images"]}
    for annotation in tables["annotations"]:
        if str(annotation.get("image_id")) not in known:
            where = f"annotation {annotation.get('id')}"
            raise PacketError(
                "is of an image that is not listed", hint="export it again as COCO", path=path, where=where
            )
    for image in tables["images"]:
        try:
            yield _frame(image, by_image.get(str(image.get("id")), []), labels, sent, structures, path)
        except IvsqaError as error:
            yield error


def _table(document: Mapping[str, object], key: str, path: Path) -> list[Mapping[str, object]]:
    """Return one of the lists of objects that a COCO file is."""
    table = document.get(key)
    if not isinstance(table, list) or not all(isinstance(one, dict) for one in table):
        raise PacketError(f"is not a COCO file: it has no list of {key}", hint="export it again as COCO", path=path)
    return table


def _frame(
    image: Mapping[str, object],
    annotations: Sequence[Mapping[str, object]],
    labels: Mapping[str, object],
    sent: Sequence[SentFrame],
    structures: StructureSet,
    path: Path,
) -> ReturnedFrame:
    """Return one frame."""
    file_name = str(image.get("file_name"))
    frame = frame_of_image(file_name, sent, path=path)
    check_size(image.get("width"), image.get("height"), frame, path=path, where=file_name)
    drawing = Drawing(frame, structures, path)
    borders = []
    for annotation in annotations:
        where = f"{frame.name}, annotation {annotation.get('id')}"
        name = drawing.structure(labels.get(str(annotation.get("category_id"))), where=where)
        if name is not None:
            borders.append(annotation)
            _draw(annotation.get("segmentation"), name, drawing, where=f"{where}, {name}")
    return drawing.returned(
        checked=_says(image, CHECKED) or (bool(borders) and all(_says(one, CHECKED) for one in borders)),
        unreadable=any(_says(one, UNREADABLE) for one in (image, *borders)),
    )


def _says(one: Mapping[str, object], word: str) -> bool:
    """Return whether an image or annotation is ticked, by an attribute or a key of its own."""
    attributes = one.get("attributes")
    value = attributes.get(word, one.get(word)) if isinstance(attributes, dict) else one.get(word)
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _draw(segmentation: object, name: str, drawing: Drawing, *, where: str) -> None:
    """Add a segmentation: polygons, or run lengths."""
    if isinstance(segmentation, dict):
        drawing.add_mask(name, _mask(segmentation, drawing, where=where), where=where)
        return
    if not isinstance(segmentation, list) or not segmentation:
        raise PacketError("has no outline", hint="draw it as a polygon", path=drawing.path, where=where)
    for numbers in segmentation:
        is_flat = isinstance(numbers, list) and len(numbers) % 2 == 0
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True)) if is_flat else None
        drawing.add(name, points_of(pairs, path=drawing.path, where=where), where=where)


def _mask(run_lengths: Mapping[str, object], drawing: Drawing, *, where: str) -> Mask:
    """Return the mask that run lengths mean; they run down the columns."""
    height, width = drawing.frame.shape
    counts = run_lengths.get("counts")
    if run_lengths.get("size") != [height, width]:
        raise PacketError(
            "has a mask of another size than the frame", hint="draw it again", path=drawing.path, where=where
        )
    try:
        decoded = (
            mask_from_text(counts, height * width)
            if isinstance(counts, str)
            else mask_from_counts(counts, height * width)
        )
    except ValueError as error:
        raise PacketError(
            f"has a mask that cannot be read: {error}", hint="draw it again", path=drawing.path, where=where
        ) from error
    return np.asarray(decoded.reshape(width, height).T)
