"""Runs a command and kills it before its n-th change on disk, as a plug that is pulled would."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from typer.testing import CliRunner

from ivsqa.cli.main import app

CHANGES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.link": 2, "os.truncate": 1}
"""What changes a disk, as Python's audit events name it, with how many paths each has; writing to a file comes besides."""


def run_until_killed(arguments: Sequence[str], root: Path, n: int) -> bool:
    """Run a command in a process of its own; returns whether it was killed before its n-th change below a folder, from 1."""
    child = os.fork()
    if child == 0:
        sys.addaudithook(_Killer(root, n))
        CliRunner().invoke(app, [*arguments, "--project", str(root)])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def run(arguments: Sequence[str], root: Path) -> None:
    """Run a command to its end."""
    result = CliRunner().invoke(app, [*arguments, "--project", str(root)], catch_exceptions=False)
    assert result.exit_code == 0, result.output


class _Killer:
    """Counts changes, and kills its process before one."""

    def __init__(self, root: Path, n: int) -> None:
        self._root = str(root)
        self._left = n

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
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)
