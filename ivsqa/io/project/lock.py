"""An advisory lock for what must not run twice in one project, on local disks and on NFS.

The file appears whole under its name and says host, process and start. Whoever finds one of a process of this host that no longer
runs takes it over; one of another host is respected, and the message says how to mend it if that host has died.

The library filelock cannot stand in: its FileLock is flock, which many clusters mount as local to one host, and names no holder;
its SoftFileLock says neither purpose nor start, takes a marker that it cannot read for stale after two seconds, and so would take
the lock from a running ivsqa that wrote it in this form.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ivsqa.errors import ProjectLockedError

NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})
"""What disks answer that know no hard links, such as exFAT and shares of Windows."""
SETTLED_S = 0.1
"""After so long, what a lock says is written, also where it could not be written before it had its name."""


@contextmanager
def project_lock(path: Path, *, purpose: str, started_at: str, dry_run: bool = False) -> Iterator[None]:
    """Hold the lock at `path` for the length of the block.

    Args:
        path: The lock file.
        purpose: What is guarded, in a word or two, for the message.
        started_at: Now, ISO 8601.
        dry_run: Nothing is written in the block: hold no lock, which would be written too.

    Raises:
        ProjectLockedError: a living process holds it.
    """
    if dry_run:
        yield
        return
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "born": _birth(os.getpid()), "started_at": started_at}
    _acquire(path, owner, purpose)
    try:
        yield
    finally:
        if _read_owner(path) == owner:
            path.unlink(missing_ok=True)


def _acquire(path: Path, owner: dict[str, Any], purpose: str) -> None:
    """Make the lock file, removing one whose owner has died."""
    for _ in range(3):
        with contextlib.suppress(FileExistsError):
            # Written whole before it gets its name: a lock can never be seen half-written.
            draft = path.with_name(f"{path.name}.{owner['host']}-{owner['pid']}")
            try:
                draft.write_text(json.dumps(owner), encoding="utf-8")
                _link(draft, path)
            finally:
                draft.unlink(missing_ok=True)
            return
        holder = _read_owner(path)
        if holder is None:
            time.sleep(SETTLED_S)
            holder = _read_owner(path)
        if holder is None or _is_dead(holder):
            _remove_stale(path, holder, owner)
            continue
        raise ProjectLockedError(
            f"{purpose} is already running on {holder['host']} (process {holder['pid']}, since {holder['started_at']})",
            path=path,
            hint=f"wait for it; if that machine has died, remove the file: rm {path}",
        )
    raise ProjectLockedError(f"others keep taking the lock for {purpose}", path=path, hint="try again in a moment")


def _link(draft: Path, path: Path) -> None:
    """Give a draft a second name, unless that is taken; where the disk knows no links, write the same once more.

    Raises:
        FileExistsError: the name is taken.
    """
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        with path.open("x", encoding="utf-8") as stream:
            stream.write(draft.read_text(encoding="utf-8"))


def _remove_stale(path: Path, holder: dict[str, Any] | None, owner: dict[str, Any]) -> None:
    """Remove a dead process's lock; one that another process made meanwhile is put back.

    Moved aside before it is looked at again: two processes that find the same dead lock cannot both remove the new one.
    """
    aside = path.with_name(f"{path.name}.stale-{owner['host']}-{owner['pid']}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if _read_owner(aside) != holder:
            with contextlib.suppress(FileExistsError):
                _link(aside, path)
        aside.unlink()


def _read_owner(path: Path) -> dict[str, Any] | None:
    """Return the holder of a lock, or None where there is none or it says nothing."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return owner if isinstance(owner, dict) and {"host", "pid", "started_at"} <= owner.keys() else None


def _is_dead(owner: dict[str, Any]) -> bool:
    """Whether the owner ran on this host and runs no longer (a process number that was given again counts as dead)."""
    # On Windows, signal 0 would end the process it asks about.
    if owner["host"] != socket.gethostname() or os.name == "nt":
        return False
    try:
        os.kill(int(owner["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # it runs, but belongs to somebody else
    return owner.get("born") != _birth(int(owner["pid"]))


def _birth(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks, where the kernel tells."""
    try:
        # Split behind the last bracket: the program's name, in brackets, may hold blanks itself.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return None
