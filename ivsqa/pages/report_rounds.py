"""The part of the report about rounds and readers: what was sent, what came back, and how much of it had to be corrected."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from ivsqa.domain.agreement.effort import Reading
from ivsqa.io.project.records import RoundRecord
from ivsqa.pages.html import count, number, percent, table

ROUNDS_STYLE = """
.bar { display: inline-block; width: 6rem; height: .7rem; border: 1px solid var(--faint); margin-left: .5rem }
.bar i { display: block; height: 100%; background: var(--faint) }
"""
HEADS = ("frames back", "border corrected", "contours untouched", "moved", "new", "removed", "last back")


def rounds_section(rounds: Sequence[RoundRecord], readings: Sequence[Reading], n_imported: int) -> str:
    """Return what was sent and what came back, by round and by reader; "" where there is nothing.

    Args:
        rounds: Oldest first.
        readings: By round and reader.
        n_imported: Frames that came with contours.
    """
    imported = f"<p>{count(n_imported, 'frame')} came with contours when they were imported.</p>" if n_imported else ""
    if not rounds:
        return imported
    of_rounds = [
        [
            f"{escape(one.round_id)}<small>{escape(one.split)}</small>",
            escape(one.strategy) + (f"<small>{escape(one.model_id)}</small>" if one.model_id else ""),
            f"{one.n}<small>{escape(one.state)}</small>",
            *_cells([reading for reading in readings if reading.round_id == one.round_id]),
        ]
        for one in rounds
    ]
    of_readers = []
    for name in sorted({one.reader for one in readings}):
        own = [one for one in readings if one.reader == name]
        of_readers.append([escape(name), str(len(own)), *_cells(own)])
    return f"""{imported}<p class="note">Corrected is the border further from what a reader was sent than two experts differ
(0.1 mm; 1.25 px of the working grid where spacing is unknown), or that was not sent at all: a first round without a model
counts in full.</p>
{table(["round", "chosen by", "frames sent", *HEADS], [of_rounds])}
{table(["reader", "rounds", *HEADS], [of_readers]) if of_readers else ""}"""


def _cells(readings: Sequence[Reading]) -> list[str]:
    """Return what came back, summed over readings."""
    if not readings:
        return ["–"] * len(HEADS)
    n_frames, n_unreadable = (
        sum(one.frames.total() for one in readings),
        sum(one.frames["unreadable"] for one in readings),
    )
    untouched, edited, new, deleted = (
        str(sum(one.contours[kind] for one in readings)) for kind in ("untouched", "edited", "new", "deleted")
    )
    moved_mm = [distance for one in readings for distance in one.edit_mm]
    return [
        str(n_frames) + (f"<small>{n_unreadable} unreadable</small>" if n_unreadable else ""),
        _bar(sum(one.corrected for one in readings), sum(one.border for one in readings)),
        untouched,
        edited + (f"<small>by {number(float(np.mean(moved_mm)), 2)} mm</small>" if moved_mm else ""),
        new,
        deleted,
        escape(max(one.returned_at for one in readings)[:10]) or "–",
    ]


def _bar(part: float, whole: float) -> str:
    """Return a share as a number and a bar."""
    if whole <= 0.0:
        return "–"
    return f'{percent(part / whole)}<span class="bar"><i style="width:{100.0 * part / whole:.0f}%"></i></span>'
