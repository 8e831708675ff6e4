"""What of a project is not as the ledger says: for `check`, which tells all of it, and mends what can be made again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ivsqa.io.ledger.book import Book, hash_of, size_of
from ivsqa.io.ledger.entries import GONE, Entry
from ivsqa.io.ledger.rooms import Worth, is_bulky, worth_of
from ivsqa.io.ledger.view import Known


@dataclass(frozen=True)
class Difference:
    """A file that is not as the ledger says.

    Attributes:
        kind: `gone`, `changed`, `unknown`: nothing that wrote a ledger wrote it, or `edited`: it is there to be edited.
        name: Of the file in the project.
        worth: What it is worth.
        written: By which chapter and when it was written last; "" of an unknown file.
    """

    kind: Literal["gone", "changed", "unknown", "edited"]
    name: str
    worth: Worth
    written: str = ""


def differences(book: Book, *, deep: bool) -> list[Difference]:
    """Return the files that are not as the ledger says, by name; none where there is no ledger.

    Args:
        book: The ledger.
        deep: Read bulky files to their end, too; else only their size is looked at.
    """
    if not book.exists:
        return []
    book.refresh()
    there = set(book.iter_files())
    found = list(_of_known(book, there, deep=deep))
    found += [Difference("unknown", name, _worth(name)) for name in there - book.view.known.keys()]
    if found and book.refresh():
        return differences(book, deep=deep)  # somebody wrote meanwhile
    return sorted(found, key=lambda one: one.name)


def edited(book: Book) -> list[str]:
    """Return the names of the files that are there to be edited and were, since ivsqa last saw them."""
    if not book.exists:
        return []
    yours = {name: known for name, known in book.view.known.items() if _worth(name) is Worth.YOURS}
    there = {name for name in yours if (book.root / name).is_file()}
    return sorted(name for name in there if not _is_as_known(book, name, yours[name], deep=True))


def faults_of_the_ledger(book: Book) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong with it) of the ledger itself: chapters that are missing, and lines that say nothing."""
    numbers = set()
    for chapter in book.view.chapters:
        numbers.add(int(chapter.name.partition("-")[0]))
        for line in chapter.unreadable:
            yield f"{book.folder.name}/{chapter.name}", f"line {line} cannot be read"
    for number in sorted(set(range(max(numbers, default=-1) + 1)) - numbers):
        yield f"{book.folder.name}/{number:05d}-*", "is gone: chapters are numbered without a gap"


def acknowledge(book: Book, path: Path) -> list[str]:
    """Enter that a file, or all in a folder, shall count as it is now, gone or changed; returns the names of what is entered."""
    name = path.absolute().relative_to(book.root).as_posix()
    names = {one.name for one in differences(book, deep=True) if one.name == name or one.name.startswith(f"{name}/")}
    if names:
        book.enter([book.found(one) for one in sorted(names)])
    return sorted(names)


def remove_damaged(book: Book) -> list[str]:
    """Remove what is damaged and can be made again, so that the command that makes it does so; returns the names.

    Rows and error maps of the same frames go together: neither counts without the other.
    """
    damaged = {one.name for one in differences(book, deep=True) if one.worth is Worth.DERIVED and one.kind != "unknown"}
    damaged |= {_partner(name) for name in damaged if _partner(name) in book.view.known}
    for name in sorted(damaged):
        book.enter([Entry("removed", name)])
        (book.root / name).unlink(missing_ok=True)
    return sorted(damaged)


def _of_known(book: Book, there: set[str], *, deep: bool) -> Iterator[Difference]:
    """Yield the known files that are gone or changed."""
    for name, known in book.view.known.items():
        worth, written = _worth(name), f"{known.chapter.removesuffix('.jsonl')} {known.last.at}".rstrip()
        if name not in there:
            if GONE not in known.hashes:
                yield Difference("gone", name, worth, written)
        elif known.hashes == {GONE}:
            yield Difference("unknown", name, worth, written)
        elif not _is_as_known(book, name, known, deep=deep):
            yield Difference("edited" if worth is Worth.YOURS else "changed", name, worth, written)


def _is_as_known(book: Book, name: str, known: Known, *, deep: bool) -> bool:
    """Whether a file that is there is what the ledger says, as far as is looked."""
    if deep or not is_bulky(name):
        return hash_of(book.root / name) in known.hashes
    if name.endswith("/") or len(known.hashes) > 1:
        return True
    return size_of(book.root / name) == known.last.n_bytes


def _worth(name: str) -> Worth:
    """Return what a file is worth that the ledger knows; what an earlier version knew and this one does not is worth keeping."""
    return worth_of(name) or Worth.KEPT


def _partner(name: str) -> str:
    """Return the name of the rows of the same frames as error maps, or the other way round."""
    swapped = {"frames": "error-maps", "error-maps": "frames"}
    return re.sub(
        r"^(scores/[^/]+/[^/]+/)(frames|error-maps)(-)", lambda found: found[1] + swapped[found[2]] + found[3], name
    )
