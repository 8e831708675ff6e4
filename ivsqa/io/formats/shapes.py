"""What is drawn on one frame, whatever the program: shapes with labels become one contour a structure.

A format names each shape and gives its outline; what all of them have in common is here. Hints are passed over, ticks remembered,
strays left out and noted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import shapely

from ivsqa.domain.contour import EDGE_OFFSET_PX, Contour, Mask, Points, contour_from_mask
from ivsqa.domain.geometry.refinement import Nudge
from ivsqa.domain.geometry.topology import enclosed_area
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError, located
from ivsqa.io.formats.label_marks import LOOK_HERE, MARKS, structure_named

DECIMALS = 3
"""Decimals of a pixel in text formats."""
STRAY_SHARE = 0.01
"""A second object smaller than this share of the first is a slip of the hand, not a second answer."""
ELLIPSE_VERTICES = 128
AGAIN = "delete the shape and draw it again"
MOST_VERTICES = 20_000
FARTHEST_FRAMES = 10.0
"""Nothing is drawn this many frame sizes away from the frame."""


def ellipse_points(centre: Points, radii: tuple[float, float], angle_deg: float = 0.0) -> Points:
    """Return a polygon of the area of an ellipse, (128, 2), turned by an angle that grows clockwise on the screen."""
    step = 2.0 * np.pi / ELLIPSE_VERTICES
    angles = np.arange(ELLIPSE_VERTICES) * step
    circle = np.column_stack([np.cos(angles), np.sin(angles)]) * np.sqrt(step / np.sin(step))
    return turned(centre + circle * radii, centre, angle_deg)


def box_points(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the corners of an upright box, (4, 2)."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def turned(points: Points, centre: Points, angle_deg: float) -> Points:
    """Return points turned about a centre, clockwise on the screen."""
    sine, cosine = np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
    return np.asarray((points - centre) @ np.array([[cosine, sine], [-sine, cosine]]) + centre)


def points_of(numbers: object) -> Points:
    """Return points that a file holds, (n, 2).

    Raises:
        PacketError: they are not pairs of numbers, or more than any border has.
    """
    try:
        points = np.array(numbers, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise PacketError("has points that are not pairs of numbers", hint=AGAIN) from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise PacketError("has points that are not pairs of numbers", hint=AGAIN)
    if len(points) > MOST_VERTICES:
        raise PacketError(f"has {len(points)} vertices, more than any border", hint=AGAIN)
    return points


def drawn_contour(points_px: Points, shape: tuple[int, int]) -> Contour:
    """Return the contour through points, (n, 2), in the pixels of a frame of `shape` (height, width).

    Raises:
        PacketError: it encloses nothing, is not finite, or lies far outside the frame.
    """
    try:
        contour = Contour.from_points(points_px)
    except ValueError as error:
        raise PacketError(str(error), hint=AGAIN) from error
    # Editors allow a little beyond the image; far away it is a slip or another unit.
    if np.abs(contour.points_px).max() > FARTHEST_FRAMES * max(shape):
        raise PacketError("lies far outside the frame", hint="draw it again")
    return contour


def outline(mask: Mask, *, verb: str = "shows") -> tuple[Contour | None, int]:
    """Return the outline of a painted mask, None for an empty one, and how many stray specks were left out.

    Raises:
        PacketError: it shows several objects, and which one is meant is not ours to guess.
    """
    from skimage.measure import label

    # Pixels that touch at a corner belong together: thin brushes leave such lines.
    labels, n_objects = label(mask, return_num=True, connectivity=2)
    if n_objects <= 1:
        return contour_from_mask(mask), 0
    areas = np.bincount(labels.ravel())[1:]
    largest, second = np.argsort(areas)[:-3:-1]
    if areas[second] > STRAY_SHARE * areas[largest]:
        raise PacketError(f"{verb} {n_objects} objects", hint="keep one a structure")
    return contour_from_mask(labels == largest + 1), int(n_objects) - 1


def largest_contour(contours: list[Contour]) -> tuple[Contour, int]:
    """Return the contour of the greatest area, and how many strays are beside it.

    Raises:
        ValueError: another is too large for a stray.
    """
    largest, *others = sorted(contours, key=lambda contour: -contour.area_px2)
    if any(contour.area_px2 > STRAY_SHARE * largest.area_px2 for contour in others):
        raise ValueError(f"{len(contours)} shapes, of which none is a stray")
    return largest, len(others)


def _one_only(contours: Sequence[Contour]) -> str:
    """Return what to do about several shapes of one structure."""
    largest, *others = sorted(contours, key=lambda contour: -contour.area_px2)
    outer = enclosed_area(largest)
    if all(shapely.covers(outer, enclosed_area(other)) for other in others):
        return "keep the outer one: a border has no hole, it includes all that it encloses"
    return "keep one, or draw one around all of it"


def stray_note(name: str, n_strays: int, what: str = "shape") -> str:
    """Return the note that strays of a structure were left out."""
    return f"{name}: left out {n_strays} stray {what}(s) below {STRAY_SHARE:.0%} of the area"


def rounding_of(numbers: Points) -> float:
    """Return half a unit of the last decimal of numbers: as far as an editor may have rounded them.

    Example:
        >>> rounding_of(np.array([[1.25, 3.0]])), rounding_of(np.array([[1.0, 3.0]]))
        (0.005, 0.5)
    """
    decimals = next((n for n in range(DECIMALS) if np.array_equal(np.round(numbers, n), numbers)), DECIMALS)
    return float(0.5 * 10.0**-decimals)


def check_size(width: object, height: object, shape: tuple[int, int], name: str) -> None:
    """Compare the size of the annotated image with that of the frame, (height, width); None: not stated.

    Raises:
        PacketError: it was another.
    """
    if (width is not None and width != shape[1]) or (height is not None and height != shape[0]):
        raise PacketError(
            f"was drawn on an image of {width} × {height} px, but {name} has {shape[1]} × {shape[0]}",
            hint="draw on the image of the packet, unchanged",
        )


class Drawing:
    """What is drawn on one frame, collected shape by shape.

    Attributes:
        frame_shape: (height, width) in px.
        structures: Names that are known.
        ticks: `CHECKED` and `UNREADABLE`, where said.
        notes: What a person should know.
        nudges: Points for borders to pass.
    """

    def __init__(self, frame_shape: tuple[int, int], structures: StructureSet, *, frame_name: str = "") -> None:
        """Begin with nothing drawn; `frame_name` is for messages, where the file does not say which frame it is about."""
        self.frame_shape = frame_shape
        self.structures = structures
        self._frame_name = frame_name
        self.ticks: set[str] = set()
        self.notes: list[str] = []
        self.nudges: list[Nudge] = []
        self._drawn: dict[str, list[Contour]] = {}

    def structure(self, label: object) -> str | None:
        """Return the structure a shape's label means; None for a hint, and for a tick, which is remembered.

        Raises:
            PacketError: no label, or one that is not known.
        """
        if not isinstance(label, str):
            raise PacketError("a shape has no label", hint="give it the name of a border")
        word = label.strip().lower()
        if word in MARKS:
            self.ticks.add(word)
        return None if word in MARKS or word == LOOK_HERE else structure_named(label, self.structures)

    @contextmanager
    def shape(self, label: object, where: str) -> Iterator[str | None]:
        """Yield the structure of a label, as `structure` does; errors in the block are about the shape and its structure."""
        with located(where=where):
            name = self.structure(label)
        with located(where=f"{where}, {name}" if name else where):
            yield name

    def add(self, name: str, edge_points: Points, *, rounding_px: float | None = None) -> None:
        """Add the outline of a structure.

        Args:
            name: The structure.
            edge_points: (n, 2) in edge convention.
            rounding_px: How far the editor may have rounded; None: to be seen from the numbers.

        Raises:
            PacketError: it encloses nothing, is not finite, or lies far outside the frame.
        """
        contour = drawn_contour(edge_points - EDGE_OFFSET_PX, self.frame_shape)
        self._keep(name, contour, rounding_of(edge_points) if rounding_px is None else rounding_px)

    def add_points(self, name: str, edge_points: Points) -> None:
        """Add points for the border of a structure to pass, (n, 2) in edge convention.

        Raises:
            PacketError: one is not finite.
        """
        try:
            self.nudges += [Nudge(name, x, y) for x, y in (edge_points - EDGE_OFFSET_PX).tolist()]
        except ValueError as error:
            raise PacketError(str(error), hint="delete the point") from error

    def add_mask(self, name: str, mask: Mask) -> None:
        """Add a painted structure, bool (height, width) of the frame; an empty one adds nothing.

        Raises:
            PacketError: several objects, none of them a stray.
        """
        contour, _ = outline(mask, verb="is a mask of")
        if contour is not None:
            self._drawn.setdefault(name, []).append(contour)

    def check_mask_size(self, width: float, height: float) -> None:
        """Raise PacketError where a mask is empty, or larger than the frame; some editors add a pixel."""
        if not (0 < width <= self.frame_shape[1] + 1 and 0 < height <= self.frame_shape[0] + 1):
            raise PacketError("is a mask larger than the image", hint="draw it again")

    def mask_at(self, mask: Mask, corner: Points) -> Mask:
        """Return a mask laid on the frame with its first pixel on the pixel `corner` (x, y); what hangs over is cut off.

        Raises:
            PacketError: the corner is no pixel near the frame.
        """
        at = np.floor(corner)
        if not (np.abs(at) <= FARTHEST_FRAMES * max(self.frame_shape)).all():  # NaN is no pixel either
            raise PacketError("lies far outside the frame", hint="draw it again")
        left, top = at.astype(int).tolist()
        whole = np.zeros(self.frame_shape, dtype=np.bool_)
        inside = mask[max(-top, 0) :, max(-left, 0) :]
        room = whole[max(top, 0) :, max(left, 0) :]
        height, width = min(inside.shape[0], room.shape[0]), min(inside.shape[1], room.shape[1])
        room[:height, :width] = inside[:height, :width]
        return whole

    def contours(self) -> dict[str, Contour]:
        """Return one contour a structure; strays beside it are noted.

        Raises:
            PacketError: two areas for one structure.
        """
        contours: dict[str, Contour] = {}
        for name in (name for name in self.structures.names if name in self._drawn):
            try:
                contours[name], n_strays = largest_contour(self._drawn[name])
            except ValueError as error:
                message = f"{len(self._drawn[name])} shapes are labelled {name}"
                where = f"{self._frame_name}, {name}" if self._frame_name else name
                raise PacketError(message, hint=_one_only(self._drawn[name]), where=where) from error
            if n_strays:
                self.notes.append(stray_note(name, n_strays))
        return contours

    def _keep(self, name: str, contour: Contour, rounding_px: float) -> None:  # noqa: ARG002 - packets ask for it
        """Keep an outline."""
        self._drawn.setdefault(name, []).append(contour)
