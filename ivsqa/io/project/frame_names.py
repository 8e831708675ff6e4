"""Frames by the name that people type."""

from __future__ import annotations

import re

from ivsqa.errors import NotFoundError
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback


def find_frame(project: Project, frame: str) -> tuple[Pullback, int]:
    """Return the pullback and index that a frame's name means; see `explain_frame`."""
    match = re.fullmatch(r"(?P<pullback>[\w-]+?)(?::|_f)(?P<index>\d+)(?:\.\w+)?", frame)
    if match is None:
        raise NotFoundError(
            f"{frame!r} is not the name of a frame", hint="write it as PULLBACK:FRAME, such as pb-1a2b3c:12"
        )
    record = project.pullback(match["pullback"])
    index = int(match["index"])
    if index >= record.n_frames:
        raise NotFoundError(f"{record.pullback_id} has frames 0 to {record.n_frames - 1}, not {index}")
    return record, index
