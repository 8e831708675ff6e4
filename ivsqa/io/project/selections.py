"""`selection.csv`: the frames of a round, with score and reason, for people and spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ivsqa.domain.pullback import OfFrame
from ivsqa.errors import IntegrityError
from ivsqa.io import atomic

COLUMNS = ("rank", "pullback_id", "frame_index", "subject_id", "quality", "score", "reason")


@dataclass(frozen=True)
class SelectedFrame(OfFrame):
    """One chosen frame.

    Attributes:
        rank: 1 is the first to annotate.
        pullback_id: Its pullback.
        frame_index: 0-based.
        subject_id: Its subject.
        quality: Predicted quality when it was chosen; None without a model.
        score: What it was ranked by; None without a model.
        reason: In words.
    """

    rank: int
    pullback_id: str
    frame_index: int
    subject_id: str
    quality: float | None
    score: float | None
    reason: str


def write_selection(path: Path, frames: Iterable[SelectedFrame]) -> None:
    """Write the frames of a round."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for frame in frames:
        numbers = ["" if value is None else f"{value:.6f}" for value in (frame.quality, frame.score)]
        writer.writerow([frame.rank, frame.pullback_id, frame.frame_index, frame.subject_id, *numbers, frame.reason])
    atomic.write_text(path, stream.getvalue())


def read_selection(path: Path) -> list[SelectedFrame]:
    """Return the frames of a round.

    Raises:
        IntegrityError: the file is missing or not as it was written.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [
                SelectedFrame(
                    rank=int(row["rank"]),
                    pullback_id=row["pullback_id"],
                    frame_index=int(row["frame_index"]),
                    subject_id=row["subject_id"],
                    quality=float(row["quality"]) if row["quality"] else None,
                    score=float(row["score"]) if row["score"] else None,
                    reason=row["reason"],
                )
                for row in csv.DictReader(stream)
            ]
    except (OSError, KeyError, ValueError, TypeError):
        raise IntegrityError(
            "the selection is missing or was changed", path=path, hint="restore it from a copy"
        ) from None
