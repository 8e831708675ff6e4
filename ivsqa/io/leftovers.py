"""Names of what is not finished, and sweeping of what stopped processes left: each name says which process and job it is of.

How old it is says nothing: who wrote it may have another clock.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ivsqa.io.processes import Process, process_of, this_process
from ivsqa.io.slurm import Job, job_of, this_job

TEMPORARY_PREFIX = ".tmp-"


def temporary_path(path: Path) -> Path:
    """Return a path beside another for what shall get its name."""
    job = this_job()
    owner = "-".join(filter(None, [this_process().token, job.token if job else ""]))
    return path.with_name(f"{TEMPORARY_PREFIX}{owner}-{os.urandom(4).hex()}")


def iter_temporary(root: Path) -> Iterator[Path]:
    """Yield all that is not finished below a folder, or was left there."""
    for folder, folders, files in os.walk(root):
        yield from sorted(Path(folder, name) for name in (*folders, *files) if name.startswith(TEMPORARY_PREFIX))
        folders[:] = [name for name in folders if not name.startswith(TEMPORARY_PREFIX)]


def is_of_dead_process(path: Path) -> bool:
    """Whether the process that something is of certainly runs no longer."""
    owner, _ = _owner(path)
    return owner is not None and owner.is_dead


def is_left(path: Path) -> bool:
    """Whether what something is of certainly runs no longer, its process or its job, for which the queue is asked."""
    _, job = _owner(path)
    return is_of_dead_process(path) or (job is not None and job.is_over)


def may_be_left(path: Path) -> bool:
    """Whether it is not certain that what something is of runs: it is of another machine, or its name says nothing."""
    owner, _ = _owner(path)
    return owner is None or owner.is_dead or not owner.is_seen


def sweep(paths: Iterable[Path], is_left: Callable[[Path], bool] = is_of_dead_process) -> list[Path]:
    """Remove what stopped processes left, and return it.

    Args:
        paths: What may be left.
        is_left: What is.
    """
    removed = []
    for path in paths:
        if is_left(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _owner(path: Path) -> tuple[Process | None, Job | None]:
    """Return which process and which job something is of, by its name."""
    name = path.name.removeprefix(TEMPORARY_PREFIX)
    owner = process_of(name)
    return owner, None if owner is None else job_of(name.removeprefix(f"{owner.token}-"))
