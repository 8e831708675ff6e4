"""What an annotator did: how far each contour was moved, and whether a whole packet came back out of place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Literal, TypeAlias

import numpy as np

from ivsqa.domain.agreement.contour_agreement import line_distances
from ivsqa.domain.contour import Contour, Points

ChangeKind: TypeAlias = Literal["untouched", "edited", "new", "deleted", "absent"]

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
        shift_px: (dx, dy) by which an edited contour was moved as a whole, its shape as it was; else None.
    """

    kind: ChangeKind
    mean_px: float
    max_px: float
    mean_mm: float | None
    shift_px: tuple[float, float] | None = None

    @property
    def shift_in_words(self) -> str:
        """The move of a contour as a whole, for people; empty where it was none."""
        return "" if self.shift_px is None else "moved as a whole by ({:.1f}, {:.1f}) px".format(*self.shift_px)


def classify_contour(
    sent: Contour | None,
    returned: Contour | None,
    *,
    tolerance_px: float,
    spacing_mm: tuple[float, float] | None,
) -> ContourChange:
    """Return the change that an annotator made to one contour of one structure.

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
    distances_px = np.concatenate(line_distances(sent, returned))
    # Sharp corners lie between evenly spaced points, so vertices are measured too.
    at_vertices = sent.distances_of(returned.points_px).max(), returned.distances_of(sent.points_px).max()
    max_px = float(max(distances_px.max(), *at_vertices))
    mean_mm = None
    if spacing_mm is not None:
        mean_mm = float(np.concatenate(line_distances(sent, returned, spacing=spacing_mm)).mean())
    kind = "untouched" if max_px <= tolerance_px else "edited"
    shift_px = _shift_px(sent, returned) if kind == "edited" else None
    return ContourChange(kind, float(distances_px.mean()), max_px, mean_mm, shift_px)


def _shift_px(sent: Contour, returned: Contour) -> tuple[float, float] | None:
    """Return the one move of the whole line, None where it moved otherwise: hardly anybody means to do that.

    Lines are compared, not vertices: editors were given fewer of them, and what they move as a whole comes back with those.
    """
    shift = returned.centroid_px - sent.centroid_px
    if np.hypot(*shift) < MIN_SHIFT_PX:
        return None
    there = Contour.from_points(sent.points_px + shift)
    return (float(shift[0]), float(shift[1])) if _mean_distance_px(there, returned) <= _EXACT_PX else None


@dataclass(frozen=True)
class _Placement:
    """One way in which a whole packet may lie in the wrong place.

    Attributes:
        name: For people.
        place: Takes points (n, 2) to where it would put them.
        strictness: How many times closer it must bring a contour.
        limit_px: The greatest mean distance that may remain.
    """

    name: str
    place: Callable[[Points], Points]
    strictness: float = 2.0
    limit_px: float = inf


def find_misplacement(pairs: Sequence[tuple[Contour, Contour]], frame_shape: tuple[int, int]) -> str | None:
    """Return the misplacement of a returned packet as a whole, in words; None where there is none.

    The sent contours are mirrored, turned, transposed, shifted and scaled, the last two by what most pairs agree on. Pairs on
    which that makes less than a pixel of difference have no vote. A packet is misplaced when three in five of the others come
    at least twice as close to what returned (shifted or scaled: three times), and these are a fair part of the packet: honest
    edits differ from contour to contour, and a single redrawn contour is outvoted. A hand may drag or grow all contours of a
    small packet alike, so there a shift or a small change of size counts only where contours of two frames fit it exactly.

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
    fitting: list[tuple[float, str]] = []
    for way in _placements(pairs, frame_shape):
        placed = np.array([_mean_distance_px(Contour.from_points(way.place(a.points_px)), b) for a, b in pairs])
        has_vote = np.abs(as_is - placed) >= _CLEAR_GAIN_PX
        better = has_vote & (placed * way.strictness <= as_is) & (placed <= way.limit_px)
        if better.sum() >= max(needed, _SHARE * has_vote.sum(), _MIN_EXACT if way.limit_px < inf else 0.0):
            fitting.append((float(np.median(placed)), way.name))
    return min(fitting, key=lambda fit: fit[0])[1] if fitting else None


def _placements(pairs: Sequence[tuple[Contour, Contour]], frame_shape: tuple[int, int]) -> Iterator[_Placement]:
    """Yield the ways in which a whole packet may be misplaced."""
    last = np.array([frame_shape[1] - 1.0, frame_shape[0] - 1.0])
    yield _Placement("mirrored in x", lambda points: np.column_stack([last[0] - points[:, 0], points[:, 1]]))
    yield _Placement("mirrored in y", lambda points: np.column_stack([points[:, 0], last[1] - points[:, 1]]))
    yield _Placement("turned by 180°", lambda points: last - points)
    yield _Placement("transposed (x and y exchanged)", lambda points: points[:, ::-1])
    sent, returned = (np.array([pair[side].centroid_px for pair in pairs]) for side in (0, 1))
    # A few contours dragged or grown alike are a hand's work; only a plain change of size then speaks of the image.
    by_hand_px = _EXACT_PX if len(pairs) < _SMALL_PACKET else inf
    # An image resized as a whole keeps its corner, which lies half a pixel before the first pixel centre.
    factors = np.median((returned + 0.5) / np.maximum(sent + 0.5, 1.0), axis=0)
    change = np.abs(factors - 1.0).max()
    if change >= 0.02 and factors.min() > 0.0:
        alike = abs(factors[0] - factors[1]) < 0.01 * factors.max()
        name = f"{factors.mean():.2f}" if alike else f"({factors[0]:.2f}, {factors[1]:.2f})"
        limit_px = by_hand_px if change < 0.2 else inf
        yield _Placement(f"scaled by {name}", lambda points: (points + 0.5) * factors - 0.5, 3.0, limit_px)
    shift = np.median(returned - sent, axis=0)
    if np.hypot(*shift) >= MIN_SHIFT_PX:
        name = f"shifted by ({shift[0] + 0.0:.1f}, {shift[1] + 0.0:.1f}) px"  # + 0.0 makes -0.0 plain
        yield _Placement(name, lambda points: points + shift, 3.0, by_hand_px)
    growth = float(np.median([np.sqrt(b.area_px2 / max(a.area_px2, 1.0)) for a, b in pairs]))
    if abs(growth - 1.0) >= 0.2:
        name, centre = f"scaled by {growth:.2f} about the centre", last / 2.0
        yield _Placement(name, lambda points: centre + (points - centre) * growth, 6.0, by_hand_px)


def _mean_distance_px(a: Contour, b: Contour) -> float:
    """Return the mean distance between two lines, coarsely."""
    return float(np.concatenate(line_distances(a, b, step=_COMPARE_STEP_PX)).mean())
