"""LabelMe's shapes: what area each of them means, and which is a point for a border to pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ivsqa.domain.contour import Mask, Points
from ivsqa.errors import PacketError
from ivsqa.io.packets.drawing import Drawing, ellipse_points, points_of
from ivsqa.io.packets.images import decoded_base64, open_image


def draw_shapes(shapes: Sequence[object], drawing: Drawing) -> None:
    """Add the shapes of a file to what is drawn.

    Raises:
        PacketError: a shape that is not a closed area, or an unknown label.
    """
    for number, one in enumerate(shapes, start=1):
        where = f"shape {number}"
        shape = one if isinstance(one, dict) else {}
        name = drawing.structure(shape.get("label"), where=where)
        if name is not None:
            _draw(shape, name, drawing, where=f"{where}, {name}")


def _draw(shape: Mapping[str, object], name: str, drawing: Drawing, *, where: str) -> None:
    """Add one shape."""
    shape_type = shape.get("shape_type", "polygon")
    points = points_of(shape.get("points"), path=drawing.path, where=where)
    if shape_type in ("rectangle", "circle", "mask") and len(points) != 2:
        hint = "delete the shape and draw it again"
        raise PacketError(f"needs two points, got {len(points)}", hint=hint, path=drawing.path, where=where)
    match shape_type:
        case "polygon" | "oriented_rectangle":
            drawing.add(name, points, where=where)
        case "rectangle":
            (left, top), (right, bottom) = points
            drawing.add(name, np.array([[left, top], [right, top], [right, bottom], [left, bottom]]), where=where)
        case "point" | "points":
            drawing.add_points(name, points, where=where)
        case "circle":
            centre, rim = points
            radius = float(np.hypot(*(rim - centre)))
            drawing.add(name, ellipse_points(centre, (radius, radius)), where=where)
        case "mask":
            drawing.add_mask(name, _mask(shape, points[0], drawing, where=where), where=where)
        case _:
            raise PacketError(
                f"is drawn as a {shape_type}, which encloses nothing",
                hint="draw it as a polygon",
                path=drawing.path,
                where=where,
            )


def _mask(shape: Mapping[str, object], corner: Points, drawing: Drawing, *, where: str) -> Mask:
    """Return the mask of a "mask" shape: an image laid over the frame with its first pixel on the pixel `corner`."""
    data = shape.get("mask")
    if not isinstance(data, str):
        raise PacketError("is a mask without an image", hint="draw it as a polygon", path=drawing.path, where=where)
    image = open_image(decoded_base64(data, path=drawing.path, where=where), path=drawing.path)
    frame = drawing.frame
    if image.width > frame.width_px + 1 or image.height > frame.height_px + 1:
        raise PacketError("is a mask larger than the image", hint="draw it again", path=drawing.path, where=where)
    return drawing.mask_at(np.asarray(image.convert("L")) > 0, corner, where=where)
