"""What is drawn on a frame of a packet: out, with hints on where to look first, and back, compared with what was sent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ivsqa.domain.contour import EDGE_OFFSET_PX, Contour, Mask, Points
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.pictures import ARC_OFFSET_SHARE, lines_beside_arcs
from ivsqa.io.formats.label_marks import CHECKED, LOOK_HERE, UNREADABLE
from ivsqa.io.formats.shapes import DECIMALS, Drawing
from ivsqa.io.packets.packet import PacketFrame, ReturnedFrame, SentFrame
from ivsqa.io.packets.thinning import restored, written_edge_points

LOOK_HERE_STEP_DEG = 12.0
BAND_SHARE = 0.006
"""Width of a hint in editors without open lines, as a share of the frame's longer side."""


def written_shapes(
    frame: PacketFrame, structures: StructureSet, *, hints: Sequence[Points] = ()
) -> list[tuple[str, Points]]:
    """Return label and points, (n, 2) in edge convention, of all that an editor is given of a frame.

    Hints come first, and the innermost border last: editors give the mouse to the last shape, and the lumen lies inside all
    others.
    """
    borders = [
        (name, written_edge_points(frame.contours[name]))
        for name in reversed(structures.names)
        if name in frame.contours
    ]
    return [(LOOK_HERE, line) for line in hints] + borders


def look_here_lines(frame: PacketFrame) -> list[Points]:
    """Return the hints on where to look first: open lines of few points in edge convention, as written.

    That is a line a little outside each doubtful arc, or the proposals where there are any.
    """
    if frame.proposals:
        # Readers' own lines say more than a mark beside them.
        return [np.round(line + EDGE_OFFSET_PX, DECIMALS) for line in frame.proposals]
    return _lines_beside_arcs(frame, ARC_OFFSET_SHARE)


def look_here_bands(frame: PacketFrame) -> list[Points]:
    """Return the same as thin closed bands, for editors that know areas only."""
    if frame.proposals:
        return [_band(line, BAND_SHARE * max(frame.image.shape)) for line in look_here_lines(frame)]
    inner = _lines_beside_arcs(frame, ARC_OFFSET_SHARE)
    outer = _lines_beside_arcs(frame, ARC_OFFSET_SHARE + BAND_SHARE)
    return [np.vstack([near, far[::-1]]) for near, far in zip(inner, outer, strict=True)]


def _band(line: Points, width_px: float) -> Points:
    """Return a closed band along an open line that runs clockwise, on its outer side."""
    along = np.gradient(line, axis=0)
    across = np.column_stack([along[:, 1], -along[:, 0]]) / np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    return np.round(np.vstack([line, (line + width_px * across)[::-1]]), DECIMALS)


def _lines_beside_arcs(frame: PacketFrame, share: float) -> list[Points]:
    """Return a line outside each arc of a border that is drawn, at a share of the frame's longer side."""
    lines = lines_beside_arcs(
        frame.contours, frame.arcs, frame.image.shape, offset_share=share, step_deg=LOOK_HERE_STEP_DEG
    )
    return [np.round(line + EDGE_OFFSET_PX, DECIMALS) for line in lines]


class ReturnedDrawing(Drawing):
    """What came back drawn on one frame; an unmoved contour is the very object that was sent."""

    def __init__(self, frame: SentFrame, structures: StructureSet) -> None:
        super().__init__(frame.shape, structures, frame_name=frame.name)
        self.frame = frame

    def add_mask(self, name: str, mask: Mask) -> None:
        """Add a painted structure, as `Drawing` does."""
        sent = self.frame.contours.get(name)
        # The sent contour is exact, an outline around its pixels is not.
        if sent is not None and np.array_equal(mask, sent.mask(self.frame_shape)):
            self._drawn.setdefault(name, []).append(sent)
        else:
            super().add_mask(name, mask)

    def returned(self, *, checked: bool | None = False, unreadable: bool = False) -> ReturnedFrame:
        """Return the frame as it came back; ticks among the shapes count beside those given.

        Raises:
            PacketError: two areas for one structure.
        """
        return ReturnedFrame(
            self.frame,
            self.contours(),
            True if CHECKED in self.ticks else checked,
            unreadable or UNREADABLE in self.ticks,
            notes=tuple(self.notes),
            nudges=tuple(self.nudges),
        )

    def _keep(self, name: str, contour: Contour, rounding_px: float) -> None:
        self._drawn.setdefault(name, []).append(
            restored(contour, self.frame.contours.get(name), rounding_px=rounding_px)
        )
