"""The effort of a reader who puts drawn borders right, and what they leave as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy
from numpy.typing import NDArray

from ivsqa.domain.acceptance.minutes import FrameWork, TimedWork
from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.contour import Contour, Contours, Mask, Points
from ivsqa.domain.geometry.refinement import DEFAULT_CONFIG, Nudge, RefinementConfig, refined

STEP_PX = 0.5
PLACES = 128
"""Along a border, where a reader may set a point."""
MOST_POINTS = 10
"""A reader who has set so many points in a frame draws what is still wrong by hand."""
NOWHERE_ELSE = np.zeros(2)
"""A click that does not miss."""


@dataclass
class Reading:
    """What one reader gave back of one round; of a frame that came back twice, the last.

    Attributes:
        round_id: The round.
        reader: Who.
        returned_at: When the last of it came in, UTC, ISO 8601.
        frames: Frames by how they came about: new, edited, accepted, unreadable.
        contours: Contours by what happened to them: untouched, edited, new, deleted.
        edit_mm: Mean distance by which each edited contour was moved, where spacing is known.
        border: Length of the borders as they came back, px of the working grid.
        corrected: The part of it that the reader had to correct: not sent, or off by more than experts differ.
        seconds: How long hands were on each frame of which the editor reported it.
        helped: Of those that came with contours, the time, and the work that drawing all contours from nothing would be.
        unaided: The same of those that were drawn from nothing.
    """

    round_id: str
    reader: str
    returned_at: str = ""
    frames: Counter[str] = field(default_factory=Counter)
    contours: Counter[str] = field(default_factory=Counter)
    edit_mm: list[float] = field(default_factory=list)
    border: float = 0.0
    corrected: float = 0.0
    seconds: list[float] = field(default_factory=list)
    helped: list[TimedWork] = field(default_factory=list)
    unaided: list[TimedWork] = field(default_factory=list)

    def add_time(self, seconds: float, *, n_sent: int, n_drawn: int) -> None:
        """Count the time of a frame that could be judged, of which so many contours were sent and so many came back."""
        timed = TimedWork(FrameWork(drawn=n_drawn), seconds)
        (self.helped if n_sent else self.unaided).append(timed)


def length_to_move(drawn: Contour | None, wanted: Contour | None, *, tolerance_px: float) -> float:
    """Return the length of border that a reader has to draw, in px.

    Args:
        drawn: What they are shown; None: nothing, so all has to be drawn.
        wanted: What they would draw; None: nothing, and removing a contour costs no length.
        tolerance_px: A border nearer than this is left as it is.

    Example:
        Of a square drawn 2 px too far to the right, the left side is off, and the right one but for the corners.

        >>> square = Contour.from_points([(0, 0), (20, 0), (20, 20), (0, 20)])
        >>> moved = Contour.from_points([(2, 0), (22, 0), (22, 20), (2, 20)])
        >>> length_to_move(moved, square, tolerance_px=1.5), length_to_move(None, square, tolerance_px=1.5)
        (37.0, 80.0)
    """
    if wanted is None:
        return 0.0
    if drawn is None:
        return wanted.perimeter_px
    off = wanted.distances_px(drawn, step=STEP_PX) > tolerance_px
    return float(off.mean()) * wanted.perimeter_px


def corrected_mask(drawn: Mask, wanted: Mask, *, tolerance_px: float) -> Mask:
    """Return the drawn mask with each piece put right that is wrong by more than the tolerance.

    Example:
        >>> wanted = np.zeros((1, 9), dtype=bool); wanted[0, 2:6] = True
        >>> drawn = np.zeros((1, 9), dtype=bool); drawn[0, 3:9] = True
        >>> corrected_mask(drawn, wanted, tolerance_px=1.0)[0].astype(int).tolist()
        [0, 0, 0, 1, 1, 1, 0, 0, 0]
    """
    depth = np.where(
        wanted, scipy.ndimage.distance_transform_edt(wanted), scipy.ndimage.distance_transform_edt(~wanted)
    )
    pieces, n = scipy.ndimage.label(drawn != wanted)
    if n == 0:
        return wanted
    deepest = scipy.ndimage.maximum(depth, pieces, index=np.arange(1, n + 1))
    is_left = np.concatenate([[False], deepest <= tolerance_px])  # piece 0 is where both masks agree
    return np.where(is_left[pieces], drawn, wanted)


@dataclass(frozen=True, eq=False)
class PointsSet:
    """What came of the points that a reader set.

    Attributes:
        contours: The borders as they are then.
        n_points: Points set, `MOST_POINTS` at most.
        left: Borders that no points put right, of those both drawn and wanted.
    """

    contours: Contours
    n_points: int
    left: list[str]


def set_points(
    probabilities: Mapping[str, NDArray[np.floating]],
    drawn: Contours,
    wanted: Contours,
    *,
    tolerance_px: float,
    misses_px: Callable[[], Points] = lambda: NOWHERE_ELSE,
    config: RefinementConfig = DEFAULT_CONFIG,
) -> PointsSet:
    """Return what comes of points that a reader sets, each where a border is worst, until all borders are right.

    Args:
        probabilities: (height, width) by structure, innermost first.
        drawn: The borders they are shown.
        wanted: What they would draw.
        tolerance_px: A border whose average symmetric surface distance is no more than this is right.
        misses_px: By how much (x, y) the next click misses the point; not at all by default.
        config: How borders are laid through points.
    """
    shared = [name for name in drawn if name in wanted]
    now: Contours = drawn
    nudges: list[Nudge] = []
    while left := [name for name in shared if contour_agreement(now[name], wanted[name]).assd_px > tolerance_px]:
        if len(nudges) == MOST_POINTS:
            return PointsSet(now, len(nudges), left)
        nudges.append(_worst_place(now, wanted, left, misses_px()))
        try:
            now = refined(probabilities, nudges, drawn=drawn, config=config)
        except ValueError:  # no border can pass all of them
            return PointsSet(now, len(nudges), left)
    return PointsSet(now, len(nudges), [])


def points_to_set(
    probabilities: Mapping[str, NDArray[np.floating]],
    drawn: Contours,
    wanted: Contours,
    *,
    tolerance_px: float,
    config: RefinementConfig = DEFAULT_CONFIG,
) -> tuple[int, list[str]]:
    """Return the number of points a reader needs to put borders right, and the borders that stay wrong, as `set_points` does.

    Example:
        A disc that should reach 2 px further out everywhere: after two points, all of it is within a pixel.

        >>> y, x = np.indices((64, 64)) - 32.0
        >>> disc = {"lumen": 1.0 / (1.0 + np.exp(np.hypot(x, y) - 16.0))}
        >>> wanted = refined({"lumen": 1.0 / (1.0 + np.exp(np.hypot(x, y) - 18.0))})
        >>> points_to_set(disc, refined(disc), wanted, tolerance_px=1.0)
        (2, [])
    """
    done = set_points(probabilities, drawn, wanted, tolerance_px=tolerance_px, config=config)
    return done.n_points, done.left


def _worst_place(now: Contours, wanted: Contours, names: Sequence[str], miss_px: Points) -> Nudge:
    """Return the point of the wanted borders that lies farthest from the drawn ones, as a click that misses it sets it."""
    places = []
    for name in names:
        points = wanted[name].resampled(PLACES).points_px
        distance = now[name].distances_of(points)
        at = int(distance.argmax())
        places.append((float(distance[at]), name, points[at]))
    _, name, at_px = max(places, key=lambda place: place[0])
    x, y = at_px + miss_px
    return Nudge(name, float(x), float(y))
