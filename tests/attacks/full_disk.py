"""A disk that is full from some moment on: the only thing that is faked here."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from ivsqa.io.project.project import open_project

NEEDING_ROOM = [
    "select -n 2",
    "audit -n 2",
    "undo {frame} --reader anna",
    "export-for-annotation --round r004 --reader carl",
    "import-annotations {packet} --reader zoe --accept-untouched",
    "measure",
    "report",
    "score --all --pullback S01-P1",
    "evaluate",
]
"""Commands that write, for a study of every kind."""


def asked(line: str, root: Path, work: Path) -> str:
    """Return a command line with the names of a study in it; the open packet is copied as what comes back."""
    back = work / "back"
    shutil.rmtree(back, ignore_errors=True)
    shutil.copytree(root / "rounds" / "r006" / "packet", back)
    frame = open_project(root).get_round("r004").frames[0].key
    return line.format(frame=frame, packet=back)


@contextmanager
def full_disk(*, after: int) -> Iterator[list[int]]:
    """Let the disk be full after some files were written; yields a list that grows by each file that found no room."""
    refused: list[int] = []
    n_written = 0
    fsync = os.fsync

    def full(handle: int) -> None:
        nonlocal n_written
        n_written += 1
        if n_written > after:
            refused.append(n_written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    with patch("os.fsync", full):
        yield refused
