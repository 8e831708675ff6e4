"""CVAT for images 1.1: `annotations.xml` beside the folder `images`, and the labels to paste into a new task.

Points are in edge convention, with two decimals when CVAT has saved them. Doubtful arcs are polylines beneath the borders;
"checked" and "unreadable" are tags of the image.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

import numpy as np

from ivsqa.domain.contour import Mask, Points
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.pictures import ARC_COLOR
from ivsqa.errors import IvsqaError, PacketError
from ivsqa.io.formats.documents import head_of, read_xml, xml_text
from ivsqa.io.formats.run_lengths import mask_from_counts
from ivsqa.io.packets.drawing import (
    CHECKED,
    LOOK_HERE,
    UNREADABLE,
    Drawing,
    ellipse_points,
    look_here_lines,
    points_of,
    turned,
)
from ivsqa.io.packets.gather import Answer, check_size, files_like, frame_of_image, gathered
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, ReturnedFrame, ReturnedPacket, SentFrame, files_under
from ivsqa.io.packets.thinning import written_edge_points

FILE_NAME = "annotations.xml"
LABELS_FILE_NAME = "cvat-labels.json"
AGAIN = "export it again as CVAT for images 1.1"
TICK_COLORS = {CHECKED: "#2e9e4f", UNREADABLE: "#8a8f98"}


@dataclass(frozen=True)
class CvatAdapter:
    """CVAT for images 1.1, out and back."""

    name: Final = "cvat"
    tolerance_px: Final = 0.01

    def write(
        self, folder: Path, frames: Iterable[PacketFrame], structures: StructureSet, origin: PacketOrigin
    ) -> Iterator[PacketFrame]:
        """Write `annotations.xml` and `cvat-labels.json` when the frames run out; contours are small, images are not kept."""
        images: list[str] = []
        for frame in frames:
            images.append(_image(frame, len(images), structures))
            yield frame
        labels = _labels(structures)
        text = xml_text(
            "annotations", {}, "\n", xml_text("version", {}, "1.1"), "\n", _meta(labels, len(images), origin), *images
        )
        text = f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'
        (folder / FILE_NAME).write_text(text, encoding="utf-8", newline="\n")
        (folder / LABELS_FILE_NAME).write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8", newline="\n")

    def recognises(self, folder: Path, structures: StructureSet) -> bool:  # noqa: ARG002
        """Return whether some XML starts like CVAT's."""
        return any(_looks_like_cvat(path) for path in files_under(folder, ".xml"))

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Read every CVAT file below the folder."""
        paths = files_like(folder, ".xml", _looks_like_cvat)
        return gathered(self.name, paths, sent, lambda path: _iter_frames(path, sent, structures))


def _labels(structures: StructureSet) -> list[dict[str, object]]:
    """Return the labels of a task, as CVAT takes them under Raw."""
    kinds = [(name, structures.color_of(name), "any") for name in structures.names]  # polygons, and points to pass
    kinds += [(LOOK_HERE, ARC_COLOR, "polyline")]
    kinds += [(word, color, "tag") for word, color in TICK_COLORS.items()]
    return [{"name": name, "color": color, "type": kind, "attributes": []} for name, color, kind in kinds]


def _meta(labels: Sequence[dict[str, object]], n_images: int, origin: PacketOrigin) -> str:
    """Return the head that CVAT's readers ask for."""
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
    """Return one image with what is drawn on it; hints lie lowest, the innermost border on top."""
    height, width = frame.image.shape
    shapes = [_shape("polyline", LOOK_HERE, line, 0) for line in look_here_lines(frame)]
    shapes += [
        _shape("polygon", name, written_edge_points(frame.contours[name]), level)
        for level, name in enumerate(reversed(structures.names), start=1)
        if name in frame.contours
    ]
    attributes = {"id": number, "name": f"{frame.name}.png", "width": width, "height": height}
    return xml_text("image", attributes, "\n", *(f"{shape}\n" for shape in shapes)) + "\n"


def _shape(tag: str, label: str, points: Points, level: int) -> str:
    """Return one shape."""
    text = ";".join(f"{x:.3f},{y:.3f}" for x, y in points.tolist())
    return xml_text(tag, {"label": label, "source": "auto", "occluded": 0, "points": text, "z_order": level})


def _looks_like_cvat(path: Path) -> bool:
    """Return whether a file starts as CVAT's do; broken files pass, so that they are reported."""
    return b"<annotations" in head_of(path)


def _iter_frames(path: Path, sent: Sequence[SentFrame], structures: StructureSet) -> Iterator[Answer]:
    """Yield the frames of a file; what is wrong with one leaves the others."""
    root = read_xml(path, editor="CVAT")
    if root.tag != "annotations":
        raise PacketError("is not a CVAT file", hint="export it as CVAT for images 1.1", path=path)
    if root.find("track") is not None:
        raise PacketError("is an export for video", hint="export it as CVAT for images 1.1", path=path)
    for image in root.iter("image"):
        try:
            yield _frame(image, sent, structures, path)
        except IvsqaError as error:
            yield error


def _frame(image: Element, sent: Sequence[SentFrame], structures: StructureSet, path: Path) -> ReturnedFrame:
    """Return one frame."""
    frame = frame_of_image(image.get("name", ""), sent, path=path)
    drawing = Drawing(frame, structures, path)
    width, height = (_numbers(image, (key,), drawing, where=frame.name)[0] for key in ("width", "height"))
    check_size(int(width), int(height), frame, path=path, where=frame.name)
    for number, shape in enumerate(image, start=1):
        where = f"{frame.name}, {shape.tag} {number}"
        name = drawing.structure(shape.get("label"), where=where)
        if name is not None:
            _draw(shape, name, drawing, where=f"{where}, {name}")
    return drawing.returned()


def _draw(shape: Element, name: str, drawing: Drawing, *, where: str) -> None:
    """Add one shape."""
    read: dict[str, Callable[[Element, Drawing, str], Points]] = {"polygon": _polygon, "box": _box, "ellipse": _ellipse}
    if shape.tag == "mask":
        drawing.add_mask(name, _mask(shape, drawing, where), where=where)
    elif shape.tag == "points":
        drawing.add_points(name, _polygon(shape, drawing, where), where=where)
    elif shape.tag in read:
        drawing.add(name, read[shape.tag](shape, drawing, where), where=where)
    else:
        message = f"is drawn as a {shape.tag}, which encloses nothing"
        raise PacketError(message, hint="draw it as a polygon", path=drawing.path, where=where)


def _polygon(shape: Element, drawing: Drawing, where: str) -> Points:
    """Return the points of a polygon, or single ones."""
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
    return points_of(pairs, path=drawing.path, where=where)


def _box(shape: Element, drawing: Drawing, where: str) -> Points:
    left, top, right, bottom = _numbers(shape, ("xtl", "ytl", "xbr", "ybr"), drawing, where=where)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return turned(corners, corners.mean(axis=0), _numbers(shape, ("rotation",), drawing, where=where)[0])


def _ellipse(shape: Element, drawing: Drawing, where: str) -> Points:
    x, y, rx, ry, angle = _numbers(shape, ("cx", "cy", "rx", "ry", "rotation"), drawing, where=where)
    return ellipse_points(np.array([x, y]), (rx, ry), angle)


def _mask(shape: Element, drawing: Drawing, where: str) -> Mask:
    """Return a painted mask: run lengths along the rows of its own box."""
    left, top, width, height = _numbers(shape, ("left", "top", "width", "height"), drawing, where=where)
    frame = drawing.frame
    if not (0 < width <= frame.width_px + 1 and 0 < height <= frame.height_px + 1):
        raise PacketError("is a mask larger than the image", hint="draw it again", path=drawing.path, where=where)
    n_rows, n_columns = int(height), int(width)
    try:
        counts = [int(count) for count in shape.get("rle", "").split(",")]
        mask = mask_from_counts(counts, n_rows * n_columns)
    except ValueError as error:
        raise PacketError(
            f"has a mask that cannot be read: {error}", hint="draw it again", path=drawing.path, where=where
        ) from error
    return drawing.mask_at(mask.reshape(n_rows, n_columns), np.array([left, top]), where=where)


def _numbers(shape: Element, keys: Sequence[str], drawing: Drawing, *, where: str) -> list[float]:
    """Return numbers among a shape's attributes; an angle that is not said is 0.

    Raises:
        PacketError: one is missing, or no finite number.
    """
    try:
        numbers = [float(shape.get(key, "0" if key == "rotation" else "")) for key in keys]
    except ValueError as error:
        raise PacketError(f"has no number {' or '.join(keys)}", hint=AGAIN, path=drawing.path, where=where) from error
    if not np.isfinite(numbers).all():
        raise PacketError(f"has no finite {' or '.join(keys)}", hint=AGAIN, path=drawing.path, where=where)
    return numbers
