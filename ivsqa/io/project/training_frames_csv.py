"""`training_frames.csv`: the annotated frames that a model learnt from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ivsqa.domain.pullback import FrameKey
from ivsqa.io.project.pullbacks import AnnotatedFrame
from ivsqa.io.tables import csv_of_records, read_records


@dataclass(frozen=True)
class _Line:
    role: str
    pullback_id: str
    frame_index: int
    revision_id: str


def frames_csv(frames: Iterable[tuple[str, AnnotatedFrame]]) -> str:
    """Return the table of annotations that a model used, from (role, frame) pairs, "train" or "validation"."""
    return csv_of_records(_Line, (_Line(role, *frame.key, frame.revision_id) for role, frame in frames))


def read_training_frames(path: Path, role: str) -> frozenset[FrameKey]:
    """Return the frames of one role in such a table.

    Raises:
        IntegrityError: the file is missing or not as it was written.
    """
    lines = read_records(path, _Line, what="the list of training frames", hint="restore it from a copy")
    return frozenset(FrameKey(line.pullback_id, line.frame_index) for line in lines if line.role == role)
