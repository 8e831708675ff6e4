"""What a format of contour files is, and what all of them share.

A format gives labelled lines; here they become one contour a structure a frame. What a study does not ask for is left out and
noted, a line that encloses nothing too: one bad contour never costs the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ivsqa.domain.contour import Contour, Points
from ivsqa.domain.geometry.topology import check_contours
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError
from ivsqa.io.formats.contours_csv import FrameContours
from ivsqa.io.sources.source import FoundAnnotations

FARTHEST_FRAMES = 2.0
"""Points this many frame sizes away belong to another image, or to other units."""
SAME_SPACING = 0.01
"""Tools round spacing; more than this share is another one."""
WORTH_A_NOTE = {"self-crossing": "with a line that crosses itself", "crosses-outer": "beyond the border around it"}


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
    """

    name: str
    n_frames: int
    shape: tuple[int, int]
    structures: StructureSet
    spacing_mm: tuple[float, float] | None = None
    index_by_stem: Mapping[str, int] = field(default_factory=dict)


class ContourFormat(Protocol):
    """One kind of contour files. A new one is one more of these in `registry`."""

    @property
    def name(self) -> str:
        """What people call it."""

    def recognises(self, path: Path, target: Target | None = None) -> bool:
        """Return whether a file is of this kind, by name and beginning; some names say so only beside those of frames."""

    def read(self, paths: Sequence[Path], target: Target) -> FoundAnnotations:
        """Return what the files of this kind that belong to a pullback say.

        Raises:
            AnnotationError: a file cannot be read, or belongs to another pullback.
        """


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
            raise AnnotationError(
                f"is about {n_frames} frames, but the pullback has {self.target.n_frames}",
                hint="it belongs to another pullback, or to another export of this one",
                path=self.path,
            )

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
            raise AnnotationError(
                f"there is no frame {index}: the pullback has {self.target.n_frames}", path=self.path, where=where
            )
        try:
            line = contour if isinstance(contour, Contour) else Contour.from_points(contour)
        except ValueError:
            self._unusable.append(f"{structure} in frame {index}")
            return
        if np.abs(line.points_px).max() > FARTHEST_FRAMES * max(self.target.shape):
            raise AnnotationError(
                f"the {structure} contour lies far outside the frame",
                hint="it was drawn on another image",
                path=self.path,
                where=where,
            )
        drawn = self.contours.setdefault(index, {})
        if structure in drawn:
            self._notes.append(f"frame {index} has two {structure} contours, of which the larger was kept")
        if structure not in drawn or line.area_px2 > drawn[structure].area_px2:
            drawn[structure] = line

    def note_spacing(self, spacing_mm: tuple[float, float]) -> None:
        """Note a spacing that a file states, where the pullback has none or another."""
        said = " × ".join(f"{each:.5g}" for each in dict.fromkeys(spacing_mm))
        ours = self.target.spacing_mm
        if ours is None:
            self._notes.append(
                f"goes by {said} mm per pixel; the frames say nothing, so give --spacing-mm at first import"
            )
        elif not np.allclose(ours, spacing_mm, rtol=SAME_SPACING, atol=0.0):
            self._notes.append(f"goes by {said} mm per pixel, but the pullback has {ours[0]:.5g}: one of them is wrong")

    def found(self, format_name: str) -> FoundAnnotations:
        """Return the contours, with notes on what was read and what was not."""
        head = f"{self.path.name} ({format_name})"
        notes = [
            f"{head}: contours of {counted(len(self.contours), 'frame')}",
            *(f"{head}: {note}" for note in self._notes),
        ]
        for structure, n in sorted(self._passed_over.items()):
            notes.append(
                f"{head}: passed over {counted(n, 'contour')} of {structure}, which is no structure of this study"
            )
        if self._unusable:
            notes.append(f"{head}: {counted(len(self._unusable), 'line')} without an area (first: {self._unusable[0]})")
        return FoundAnnotations({index: self.contours[index] for index in sorted(self.contours)}, tuple(notes))


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
        f"{structure}: {counted(len(indices), 'contour')} {WORTH_A_NOTE[code]} (first in frame {indices[0]}), "
        "which 'ivsqa import --repair' mends and 'ivsqa check' lists"
        for (structure, code), indices in frames.items()
    )
