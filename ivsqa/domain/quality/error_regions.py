"""Where an error map says that a person should look: regions of the frame, and arcs of a border.

Angles are those of `arcs`: 0° along +x, growing clockwise on the screen, around the centroid of the contour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

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
    labels, _ = scipy.ndimage.label(error >= threshold)
    areas = np.bincount(labels.ravel())[1:]
    kept = [index for index in np.argsort(-areas, kind="stable") if areas[index] >= min_area_px]
    boxes = scipy.ndimage.find_objects(labels)
    regions = []
    for index in kept:
        box = boxes[index]
        inside = labels[box] == index + 1
        rows, columns = np.nonzero(inside)
        centroid = (float(columns.mean() + box[1].start), float(rows.mean() + box[0].start))
        regions.append(ErrorRegion(int(areas[index]), centroid, float(error[box][inside].max())))
    return regions
