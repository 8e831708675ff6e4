"""What a format of contour files is, and what all of them share.

A format gives labelled lines; here they become one contour a structure a frame. What a study does not ask for is left out and
noted, a line that encloses nothing too: one bad contour never costs the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ivsqa.domain.contour import Contour, Points
from ivsqa.domain.geometry.topology import check_contours
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError
from ivsqa.io.formats.contours_csv import FrameContours
from ivsqa.io.formats.label_marks import find_structure

FARTHEST_FRAMES = 2.0
"""Points this many frame sizes away belong to another image, or to other units."""
MENDED = "which 'ivsqa import --repair' mends and 'ivsqa check' lists"
SAME_SPACING = 0.01
"""Tools round spacing; more than this share is another one."""
WORTH_A_NOTE = {
    "self-crossing": ("with a line that crosses itself", MENDED),
    "crosses-outer": ("beyond the border around it", MENDED),
    "outside-frame": (
        "that leave the frame",
        "which 'ivsqa check' lists: they may be of another view or another size of the frames",
    ),
}
OTHER_IMAGE = "it was drawn on another image"
OTHER_PULLBACK = "it belongs to another pullback, or to another export of this one"


def is_far_outside(points_px: Points, shape: tuple[int, int]) -> bool:
    """Return whether points, (n, 2), are those of another image than one of (height, width) px, or of other units."""
    return bool(np.abs(points_px).max() > FARTHEST_FRAMES * max(shape))


@dataclass(frozen=True)
class FoundAnnotations:
    """Contours found beside the frames of a pullback.

    Attributes:
        contours: By frame_index, then by structure.
        notes: What a person should know: masks of several objects, of which the largest was kept.
    """

    contours: FrameContours = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def over(self, other: FoundAnnotations) -> FoundAnnotations:
        """Return both, frames in order; where both have a contour, this one counts, and its notes come first."""
        indices = sorted({*self.contours, *other.contours})
        contours = {index: other.contours.get(index, {}) | self.contours.get(index, {}) for index in indices}
        return FoundAnnotations(contours, (*self.notes, *other.notes))


@dataclass(frozen=True)
class Target:
    """The pullback that contours are for.

    Attributes:
        name: What files that belong to it are called.
        n_frames: Number of frames.
        shape: (height, width) in px.
        structures: Those of the study.
        spacing_mm: (x, y) mm per px; None where unknown.
        index_by_stem: frame_index by the name of a frame's own file; empty where all frames are in one.
        is_settled: The spacing that the files state was heard already, as a claim beside the frames: no note on it.
        turns: How each frame's file is turned to stand upright; empty where none is.
    """

    name: str
    n_frames: int
    shape: tuple[int, int]
    structures: StructureSet
    spacing_mm: tuple[float, float] | None = None
    index_by_stem: Mapping[str, int] = field(default_factory=dict)
    is_settled: bool = False
    turns: Sequence[int] = ()

    def turn_of(self, index: int) -> int:
        """Return how the file of a frame is turned to stand upright, as EXIF numbers it; 1 where it is not."""
        return self.turns[index] if self.turns else 1


@dataclass
class Lines:
    """Contours while they are read from files of one format."""

    target: Target
    path: Path
    contours: FrameContours = field(default_factory=dict)
    _passed_over: dict[str, int] = field(default_factory=dict)
    _unusable: list[str] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)

    def wants(self, structure: str) -> bool:
        """Return whether the study has a structure; one that it has not is counted for the notes."""
        if structure in self.target.structures.names:
            return True
        self._passed_over[structure] = self._passed_over.get(structure, 0) + 1
        return False

    def check_frames(self, n_frames: int) -> None:
        """Raise AnnotationError where a file speaks of another number of frames than there are."""
        if n_frames != self.target.n_frames:
            message = f"is about {n_frames} frames, but the pullback has {self.target.n_frames}"
            raise AnnotationError(message, hint=OTHER_PULLBACK, path=self.path)

    def add(self, index: int, structure: str, contour: Contour | Points, *, where: str = "") -> None:
        """Add a line of a structure that the study has; of two in one frame the larger counts.

        Args:
            index: frame_index.
            structure: Its name here.
            contour: The contour, or points (n, 2), (x, y) in px, of which three have to be distinct.
            where: Place in the file; the frame, if nothing is said.

        Raises:
            AnnotationError: there is no such frame, or it lies far outside of it.
        """
        where = where or f"frame {index}"
        if not 0 <= index < self.target.n_frames:
            message = f"there is no frame {index}: the pullback has {self.target.n_frames}"
            raise AnnotationError(message, path=self.path, where=where)
        try:
            line = contour if isinstance(contour, Contour) else Contour.from_points(contour)
        except ValueError:
            self._unusable.append(f"{structure} in frame {index}")  # one bad line never costs the file
            return
        if is_far_outside(line.points_px, self.target.shape):
            message = f"the {structure} contour lies far outside the frame"
            raise AnnotationError(message, hint=OTHER_IMAGE, path=self.path, where=where)
        drawn = self.contours.setdefault(index, {})
        if structure in drawn:
            self._notes.append(f"frame {index} has two {structure} contours, of which the larger was kept")
        if structure not in drawn or line.area_px2 > drawn[structure].area_px2:
            drawn[structure] = line

    def note_spacing(self, spacing_mm: tuple[float, float]) -> None:
        """Note a spacing that a file states, where the pullback has none or another."""
        stated = " × ".join(f"{side:.5g}" for side in dict.fromkeys(spacing_mm))
        ours = self.target.spacing_mm
        if ours is None:
            self._notes.append(
                f"goes by {stated} mm per pixel; the frames say nothing: give it with ivsqa amend --spacing-mm"
            )
        elif not np.allclose(ours, spacing_mm, rtol=SAME_SPACING, atol=0.0):
            self._notes.append(
                f"goes by {stated} mm per pixel, but the pullback has {ours[0]:.5g}: one of them is wrong"
            )

    def annotations(self, format_name: str) -> FoundAnnotations:
        """Return the contours, with notes on all that was read or left out."""
        notes = [f"contours of {counted(len(self.contours), 'frame')}", *self._notes]
        for structure, n in sorted(self._passed_over.items()):
            notes.append(f"passed over {counted(n, 'contour')} of {structure}, which is no structure of this study")
        if self._unusable:
            notes.append(f"{counted(len(self._unusable), 'line')} without an area (first: {self._unusable[0]})")
        contours = {index: self.contours[index] for index in sorted(self.contours)}
        return FoundAnnotations(contours, tuple(f"{self.path.name} ({format_name}): {note}" for note in notes))


@dataclass(frozen=True)
class ContourFormat:
    """One kind of contour files. A new one is one more of these in `registry`.

    Attributes:
        name: What people call it.
        recognises: Whether a file is of this kind, by name and beginning; some names say so only beside those of frames, so
            there is a target where the frames are known. Raises OSError.
        read_lines: The lines of all files of this kind that belong to a pullback. Raises AnnotationError where a file cannot
            be read, or belongs to another pullback.
        spacing_of: (x, y) mm per px that the files go by, None where they state none; raises AnnotationError as above.
    """

    name: str
    recognises: Callable[[Path, Target | None], bool]
    read_lines: Callable[[Sequence[Path], Target], Lines]
    spacing_of: Callable[[Sequence[Path], Target], tuple[float, float] | None] = lambda _paths, _target: None

    def read(self, paths: Sequence[Path], target: Target) -> FoundAnnotations:
        """Return the contours in files of this kind, with notes; raises AnnotationError."""
        lines = self.read_lines(paths, target)
        stated = None if target.is_settled else self.spacing_of(paths, target)
        if stated is not None:
            lines.note_spacing(stated)
        return lines.annotations(self.name)


def structure_named(name: str, structures: StructureSet, *, path: Path | None = None) -> str:
    """Return the structure a file calls `name`; upper and lower case are the same.

    Raises:
        AnnotationError: this study has no such structure.
    """
    structure, near = find_structure(name, structures)
    if structure is None:
        guess = f" Did you mean {near}?" if near else ""
        message = f"{name!r} is no structure of this study, which has {', '.join(structures.names)}.{guess}"
        raise AnnotationError(
            message, hint="rename or remove it there, or add the structure to project.yaml", path=path
        )
    return structure


def counted(n: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> counted(1, "frame"), counted(24, "frame")
        ('1 frame', '24 frames')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"


def defect_notes(contours: FrameContours, target: Target) -> tuple[str, ...]:
    """Return notes on contours that were drawn wrong; they are kept as drawn unless the user asks for repair."""
    frames: dict[tuple[str, str], list[int]] = {}
    for index, drawn in contours.items():
        for finding in check_contours(drawn, target.structures, target.shape):
            if finding.code in WORTH_A_NOTE:
                frames.setdefault((finding.structure, finding.code), []).append(index)
    return tuple(
        f"{structure}: {counted(len(indices), 'contour')} {WORTH_A_NOTE[code][0]} (first in frame {indices[0]}), "
        f"{WORTH_A_NOTE[code][1]}"
        for (structure, code), indices in frames.items()
    )
