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

from ivsqa.domain.claims import SPACING, Claim
from ivsqa.domain.pullback import PullbackClaims, PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.io.formats.files import IMAGE_EXTENSIONS, bare_name, natural_key, visible_files
from ivsqa.io.formats.pictures import Picture
from ivsqa.io.sources.archives.contour_format import FoundAnnotations
from ivsqa.io.sources.archives.plain_text import PLAIN_TEXT
from ivsqa.io.sources.archives.registry import read_contour_files
from ivsqa.io.sources.frame_folder import FrameFolderSource
from ivsqa.io.sources.person import Person

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
        """Return the public set and the patient; raises SourceError."""
        return f"{self._set or 'frames named as in the IVUS challenge 2011'}, patient {self.patient}"

    def own_claims(self) -> PullbackClaims:
        """Return number and size of the frames, and the spacing of their set; raises SourceError."""
        claims = super().own_claims()
        spacing = SETS.get(claims.frame_shape, ("", None))[1]
        if spacing is None:
            return replace(claims, no_spacing=UNKNOWN_SET)
        return claims.with_claims(Claim(SPACING, (spacing, spacing), self._set))

    def person(self) -> Person:
        """Return set and number of the patient, which are public."""
        return Person(f"{self._set} {self.patient}")

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
    """Return the patients of a set in a folder, or in two folders in it; [] for any other folder.

    Args:
        folder: Where to look.
        relative: Its path below what is searched.
        folders: The folders in it.

    Returns:
        The patients, and which of the folders were used for them.
    """
    frames, texts = _frames_and_texts(folder)
    used = []
    for inner in [] if frames or texts else folders:
        inner_frames, inner_texts = _frames_and_texts(inner)
        if bool(inner_frames) != bool(inner_texts):  # half of a set
            used.append(inner)
            frames, texts = frames + inner_frames, texts + inner_texts
    if not frames or not texts:
        return [], []
    by_patient: dict[str, list[Picture]] = {}
    for path in sorted(frames, key=lambda path: natural_key(path.name)):
        by_patient.setdefault(_patient(path), []).append(Picture(path))
    patients = []
    for patient, pictures in by_patient.items():
        own_texts = tuple(sorted(path for path in texts if f"frame_{patient}_" in path.name.lower()))
        place = f"{relative}/{patient}"
        patients.append(Challenge2011Source(folder, place, tuple(pictures), patient=patient, texts=own_texts))
    return patients, used


def _patient(path: Path) -> str:
    """Return the number of the patient in the name of a frame's file, "" where there is none."""
    match = FRAME_NAME.fullmatch(bare_name(path.name))
    return match["patient"] if match else ""


def _frames_and_texts(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the frames of the set in a folder, where there is no other picture, and the texts."""
    try:
        pictures = visible_files(folder, IMAGE_EXTENSIONS)
        texts = [file for file in visible_files(folder, (".txt",)) if TEXT_NAME.fullmatch(file.name)]
    except OSError:  # is reported where the folder itself is searched
        return [], []
    return pictures if all(_patient(file) for file in pictures) else [], texts
