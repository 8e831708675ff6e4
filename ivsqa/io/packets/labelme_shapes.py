"""LabelMe's shapes: which of them is a border, what contour it means, and which is a point for a border to pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ivsqa.domain.contour import EDGE_OFFSET_PX, Contour, Points, contour_from_mask
from ivsqa.domain.refinement import Nudge
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets.images import decoded_base64, open_image, single_object
from ivsqa.io.packets.packet import STRAY_SHARE, SentFrame, structure_named

CIRCLE_VERTICES = 128
POINT_TYPES = ("point", "points")


def read_shapes(
    shapes: Sequence[object], frame: SentFrame, structures: StructureSet, *, ignored: str, path: Path
) -> tuple[dict[str, Contour], list[Nudge], list[str]]:
    """Return the contour of each structure in a file's shapes, the points for borders to pass, and notes on what was left out.

    Args:
        shapes: The list under "shapes".
        frame: The frame they are drawn on.
        structures: Names that are known.
        ignored: Label of shapes that are ours to the annotator, not back.
        path: The file, for errors.

    Raises:
        PacketError: a shape that is neither a closed area nor a point, an unknown label, or two areas for one structure.
    """
    drawn: dict[str, list[Contour]] = {}
    nudges: list[Nudge] = []
    for index, shape in enumerate(shapes):
        where = f"shape {index + 1}"
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise PacketError("a shape has no label", path=path, where=where)
        if shape["label"].strip().lower() == ignored:
            continue
        name = structure_named(shape["label"], structures, path=path, where=where)
        where = f"{where}, {name}"
        if shape.get("shape_type") in POINT_TYPES:
            nudges += _nudges(name, shape, path=path, where=where)
            continue
        contour = _contour(shape, frame, path=path, where=where)
        if contour is not None:
            drawn.setdefault(name, []).append(contour)
    contours, notes = _one_each(drawn, structures, path)
    return contours, nudges, notes


def _one_each(
    drawn: Mapping[str, list[Contour]], structures: StructureSet, path: Path
) -> tuple[dict[str, Contour], list[str]]:
    """Return the contour of each structure, and notes on stray ones.

    Raises:
        PacketError: two that could be meant.
    """
    contours, notes = {}, []
    for name in (name for name in structures.names if name in drawn):
        largest, *others = sorted(drawn[name], key=lambda contour: -contour.area_px2)
        contours[name] = largest
        if any(contour.area_px2 > STRAY_SHARE * largest.area_px2 for contour in others):
            raise PacketError(
                f"{len(drawn[name])} shapes are labelled {name}", hint="keep one a structure", path=path, where=name
            )
        if others:
            notes.append(f"{name}: left out {len(others)} stray shape(s) below {STRAY_SHARE:.0%} of the area")
    return contours, notes


def _nudges(name: str, shape: Mapping[str, object], *, path: Path, where: str) -> list[Nudge]:
    """Return the points of a shape made of points."""
    points = _points(shape, path=path, where=where) - EDGE_OFFSET_PX
    try:
        return [Nudge(name, x, y) for x, y in points.tolist()]
    except ValueError as error:
        raise PacketError(str(error), hint="delete the point", path=path, where=where) from error


def _contour(shape: Mapping[str, object], frame: SentFrame, *, path: Path, where: str) -> Contour | None:
    """Return the contour that one shape means; None for an empty mask."""
    shape_type = shape.get("shape_type", "polygon")
    points = _points(shape, path=path, where=where)
    try:
        match shape_type:
            case "polygon" | "oriented_rectangle":
                return Contour.from_edge_points(points)
            case "rectangle":
                (left, top), (right, bottom) = _two(points)
                return Contour.from_edge_points([[left, top], [right, top], [right, bottom], [left, bottom]])
            case "circle":
                return Contour.from_edge_points(_circle(*_two(points)))
            case "mask":
                return _contour_from_mask_shape(shape, _two(points)[0], frame, path=path, where=where)
    except ValueError as error:
        raise PacketError(str(error), hint="delete the shape and draw it again", path=path, where=where) from error
    raise PacketError(
        f"is drawn as a {shape_type}, which encloses nothing", hint="draw it as a polygon", path=path, where=where
    )


def _points(shape: Mapping[str, object], *, path: Path, where: str) -> Points:
    """Return the points of a shape, (n, 2), in edge convention."""
    try:
        points = np.array(shape.get("points"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PacketError("has points that are not pairs of numbers", path=path, where=where) from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise PacketError("has points that are not pairs of numbers", path=path, where=where)
    return points


def _two(points: Points) -> tuple[Points, Points]:
    """Return both points of a shape that has two.

    Raises:
        ValueError: it has another number of points.
    """
    if len(points) != 2:
        raise ValueError(f"needs two points, got {len(points)}")
    return points[0], points[1]


def _circle(centre: Points, rim: Points) -> Points:
    """Return a polygon of the area of a circle given by its centre and a point on it, (128, 2)."""
    step = 2.0 * np.pi / CIRCLE_VERTICES
    radius = np.hypot(*(rim - centre)) * np.sqrt(step / np.sin(step))
    angles = np.arange(CIRCLE_VERTICES) * step
    return np.asarray(centre + radius * np.column_stack([np.cos(angles), np.sin(angles)]))


def _contour_from_mask_shape(
    shape: Mapping[str, object], corner: Points, frame: SentFrame, *, path: Path, where: str
) -> Contour | None:
    """Return the outline of a "mask" shape: an image laid over the frame with its first pixel on the pixel `corner`."""
    data = shape.get("mask")
    if not isinstance(data, str):
        raise PacketError("is a mask without an image", hint="draw it as a polygon", path=path, where=where)
    image = open_image(decoded_base64(data, path=path, where=where), path=path)
    if image.width > frame.width_px + 1 or image.height > frame.height_px + 1:
        raise PacketError("is a mask larger than the image", path=path, where=where)
    mask, n_objects, share = single_object(np.asarray(image.convert("L")) > 0)
    if share > STRAY_SHARE:
        raise PacketError(f"is a mask of {n_objects} objects", hint="keep one a structure", path=path, where=where)
    contour = contour_from_mask(mask)
    return None if contour is None else Contour.from_points(contour.points_px + np.floor(corner))
