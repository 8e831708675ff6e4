"""What every source of a pullback can do, and the small rules that all of them share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import PullbackFacts
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import AnnotationError
from ivsqa.io.atomic import sha256_of_file
from ivsqa.io.formats.contours_csv import FrameContours, read_contours_csv
from ivsqa.io.formats.files import bare_name

CONTOURS_NAME = "contours.csv"


@dataclass(frozen=True)
class FoundAnnotations:
    """Contours found beside the frames of a pullback.

    Attributes:
        contours: By frame_index, then by structure.
        notes: What a person should know: masks of several objects, of which the largest was kept.
    """

    contours: FrameContours = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class PullbackSource(Protocol):
    """A pullback as it was found on disk. Reading never writes, and nothing of a person's identity gets into a message."""

    @property
    def path(self) -> Path:
        """The file or folder as found."""
        ...

    @property
    def relative(self) -> str:
        """POSIX path below the argument of the command line, without extension; the argument's own name if it is that."""
        ...

    def kind(self) -> str:
        """Return what this was recognised as, for people; raises SourceError."""
        ...

    def fingerprint(self) -> str:
        """Return the hex SHA-256 over the bytes of the frames' files, in order; names and annotations do not count."""
        ...

    def facts(self) -> PullbackFacts:
        """Return geometry and timing from the headers alone.

        Raises:
            SourceError: the file cannot be read, or not in the form it has.
        """
        ...

    def iter_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames in order, grey, uint8 (height, width), one at a time.

        Raises:
            SourceError: a frame cannot be decoded; names file and frame.
        """
        ...

    def patient_key(self) -> str | None:
        """Return who was scanned as the header says it, to derive a pseudonym in memory; never to be stored or printed."""
        ...

    def read_annotations(self, structures: StructureSet, facts: PullbackFacts | None = None) -> FoundAnnotations:
        """Return the contours found beside the frames, with notes.

        Args:
            structures: Those of the study.
            facts: What is known of the pullback, where that is more than `facts` says: the user may know the spacing.

        Raises:
            AnnotationError: a file that cannot be used, a name or a label that is none of the structures.
        """
        ...

    def annotations(self, structures: StructureSet) -> dict[int, dict[str, Contour]]:
        """Return the contours found beside the frames by frame_index and structure; raises like `read_annotations`."""
        ...


def contours_path(path: Path) -> Path:
    """Return where the contours.csv of a pullback would be: in its folder, or `<file>.contours.csv` beside its file."""
    return path / CONTOURS_NAME if path.is_dir() else path.with_name(f"{bare_name(path.name)}.{CONTOURS_NAME}")


def fingerprint_of_files(paths: Iterable[Path]) -> str:
    """Return the hex SHA-256 of one file, or over the digests of several in order."""
    digests = [sha256_of_file(path) for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def structure_named(name: str, structures: StructureSet, *, path: Path, where: str = "") -> str:
    """Return the structure a file calls `name`; upper and lower case are the same.

    Raises:
        AnnotationError: this study has no such structure.
    """
    known = {each.casefold(): each for each in structures.names}
    found = known.get(name.strip().casefold())
    if found is not None:
        return found
    close = get_close_matches(name.strip().casefold(), list(known), n=1)
    guess = f" Did you mean {known[close[0]]}?" if close else ""
    raise AnnotationError(
        f"{name!r} is no structure of this study, which has {', '.join(structures.names)}.{guess}",
        hint="rename or remove it there, or add the structure to project.yaml",
        path=path,
        where=where,
    )


def contours_beside(path: Path, structures: StructureSet, *, name: str, n_frames: int) -> FrameContours:
    """Return the contours of one pullback from a contours.csv, by frame_index; {} if there is no such file.

    Args:
        path: The contours.csv.
        structures: The structures of the study.
        name: Name of the pullback; decides where the table holds several, and is not needed where it holds one.
        n_frames: Number of frames of the pullback.

    Raises:
        AnnotationError: the table is broken, or speaks of another pullback, structure or frame.
    """
    if not path.is_file():
        return {}
    tables = read_contours_csv(path)
    if not tables:
        return {}
    if len(tables) > 1 and name not in tables:
        raise AnnotationError(
            f"holds {len(tables)} pullbacks, none of them called like the frames beside it",
            hint=f"keep the lines of this pullback only, or set their pullback_id to {name!r}",
            path=path,
        )
    rows = tables[name] if name in tables else next(iter(tables.values()))
    last = max(rows)
    if last >= n_frames:
        raise AnnotationError(
            f"frame_index {last} is beyond the last frame, {n_frames - 1}", hint="frames count from 0", path=path
        )
    return {
        index: {
            structure_named(key, structures, path=path, where=f"frame {index}"): contour
            for key, contour in each.items()
        }
        for index, each in rows.items()
    }
