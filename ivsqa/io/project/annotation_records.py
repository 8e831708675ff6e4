"""The manifests of what people say: revisions of annotations, and moves of the pointer to the revision that counts."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from ivsqa.domain.acceptance.minutes import FrameWork, TimedWork
from ivsqa.domain.pullback import FrameKey
from ivsqa.io.project.manifest import Manifest, Section, Upgrade
from ivsqa.io.project.records import Provenance, Sha256


class ReadingTimesRecord(Section):
    """How long hands were on frames of a revision, and what they did; four lists of equal length.

    `seconds` leaves out when the reader was away. `drawn` counts contours drawn or moved by hand, `points` those that a border
    was laid through. Frames of which the editor reports no time are absent.
    """

    frames: tuple[int, ...]
    seconds: tuple[float, ...]
    drawn: tuple[int, ...]
    points: tuple[int, ...]

    @model_validator(mode="after")
    def _lists_are_of_equal_length(self) -> Self:
        if len({len(self.frames), len(self.seconds), len(self.drawn), len(self.points)}) > 1:
            raise ValueError("lists of equal length")
        return self


class RevisionRecord(Manifest):
    """One append to a pullback's annotations; its contours stand in the CSV of the same name.

    `frames` lists frame indices by how each came about: `new` (drawn), `edited` (a prediction, moved), `nudged` (a prediction,
    laid anew through points that a person set), `accepted` (a prediction a person left as it is), `imported` (from files that
    came with the pullback), `agreed` (settled between readers who agreed), `unreadable` (no one can annotate it).
    `settles` names the readings between which this revision decides; a revision with any is a reference. `repeats` names the
    reader who read the frames once more, to be compared with themselves. `times` is null where the editor reports none.
    `parents` are the revisions and moves that it comes after: they alone tell the order.
    Version 1: ivsqa 0.1. Version 2: `parents` name moves of the pointer, and references that were there, too.
    """

    KIND = "annotation-revision"
    SCHEMA_VERSION = 2
    UPGRADES: ClassVar[dict[int, Upgrade]] = {1: dict}

    revision_id: str
    pullback_id: str
    reader: str
    source: str
    round_id: str | None
    parents: tuple[str, ...]
    frames: dict[Literal["new", "edited", "nudged", "accepted", "imported", "agreed", "unreadable"], tuple[int, ...]]
    settles: tuple[str, ...] = ()
    repeats: str | None = None
    times: ReadingTimesRecord | None = None
    contours_sha256: Sha256
    provenance: Provenance

    @property
    def frame_indices(self) -> tuple[int, ...]:
        """Every frame this revision speaks of, in order."""
        return tuple(sorted(index for indices in self.frames.values() for index in indices))

    def origin_of(self, frame_index: int) -> str:
        """Return the origin of one of its frames."""
        return next(origin for origin, indices in self.frames.items() if frame_index in indices)

    @property
    def timed_works(self) -> dict[int, TimedWork]:
        """What was done to its frames and how long it took, by frame index; {} where the editor does not say."""
        if self.times is None:
            return {}
        rows = zip(self.times.frames, self.times.seconds, self.times.drawn, self.times.points, strict=True)
        return {index: TimedWork(FrameWork(drawn, points), seconds) for index, seconds, drawn, points in rows}


class PointerMove(Section):
    """Which revision of a reader counts from now on for some frames of a pullback; null: none.

    `parents` are the revisions and moves that had put the pointer where it was: they alone tell the order.
    """

    pullback_id: str
    frames: tuple[int, ...]
    revision_id: str | None
    parents: tuple[str, ...]


def _moves_of_one_pullback(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a version 1 pointer as those of version 2; what it came after was not said."""
    moved = {name: fields[name] for name in ("pullback_id", "frames", "revision_id") if name in fields}
    return {name: value for name, value in fields.items() if name not in moved} | {"moves": [moved | {"parents": []}]}


class PointerRecord(Manifest):
    """Moves of one reader's pointer, in one file: all of them are done, or none.

    A new revision moves the pointer by itself, so such a file is written only where it is moved back, or forward again.
    Version 1: ivsqa 0.1. Version 2: moves in several pullbacks, and what each comes after.
    """

    KIND = "annotation-pointer"
    SCHEMA_VERSION = 2
    UPGRADES: ClassVar[dict[int, Upgrade]] = {1: _moves_of_one_pullback}

    pointer_id: str
    reader: str
    moves: tuple[PointerMove, ...]
    provenance: Provenance

    def move_of(self, key: FrameKey) -> PointerMove | None:
        """Return the move that a frame is in; None: it is in none."""
        return next((move for move in self.moves_in(key.pullback_id) if key.frame_index in move.frames), None)

    def moves_in(self, pullback_id: str) -> tuple[PointerMove, ...]:
        """Return the moves in a pullback."""
        return tuple(move for move in self.moves if move.pullback_id == pullback_id)
