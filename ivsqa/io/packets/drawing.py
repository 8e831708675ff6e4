"""What is drawn on one frame, whatever the editor: shapes with labels become one contour a structure.

Adapters name each shape and give its outline; what all of them have in common is here. Hints are passed over, ticks remembered,
strays left out and noted, contours nobody moved given back as they were sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ivsqa.domain.contour import EDGE_OFFSET_PX, Contour, Mask, Points, contour_from_mask
from ivsqa.domain.geometry.arcs import DoubtfulArc, line_beside
from ivsqa.domain.geometry.refinement import Nudge
from ivsqa.domain.structures import StructureSet
from ivsqa.drawing.pictures import ARC_OFFSET_SHARE
from ivsqa.errors import PacketError
from ivsqa.io.packets.images import single_object
from ivsqa.io.packets.packet import DECIMALS, STRAY_SHARE, PacketFrame, ReturnedFrame, SentFrame, structure_named
from ivsqa.io.packets.thinning import restored

LOOK_HERE = "look here"
"""Label of hints: lines beside the doubtful arcs. They are ours to the annotator and are never read back."""
CHECKED = "checked"
UNREADABLE = "unreadable"
"""Labels by which an annotator says that a frame is right, or cannot be judged."""

LOOK_HERE_STEP_DEG = 12.0
BAND_SHARE = 0.006
"""Width of a hint in editors without open lines, as a share of the frame's longer side."""
ELLIPSE_VERTICES = 128
AGAIN = "delete the shape and draw it again"
MOST_VERTICES = 20_000
FARTHEST_FRAMES = 10.0
"""Nothing is drawn this many frame sizes away from the frame."""


def look_here_lines(frame: PacketFrame) -> list[Points]:
    """Return what is shown where to look first, as open lines of few points in edge convention, as written.

    That is a line a little outside each doubtful arc, or the proposals where there are any.
    """
    if frame.proposals:
        return [np.round(line + EDGE_OFFSET_PX, DECIMALS) for line in frame.proposals]
    return [_line_beside(frame, arc, ARC_OFFSET_SHARE) for arc in _marked(frame)]


def look_here_bands(frame: PacketFrame) -> list[Points]:
    """Return the same as thin closed bands, for editors that know areas only."""
    if frame.proposals:
        return [_band(line, BAND_SHARE * max(frame.image.shape)) for line in look_here_lines(frame)]
    return [
        np.vstack(
            [
                _line_beside(frame, arc, ARC_OFFSET_SHARE),
                _line_beside(frame, arc, ARC_OFFSET_SHARE + BAND_SHARE)[::-1],
            ]
        )
        for arc in _marked(frame)
    ]


def _band(line: Points, width_px: float) -> Points:
    """Return a closed band along an open line that runs clockwise, on its outer side."""
    along = np.gradient(line, axis=0)
    across = np.column_stack([along[:, 1], -along[:, 0]]) / np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    return np.round(np.vstack([line, (line + width_px * across)[::-1]]), DECIMALS)


def _marked(frame: PacketFrame) -> list[DoubtfulArc]:
    """Return the arcs of borders that are drawn."""
    return [arc for arc in frame.arcs if arc.structure in frame.contours]


def _line_beside(frame: PacketFrame, arc: DoubtfulArc, share: float) -> Points:
    """Return a line outside an arc, at a share of the frame's longer side."""
    offset_px = share * max(frame.image.shape)
    line = line_beside(frame.contours[arc.structure], arc, offset_px=offset_px, step_deg=LOOK_HERE_STEP_DEG)
    return np.round(line + EDGE_OFFSET_PX, DECIMALS)


def ellipse_points(centre: Points, radii: tuple[float, float], angle_deg: float = 0.0) -> Points:
    """Return a polygon of the area of an ellipse, (128, 2), turned by an angle that grows clockwise on the screen."""
    step = 2.0 * np.pi / ELLIPSE_VERTICES
    angles = np.arange(ELLIPSE_VERTICES) * step
    circle = np.column_stack([np.cos(angles), np.sin(angles)]) * np.sqrt(step / np.sin(step))
    return turned(centre + circle * radii, centre, angle_deg)


def turned(points: Points, centre: Points, angle_deg: float) -> Points:
    """Return points turned about a centre, clockwise on the screen."""
    sine, cosine = np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
    return np.asarray((points - centre) @ np.array([[cosine, sine], [-sine, cosine]]) + centre)


def points_of(numbers: object, *, path: Path, where: str) -> Points:
    """Return points that a file holds, (n, 2).

    Raises:
        PacketError: they are not pairs of numbers, or more than any border has.
    """
    try:
        points = np.array(numbers, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise PacketError("has points that are not pairs of numbers", hint=AGAIN, path=path, where=where) from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise PacketError("has points that are not pairs of numbers", hint=AGAIN, path=path, where=where)
    if len(points) > MOST_VERTICES:
        raise PacketError(f"has {len(points)} vertices, more than any border", hint=AGAIN, path=path, where=where)
    return points


def drawn_contour(points_px: Points, frame: SentFrame, *, path: Path, where: str) -> Contour:
    """Return the contour through points in frame px, (n, 2).

    Raises:
        PacketError: it encloses nothing, is not finite, or lies far outside the frame.
    """
    try:
        contour = Contour.from_points(points_px)
    except ValueError as error:
        raise PacketError(str(error), hint=AGAIN, path=path, where=where) from error
    if np.abs(contour.points_px).max() > FARTHEST_FRAMES * max(frame.shape):
        raise PacketError("lies far outside the frame", hint="draw it again", path=path, where=where)
    return contour


def rounding_of(numbers: Points) -> float:
    """Return how far numbers may have been rounded: half a unit of their last decimal, as editors differ in how many they keep.

    Example:
        >>> rounding_of(np.array([[1.25, 3.0]])), rounding_of(np.array([[1.0, 3.0]]))
        (0.005, 0.5)
    """
    decimals = next((n for n in range(DECIMALS) if np.array_equal(np.round(numbers, n), numbers)), DECIMALS)
    return float(0.5 * 10.0**-decimals)


@dataclass
class Drawing:
    """What is drawn on one frame, collected shape by shape.

    Attributes:
        frame: The frame as it was sent.
        structures: Names that are known.
        path: The file, for errors.
        ticks: `CHECKED` and `UNREADABLE`, where said.
        notes: What a person should know.
        nudges: Points for borders to pass.
    """

    frame: SentFrame
    structures: StructureSet
    path: Path
    ticks: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    nudges: list[Nudge] = field(default_factory=list)
    _drawn: dict[str, list[Contour]] = field(default_factory=dict)

    def structure(self, label: object, *, where: str) -> str | None:
        """Return the structure a shape's label means; None for a hint, and for a tick, which is remembered.

        Raises:
            PacketError: no label, or one that is not known.
        """
        if not isinstance(label, str):
            raise PacketError("a shape has no label", hint="give it the name of a border", path=self.path, where=where)
        word = label.strip().lower()
        if word in (CHECKED, UNREADABLE):
            self.ticks.add(word)
        if word in (CHECKED, UNREADABLE, LOOK_HERE):
            return None
        return structure_named(label, self.structures, path=self.path, where=where)

    def add(self, name: str, edge_points: Points, *, where: str, rounding_px: float | None = None) -> None:
        """Add the outline of a structure.

        Args:
            name: The structure.
            edge_points: (n, 2) in edge convention.
            where: The shape, for errors.
            rounding_px: How far the editor may have rounded; None: to be seen from the numbers.

        Raises:
            PacketError: it encloses nothing, is not finite, or lies far outside the frame.
        """
        contour = drawn_contour(edge_points - EDGE_OFFSET_PX, self.frame, path=self.path, where=where)
        rounding_px = rounding_of(edge_points) if rounding_px is None else rounding_px
        sent = self.frame.contours.get(name)
        self._drawn.setdefault(name, []).append(restored(contour, sent, rounding_px=rounding_px))

    def add_points(self, name: str, edge_points: Points, *, where: str) -> None:
        """Add points for the border of a structure to pass, (n, 2) in edge convention.

        Raises:
            PacketError: one is not finite.
        """
        try:
            self.nudges += [Nudge(name, x, y) for x, y in (edge_points - EDGE_OFFSET_PX).tolist()]
        except ValueError as error:
            raise PacketError(str(error), hint="delete the point", path=self.path, where=where) from error

    def add_mask(self, name: str, mask: Mask, *, where: str) -> None:
        """Add a painted structure, bool (height, width) of the frame; an empty one adds nothing.

        Raises:
            PacketError: several objects, none of them a stray.
        """
        sent = self.frame.contours.get(name)
        if sent is not None and np.array_equal(mask, sent.mask(self.frame.shape)):
            self._drawn.setdefault(name, []).append(sent)
            return
        largest, n_objects, share = single_object(mask)
        if share > STRAY_SHARE:
            raise PacketError(
                f"is a mask of {n_objects} objects", hint="keep one a structure", path=self.path, where=where
            )
        contour = contour_from_mask(largest)
        if contour is not None:
            self._drawn.setdefault(name, []).append(contour)

    def mask_at(self, mask: Mask, corner: Points, *, where: str) -> Mask:
        """Return a mask laid on the frame with its first pixel on the pixel `corner` (x, y); what hangs over is cut off.

        Raises:
            PacketError: the corner is no pixel near the frame.
        """
        at = np.floor(corner)
        if not (np.abs(at) <= FARTHEST_FRAMES * max(self.frame.shape)).all():  # NaN is no pixel either
            raise PacketError("lies far outside the frame", hint="draw it again", path=self.path, where=where)
        left, top = at.astype(int).tolist()
        whole = np.zeros(self.frame.shape, dtype=np.bool_)
        inside = mask[max(-top, 0) :, max(-left, 0) :]
        room = whole[max(top, 0) :, max(left, 0) :]
        height, width = min(inside.shape[0], room.shape[0]), min(inside.shape[1], room.shape[1])
        room[:height, :width] = inside[:height, :width]
        return whole

    def returned(self, *, checked: bool | None = False, unreadable: bool = False) -> ReturnedFrame:
        """Return the frame as it came back; ticks among the shapes count beside those given.

        Raises:
            PacketError: two areas for one structure.
        """
        contours: dict[str, Contour] = {}
        notes = list(self.notes)
        for name in (name for name in self.structures.names if name in self._drawn):
            largest, *others = sorted(self._drawn[name], key=lambda contour: -contour.area_px2)
            contours[name] = largest
            if any(contour.area_px2 > STRAY_SHARE * largest.area_px2 for contour in others):
                n_shapes = len(self._drawn[name])
                raise PacketError(
                    f"{n_shapes} shapes are labelled {name}", hint="keep one a structure", path=self.path, where=name
                )
            if others:
                notes.append(f"{name}: left out {len(others)} stray shape(s) below {STRAY_SHARE:.0%} of the area")
        return ReturnedFrame(
            self.frame,
            contours,
            True if CHECKED in self.ticks else checked,
            unreadable or UNREADABLE in self.ticks,
            self.path,
            tuple(notes),
            tuple(self.nudges),
        )
