"""Where an error map says that a person should look: regions of the frame, and arcs of a border.

Angles are those of `arcs`: 0° along +x, growing clockwise on the screen, around the centroid of the contour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ivsqa.domain.arcs import N_ARCS, DoubtfulArc, arc_numbers
from ivsqa.domain.contour import Contour, Points

SALIENT_ERROR = 0.3
"""Calibrated probability from which a pixel belongs to an error region. A border off by a pixel or two stays below it."""


@dataclass(frozen=True)
class ErrorRegion:
    """A connected region of high error.

    Attributes:
        area_px: Its pixels.
        centroid_px: (x, y), integer = pixel centre.
        peak: The highest error in it, in the unit of the map.
    """

    area_px: int
    centroid_px: tuple[float, float]
    peak: float


def error_regions(
    error: NDArray[np.floating] | NDArray[np.integer], threshold: float = SALIENT_ERROR, *, min_area_px: int = 1
) -> list[ErrorRegion]:
    """Return the connected regions at or above a threshold, largest first, then from the top left.

    Args:
        error: (height, width), in any unit.
        threshold: In the same unit.
        min_area_px: Smaller regions are left out.
    """
    labels, _ = ndimage.label(error >= threshold)
    areas = np.bincount(labels.ravel())[1:]
    kept = [index for index in np.argsort(-areas, kind="stable") if areas[index] >= min_area_px]
    boxes = ndimage.find_objects(labels)
    regions = []
    for index in kept:
        box = boxes[index]
        inside = labels[box] == index + 1
        rows, columns = np.nonzero(inside)
        centroid = (float(columns.mean() + box[1].start), float(rows.mean() + box[0].start))
        regions.append(ErrorRegion(int(areas[index]), centroid, float(error[box][inside].max())))
    return regions


def error_by_arc(error_map: NDArray[np.floating], contour: Contour, *, n_arcs: int = N_ARCS) -> Points:
    """Return how far the border is expected to be off in each arc, in px.

    The expected number of wrong pixels in the sector over the length of border in it: a border drawn d px too far out, with
    the map at 1 on the band between, gives about d.

    Args:
        error_map: Calibrated probability that a pixel is wrong, (height, width), zero where errors do not count.
        contour: The predicted border, in the pixels of the map.
        n_arcs: Number of equal arcs; the first begins at 0°.

    Returns:
        (n_arcs,) float64; NaN in an arc through which no border runs.
    """
    rows, columns = np.nonzero(error_map)
    centre = contour.centroid_px
    area = np.bincount(
        arc_numbers(columns - centre[0], rows - centre[1], n_arcs),
        weights=error_map[rows, columns].astype(np.float64),
        minlength=n_arcs,
    )
    n_points = max(32 * n_arcs, int(4 * contour.perimeter_px))
    x, y = (contour.resampled(n_points).points_px - centre).T
    length_px = np.bincount(arc_numbers(x, y, n_arcs), minlength=n_arcs) * (contour.perimeter_px / n_points)
    return np.where(length_px > 0.0, area / np.where(length_px > 0.0, length_px, 1.0), np.nan)


def doubtful_arcs(error_by_arc_px: Points, structure: str, *, threshold_px: float) -> list[DoubtfulArc]:
    """Return the arcs of a border whose expected error exceeds a threshold, neighbours merged, also across 0°.

    Args:
        error_by_arc_px: (n_arcs,) from `error_by_arc`; NaN is no doubt.
        structure: Name of the border's structure.
        threshold_px: In px of the map.

    Returns:
        Arcs by where they start; the whole circle is one arc from 0° to 360°.

    Example:
        >>> [str(arc) for arc in doubtful_arcs(np.array([2.0, 0.1, 0.1, 3.0]), "eem", threshold_px=1.0)]
        ["eem 12 to 6 o'clock"]
    """
    doubtful = np.asarray(error_by_arc_px) > threshold_px
    width_deg = 360.0 / len(doubtful)
    if doubtful.all():
        return [DoubtfulArc(structure, 0.0, 360.0)]
    starts = np.flatnonzero(doubtful & ~np.roll(doubtful, 1))
    stops = np.flatnonzero(doubtful & ~np.roll(doubtful, -1)) + 1
    if len(stops) and stops[0] <= starts[0]:
        stops = np.roll(stops, -1)  # the first stop ends the arc that began before 0°
    return [
        DoubtfulArc(structure, float(start * width_deg), float(stop * width_deg % 360.0))
        for start, stop in zip(starts, stops, strict=True)
    ]
