"""An advisory lock for what must not run twice in one project, on local disks and on NFS.

The file appears whole under its name and says host, process and start, and the job that the process is of. Whoever finds one of a
process that certainly runs no longer takes it over: here, or in a job that its queue knows to be over or to have been started
again. One of another host, or of another container with the same host name, is respected otherwise, and the message says how to
mend it if that has died. Nothing goes by the time: clocks differ. What is no lock of ours holds nobody up, unless it is a folder,
which is not ours to remove.

The library filelock cannot stand in: its FileLock is flock, which many clusters mount as local to one host, and names no holder;
its SoftFileLock says neither purpose nor start, takes a marker that it cannot read for stale after two seconds, and so would take
the lock from a running ivsqa that wrote it in this form.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ivsqa.errors import ProjectLockedError
from ivsqa.io.ledger import doors
from ivsqa.io.leftovers import TEMPORARY_PREFIX, iter_temporary, sweep, temporary_path
from ivsqa.io.outside import entries
from ivsqa.io.processes import Process, this_process
from ivsqa.io.slurm import Job, this_job

LOCK_PREFIX = ".lock-"
LARGEST_BYTES = 4096
"""What a lock says is shorter by far."""
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
    job = this_job()
    owner = {"host": socket.gethostname(), **asdict(this_process()), "started_at": started_at}
    owner |= {} if job is None else asdict(job)
    _acquire(path, owner, purpose)
    try:
        doors.look_again(path.parent)
        yield
    finally:
        if _read_owner(path) == owner:
            path.unlink(missing_ok=True)


def _acquire(path: Path, owner: dict[str, Any], purpose: str) -> None:
    """Make the lock file, removing one whose owner has died, and what that left unfinished."""
    sweep(entries(path.parent, f"{TEMPORARY_PREFIX}*"))
    for _ in range(3):
        with contextlib.suppress(FileExistsError):
            # Written whole before it gets its name: a lock can never be seen half-written.
            draft = temporary_path(path)
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
            _remove_stale(path, holder)
            sweep(iter_temporary(path.parent))
            continue
        raise ProjectLockedError(
            f"{purpose} is already running on {holder['host']} ({_named(holder)}, since {holder['started_at']})",
            path=path,
            hint=f"wait for it; if it has died with its machine, remove the file: rm {shlex.quote(str(path))}",
        )
    raise ProjectLockedError(f"others keep taking the lock for {purpose}", path=path, hint="try again in a moment")


def _link(draft: Path, path: Path) -> None:
    """Give a draft a second name, unless that is taken; where the disk knows no links, write the same once more.

    Raises:
        FileExistsError: the name is taken.
    """
    try:
        os.link(draft, path)
    except FileExistsError:
        # A server that answered twice says so of the link that it has just made.
        if draft.stat().st_nlink != 2:
            raise
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        with path.open("x", encoding="utf-8") as stream:
            stream.write(draft.read_text(encoding="utf-8"))


def remove_dead_locks(root: Path) -> list[Path]:
    """Remove the locks in a project whose holders certainly run no longer, and return them."""
    removed = []
    for path in entries(root, f"{LOCK_PREFIX}*"):
        holder = _read_owner(path)
        if holder is not None and _is_dead(holder):
            _remove_stale(path, holder)
            removed.append(path)
    return removed


def _remove_stale(path: Path, holder: dict[str, Any] | None) -> None:
    """Remove a dead process's lock; one that another process made meanwhile is put back.

    Moved aside before it is looked at again: two processes that find the same dead lock cannot both remove the new one.

    Raises:
        ProjectLockedError: a folder is in the way.
    """
    if path.is_dir() and not path.is_symlink():
        hint = f"move it away: mv {shlex.quote(str(path))} {shlex.quote(str(path.parent / path.name.lstrip('.')))}"
        raise ProjectLockedError("a folder is where a lock would be", path=path, hint=hint)
    aside = temporary_path(path)
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if _read_owner(aside) != holder:
            with contextlib.suppress(FileExistsError):
                _link(aside, path)
        aside.unlink()


def _read_owner(path: Path) -> dict[str, Any] | None:
    """Return the holder of a lock, or None where there is none or it says nothing."""
    try:
        # No pipe is opened, nothing large is read, and no link is followed.
        if not stat.S_ISREG(path.lstat().st_mode) or path.lstat().st_size > LARGEST_BYTES:
            return None
        owner = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    except OSError as error:
        if error.errno != errno.ESTALE:  # what a shared disk says of a file that was removed while it was read
            raise
        return None
    wanted = {"host": str, "pid": int, "started_at": str}
    said = isinstance(owner, dict) and all(isinstance(owner.get(name), kind) for name, kind in wanted.items())
    return owner if said else None


def _is_dead(owner: dict[str, Any]) -> bool:
    """Whether the owner certainly runs no longer; one that an older version wrote down says too little to know."""
    computer, boot, namespace, born = (str(owner.get(name, "")) for name in ("computer", "boot", "namespace", "born"))
    if computer and Process(computer, boot, namespace, owner["pid"], born or None).is_dead:
        return True
    job = _job_of(owner)
    return job is not None and job.is_over


def _job_of(owner: dict[str, Any]) -> Job | None:
    """Return the job that the owner is of; None where it names none."""
    number, restarts = owner.get("job"), owner.get("restarts")
    if not (isinstance(number, int) and isinstance(restarts, int)):
        return None
    return Job(str(owner.get("cluster", "")), number, restarts)


def _named(owner: dict[str, Any]) -> str:
    """Return the owner as people look for it."""
    job = _job_of(owner)
    return f"process {owner['pid']}{f' of job {job.job}' if job else ''}"
