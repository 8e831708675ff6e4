"""`selection.csv`: the frames of a round, with score and reason, for people and spreadsheets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ivsqa.domain.pullback import OfFrame
from ivsqa.io import atomic
from ivsqa.io.tables import csv_of_records, read_records


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
    atomic.write_text(path, csv_of_records(SelectedFrame, frames, decimals=".6f"))


def read_selection(path: Path) -> list[SelectedFrame]:
    """Return the frames of a round.

    Raises:
        IntegrityError: the file is missing or not as it was written.
    """
    return read_records(path, SelectedFrame, what="the selection", hint="restore it from a copy")
