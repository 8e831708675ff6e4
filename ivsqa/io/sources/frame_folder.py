"""Pullbacks from pictures: a folder with a PNG, JPEG or TIFF a frame, or one TIFF with a page a frame.

Pictures carry no calibration that can be trusted (a resolution in dpi is about paper), so spacing and time are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import SourceError
from ivsqa.io.formats.files import bare_name
from ivsqa.io.formats.grey import SIXTEEN_BIT_MODES, deep_white, grey_from_image
from ivsqa.io.formats.pictures import Picture, opened
from ivsqa.io.sources.archives.contour_format import Target
from ivsqa.io.sources.archives.registry import annotations_beside, merged
from ivsqa.io.sources.facts_beside import with_facts_beside
from ivsqa.io.sources.label_images import Frames, read_label_folders
from ivsqa.io.sources.source import FoundAnnotations, fingerprint_of_files


@dataclass(frozen=True)
class FrameFolderSource:
    """One pullback of pictures.

    Attributes:
        path: The folder of the pullback, or the file.
        relative: See `PullbackSource`.
        pictures: The frames in order.
        label_folders: Folders with masks or label maps of these frames.
    """

    path: Path
    relative: str
    pictures: tuple[Picture, ...]
    label_folders: tuple[Path, ...] = ()

    def kind(self) -> str:
        """Return the kind of the pictures, with the folders of masks that belong to them."""
        suffixes = sorted({picture.path.suffix.lstrip(".").upper() for picture in self.pictures})
        pages = "pages of a " if self.path.is_file() else ""
        masks = f" with {', '.join(folder.name for folder in self.label_folders)}" if self.label_folders else ""
        return f"{pages}{' and '.join(suffixes)}{masks}"

    def fingerprint(self) -> str:
        """Return the hex SHA-256 over the files of the frames."""
        return fingerprint_of_files(dict.fromkeys(picture.path for picture in self.pictures))

    def facts(self) -> PullbackFacts:
        """Return number and size of the frames, and what files beside them say.

        Raises:
            SourceError: a frame cannot be read or has another size than the first, or the table cannot be used.
        """
        height, width = self._shape
        source = "unknown: pictures carry no calibration"
        known = PullbackFacts(n_frames=len(self.pictures), height_px=height, width_px=width, spacing_source=source)
        return with_facts_beside(known, self.path)

    def iter_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames in order, grey, uint8 (height, width); raises SourceError."""
        self.facts()
        for index, picture in enumerate(self.pictures):
            with opened(picture, where=f"frame {index}") as image:
                frame = grey_from_image(image, white=self._white if image.mode in SIXTEEN_BIT_MODES else 255)
            yield frame

    def patient_key(self) -> str | None:
        """Return None: pictures say nothing of a patient."""
        return None

    def read_annotations(self, structures: StructureSet, facts: PullbackFacts | None = None) -> FoundAnnotations:
        """Return contours.csv, what other tools left where it has nothing, then what masks show; raises AnnotationError."""
        facts, name = facts or self.facts(), self.relative.rpartition("/")[2]
        by_stem = {bare_name(picture.path.name): index for index, picture in enumerate(self.pictures)}
        index_by_stem = by_stem if self.path.is_dir() else {}
        target = Target(name, facts.n_frames, facts.frame_shape, structures, facts.spacing_mm, index_by_stem)
        drawn = annotations_beside(self.path, target)
        if not self.label_folders:
            return drawn
        masks = read_label_folders(self.label_folders, Frames(by_stem, self._shape), structures)
        return FoundAnnotations(merged(masks.contours, drawn.contours), (*drawn.notes, *masks.notes))

    def annotations(self, structures: StructureSet) -> dict[int, dict[str, Contour]]:
        """Return the contours by frame_index and structure; raises AnnotationError."""
        return self.read_annotations(structures).contours

    @cached_property
    def _shape(self) -> tuple[int, int]:
        """(height, width) of all frames."""
        first: tuple[int, int] | None = None
        for index, picture in enumerate(self.pictures):
            with opened(picture, where=f"frame {index}") as image:
                width, height = image.size
            first = first or (height, width)
            if (height, width) != first:
                raise SourceError(
                    f"is {width} × {height} px, but the first frame is {first[1]} × {first[0]} px",
                    hint="frames of one pullback have one size: move or export the odd one again",
                    path=picture.path,
                    where=f"frame {index}",
                )
        return first or (0, 0)

    @cached_property
    def _white(self) -> int:
        """The value that is white in 16-bit frames, one for the whole pullback; costs a pass over them."""
        highest = 0
        for index, picture in enumerate(self.pictures):
            with opened(picture, where=f"frame {index}") as image:
                if image.mode in SIXTEEN_BIT_MODES:
                    highest = max(highest, int(np.asarray(image).max(initial=0)))
        return deep_white(highest)
