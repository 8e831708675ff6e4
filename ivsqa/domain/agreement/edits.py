"""What an annotator did: how far each contour was moved, and whether a whole packet came back out of place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Literal, TypeAlias

import numpy as np
import shapely

from ivsqa.domain.contour import Contour, Points

ChangeKind: TypeAlias = Literal["untouched", "edited", "new", "deleted", "absent"]
Placement: TypeAlias = Callable[[Points], Points]

MIN_SHIFT_PX = 1.5
"""Smaller offsets are rounding, or the half pixel between conventions."""

_CLEAR_GAIN_PX = 1.0
_SHARE = 0.6
_MIN_SHARE_OF_PACKET = 0.3
_SMALL_PACKET = 8
_EXACT_PX = 0.35
"""Mean distance that thinning and rounding leave between a contour and itself in another place."""
_MIN_EXACT = 4
"""Contours of two frames, as one frame's may be dragged together."""
_COMPARE_STEP_PX = 2.0


@dataclass(frozen=True)
class ContourChange:
    """What happened to one contour between sending and return.

    Attributes:
        kind: untouched: within tolerance everywhere; edited; new: was not sent; deleted: did not return; absent: neither.
        mean_px: Mean distance between the two lines, both ways; NaN unless both are there.
        max_px: Largest distance between the two lines, both ways; NaN unless both are there.
        mean_mm: `mean_px` in mm; None unless both are there and spacing is known.
    """

    kind: ChangeKind
    mean_px: float
    max_px: float
    mean_mm: float | None


def classify_contour(
    sent: Contour | None,
    returned: Contour | None,
    *,
    tolerance_px: float,
    spacing_mm: tuple[float, float] | None,
) -> ContourChange:
    """Return what an annotator did to one contour of one structure.

    Args:
        sent: What was in the packet; None where the network drew nothing.
        returned: What came back; None where it was removed.
        tolerance_px: What the format's own rounding can move a line by.
        spacing_mm: (x, y) mm per px; None where unknown.
    """
    if sent is None or returned is None:
        kind: ChangeKind = "absent" if sent is returned else "new" if sent is None else "deleted"
        return ContourChange(kind, nan, nan, None)
    if np.array_equal(sent.points_px, returned.points_px):
        return ContourChange("untouched", 0.0, 0.0, None if spacing_mm is None else 0.0)
    distances_px = _both_ways(sent, returned)
    max_px = max(float(distances_px.max()), _farthest_vertex_px(sent, returned), _farthest_vertex_px(returned, sent))
    return ContourChange(
        kind="untouched" if max_px <= tolerance_px else "edited",
        mean_px=float(distances_px.mean()),
        max_px=max_px,
        mean_mm=None if spacing_mm is None else float(_both_ways(sent, returned, spacing_mm).mean()),
    )


def find_misplacement(pairs: Sequence[tuple[Contour, Contour]], frame_shape: tuple[int, int]) -> str | None:
    """Return how the contours of a returned packet lie in the wrong place as a whole, None where they do not.

    The sent contours are mirrored, turned, transposed, shifted and scaled, the last two by what most pairs agree on. A
    packet is misplaced when, of the pairs on which that makes a difference of at least a pixel, three in five come at least
    twice as close to what returned (shifted or scaled: three times), and these are a fair part of the packet. Honest edits
    differ from contour to contour and stay in place, a single redrawn contour is outvoted, and contours that look alike
    either way have no vote. In a small packet, which a hand may drag or grow alike, a shift or a small change of size counts
    only where contours of at least two frames fit it exactly, as no hand does.

    Args:
        pairs: (sent, returned) for every contour of the packet that has both.
        frame_shape: (height, width) in px.

    Returns:
        What it looks like: "mirrored in x", "shifted by (12.0, 0.0) px", "scaled by 0.50" …; of several the closest.
    """
    as_is = np.array([_mean_distance_px(sent, returned) for sent, returned in pairs])
    needed = max(2.0, _MIN_SHARE_OF_PACKET * len(pairs))
    if np.count_nonzero(as_is > _CLEAR_GAIN_PX) < needed:
        return None
    best: tuple[float, str] | None = None
    for name, place, strictness, limit_px in _placements(pairs, frame_shape):
        placed = np.array([_mean_distance_px(Contour.from_points(place(sent.points_px)), back) for sent, back in pairs])
        has_vote = np.abs(as_is - placed) >= _CLEAR_GAIN_PX
        better = has_vote & (placed * strictness <= as_is) & (placed <= limit_px)
        wanted = max(needed, _SHARE * has_vote.sum(), _MIN_EXACT if limit_px < inf else 0.0)
        if better.sum() >= wanted and (best is None or np.median(placed) < best[0]):
            best = (float(np.median(placed)), name)
    return best[1] if best else None


def _placements(
    pairs: Sequence[tuple[Contour, Contour]], frame_shape: tuple[int, int]
) -> Iterator[tuple[str, Placement, float, float]]:
    """Yield what can go wrong with a whole packet.

    Yields:
        Its name, the map of points, how many times closer it must bring a contour, and the most px that may remain.
    """
    last = np.array([frame_shape[1] - 1.0, frame_shape[0] - 1.0])
    yield "mirrored in x", lambda points: np.column_stack([last[0] - points[:, 0], points[:, 1]]), 2.0, inf
    yield "mirrored in y", lambda points: np.column_stack([points[:, 0], last[1] - points[:, 1]]), 2.0, inf
    yield "turned by 180°", lambda points: last - points, 2.0, inf
    yield "transposed (x and y exchanged)", lambda points: points[:, ::-1], 2.0, inf
    sent = np.array([pair[0].centroid_px for pair in pairs])
    returned = np.array([pair[1].centroid_px for pair in pairs])
    # A few contours dragged or grown alike are a hand's work; only a plain change of size then speaks of the image.
    by_hand_px = _EXACT_PX if len(pairs) < _SMALL_PACKET else inf
    # An image resized as a whole keeps its corner, which lies half a pixel before the first pixel centre.
    factors = np.median((returned + 0.5) / np.maximum(sent + 0.5, 1.0), axis=0)
    if np.abs(factors - 1.0).max() >= 0.02 and factors.min() > 0.0:
        limit_px = by_hand_px if np.abs(factors - 1.0).max() < 0.2 else inf
        yield _scale_name(factors), lambda points: (points + 0.5) * factors - 0.5, 3.0, limit_px
    shift = np.median(returned - sent, axis=0)
    if np.hypot(*shift) >= MIN_SHIFT_PX:
        name = f"shifted by ({shift[0] + 0.0:.1f}, {shift[1] + 0.0:.1f}) px"
        yield name, lambda points: points + shift, 3.0, by_hand_px
    growth = float(np.median([np.sqrt(b.area_px2 / max(a.area_px2, 1.0)) for a, b in pairs]))
    if abs(growth - 1.0) >= 0.2:
        name = f"scaled by {growth:.2f} about the centre"
        yield name, lambda points: last / 2.0 + (points - last / 2.0) * growth, 6.0, by_hand_px


def _scale_name(factors: Points) -> str:
    """Return "scaled by 0.50", or by two factors where x and y differ."""
    if abs(factors[0] - factors[1]) < 0.01 * factors.max():
        return f"scaled by {factors.mean():.2f}"
    return f"scaled by ({factors[0]:.2f}, {factors[1]:.2f})"


def _both_ways(a: Contour, b: Contour, spacing: tuple[float, float] = (1.0, 1.0), *, step: float = 0.5) -> Points:
    """Return the distances from points along each line to the other line."""
    return np.concatenate(
        [a.distances_px(b, spacing=spacing, step=step), b.distances_px(a, spacing=spacing, step=step)]
    )


def _farthest_vertex_px(a: Contour, b: Contour) -> float:
    """Return the largest distance from a vertex of `a` to the line of `b`: sharp corners lie between evenly spaced points."""
    return float(shapely.distance(shapely.points(a.points_px), shapely.LinearRing(b.points_px)).max())


def _mean_distance_px(a: Contour, b: Contour) -> float:
    """Return the mean distance between two lines, coarsely."""
    return float(_both_ways(a, b, step=_COMPARE_STEP_PX).mean())
