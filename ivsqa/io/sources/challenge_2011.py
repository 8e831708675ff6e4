"""The public set of the IVUS challenge of 2011, recognised by how its files are called.

    frame_01_0035_003.png           patient 01, frame 35, the third of five neighbours, of which it alone is annotated
    lum_frame_01_0035_003.txt       its lumen: `x, y` a line, not closed
    med_frame_01_0035_003.txt       its EEM (the media)

Frames and texts lie in one folder or in folders beside each other. A patient is a pullback and a subject. Set A has 512 × 512 px
of 0.0352 mm, set B 384 × 384 px of 0.026 mm, which the files do not say.

Source: Balocco et al., Standardized evaluation methodology and reference database for evaluating IVUS image segmentation,
Comput Med Imaging Graph 2014;38:70.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.io.formats.files import IMAGE_EXTENSIONS, bare_name, natural_key
from ivsqa.io.formats.pictures import Picture
from ivsqa.io.sources.archives.contour_format import FoundAnnotations
from ivsqa.io.sources.archives.plain_text import PLAIN_TEXT
from ivsqa.io.sources.archives.registry import read_contour_files
from ivsqa.io.sources.frame_folder import FrameFolderSource

FRAME_NAME = re.compile(r"frame_(?P<patient>[0-9]+)_(?P<frame>[0-9]+)_(?P<neighbour>[0-9]{3})", re.IGNORECASE)
TEXT_NAME = re.compile(r"(lum|med)_frame_[0-9]+_[0-9]+_[0-9]{3}\.txt", re.IGNORECASE)
SETS = {(512, 512): ("A", 0.0352), (384, 384): ("B", 0.026)}
"""Name and mm per px of each set, by (height, width) of its frames."""
UNKNOWN_SET = "unknown: frames are called as in the IVUS challenge of 2011, but are of the size of neither set"


@dataclass(frozen=True)
class Challenge2011Source(FrameFolderSource):
    """The frames of one patient.

    Attributes:
        patient: Number of the patient in the set.
        texts: Files that may hold contours of this patient.
    """

    patient: str = ""
    texts: tuple[Path, ...] = ()

    def kind(self) -> str:
        """Return of which public set it is; raises SourceError."""
        return f"{self._set or 'frames named as in the IVUS challenge 2011'}, patient {self.patient}"

    def own_facts(self) -> PullbackFacts:
        """Return number and size of the frames, and the spacing of their set; raises SourceError."""
        facts = super().own_facts()
        spacing = SETS.get(facts.frame_shape, ("", None))[1]
        if spacing is None:
            return replace(facts, spacing_source=UNKNOWN_SET)
        return replace(facts, spacing_mm=(spacing, spacing), spacing_source=self._set)

    def patient_key(self) -> str | None:
        """Return set and number of the patient, which are public."""
        return f"{self._set} {self.patient}"

    @property
    def _set(self) -> str:
        """Name of the set by the size of its frames, "" where it is neither."""
        name, _ = SETS.get(self._shape, ("", None))
        return name and f"IVUS challenge 2011, set {name}"

    def read_annotations(self, structures: StructureSet, facts: PullbackFacts | None = None) -> FoundAnnotations:
        """Return the contours of the texts, some frames having none; raises AnnotationError."""
        target = self.target(structures, facts)
        return read_contour_files((path for path in self.texts if PLAIN_TEXT.recognises(path, target)), target)


def challenge_sources(
    folder: Path, relative: str, folders: Sequence[Path]
) -> tuple[list[Challenge2011Source], list[Path]]:
    """Return the patients of a set whose frames and texts lie in a folder, or in two of those in it; [] for any other folder.

    Args:
        folder: Where to look.
        relative: Its path below what is searched.
        folders: The folders in it.

    Returns:
        The patients, and which of the folders were used for them.
    """
    own = _frames_and_texts(folder)
    held = {each: _frames_and_texts(each) for each in folders} if not any(own) else {}
    halves = {each: found for each, found in held.items() if bool(found[0]) != bool(found[1])}
    frames = [*own[0], *(path for found in halves.values() for path in found[0])]
    texts = [*own[1], *(path for found in halves.values() for path in found[1])]
    if not frames or not texts:
        return [], []
    by_patient: dict[str, list[Path]] = {}
    for path in sorted(frames, key=lambda each: natural_key(each.name)):
        by_patient.setdefault(_patient(path), []).append(path)
    patients = [
        Challenge2011Source(
            folder,
            f"{relative}/{patient}",
            tuple(Picture(path) for path in paths),
            patient=patient,
            texts=tuple(sorted(path for path in texts if f"frame_{patient}_" in path.name.lower())),
        )
        for patient, paths in by_patient.items()
    ]
    return patients, list(halves)


def _patient(path: Path) -> str:
    """Return the patient whose frame a file is by its name, "" where it is none."""
    match = FRAME_NAME.fullmatch(bare_name(path.name))
    return match["patient"] if match else ""


def _frames_and_texts(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the frames of the set in a folder, where there is no other picture, and the texts."""
    try:
        files = [each for each in folder.iterdir() if not each.name.startswith(".")]
    except OSError:  # is reported where the folder itself is searched
        return [], []
    pictures = [each for each in files if each.suffix.lower() in IMAGE_EXTENSIONS]
    texts = [each for each in files if TEXT_NAME.fullmatch(each.name)]
    return pictures if all(_patient(each) for each in pictures) else [], texts
