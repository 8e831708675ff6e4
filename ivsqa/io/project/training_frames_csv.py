"""`training_frames.csv`: the annotated frames that a model learnt from."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ivsqa.domain.pullback import FrameKey
from ivsqa.io.project.annotated_frames import AnnotatedFrame


def frames_csv(frames: Sequence[tuple[str, AnnotatedFrame]]) -> str:
    """Return the table that says which annotations a model used: (role, frame) pairs."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["role", "pullback_id", "frame_index", "revision_id"])
    for role, frame in frames:
        writer.writerow([role, *frame.key, frame.revision_id])
    return stream.getvalue()


def keys_from_frames_csv(text: str, role: str) -> frozenset[FrameKey]:
    """Return the frames of one role in such a table."""
    rows = csv.DictReader(io.StringIO(text))
    return frozenset(FrameKey(row["pullback_id"], int(row["frame_index"])) for row in rows if row["role"] == role)
