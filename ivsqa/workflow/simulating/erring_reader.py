"""A reader who finishes frames, blind or with help, and errs as experts do; what each frame takes them, and what they leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ivsqa.domain.acceptance.losses import frame_loss
from ivsqa.domain.acceptance.minutes import CostModel, FrameWork
from ivsqa.domain.agreement.contour_agreement import contour_agreement
from ivsqa.domain.agreement.corrections import carried_from
from ivsqa.domain.agreement.effort import set_points
from ivsqa.domain.agreement.reader_errors import as_read
from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.geometry.topology import nested
from ivsqa.workflow.predicting.doubtful_arcs import EXPERTS_MM
from ivsqa.workflow.simulating.seen_frames import SeenFrames

LUMEN_MM = 3.0
"""Diameter of a coronary lumen: where spacing is unknown, experts differ by the same share of the innermost border's diameter."""


@dataclass(frozen=True)
class ErringReader:
    """The habits of a reader, all in distances between two experts.

    Attributes:
        differs: Mean distance of what they would draw from the reference.
        bears: A border no farther than this, on average, from what they would draw is left as it is.
        misses: Spread of a click around the point that was meant, in either direction: a pixel or two of the screen.
    """

    differs: float = 1.0
    bears: float = 1.0
    misses: float = 0.3


@dataclass(frozen=True, eq=False)
class Reading:
    """A frame as a reader left it.

    Attributes:
        row: The frame.
        contours: What they left.
        work: What they did.
        loss: 1 - Dice of the worst structure, against the reference.
    """

    row: int
    contours: Contours
    work: FrameWork
    loss: float


class Readings:
    """What one reader makes of frames. What they would draw in a frame is fixed by the seed, in whatever order frames are read.

    Args:
        frames: The frames.
        reader: Their habits.
        cost: What they take for what; they choose what is quicker.
        seed: Of their errors.
    """

    def __init__(self, frames: SeenFrames, reader: ErringReader, cost: CostModel, seed: int) -> None:
        self._frames = frames
        self._reader = reader
        self._cost = cost
        self._seed = seed
        self._wanted: dict[int, dict[str, Contour]] = {}
        # A reading is kept with the neighbour that it began from: copies of a pullback are read once.
        self._assisted: dict[tuple[int, Reading | None], Reading] = {}
        self._blind: dict[int, Reading] = {}

    def wanted(self, row: int) -> dict[str, Contour]:
        """Return what the reader would draw in a frame."""
        if row not in self._wanted:
            rng = np.random.default_rng([self._seed, row])
            mean_px = self._reader.differs * self._experts_px(row)
            self._wanted[row] = as_read(self._frames.reference[row], self._frames.structures, mean_px, rng)
        return self._wanted[row]

    def blind(self, row: int) -> Reading:
        """Return the reading of a frame without any help: all borders are drawn."""
        if row not in self._blind:
            wanted = self.wanted(row)
            self._blind[row] = self._reading(row, wanted, FrameWork(drawn=len(wanted)))
        return self._blind[row]

    def assisted(self, row: int, near: Reading | None = None, share: float = 0.0) -> Reading:
        """Return the reading of a frame that is shown as the model drew it.

        Args:
            row: The frame.
            near: A frame near by whose corrections are carried here; None: none is.
            share: The share of them that holds here.
        """
        if (row, near) not in self._assisted:
            start = self._start(row, near, share)
            self._assisted[row, near] = self._corrected(row, start)
        return self._assisted[row, near]

    def _start(self, row: int, near: Reading | None, share: float) -> Contours:
        """Return the contours that the reader is shown."""
        drawn = self._frames.drawn[row]
        if near is None or not drawn:
            return drawn
        carried = carried_from(
            self._frames.drawn[near.row],
            near.contours,
            drawn,
            self._frames.structures,
            share=share,
            experts_px=self._experts_px(row),
        )
        return drawn if carried is None else carried

    def _corrected(self, row: int, start: Contours) -> Reading:
        """Return the reading of a frame from the contours that are shown: points, or borders drawn where that is quicker."""
        wanted, experts_px = self.wanted(row), self._experts_px(row)
        tolerance_px = self._reader.bears * experts_px
        rng = np.random.default_rng([self._seed, row, 1])
        fields = dict(zip(self._frames.structures.names, self._frames.probabilities[row].astype(float), strict=True))
        done = set_points(
            fields,
            start,
            wanted,
            tolerance_px=tolerance_px,
            misses_px=lambda: rng.normal(0.0, self._reader.misses * experts_px, 2),
        )
        missed = [name for name in wanted if name not in start]
        wrong = [
            name
            for name in wanted
            if name in start and contour_agreement(start[name], wanted[name]).assd_px > tolerance_px
        ]
        ways = [
            (FrameWork(drawn=len(missed) + len(done.left), points=done.n_points), done.contours, {*missed, *done.left}),
            (FrameWork(drawn=len(missed) + len(wrong)), start, {*missed, *wrong}),
        ]
        work, shown, by_hand = min(ways, key=lambda way: self._cost.seconds(way[0]))
        left = {name: line if name in by_hand else shown[name] for name, line in wanted.items()}
        return self._reading(row, nested(left, self._frames.structures), work)

    def _reading(self, row: int, contours: Contours, work: FrameWork) -> Reading:
        return Reading(row, contours, work, frame_loss(contours, self._frames.reference[row], "dice"))

    def _experts_px(self, row: int) -> float:
        """Return the mean distance between two experts in a frame, px of the grid."""
        px_mm = self._frames.px_mm[row]
        if not np.isnan(px_mm):
            return float(EXPERTS_MM / px_mm)
        reference = self._frames.reference[row]
        innermost = next((reference[name] for name in self._frames.structures.names if name in reference), None)
        diameter_px = 0.0 if innermost is None else 2.0 * np.sqrt(innermost.area_px2 / np.pi)
        return float(diameter_px * EXPERTS_MM / LUMEN_MM)
