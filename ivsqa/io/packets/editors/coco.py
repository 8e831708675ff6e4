"""COCO JSON: one `coco.json` for the packet, read by many editors and libraries.

Polygons are in edge convention. Images are matched by file name: editors number them anew. Each border carries the attributes
`checked` and `unreadable`; a frame is checked where all of its borders are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ivsqa.domain.contour import Mask, Points
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError, located
from ivsqa.io.formats.documents import mapping_of, read_json
from ivsqa.io.formats.label_marks import CHECKED, LOOK_HERE, UNREADABLE
from ivsqa.io.formats.run_lengths import mask_from_counts, mask_from_text
from ivsqa.io.formats.shapes import check_size, points_of
from ivsqa.io.packets.adapter import DocumentAdapter, PacketFileAdapter, PacketReturn
from ivsqa.io.packets.drawing import ReturnedDrawing, look_here_bands, written_shapes
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame

FILE_NAME = "coco.json"


EXPORT_AGAIN = "export it again as COCO"

Json: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class CocoImage:
    """An image of a COCO file, what is drawn on it, and the labels by their ids."""

    image: Json
    annotations: Sequence[Json]
    labels: Mapping[str, object]


class CocoAdapter(PacketFileAdapter, DocumentAdapter[CocoImage]):
    """COCO JSON, out and back."""

    name = "coco"
    suffix = ".json"
    marks = ((b'"categories"',), (b'"file_name"',), (b'"segmentation"',))

    def documents(
        self, frames: Sequence[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Mapping[str, str]:
        """Return coco.json; ids of images, annotations and labels count from 1."""
        labels = [*structures.names, LOOK_HERE]
        images: list[Json] = []
        annotations: list[Json] = []
        for image_id, frame in enumerate(frames, start=1):
            height, width = frame.image.shape
            images.append({"id": image_id, "file_name": f"{frame.name}.png", "width": width, "height": height})
            for label, points in written_shapes(frame, structures, hints=look_here_bands(frame)):
                ids = {"id": len(annotations) + 1, "image_id": image_id, "category_id": labels.index(label) + 1}
                annotations.append(ids | _annotation(label, points))
        document = {
            "info": {"description": origin.packet_id, "round_id": origin.round_id, "contributor": "ivsqa"},
            "licenses": [],
            "categories": [{"id": index, "name": name, "supercategory": ""} for index, name in enumerate(labels, 1)],
            "images": images,
            "annotations": annotations,
        }
        return {FILE_NAME: json.dumps(document) + "\n"}

    def entries(self, path: Path) -> Iterator[CocoImage]:
        """Yield each image with its annotations."""
        document = read_json(path, editor="the editor")
        if not isinstance(document, dict):
            raise PacketError("is not a COCO file: it is not one object", hint="export it as COCO")
        categories, images, annotations = (_table(document, key) for key in ("categories", "images", "annotations"))
        # As text: some editors write ids as numbers, others as strings.
        labels = {str(category.get("id")): category.get("name") for category in categories}
        of_image: dict[str, list[Json]] = {str(image.get("id")): [] for image in images}
        for annotation in annotations:
            image_id = str(annotation.get("image_id"))
            if image_id not in of_image:
                where = f"annotation {annotation.get('id')}"
                raise PacketError("is of an image that is not listed", hint=EXPORT_AGAIN, where=where)
            of_image[image_id].append(annotation)
        for image in images:
            yield CocoImage(image, of_image[str(image.get("id"))], labels)

    def read_frame(self, entry: CocoImage, packet: PacketReturn) -> ReturnedFrame:
        """Return the frame of an image."""
        image, file_name = entry.image, str(entry.image.get("file_name"))
        frame = packet.frame_of_image(file_name)
        # The size first: on an image of another size no contour means anything.
        with located(where=file_name):
            check_size(image.get("width"), image.get("height"), frame.shape, frame.name)
        drawing = ReturnedDrawing(frame, packet.structures)
        borders = []
        for annotation in entry.annotations:
            label = entry.labels.get(str(annotation.get("category_id")))
            with drawing.shape(label, where=f"{frame.name}, annotation {annotation.get('id')}") as name:
                if name is not None:
                    borders.append(annotation)
                    _draw(annotation.get("segmentation"), name, drawing)
        return drawing.returned(
            checked=_says(image, CHECKED) or (bool(borders) and all(_says(border, CHECKED) for border in borders)),
            unreadable=any(_says(item, UNREADABLE) for item in (image, *borders)),
        )


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


def _table(document: Json, key: str) -> list[Json]:
    """Return one of the lists of objects in a COCO file."""
    table = document.get(key)
    if not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
        raise PacketError(f"is not a COCO file: it has no list of {key}", hint=EXPORT_AGAIN)
    return table


def _says(item: Json, word: str) -> bool:
    """Return whether an image or annotation is ticked, by an attribute or a key of its own."""
    value = mapping_of(item.get("attributes")).get(word, item.get(word))
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _draw(segmentation: object, name: str, drawing: ReturnedDrawing) -> None:
    """Add a segmentation: polygons, or run lengths."""
    if isinstance(segmentation, dict):
        drawing.add_mask(name, _mask(segmentation, drawing))
        return
    if not isinstance(segmentation, list) or not segmentation:
        raise PacketError("has no outline", hint="draw it as a polygon")
    for numbers in segmentation:
        # COCO lists x and y in turn.
        is_flat = isinstance(numbers, list) and len(numbers) % 2 == 0
        drawing.add(name, points_of(list(zip(numbers[::2], numbers[1::2], strict=True)) if is_flat else None))


def _mask(run_lengths: Json, drawing: ReturnedDrawing) -> Mask:
    """Return the mask that run lengths mean; they run down the columns."""
    height, width = drawing.frame_shape
    counts = run_lengths.get("counts")
    if run_lengths.get("size") != [height, width]:
        raise PacketError("has a mask of another size than the frame", hint="draw it again")
    n_pixels = height * width
    mask = mask_from_text(counts, n_pixels) if isinstance(counts, str) else mask_from_counts(counts, n_pixels)
    return np.asarray(mask.reshape(width, height).T)
