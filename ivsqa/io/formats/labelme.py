"""LabelMe's JSON: which files it is, what area each of its shapes means, and which is a point for a border to pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ivsqa.domain.contour import Mask, Points
from ivsqa.errors import PacketError
from ivsqa.io.formats.documents import head_of, mapping_of, read_json
from ivsqa.io.formats.pictures import open_embedded_image
from ivsqa.io.formats.shapes import AGAIN, Drawing, box_points, ellipse_points, points_of

LABELME_MARKS = ((b'"shapes"',), (b'"imagePath"',))
"""Keys that LabelMe writes near the beginning of a file, any of which it is known by."""


def looks_like_labelme(path: Path) -> bool:
    """Return whether the beginning of a file names LabelMe's keys."""
    head = head_of(path)
    return any(mark in head for (mark,) in LABELME_MARKS)


def read_labelme(path: Path) -> dict[str, object]:
    """Return a LabelMe document, whose `shapes` are a list.

    Raises:
        PacketError: it is none.
    """
    document = read_json(path, editor="LabelMe")
    hint = "send only what LabelMe saved"
    if not isinstance(document, dict):
        raise PacketError("is not a LabelMe file: it is not one object", hint=hint, path=path)
    if not isinstance(document.get("shapes"), list):
        raise PacketError("is not a LabelMe file: it has no list of shapes", hint=hint, path=path)
    return document


def draw_shapes(document: Mapping[str, object], drawing: Drawing) -> None:
    """Add the shapes of a document to what is drawn.

    Raises:
        PacketError: a shape that is not a closed area, or an unknown label.
    """
    shapes = document["shapes"]
    for number, shape in enumerate(map(mapping_of, shapes if isinstance(shapes, list) else ()), start=1):
        with drawing.shape(shape.get("label"), where=f"shape {number}") as name:
            if name is not None:
                _draw(shape, name, drawing)


def _draw(shape: Mapping[str, object], name: str, drawing: Drawing) -> None:
    """Add one shape."""
    shape_type = shape.get("shape_type", "polygon")
    points = points_of(shape.get("points"))
    if shape_type == "rectangle" and len(points) == 4:
        shape_type = "polygon"  # X-AnyLabeling writes all corners
    if shape_type in ("rectangle", "circle", "mask") and len(points) != 2:
        raise PacketError(f"needs two points, got {len(points)}", hint=AGAIN)
    match shape_type:
        case "polygon" | "oriented_rectangle" | "rotation" | "quadrilateral":
            drawing.add(name, points)
        case "rectangle":
            drawing.add(name, box_points(*points[0], *points[1]))
        case "point" | "points":
            drawing.add_points(name, points)
        case "circle":
            centre, rim = points
            radius = float(np.hypot(*(rim - centre)))
            drawing.add(name, ellipse_points(centre, (radius, radius)))
        case "mask":
            drawing.add_mask(name, _mask(shape, points[0], drawing))
        case _:
            raise PacketError(f"is drawn as a {shape_type}, which encloses nothing", hint="draw it as a polygon")


def _mask(shape: Mapping[str, object], corner: Points, drawing: Drawing) -> Mask:
    """Return the mask of a "mask" shape: an image laid over the frame with its first pixel on the pixel `corner`."""
    data = shape.get("mask")
    if not isinstance(data, str):
        raise PacketError("is a mask without an image", hint="draw it as a polygon")
    image = open_embedded_image(data)
    drawing.check_mask_size(*image.size)
    return drawing.mask_at(np.asarray(image.convert("L")) > 0, corner)
