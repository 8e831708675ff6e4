"""What reading frames costs in minutes, by what is done to each, and how that is learnt from the times that packets report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

DRAWN_S = (30.0, 80.0)
"""Seconds for a contour drawn by hand: from what tools with a brush or live wire report to what drawing by points takes."""
PRIOR_FRAMES = 10.0
"""So many reported frames weigh as much as what was supposed before of a kind of work."""
LONGEST = 5.0
"""A frame that took more than so many times what it should have is counted as if it took that: its reader was away."""


@dataclass(frozen=True)
class FrameWork:
    """What is done to a frame; fractions where it is only expected.

    Attributes:
        drawn: Contours drawn by hand.
        points: Points set.
        looks: Times that somebody looks at it and decides.
    """

    drawn: float = 0.0
    points: float = 0.0
    looks: float = 1.0


@dataclass(frozen=True)
class TimedWork:
    """What a reader did to a frame, and how long hands were on it, in seconds."""

    work: FrameWork
    seconds: float


@dataclass(frozen=True)
class Minutes:
    """Expected minutes, and the ends of their band."""

    expected: float
    low: float
    high: float


@dataclass(frozen=True)
class Saved:
    """What readers saved in frames that came with contours.

    Attributes:
        n_frames: Those of which the time is known.
        spent: Minutes that they took.
        anew: Minutes that drawing all their contours from nothing is reckoned to take.
    """

    n_frames: int
    spent: float
    anew: Minutes

    @property
    def minutes(self) -> Minutes:
        """The difference; below 0 where correcting took longer."""
        return Minutes(*(end - self.spent for end in (self.anew.expected, self.anew.low, self.anew.high)))


@dataclass(frozen=True)
class CostModel:
    """Seconds that each kind of work takes.

    Attributes:
        drawn_s: A contour drawn by hand.
        point_s: A point set on a border.
        look_s: A look, with the decision.
        drawn_low_s: Lower end of the band for a contour drawn.
        drawn_high_s: Upper end.

    Example:
        Two contours drawn in a frame, and ten frames that are only looked at.

        >>> CostModel().minutes([FrameWork(drawn=2)] + [FrameWork()] * 10)
        Minutes(expected=3.5833333333333335, low=1.9166666666666667, high=3.5833333333333335)
    """

    drawn_s: float = DRAWN_S[1]
    point_s: float = 2.0
    look_s: float = 5.0
    drawn_low_s: float = DRAWN_S[0]
    drawn_high_s: float = DRAWN_S[1]

    def seconds(self, work: FrameWork) -> float:
        """Return the seconds that a frame is expected to take."""
        return work.drawn * self.drawn_s + work.points * self.point_s + work.looks * self.look_s

    def minutes(self, frames: Iterable[FrameWork]) -> Minutes:
        """Return the minutes that a list of frames is expected to take."""
        listed = list(frames)
        drawn = sum(work.drawn for work in listed)
        expected_s = sum(self.seconds(work) for work in listed)
        ends = (expected_s + drawn * (end - self.drawn_s) for end in (self.drawn_low_s, self.drawn_high_s))
        return Minutes(expected_s / 60.0, *(end / 60.0 for end in ends))

    def saved(self, helped: Sequence[TimedWork]) -> Saved | None:
        """Return what was saved in frames that came with contours; None of none.

        Args:
            helped: How long each took, and the work of drawing it anew.

        Example:
            Two frames of two contours took a minute each; drawn anew they take 165 s each, or 65 s by the fastest tools.

            >>> CostModel().saved([TimedWork(FrameWork(drawn=2), 60.0)] * 2).minutes
            Minutes(expected=3.5, low=0.16666666666666652, high=3.5)
        """
        if not helped:
            return None
        return Saved(len(helped), sum(one.seconds for one in helped) / 60.0, self.minutes(one.work for one in helped))

    def learned(self, frames: Sequence[TimedWork]) -> CostModel:
        """Return the cost model after frames whose time was reported, drawn towards this one while they are few.

        It is a least-squares fit (ridge regression) of how many times each kind of work takes what this model says, to how many
        times each frame took what it should have. The factors are drawn towards 1 as if by `PRIOR_FRAMES` frames of that work
        alone. So a kind of work that nobody reported costs what it did, and what many frames have in common is put down to
        what takes longest in them. The band narrows as contours are reported.

        Example:
            Thirty frames of one contour each took 45 s, where 85 s were supposed.

            >>> learned = CostModel().learned([TimedWork(FrameWork(drawn=1), 45.0)] * 30)
            >>> round(learned.drawn_s, 1), round(learned.look_s, 1), round(learned.point_s, 1)
            (51.0, 4.9, 2.0)
        """
        supposed = np.array([self.drawn_s, self.point_s, self.look_s])
        works = [(one.work.drawn, one.work.points, one.work.looks) for one in frames]
        work = np.array(works, dtype=np.float64).reshape(-1, 3)
        taken_s = np.array([one.seconds for one in frames], dtype=np.float64)
        should_s = work @ supposed
        work, should_s, taken_s = (values[should_s > 0.0] for values in (work, should_s, taken_s))
        shares, ratios = work * supposed / should_s[:, None], np.minimum(taken_s / should_s, LONGEST)
        weight = np.sqrt(PRIOR_FRAMES)
        factors, _ = scipy.optimize.nnls(
            np.vstack([shares, weight * np.eye(3)]), np.concatenate([ratios, np.full(3, weight)])
        )
        drawn_s, point_s, look_s = map(float, factors * supposed)
        doubt = PRIOR_FRAMES / (PRIOR_FRAMES + np.count_nonzero(work[:, 0]))
        low, high = (
            drawn_s * (1.0 + doubt * (end / self.drawn_s - 1.0)) for end in (self.drawn_low_s, self.drawn_high_s)
        )
        return CostModel(drawn_s, point_s, look_s, low, high)
