"""Clinical measures of one cross-section, named and coded as DICOM's IVUS report has them (TID 3250).

Everything is measured on the contours themselves, in mm where spacing is known and in px where not. What lacks a contour is
absent, never 0. Definitions, where nothing else is said: Mintz et al., J Am Coll Cardiol 2001;37:1478 ("JACC" below).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Contours, Points
from ivsqa.domain.geometry.topology import enclosed_area

LUMEN, EEM = "lumen", "eem"
"""The structures between which plaque plus media lies; other structures are measured, but bound no plaque."""

N_DIRECTIONS = 360
"""Lines through the centroid, half a degree apart: the longest is short by less than 0.5 % even where it ends at a corner."""

_ANGLES = np.arange(N_DIRECTIONS) * (np.pi / N_DIRECTIONS)
_DIRECTIONS = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_UNITS = ("", "_mm", "_mm2", "_mm3")

Derivation = Literal["", "minimum", "maximum"]
Reach: TypeAlias = NDArray[np.float64]
"""How far a border reaches from an origin along its lines, ahead and behind, (2, N_DIRECTIONS)."""


@dataclass(frozen=True)
class Code:
    """A coded concept of DICOM's IVUS report.

    Attributes:
        value: Its code.
        scheme: Who coded it: DCM, or SCT (SNOMED CT).
        meaning: Its name there.
        derivation: Which of several values it is.
    """

    value: str
    scheme: str
    meaning: str
    derivation: Derivation = ""


CODES: Mapping[str, Code] = {
    "lumen_area": Code("397415007", "SCT", "Vessel lumen cross-sectional area"),
    "eem_area": Code("122333", "DCM", "EEM Cross-Sectional Area"),
    "plaque_media_area": Code("122334", "DCM", "Plaque plus Media Cross-Sectional Area"),
    "plaque_burden": Code("122354", "DCM", "Plaque Burden"),
    "lumen_min_diameter": Code("397413000", "SCT", "Vessel lumen diameter", "minimum"),
    "lumen_max_diameter": Code("397413000", "SCT", "Vessel lumen diameter", "maximum"),
    "eem_min_diameter": Code("122330", "DCM", "EEM Diameter", "minimum"),
    "eem_max_diameter": Code("122330", "DCM", "EEM Diameter", "maximum"),
    "lumen_perimeter": Code("122332", "DCM", "Lumen Perimeter"),
    "lumen_eccentricity_index": Code("122343", "DCM", "Lumen Eccentricity Index"),
    "plaque_media_min_thickness": Code("122331", "DCM", "Plaque Plus Media Thickness", "minimum"),
    "plaque_media_max_thickness": Code("122331", "DCM", "Plaque Plus Media Thickness", "maximum"),
    "plaque_media_eccentricity_index": Code("122344", "DCM", "Plaque plus Media Eccentricity Index"),
    "remodelling_index": Code("122345", "DCM", "Remodeling Index"),
    "area_stenosis": Code("408714007", "SCT", "Lumen Area Stenosis"),
    "length": Code("408716009", "SCT", "Stenotic Lesion Length"),
    "mla": Code("397415007", "SCT", "Vessel lumen cross-sectional area", "minimum"),
    "lumen_volume": Code("122372", "DCM", "Lumen Volume"),
    "eem_volume": Code("122371", "DCM", "EEM Volume"),
    "plaque_media_volume": Code("122375", "DCM", "Native Plaque Volume"),
}
"""What a measure is called in DICOM: CID 3481 distances, 3482 areas, 3483 lengths, 3484 indices, 3485 volumes."""


@cache
def dimension(measure: str) -> int:
    """Return the power of mm a measure comes in, by the last word of its name: 0 for a ratio.

    Example:
        >>> dimension("lumen_area"), dimension("eem_min_diameter"), dimension("plaque_burden")
        (2, 1, 0)
    """
    word = measure.removesuffix("_mean").rpartition("_")[2]
    if word in ("area", "mla"):
        return 2
    return {"diameter": 1, "perimeter": 1, "thickness": 1, "length": 1, "position": 1, "volume": 3}.get(word, 0)


@cache
def column(measure: str, end: Literal["", "low", "high"] = "") -> str:
    """Return the column a measure stands in, or an end of its interval: the unit comes last.

    Example:
        >>> column("lumen_area"), column("lumen_area", "low"), column("plaque_burden", "high")
        ('lumen_area_mm2', 'lumen_area_low_mm2', 'plaque_burden_high')
    """
    return f"{measure}{'_' + end if end else ''}{_UNITS[dimension(measure)]}"


def structure_measures(name: str) -> tuple[str, ...]:
    """Return the names of the measures of one structure."""
    words = ("area", "min_diameter", "max_diameter", "perimeter", "eccentricity_index")
    return tuple(f"{name}_{word}" for word in words)


PLAQUE_MEASURES = (
    "plaque_media_area",
    "plaque_burden",
    "plaque_media_min_thickness",
    "plaque_media_max_thickness",
    "plaque_media_eccentricity_index",
)


def frame_measures_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of all measures of a frame, in the order of its columns."""
    plaque = PLAQUE_MEASURES if {LUMEN, EEM} <= set(names) else ()
    return tuple(measure for name in names for measure in structure_measures(name)) + plaque


def frame_measures(contours: Contours, spacing_mm: tuple[float, float] | None) -> dict[str, float]:
    """Return the measures of one cross-section.

    Args:
        contours: By structure; a measure that needs one which is absent is absent.
        spacing_mm: (x, y) mm per px; None where unknown: lengths then come in px and areas in px², for ratios only.

    Returns:
        By name, without unit; see `structure_measures` and `PLAQUE_MEASURES`. A contour that encloses nothing counts as absent.
    """
    scale = (1.0, 1.0) if spacing_mm is None else spacing_mm
    scaled = {name: contour.mapped(scale, (0.0, 0.0)) for name, contour in contours.items()}
    areas = {name: float(enclosed_area(contour).area) for name, contour in scaled.items()}
    scaled = {name: contour for name, contour in scaled.items() if areas[name] > 0.0}
    values: dict[str, float] = {}
    has_plaque = LUMEN in scaled and EEM in scaled
    # All lines are sought at once, which takes hardly longer than to seek those of one border.
    about = [contour.points_px - contour.centroid_px for contour in scaled.values()]
    about += [scaled[EEM].points_px - scaled[LUMEN].centroid_px] if has_plaque else []
    crossed = _crossings(about)
    for (name, contour), reach in zip(scaled.items(), crossed, strict=False):
        shortest, longest = _diameters(reach)
        of_structure = (areas[name], shortest, longest, contour.perimeter_px, (longest - shortest) / longest)
        values |= dict(zip(structure_measures(name), of_structure, strict=True))
    if has_plaque:
        thinnest, thickest = _thickness(crossed[list(scaled).index(LUMEN)], crossed[-1])
        plaque = (
            areas[EEM] - areas[LUMEN],
            1.0 - areas[LUMEN] / areas[EEM],
            thinnest,
            thickest,
            (thickest - thinnest) / thickest if thickest > 0.0 else 0.0,
        )
        values |= dict(zip(PLAQUE_MEASURES, plaque, strict=True))
    return values


def diameters(contour: Contour) -> tuple[float, float]:
    """Return the shortest and the longest diameter through the centroid, in the unit of the vertices.

    A diameter ends at the outermost crossing on each side, so that a border which folds back is crossed once.

    Source:
        JACC; DICOM PS3.16, Lumen Eccentricity Index: diameters are measured through the geometric centre of the lumen.

    Example:
        >>> diameters(Contour.from_points([[0, 0], [6, 0], [6, 2], [0, 2]]))[0]
        2.0
    """
    (reach,) = _crossings([contour.points_px - contour.centroid_px])
    return _diameters(reach)


def plaque_thickness(lumen: Contour, eem: Contour) -> tuple[float, float]:
    """Return the least and the greatest distance from lumen to EEM along rays from the lumen's centroid.

    Where a drawn lumen reaches over the EEM the thickness is 0.

    Source: JACC: plaque plus media thickness, along any line passing through the centre of mass of the lumen.
    """
    centre = lumen.centroid_px
    return _thickness(*_crossings([lumen.points_px - centre, eem.points_px - centre]))


def _diameters(reach: Reach) -> tuple[float, float]:
    """Return the shortest and the longest of the lines through a border."""
    widths = reach[0] + reach[1]
    return float(widths.min()), float(widths.max())


def _thickness(inner: Reach, outer: Reach) -> tuple[float, float]:
    """Return the least and the greatest distance between two borders along rays from one origin."""
    thickness = np.clip(outer - inner, 0.0, None)
    return float(thickness.min()), float(thickness.max())


def _crossings(polygons: Sequence[Points]) -> NDArray[np.float64]:
    """Return the distances ahead and behind along the origin's lines to the outermost crossing with each polygon.

    (n_polygons, 2, N_DIRECTIONS). Where the origin lies outside, the nearer crossing counts as negative on the other side.
    """
    if not polygons:
        return np.empty((0, 2, N_DIRECTIONS))
    x, y = np.concatenate(polygons).T
    end_x, end_y = np.concatenate([part for points in polygons for part in (points[1:], points[:1])]).T
    cross, dot = x * end_y - y * end_x, x * end_x + y * end_y
    # An edge meets the lines of the angles that it sweeps, a few of them; through the origin it meets all.
    sweep = np.where((cross == 0.0) & (dot <= 0.0), np.pi, np.arctan2(cross, dot))
    begins = np.arctan2(y, x)
    angles = np.sort([begins, begins + sweep], axis=0) * (N_DIRECTIONS / np.pi)
    first = np.floor(angles[0]).astype(np.intp)
    n_lines = np.ceil(angles[1]).astype(np.intp) - first + 1
    edge = np.repeat(np.arange(len(x)), n_lines)
    line = (np.arange(len(edge)) - np.repeat(np.cumsum(n_lines) - n_lines - first, n_lines)) % N_DIRECTIONS
    cos, sin = _DIRECTIONS[line].T
    before, after = cos * y[edge] - sin * x[edge], cos * end_y[edge] - sin * end_x[edge]  # left of the line is positive
    crosses = (before > 0.0) != (after > 0.0)  # half open: a vertex on the line counts once
    edge, line = edge[crosses], line[crosses]
    reach = cross[edge] / (after[crosses] - before[crosses])
    polygon = np.repeat(np.arange(len(polygons)), [len(points) for points in polygons])
    outermost = np.full(len(polygons) * 2 * N_DIRECTIONS, -np.inf)
    ahead = polygon[edge] * 2 * N_DIRECTIONS + line
    np.maximum.at(outermost, ahead, reach)
    np.maximum.at(outermost, ahead + N_DIRECTIONS, -reach)
    return outermost.reshape(-1, 2, N_DIRECTIONS)
