"""Counts the changes that a process makes on disk, and kills it before one of them, as a plug that is pulled would."""

from __future__ import annotations

import os
import signal
from pathlib import Path

CHANGES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.link": 2, "os.truncate": 1}
"""What changes a disk, as Python's audit events name it, with how many paths each has; writing to a file comes besides."""


class Changes:
    """An audit hook.

    Attributes:
        n: How many changes there were so far.
    """

    def __init__(self, root: Path, kill_before: int = 0) -> None:
        self.n = 0
        self._root, self._kill_before = str(root), kill_before

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
                return
            paths: tuple[object, ...] = (path,)
        elif event in CHANGES:
            paths = arguments[: CHANGES[event]]
        else:
            return
        if any(isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._root) for path in paths):
            self.n += 1
            if self.n == self._kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
