"""CVAT for images 1.1: `annotations.xml` beside the folder `images`, and the labels to paste into a new task.

Points are in edge convention, with two decimals when CVAT has saved them. Doubtful arcs are polylines beneath the borders;
"checked" and "unreadable" are tags of the image.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ivsqa.domain.contour import Points
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.pictures import ARC_COLOR
from ivsqa.errors import PacketError, located
from ivsqa.io.formats.documents import read_xml, xml_text
from ivsqa.io.formats.label_marks import CHECKED, LOOK_HERE, UNREADABLE
from ivsqa.io.formats.run_lengths import mask_from_counts
from ivsqa.io.formats.shapes import box_points, check_size, ellipse_points, points_of, turned
from ivsqa.io.packets.adapter import DocumentAdapter, PacketFileAdapter, PacketReturn
from ivsqa.io.packets.drawing import ReturnedDrawing, look_here_lines, written_shapes
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame

FILE_NAME = "annotations.xml"
LABELS_FILE_NAME = "cvat-labels.json"
EXPORT_HINT = "export it again as CVAT for images 1.1"
TICK_COLORS = {CHECKED: "#2e9e4f", UNREADABLE: "#8a8f98"}


class CvatAdapter(PacketFileAdapter, DocumentAdapter[Element]):
    """CVAT for images 1.1, out and back."""

    name = "cvat"
    suffix = ".xml"
    marks = ((b"<annotations",),)

    def documents(
        self, frames: Sequence[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Mapping[str, str]:
        """Return `annotations.xml` and `cvat-labels.json`."""
        labels = _labels(structures)
        images = [_image(frame, number, structures) for number, frame in enumerate(frames)]
        version = xml_text("version", {}, "1.1")
        text = xml_text("annotations", {}, "\n", version, "\n", _meta(labels, len(images), origin), *images)
        return {
            FILE_NAME: f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n',
            LABELS_FILE_NAME: json.dumps(labels, indent=1) + "\n",
        }

    def entries(self, path: Path) -> Iterable[Element]:
        """Return the images of a file."""
        root = read_xml(path, editor="CVAT")
        if root.tag != "annotations":
            raise PacketError("is not a CVAT file", hint=EXPORT_HINT)
        # Tracks fill frames in between by interpolation, which nobody looked at.
        if root.find("track") is not None:
            raise PacketError("is an export for video", hint=EXPORT_HINT)
        return root.iter("image")

    def read_frame(self, entry: Element, packet: PacketReturn) -> ReturnedFrame:
        """Return the frame of an image."""
        frame = packet.frame_of_image(entry.get("name", ""))
        drawing = ReturnedDrawing(frame, packet.structures)
        with located(where=frame.name):
            width, height = _numbers(entry, "width"), _numbers(entry, "height")
            check_size(int(width[0]), int(height[0]), frame.shape, frame.name)
        for number, shape in enumerate(entry, start=1):
            with drawing.shape(shape.get("label"), where=f"{frame.name}, {shape.tag} {number}") as name:
                if name is not None:
                    _draw(shape, name, drawing)
        return drawing.returned()


def _labels(structures: StructureSet) -> list[dict[str, object]]:
    """Return the labels of a task, as CVAT takes them under Raw."""
    kinds = [(name, structures.color_of(name), "any") for name in structures.names]  # polygons, and points to pass
    kinds += [(LOOK_HERE, ARC_COLOR, "polyline")]
    kinds += [(word, color, "tag") for word, color in TICK_COLORS.items()]
    return [{"name": name, "color": color, "type": kind, "attributes": []} for name, color, kind in kinds]


def _meta(labels: Sequence[dict[str, object]], n_images: int, origin: PacketOrigin) -> str:
    """Return the head without which CVAT refuses a file."""
    kinds = [
        xml_text("label", {}, *(xml_text(key, {}, escape(str(label[key]))) for key in ("name", "color", "type")))
        for label in labels
    ]
    task = [
        xml_text("name", {}, escape(origin.packet_id)),
        xml_text("size", {}, str(n_images)),
        xml_text("mode", {}, "annotation"),
        xml_text("overlap", {}, "0"),
        xml_text("labels", {}, *kinds),
    ]
    return xml_text("meta", {}, xml_text("task", {}, *task)) + "\n"


def _image(frame: PacketFrame, number: int, structures: StructureSet) -> str:
    """Return an image with what is drawn on it."""
    height, width = frame.image.shape
    levels = {name: level for level, name in enumerate((LOOK_HERE, *reversed(structures.names)))}
    drawn = written_shapes(frame, structures, hints=look_here_lines(frame))
    shapes = [_shape(label, points, levels[label]) for label, points in drawn]
    attributes = {"id": number, "name": f"{frame.name}.png", "width": width, "height": height}
    return xml_text("image", attributes, "\n", *(f"{shape}\n" for shape in shapes)) + "\n"


def _shape(label: str, points: Points, level: int) -> str:
    """Return one shape; hints lie lowest, the innermost border on top."""
    text = ";".join(f"{x:.3f},{y:.3f}" for x, y in points.tolist())
    attributes = {"label": label, "source": "auto", "occluded": 0, "points": text, "z_order": level}
    return xml_text("polyline" if label == LOOK_HERE else "polygon", attributes)


def _draw(shape: Element, name: str, drawing: ReturnedDrawing) -> None:
    """Add one shape."""
    match shape.tag:
        case "mask":
            _draw_mask(shape, name, drawing)
        case "points":
            drawing.add_points(name, _pairs(shape))
        case "polygon":
            drawing.add(name, _pairs(shape))
        case "box":
            corners = box_points(*_numbers(shape, "xtl", "ytl", "xbr", "ybr"))
            # CVAT turns a box about its centre.
            drawing.add(name, turned(corners, corners.mean(axis=0), _numbers(shape, "rotation")[0]))
        case "ellipse":
            x, y, rx, ry, angle = _numbers(shape, "cx", "cy", "rx", "ry", "rotation")
            drawing.add(name, ellipse_points(np.array([x, y]), (rx, ry), angle))
        case _:
            raise PacketError(f"is drawn as a {shape.tag}, which encloses nothing", hint="draw it as a polygon")


def _pairs(shape: Element) -> Points:
    """Return the points of a shape, (n, 2)."""
    return points_of([pair.split(",") for pair in shape.get("points", "").split(";")])


def _draw_mask(shape: Element, name: str, drawing: ReturnedDrawing) -> None:
    """Add a painted mask: run lengths along the rows of its own box."""
    left, top, width, height = _numbers(shape, "left", "top", "width", "height")
    # Before anything is unpacked: a stranger's box may be of any size.
    drawing.check_mask_size(width, height)
    try:
        counts = [int(count) for count in shape.get("rle", "").split(",")]
    except ValueError as error:
        raise PacketError(f"has a mask that cannot be read: {error}", hint="draw it again") from error
    mask = mask_from_counts(counts, int(height) * int(width)).reshape(int(height), int(width))
    drawing.add_mask(name, drawing.mask_at(mask, np.array([left, top])))


def _numbers(shape: Element, *keys: str) -> list[float]:
    """Return numbers among a shape's attributes; an angle that is not said is 0.

    Raises:
        PacketError: one is missing, or no finite number.
    """
    try:
        numbers = [float(shape.get(key, "0" if key == "rotation" else "")) for key in keys]
    except ValueError as error:
        raise PacketError(f"has no number {' or '.join(keys)}", hint=EXPORT_HINT) from error
    if not np.isfinite(numbers).all():
        raise PacketError(f"has no finite {' or '.join(keys)}", hint=EXPORT_HINT)
    return numbers
