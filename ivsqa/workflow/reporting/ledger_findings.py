"""What is gone or was changed since it was written, by the ledger; and what of it can be mended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivsqa.errors import NotFoundError
from ivsqa.io.ledger import doors
from ivsqa.io.ledger.inspect import Difference, acknowledge, edited, faults_of_the_ledger, remove_damaged
from ivsqa.io.ledger.rooms import Worth
from ivsqa.io.leftovers import is_left, iter_temporary, sweep
from ivsqa.io.project.lock import remove_dead_locks
from ivsqa.io.project.project import Project
from ivsqa.workflow.reporting.finding import ProjectFinding

_READ_BY_IVSQA = (".yaml", ".csv", ".safetensors", "/")


@dataclass(frozen=True)
class Repair:
    """What was mended.

    Attributes:
        removed: Files, by name in the project, that were left by stopped processes, or that can be made again and were damaged.
        acknowledged: Files that count as they are now, gone or changed.
    """

    removed: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()


def repair_project(project: Project, *, repair: bool, acknowledged: Sequence[Path] = ()) -> Repair:
    """Mend what can be mended without losing anything.

    Removes what processes left that certainly run no longer, their locks, and files that can be made again and
    are not as they were written: the command that makes them does so. What cannot be made again is never touched; a person may
    say that it shall count as it is. Running it again changes nothing.

    Args:
        project: The project.
        repair: Remove.
        acknowledged: Files, or folders with all in them, that shall count as they are now, gone or changed.

    Raises:
        NotFoundError: there is nothing to acknowledge in one of them.
    """
    book, names, removed = doors.book_of(project.root), list[str](), list[Path]()
    for path in acknowledged:
        found = acknowledge(book, path)
        if not found:
            raise NotFoundError("is as it was written", path=path, hint="list what is not: ivsqa check")
        names += found
    if repair:
        removed = sweep(iter_temporary(project.root), is_left) + remove_dead_locks(project.root)
        removed += [project.root / name for name in remove_damaged(book)]
    return Repair(tuple(path.relative_to(project.root).as_posix() for path in removed), tuple(names))


def edited_files(project: Project) -> list[str]:
    """Return the names of the files that are there to be edited and were, since ivsqa last saw them."""
    return edited(doors.book_of(project.root))


def findings_of(root: Path, differ: Sequence[Difference]) -> Iterator[ProjectFinding]:
    """Yield what is gone, changed or unknown; of a folder that is gone as a whole, the folder."""
    gone: dict[str, list[Difference]] = {}
    for one in differ:
        if one.kind == "gone":
            gone.setdefault(_topmost_gone(root, one.name), []).append(one)
        elif one.kind == "changed":
            yield ProjectFinding(
                "changed", one.name, f"changed since {one.written} wrote it", _mend(root, one, one.name)
            )
        elif one.kind == "unknown" and one.worth is Worth.KEPT and one.name.endswith(_READ_BY_IVSQA):
            hint = f"remove it; or, if it belongs here: {doors.acknowledging(root / one.name)}"
            yield ProjectFinding("unknown", one.name, "no command wrote it that the ledger knows", hint)
    for where, lost in sorted(gone.items()):
        message = f"written by {lost[0].written}, and gone"
        if where != lost[0].name:
            message = (
                f"{len(lost)} file{'' if len(lost) == 1 else 's'} gone, the first {message.removesuffix(', and gone')}"
            )
        yield ProjectFinding("gone", where, message, _mend(root, lost[0], where))
    book = doors.book_of(root)
    for where, message in faults_of_the_ledger(book) if book.exists else ():
        yield ProjectFinding("ledger", where, message, "restore it from a copy")


def _topmost_gone(root: Path, name: str) -> str:
    """Return the name of the uppermost folder that is gone with a file; its own where its folder is there."""
    path = root / name
    while not path.parent.exists():
        path = path.parent
    return name if path == root / name else f"{path.relative_to(root).as_posix()}/"


def _mend(root: Path, one: Difference, where: str) -> str:
    """Return how to mend a file that is gone or changed."""
    if one.worth is Worth.DERIVED:
        command = one.written.partition(" ")[0].partition("-")[2]
        again = f", then: ivsqa {command}" if command not in ("", "found", "python") else ""
        return f"ivsqa check --repair{again}"
    return f"restore it from a copy; if that is lost: {doors.acknowledging(root / where)}"
