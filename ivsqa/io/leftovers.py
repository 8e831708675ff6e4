"""Names of what is not finished, and sweeping of what stopped processes left: each name says which process it is of."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ivsqa.io.processes import process_of, this_process

TEMPORARY_PREFIX = ".tmp-"
LEFTOVER_AGE_S = 3600.0
"""What a process of another machine left counts as left after so long."""


def temporary_path(path: Path) -> Path:
    """Return a path beside another for what shall get its name."""
    return path.with_name(f"{TEMPORARY_PREFIX}{this_process().token}-{os.urandom(4).hex()}")


def iter_temporary(root: Path) -> Iterator[Path]:
    """Yield all that is not finished below a folder, or was left there."""
    for folder, folders, files in os.walk(root):
        yield from sorted(Path(folder, name) for name in (*folders, *files) if name.startswith(TEMPORARY_PREFIX))
        folders[:] = [name for name in folders if not name.startswith(TEMPORARY_PREFIX)]


def sweep(paths: Iterable[Path], *, older_than_s: float = math.inf) -> list[Path]:
    """Remove what stopped processes left, and return it.

    Args:
        paths: What may be left.
        older_than_s: From this age on also what may be of a process that runs elsewhere.
    """
    removed = []
    for path in paths:
        owner = process_of(path.name.removeprefix(TEMPORARY_PREFIX))
        if (owner is not None and owner.is_dead) or _age_s(path) >= older_than_s:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _age_s(path: Path) -> float:
    """Return how long ago something was written; 0 where it is gone."""
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0
