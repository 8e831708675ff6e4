"""A pullback as it was found on disk: what every kind of source can do, and what files beside its frames say of it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.pullback import PullbackClaims, PullbackFacts
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.errors import SourceError, located
from ivsqa.io.budgets import check_frame_size, check_unpacked
from ivsqa.io.formats.files import bare_name
from ivsqa.io.hashes import sha256_of_file
from ivsqa.io.sources.archives.aivus import with_aivus_claims
from ivsqa.io.sources.archives.contour_format import FoundAnnotations, Target
from ivsqa.io.sources.archives.registry import annotations_beside, file_beside, named_beside, spacing_claims
from ivsqa.io.sources.person import Person
from ivsqa.io.tables import FIRST_ROW, read_rows, whole_number

ONLY_LUMEN = StructureSet((Structure("lumen", "#ffffff"),))
PHASES_NAME = "phases.csv"
PHASES = {"D": True, "S": False, "-": False, "": False}
"""End-diastole or not; systole and frames in between are written as S and -."""


@dataclass(frozen=True)
class PullbackSource(ABC):
    """A pullback as it was found on disk. Reading never writes, and nothing of a person's identity gets into a message.

    Attributes:
        path: The file or folder as found.
        relative: POSIX path below the argument of the command line, without extension; the argument's own name if it is that.
    """

    path: Path
    relative: str

    @abstractmethod
    def kind(self) -> str:
        """Return the kind of file it was recognised as, for people; raises SourceError."""

    @abstractmethod
    def own_claims(self) -> PullbackClaims:
        """Return what the files of the frames say of geometry and timing; raises SourceError where one cannot be read."""

    @abstractmethod
    def iter_frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames in order, grey, uint8 (height, width), one at a time.

        Raises:
            SourceError: a frame cannot be decoded; names file and frame.
        """

    def frame_files(self) -> Sequence[Path]:
        """Return the files of the frames, in order."""
        return (self.path,)

    @property
    def name(self) -> str:
        """What it is called without the folders around it."""
        return self.relative.rpartition("/")[2]

    def claims(self) -> PullbackClaims:
        """Return what the files of the frames say, and what files beside them do.

        Raises:
            SourceError: a file cannot be read, or declares more than it can hold.
        """
        own = self.own_claims()
        packed_bytes = sum(path.stat().st_size for path in dict.fromkeys(self.frame_files()))
        with located(path=self.path):
            check_frame_size(own.height_px, own.width_px)
            check_unpacked((own.width_px, own.height_px, own.n_frames), 1, packed_bytes, error=SourceError)
        claims = with_claims_beside(own, self.path)
        lumen = Target(self.name, claims.n_frames, claims.frame_shape, ONLY_LUMEN, index_by_stem=self.index_by_stem())
        return claims.with_claims(*spacing_claims(self.path, lumen))

    def facts(self) -> PullbackFacts:
        """Return what is believed of these claims; raises SourceError."""
        return self.claims().settled()

    def fingerprint(self) -> str:
        """Return the hex SHA-256 over the bytes of the frames' files, in order; names and annotations do not count."""
        # Pages of one file count once.
        digests = [sha256_of_file(path) for path in dict.fromkeys(self.frame_files())]
        # One file keeps its plain hash, so that anybody can compare it with sha256sum.
        return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def person(self) -> Person:
        """Return the person as the header names them; nobody where the files say nothing, or only in free text."""
        return Person()

    def read_annotations(self, structures: StructureSet, facts: PullbackFacts | None = None) -> FoundAnnotations:
        """Return the contours found beside the frames, with notes.

        Args:
            structures: Those of the study.
            facts: The facts of the pullback, where more is known than `facts` says: the user may know the spacing.

        Raises:
            AnnotationError: a file that cannot be used, a name or a label that is none of the structures.
        """
        return annotations_beside(self.path, self.target(structures, facts))

    def target(self, structures: StructureSet, facts: PullbackFacts | None = None) -> Target:
        """Return the pullback as files beside it are compared with it; raises SourceError."""
        facts = facts or self.facts()
        shape, by_stem = facts.frame_shape, self.index_by_stem()
        return Target(self.name, facts.n_frames, shape, structures, facts.spacing_mm, by_stem, is_settled=True)

    def index_by_stem(self) -> Mapping[str, int]:
        """Return the frame_index by name of a frame's own file; empty where all frames are in one."""
        if not self.path.is_dir():
            return {}  # the name of the one file says nothing of a frame
        return {bare_name(file.name): index for index, file in enumerate(self.frame_files())}


def with_claims_beside(claims: PullbackClaims, path: Path) -> PullbackClaims:
    """Return claims with those of files beside the frames; a phases.csv counts before what the frames say of heartbeats.

    Raises:
        SourceError: a file cannot be used.
    """
    table = file_beside(path, PHASES_NAME)
    if table.is_file():
        notes: list[str] = []
        end_diastolic = _end_diastolic_frames(table, claims.n_frames, notes)
        claims = replace(claims, r_waves_s=(), end_diastolic_frames=end_diastolic, gating_source=PHASES_NAME)
        claims = claims.with_claims(notes=notes)
    return with_aivus_claims(claims, [file for file in named_beside(path) if file.is_file()])


def _end_diastolic_frames(table: Path, n_frames: int, notes: list[str]) -> tuple[int, ...]:
    """Return the frames that a phases.csv marks, rising; `notes` gets what a person should know; raises SourceError."""
    phase_of: dict[int, str] = {}
    rows = read_rows(table, "table of phases", ("frame_index", "phase"), error=SourceError, notes=notes)
    for line, row in enumerate(rows, start=FIRST_ROW):
        index, phase = whole_number(row["frame_index"]), row["phase"].upper()
        hint = f"its columns are frame_index,phase; frames are 0 to {n_frames - 1}, phases D, S or -"
        where = f"line {line}"
        if index is None or index >= n_frames or phase not in PHASES:
            found = f"frame_index {row['frame_index']!r} with phase {row['phase']!r}"
            raise SourceError(f"{found} cannot be used", hint=hint, path=table, where=where)
        if phase_of.setdefault(index, phase) != phase:
            message = f"frame {index} has the phases {phase_of[index]!r} and {phase!r}"
            raise SourceError(message, hint="keep the line that is right", path=table, where=where)
    return tuple(sorted(index for index, phase in phase_of.items() if PHASES[phase]))
