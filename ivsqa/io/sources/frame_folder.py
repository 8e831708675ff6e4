"""Pullbacks from pictures: a folder with a PNG, JPEG or TIFF a frame, or one TIFF with a page a frame.

Pictures carry no calibration that can be trusted (a resolution in dpi is about paper), so spacing and time are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivsqa.domain.pullback import PullbackClaims, PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError, SourceError
from ivsqa.io.formats.contours_csv import FrameContours
from ivsqa.io.formats.grey import DEEPEST, SIXTEEN_BIT_MODES, deep_white, grey_from_image
from ivsqa.io.formats.pictures import LYING, Picture, look_at_each, n_moving, turn_of, turned, upright_size
from ivsqa.io.sources.archives.contour_format import FoundAnnotations
from ivsqa.io.sources.archives.registry import annotations_beside
from ivsqa.io.sources.label_images import read_label_folders
from ivsqa.io.sources.source import PullbackSource


@dataclass(frozen=True)
class FrameFolderSource(PullbackSource):
    """One pullback of pictures.

    Attributes:
        pictures: The frames in order.
        label_folders: Folders with masks or label maps of these frames.
        notes: What a person should know of their names.
    """

    pictures: tuple[Picture, ...]
    label_folders: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def kind(self) -> str:
        """Return the kind of the pictures, with the folders of masks that belong to them."""
        suffixes = sorted({picture.path.suffix.lstrip(".").upper() for picture in self.pictures})
        pages = "pages of a " if self.path.is_file() else ""
        masks = f" with {', '.join(folder.name for folder in self.label_folders)}" if self.label_folders else ""
        return f"{pages}{' and '.join(suffixes)}{masks}"

    def frame_files(self) -> Sequence[Path]:
        """Return the file of each picture."""
        return [picture.path for picture in self.pictures]

    def own_claims(self) -> PullbackClaims:
        """Return number and size of the frames; raises SourceError where one cannot be read or has another size."""
        height, width = self._shape
        n_turned = sum(turn != 1 for turn in self._turns)
        return PullbackClaims(
            n_frames=len(self.pictures),
            height_px=height,
            width_px=width,
            no_spacing="unknown: pictures carry no calibration",
            notes=(*self.notes, *((f"{n_turned} frames are turned as their EXIF says",) if n_turned else ())),
        )

    def iter_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames in order, grey, uint8 (height, width); raises SourceError."""
        self.own_claims()  # refuses frames of another size before the first is decoded

        def grey(image: Image.Image) -> NDArray[np.uint8]:
            turn = turn_of(image)
            white = self._white if image.mode in SIXTEEN_BIT_MODES else 255
            return turned(grey_from_image(image, white=white), turn)

        yield from look_at_each(self.pictures, grey)

    def read_annotations(self, structures: StructureSet, facts: PullbackFacts | None = None) -> FoundAnnotations:
        """Return the contours of contours.csv, else of other tools, else of masks; raises AnnotationError."""
        target = replace(self.target(structures, facts), turns=self._turns)
        drawn = annotations_beside(self.path, target)
        self._check_views(drawn.contours)
        return drawn.over(read_label_folders(self.label_folders, target)) if self.label_folders else drawn

    def _check_views(self, contours: FrameContours) -> None:
        """Raise where frames are turned by their EXIF, and their contours may have been drawn on either view."""
        height, width = self._shape
        for index in (index for index in contours if self._turns[index] != 1):
            points = np.vstack([contour.points_px for contour in contours[index].values()])
            # Beyond the frame as it is stored, they were drawn on the one that stands upright.
            if self._turns[index] in LYING and (points.max(axis=0) > (height, width)).any():
                continue
            raise AnnotationError(
                "its frame is turned as its EXIF says, and nothing tells whether the contours were drawn on the turned one",
                hint="save the frames as they stand, without EXIF, and see that the contours fit them",
                path=self.pictures[index].path,
                where=f"frame {index}",
            )

    @property
    def _shape(self) -> tuple[int, int]:
        """(height, width) of all frames, as they stand upright."""
        return self._looked_at[0]

    @property
    def _turns(self) -> tuple[int, ...]:
        """How each frame is turned, see `turn_of`."""
        return self._looked_at[1]

    @cached_property
    def _looked_at(self) -> tuple[tuple[int, int], tuple[int, ...]]:
        """Size and turns of the frames, by their headers."""
        first: tuple[int, int] | None = None
        turns = []
        looks = look_at_each(self.pictures, lambda image: (upright_size(image), turn_of(image), n_moving(image)))
        for index, ((width, height), turn, n_shown) in enumerate(looks):
            turns.append(turn)
            if n_shown > 1:
                message = f"is an animation of {n_shown} pictures, of which one would be a frame"
                hint = "write each of its pictures into a file of its own"
                raise SourceError(message, hint=hint, path=self.pictures[index].path, where=f"frame {index}")
            first = first or (height, width)
            if (height, width) != first:
                raise SourceError(
                    f"is {width} × {height} px, but the first frame is {first[1]} × {first[0]} px",
                    hint="frames of one pullback have one size: move or export the odd one again",
                    path=self.pictures[index].path,
                    where=f"frame {index}",
                )
        return first or (0, 0), tuple(turns)

    @cached_property
    def _white(self) -> int:
        """The value that is white in 16-bit frames, one for the whole pullback; costs a pass over them."""

        def highest(image: Image.Image) -> int:
            values = int(np.asarray(image).max(initial=0)) if image.mode in SIXTEEN_BIT_MODES else 0
            if values > DEEPEST:
                raise ValueError(f"it holds values up to {values}, for which no white is defined")
            return values

        return deep_white(max(look_at_each(self.pictures, highest)))
