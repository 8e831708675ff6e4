"""Runs commands, each in a process of its own that has everything imported: as a command would run, but in milliseconds.

The server is a process that imports and does nothing else, so that no thread is lost where it forks. A child may hang, be
killed before a change on disk, be denied what modes forbid, or take its process with it; the server tells.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

LONGEST_S = 60.0


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code; -1: its process did not come so far.
        out: What it printed.
        errors: Its messages.
        bug: Its traceback; "" where it had none.
        n_changes: Changes on disk, where they were counted.
        signal: What ended its process; 0: nothing did.
        hung: Whether it took too long, and was ended for that.
        seconds: How long it took.
        more_mb: By how much the memory of its process grew.
    """

    code: int = -1
    out: str = ""
    errors: str = ""
    bug: str = ""
    n_changes: int = 0
    signal: int = 0
    hung: bool = False
    seconds: float = 0.0
    more_mb: float = 0.0


def in_process(
    words: Sequence[str],
    *,
    deny: bool = False,
    below: Path | None = None,
    kill_before: int = 0,
    longest_s: float = LONGEST_S,
) -> Ended:
    """Run a command line in a process of its own.

    Args:
        words: What is typed behind `ivsqa`.
        deny: Let modes hold, for root too.
        below: Count the changes on disk below this folder.
        kill_before: Kill it before the change of this number, from 1; 0: never.
        longest_s: End it after so long.
    """
    asked = {
        "words": list(words),
        "deny": deny,
        "below": str(below or ""),
        "kill_before": kill_before,
        "longest_s": longest_s,
    }
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(asked) + "\n")
    server.stdin.flush()
    return Ended(**json.loads(server.stdout.readline()))


@cache
def _server() -> subprocess.Popen[str]:
    """Start the server; it ends with its standard input."""
    root = Path(__file__).parents[2]
    server = subprocess.Popen(
        [sys.executable, "-m", __name__.rpartition(".")[0] + ".server"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root,
    )  # fmt: skip

    def end() -> None:
        assert server.stdin is not None
        server.stdin.close()
        server.wait()

    atexit.register(end)
    return server


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Import everything, then run each command that is asked for."""
    import ivsqa

    importlib.import_module("tests.conftest")  # small networks, one thread, no starter model
    for module in pkgutil.walk_packages(ivsqa.__path__, "ivsqa."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for line in requests:
        answers.write(json.dumps(_forked(json.loads(line))) + "\n")
        answers.flush()


def _forked(asked: dict[str, Any]) -> dict[str, Any]:
    """Run a command in a child, and wait for it."""
    ours, theirs = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            with os.fdopen(theirs, "w", encoding="ascii") as stream:
                json.dump(_told(asked), stream)
        finally:
            os._exit(0)
    os.close(theirs)
    hung, data = False, b""
    with os.fdopen(ours, "rb", buffering=0) as stream:
        while True:
            left = started + asked["longest_s"] - time.monotonic()
            hung = left <= 0 or not select.select([stream], [], [], left)[0]
            part = b"" if hung else stream.read(1 << 20)
            if not part:
                break
            data += part
    if hung:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    told: dict[str, Any] = json.loads(data) if data else {}
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return {**told, "signal": ended_by, "hung": hung, "seconds": time.monotonic() - started}


def _told(asked: dict[str, Any]) -> dict[str, Any]:
    """Run a command here; returns what there is to tell of it."""
    from typer.testing import CliRunner

    from ivsqa.cli.main import app
    from tests.attacks.denied import denied
    from tests.killed import Changes

    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)  # answers of the server stand on its own standard output
    changes = Changes(Path(asked["below"]), asked["kill_before"]) if asked["below"] else None
    if changes is not None:
        sys.addaudithook(changes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with denied() if asked["deny"] else nullcontext():
        ran = CliRunner().invoke(app, asked["words"])
    bug = ""
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        assert ran.exc_info is not None
        bug = "".join(traceback.format_exception(*ran.exc_info))
    return {
        "code": ran.exit_code, "out": ran.stdout, "errors": ran.stderr, "bug": bug,
        "n_changes": changes.n if changes else 0,
        "more_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }  # fmt: skip


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
