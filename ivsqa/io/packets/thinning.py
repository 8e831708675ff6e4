"""Contours with fewer vertices for an annotator to drag, without any loss of precision.

A model's contour has a vertex every few pixels: drawn in an editor they hide the border, and dragging one makes a spike. So an
editor gets only as many corners as hold the line within a fraction of a pixel, laid where their polygon is closest to it: corners
on the line itself would cut off every bend, and so a few per cent of a small area. When it comes back, every stretch between two
neighbouring corners that were left alone is put back as it was sent, so that only what a person moved has moved.
"""

from __future__ import annotations

import numpy as np
import scipy
import shapely
from numpy.typing import NDArray

from ivsqa.domain.contour import EDGE_OFFSET_PX, Contour, Points
from ivsqa.io.formats.shapes import DECIMALS

THINNING_TOLERANCE_PX = 1.0
"""Greatest distance of the thinned line from the whole one."""


def kept_vertices(contour: Contour) -> NDArray[np.intp]:
    """Return the indices of the vertices that an editor's corners stand for, ascending, beginning with 0.

    Source: Douglas and Peucker, Cartographica 1973;10:112.
    """
    n = len(contour)
    # Cut in two at the vertex farthest from the first: a ring has no ends for the method to start from.
    far = int(np.argmax(np.linalg.norm(contour.points_px - contour.points_px[0], axis=1)))
    closed = np.vstack([contour.points_px, contour.points_px[:1]])
    kept = np.union1d(_kept_on_line(closed[: far + 1]), _kept_on_line(closed[far:]) + far) % n
    kept = np.unique(kept)
    return kept if len(kept) >= 3 else np.arange(n)


def _kept_on_line(points: Points) -> NDArray[np.intp]:
    """Return the indices of the vertices that hold an open line."""
    simple = shapely.get_coordinates(
        shapely.simplify(shapely.LineString(points), THINNING_TOLERANCE_PX, preserve_topology=False)
    )
    indices, start = [], 0
    for vertex in simple:
        start += int(np.flatnonzero((points[start:] == vertex).all(axis=1))[0])
        indices.append(start)
    return np.array(indices, dtype=np.intp)


def written_edge_points(contour: Contour) -> Points:
    """Return the corners an editor is given, (n, 2), in edge convention, rounded as they are written.

    Each stands for one of `kept_vertices`, in their order. Their polygon is the one closest to the whole line, by the mean
    square over its length; a point of the line is compared with the point as far along the side that stands for its stretch.
    """
    points, kept = contour.points_px, kept_vertices(contour)
    after = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    along = np.concatenate([[0.0], np.cumsum(after)])
    side = np.repeat(np.arange(len(kept)), np.diff([*kept, len(points)]))
    start, stop = along[kept][side], along[[*kept[1:], len(points)]][side]
    share = (along[:-1] - start) / (stop - start)
    weights = np.zeros((len(points), len(kept)))
    weights[np.arange(len(points)), side] = 1.0 - share
    weights[np.arange(len(points)), (side + 1) % len(kept)] = share
    by_length = weights.T * (after + np.roll(after, 1))
    return np.round(np.linalg.solve(by_length @ weights, by_length @ points) + EDGE_OFFSET_PX, DECIMALS)


def restored(returned: Contour, sent: Contour | None, *, rounding_px: float = 0.5 * 10.0**-DECIMALS) -> Contour:
    """Return the contour that came back, with every stretch that was left alone as it was sent.

    Args:
        returned: The contour from the editor; it may start at another corner and run the other way.
        sent: The contour as it was before thinning; None where there was none.
        rounding_px: How far the editor may have rounded each coordinate.

    Returns:
        The sent object itself where no corner was moved, added or removed.
    """
    if sent is None:
        return returned
    kept = kept_vertices(sent)
    vertices = returned.points_px
    if returned.signed_area_px2 * sent.signed_area_px2 < 0.0:
        vertices = vertices[::-1]
    places = _places(vertices, written_edge_points(sent) - EDGE_OFFSET_PX, rounding_px)
    begins = (places >= 0) & (np.roll(places, -1) == (places + 1) % len(kept))
    if begins.all() and len(places) == len(kept):
        return sent
    stretches = []
    for vertex, corner, is_begin, is_end in zip(vertices, places, begins, np.roll(begins, 1), strict=True):
        if is_begin:
            stop = kept[corner + 1] if corner + 1 < len(kept) else len(sent)
            stretches.append(sent.points_px[kept[corner] : stop])
        else:  # a corner between two that were moved is where the annotator saw it
            stretches.append(sent.points_px[kept[corner]][None] if is_end else vertex[None])
    return Contour.from_points(np.vstack(stretches))


def _places(vertices: Points, written: Points, rounding_px: float) -> NDArray[np.intp]:
    """Return for each vertex the index of the written corner it is on, (n,); −1 where it was moved or added."""
    reach = np.sqrt(2.0) * rounding_px + 10.0**-DECIMALS
    distance, nearest = scipy.spatial.cKDTree(written).query(vertices)
    return np.where(distance <= reach, nearest, -1)
