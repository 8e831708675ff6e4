"""The folder of a demo: what may be removed from it, and a mark that says so.

The demo is played in a folder of its own inside, and moved out of it when it is done: what is left of one that was stopped is in
there, where nobody works. The mark, written with it, lists each file that the demo wrote with its hash. So whatever a person
added or changed since is known, and nothing of theirs is ever removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ivsqa.errors import IvsqaError, StateError
from ivsqa.io import atomic
from ivsqa.io.hashes import sha256_of_file
from ivsqa.io.leftovers import TEMPORARY_PREFIX
from ivsqa.io.project.manifest import Manifest, read_manifest, write_manifest
from ivsqa.io.project.records import Provenance, Sha256

MARK = "demo.yaml"
STAGE = f"{TEMPORARY_PREFIX}demo"


class DemoRecord(Manifest):
    """`demo.yaml`: the files that a demo wrote, each with its hash, by their place in its folder.

    Version 1: ivsqa 0.2.
    """

    KIND = "demo"

    files: dict[str, Sha256]
    provenance: Provenance


def make_room(folder: Path, *, overwrite: bool) -> None:
    """Remove what an earlier demo left in a folder.

    Args:
        folder: Where the demo shall be; it may be missing.
        overwrite: Whether a demo that was played to its end may go too; what is left of one that was stopped always does.

    Raises:
        StateError: it is in use, or holds what no demo wrote: then nothing is removed.
    """
    shutil.rmtree(folder / STAGE, ignore_errors=True)
    there = set(_files(folder))
    if not there:
        return
    mark = folder / MARK
    if not mark.is_file():
        raise StateError("this folder is not empty", path=folder, hint="choose another folder")
    written = read_manifest(mark, DemoRecord).files
    for path in sorted(there - {mark}):
        name = path.relative_to(folder).as_posix()
        if name not in written:
            raise _refused("was not written by the demo", path)
        if path.is_symlink() or sha256_of_file(path) != written[name]:
            raise _refused("was changed since the demo wrote it", path)
    if not overwrite and {folder / name for name in written} <= there:
        raise StateError("this folder holds a demo", path=folder, hint="add --overwrite")
    # The mark goes last: what a kill leaves of this is still known.
    for entry in sorted(folder.iterdir(), key=lambda path: path == mark):
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield where a demo is to be played; if the block ends well, all of it is moved into `folder`."""
    with atomic.staged_folder(folder / STAGE) as stage:
        yield stage
        # The mark is first: it knows what is not there yet.
        for entry in sorted(stage.iterdir(), key=lambda path: path.name != MARK):
            entry.rename(folder / entry.name)


def write_mark(stage: Path, made: Provenance) -> None:
    """Write the mark of a demo that is played to its end."""
    files = {path.relative_to(stage).as_posix(): sha256_of_file(path) for path in sorted(_files(stage))}
    write_manifest(stage / MARK, DemoRecord(files=files, provenance=made))


def _files(folder: Path) -> Iterator[Path]:
    """Yield whatever is below a folder and is no folder itself, links too."""
    return (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _refused(message: str, path: Path) -> IvsqaError:
    return StateError(message, path=path, hint="choose another folder; nothing was removed")
