"""Faults in the shape of contours, and the least change that mends them.

A contour complies when its line nowhere crosses itself, lies in the frame, encloses a credible area that is not all of the
frame, and lies inside the next outer structure to within half a pixel (editors that store integers move borders by as much).
`check_contours` lists the faults; `mended` and `nested` mend them, and hand back the very same object where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.structures import StructureSet

NESTING_TOLERANCE_PX = 0.5
"""An inner contour may lie this far outside the outer one before it counts."""

MIN_AREA_PX2 = 9.0
"""Less than this is a stray click, whatever the spacing."""

MOST_OF_FRAME = 0.95
"""A contour that encloses more of the frame than this is the outline of the picture, as of a mask that is white outside."""

FindingCode: TypeAlias = Literal[
    "unknown-structure",
    "missing-structure",
    "self-crossing",
    "outside-frame",
    "too-small",
    "fills-frame",
    "crosses-outer",
]


@dataclass(frozen=True)
class Finding:
    """A fault of the contours of a frame.

    Attributes:
        code: Its kind, for programs.
        message: What is wrong, for people; it does not name the frame.
        structure: The structure it is about.
    """

    code: FindingCode
    message: str
    structure: str


def enclosed_area(contour: Contour) -> shapely.Polygon | shapely.MultiPolygon:
    """Return everything the line encloses as a valid shapely area; loops that overlap are filled, not cancelled.

    A simple contour gives its polygon, with the same vertices.
    """
    if contour.is_simple:
        return contour.polygon
    line = shapely.unary_union(shapely.LinearRing(contour.points_px))  # puts a vertex at each crossing
    faces = shapely.get_parts(shapely.polygonize([line]))
    area = shapely.unary_union([shapely.Polygon(face.exterior) for face in faces])
    return area if isinstance(area, shapely.Polygon | shapely.MultiPolygon) else shapely.MultiPolygon()


def mended(contour: Contour) -> Contour:
    """Return the outline of the largest piece that the line encloses; the same object where it is simple.

    Raises:
        ValueError: the line encloses no area.

    Example:
        >>> bow_tie = Contour.from_points([[0, 0], [6, 6], [6, 0], [0, 2]])
        >>> mended(bow_tie).is_simple, round(mended(bow_tie).area_px2, 3)
        (True, 13.5)
    """
    if contour.is_simple:
        return contour
    outline = _largest_outline(enclosed_area(contour))
    if outline is None:
        raise ValueError("the contour encloses no area")
    return outline


def nested(contours: Contours, structures: StructureSet) -> dict[str, Contour]:
    """Return simple contours, each of them inside the next outer one there is.

    Worked from the outside in: the outer contour is believed and the inner one cut at it. Left out are names that are no
    structure, a line that encloses nothing, and an inner contour that lies wholly outside.

    Returns:
        By structure name, innermost first; a contour that complies is the very same object.
    """
    return {
        name: line
        for name, line in zip(
            structures.names, nested_lines([contours.get(name) for name in structures.names]), strict=True
        )
        if line is not None
    }


def nested_lines(lines: Sequence[Contour | None]) -> list[Contour | None]:
    """Return simple contours, innermost first, each of them inside the next outer one there is; as `nested` does.

    Args:
        lines: Innermost first, None where absent.

    Returns:
        In the same order; None also where a line encloses nothing, or lies wholly outside the next outer one.
    """
    kept: list[Contour | None] = []
    outer: Contour | None = None
    for line in reversed(lines):
        contour = None if line is None or enclosed_area(line).is_empty else mended(line)
        if contour is not None and outer is not None and not _covers(outer.polygon, contour.polygon):
            contour = _largest_outline(shapely.intersection(contour.polygon, outer.polygon))
        kept.append(contour)
        outer = contour or outer
    return kept[::-1]


def check_contours(
    contours: Contours,
    structures: StructureSet,
    frame_shape: tuple[int, int],
    *,
    spacing_mm: tuple[float, float] | None = None,
) -> list[Finding]:
    """Return the faults of the contours of one frame, unknown names first, then from the innermost structure out.

    Args:
        contours: By structure name.
        structures: The structures of the study; one without a contour is a finding.
        frame_shape: (height, width) in px.
        spacing_mm: (x, y) mm per px; without it only areas below `MIN_AREA_PX2` count as too small.
    """
    findings = [
        Finding("unknown-structure", f"{name!r} is not one of {', '.join(structures.names)}", name)
        for name in sorted(set(contours) - set(structures.names))
    ]
    for structure in structures.structures:
        contour = contours.get(structure.name)
        if contour is None:
            findings.append(Finding("missing-structure", f"no contour for {structure.name}", structure.name))
            continue
        findings += _check_shape(contour, structure.name, frame_shape)
        findings += _check_size(contour, structure.name, structure.min_area_mm2, spacing_mm)
        if fills_frame(contour, frame_shape):
            findings.append(Finding("fills-frame", f"the {structure.name} contour fills the frame", structure.name))
        findings += _check_nesting(contours, structures, structure.name)
    return findings


def fills_frame(contour: Contour, frame_shape: tuple[int, int]) -> bool:
    """Return whether a contour encloses a frame of (height, width) px: most of its area, or all its corners.

    The outline of a mask that is white outside goes around the frame, also where its hole touches an edge and takes much of it.
    """
    height, width = frame_shape
    area = enclosed_area(contour)
    corners = shapely.MultiPoint([(x, y) for x in (1.0, width - 2.0) for y in (1.0, height - 2.0)])
    if min(frame_shape) > 4 and area.covers(corners):
        return True
    most = MOST_OF_FRAME * height * width
    # What lies beyond the frame is none of it.
    return area.area > most and area.intersection(shapely.box(-0.5, -0.5, width - 0.5, height - 0.5)).area > most


def _check_shape(contour: Contour, name: str, frame_shape: tuple[int, int]) -> list[Finding]:
    """Return findings about the line alone: crossings, and vertices off the frame by more than the tolerance."""
    findings = []
    if not contour.is_simple:
        at = _place_of_crossing(contour)
        findings.append(Finding("self-crossing", f"the {name} contour crosses or touches itself at {at}", name))
    beyond = float(beyond_frame_px([contour], frame_shape)[0])
    if beyond > NESTING_TOLERANCE_PX:
        findings.append(Finding("outside-frame", f"the {name} contour leaves the frame by {beyond:.1f} px", name))
    return findings


def beyond_frame_px(contours: Sequence[Contour], frame_shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return how far each of n contours leaves the frame, (n,) px, which ends half a pixel beyond its outermost pixel centres."""
    if not contours:
        return np.empty(0)
    points = np.concatenate([contour.points_px for contour in contours])
    first = np.cumsum([0, *(len(contour) for contour in contours[:-1])])
    low, high = (extreme.reduceat(points, first, axis=0) for extreme in (np.minimum, np.maximum))
    return np.asarray(np.maximum(-low, high - np.subtract(frame_shape[::-1], 1)).max(axis=1) - 0.5)


def within_frame(contour: Contour, frame_shape: tuple[int, int]) -> Contour | None:
    """Return a contour cut off at the edge of the frame, the same object where it lies inside; None where nothing is left.

    Example:
        >>> square = Contour.from_points([(-4, 2), (6, 2), (6, 9), (-4, 9)])
        >>> within_frame(square, (20, 20)).points_px.min(axis=0).tolist()
        [-0.5, 2.0]
    """
    if beyond_frame_px([contour], frame_shape)[0] <= NESTING_TOLERANCE_PX:
        return contour
    height, width = frame_shape
    return _largest_outline(
        shapely.intersection(enclosed_area(contour), shapely.box(-0.5, -0.5, width - 0.5, height - 0.5))
    )


def _check_size(
    contour: Contour, name: str, min_area_mm2: float, spacing_mm: tuple[float, float] | None
) -> list[Finding]:
    """Return a finding where the contour encloses too little to be the structure."""
    area_px2 = float(enclosed_area(contour).area)
    if area_px2 < MIN_AREA_PX2:
        return [Finding("too-small", f"the {name} contour encloses only {area_px2:.1f} px²", name)]
    area_mm2 = np.inf if spacing_mm is None else area_px2 * spacing_mm[0] * spacing_mm[1]
    if area_mm2 < min_area_mm2:
        message = f"the {name} contour encloses {area_mm2:.2f} mm², less than {min_area_mm2:g} mm²"
        return [Finding("too-small", message, name)]
    return []


def _check_nesting(contours: Contours, structures: StructureSet, name: str) -> list[Finding]:
    """Return a finding where a contour leaves the next outer one that is drawn."""
    outer_names = structures.names[structures.names.index(name) + 1 :]
    outer_name = next((outer for outer in outer_names if outer in contours), None)
    if outer_name is None:
        return []
    inner_area, outer_area = enclosed_area(contours[name]), enclosed_area(contours[outer_name])
    if inner_area.is_empty or outer_area.is_empty or _covers(outer_area, inner_area):
        return []
    away = np.asarray(shapely.distance(shapely.points(contours[name].points_px), outer_area))
    vertex = int(away.argmax())
    at = f" by {away[vertex]:.1f} px at {_place(contours[name], vertex)}" if away[vertex] > 0.0 else ""
    return [Finding("crosses-outer", f"the {name} contour leaves the {outer_name} contour{at}", name)]


def _place(contour: Contour, vertex: int) -> str:
    x, y = contour.points_px[vertex]
    return f"vertex {vertex} ({x:.1f}, {y:.1f})"


def _place_of_crossing(contour: Contour) -> str:
    """Return the vertex nearest to where a line crosses or touches itself."""
    ring = shapely.LinearRing(contour.points_px)
    nodes = shapely.get_coordinates(shapely.unary_union(ring))
    n_met = np.array([np.count_nonzero((nodes == node).all(axis=1)) for node in nodes])  # a ring's vertex is met twice
    crossing = nodes[n_met.argmax()]
    return _place(contour, int(np.hypot(*(contour.points_px - crossing).T).argmin()))


def _covers(outer: shapely.Geometry, inner: shapely.Geometry) -> bool:
    """Return whether an area lies inside another to within the tolerance."""
    return bool(shapely.covers(outer, inner) or shapely.covers(shapely.buffer(outer, NESTING_TOLERANCE_PX), inner))


def _largest_outline(area: shapely.Geometry) -> Contour | None:
    """Return the outline of the largest polygon in a geometry, None where it holds none."""
    polygons = [part for part in shapely.get_parts(area) if isinstance(part, shapely.Polygon) and not part.is_empty]
    if not polygons:
        return None
    return Contour.from_points(shapely.get_coordinates(max(polygons, key=lambda part: part.area).exterior))
