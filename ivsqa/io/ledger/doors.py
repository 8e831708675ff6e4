"""The doors of the ledger: each write to a project passes through one, and so does each reader of what a result rests on.

Whoever writes or reads names a path and nothing else; the project around it is found here. Files outside of a project, and files
that the ledger does not know, pass through as if there were no door.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ivsqa.errors import IntegrityError, StoppedError
from ivsqa.io.ledger.book import Book, Command, hash_of, size_of
from ivsqa.io.ledger.entries import GONE, Entry
from ivsqa.io.ledger.rooms import SETTINGS_NAME, Worth, is_in_a_room, is_one_whole, worth_of
from ivsqa.io.ledger.view import Known
from ivsqa.io.outside import names_in
from ivsqa.io.ranks import launcher_has_ended

_books: dict[Path, Book] = {}
_within: dict[str, tuple[Path, str]] = {}
"""By folder, the project that it is in, and how the names of its files begin there."""
_is_open: ContextVar[bool] = ContextVar("_is_open", default=False)
_command = Command()
_ANY = re.compile(r".*", re.DOTALL)


@contextmanager
def command(name: str, request: str = "") -> Iterator[None]:
    """Name the command that writes in the block, and enter its end when that ends well or with an error that was told.

    One that was stopped, or whose launcher ended before it, has not come to its end: whoever gave it does not know what it did.

    Args:
        name: As it is typed.
        request: All that it was asked for, as text; of it only a hash is written down.
    """
    global _command  # noqa: PLW0603  a process runs one command
    end()  # what was written before is not of this command
    before = _command
    _command = Command(name, hashlib.sha256(request.encode("utf-8", "surrogateescape")).hexdigest() if request else "")
    was_stopped = False
    try:
        yield
    except StoppedError:
        was_stopped = True
        raise
    finally:
        end(was_stopped=was_stopped or launcher_has_ended())
        _command = before


def end(*, was_stopped: bool = False) -> None:
    """Enter that what was written came to its end, unless it was stopped before; what is written next is of another command."""
    for book in _books.values():
        book.end(was_stopped=was_stopped)


def book_of(root: Path) -> Book:
    """Return the ledger of a project."""
    if root not in _books:
        _books[root] = Book(root)
    _books[root].command = _command
    return _books[root]


@contextmanager
def entering(path: Path, content: Path) -> Iterator[None]:
    """Enter a file or a folder that gets its name in the block.

    Args:
        path: The name that it gets.
        content: Where it lies until then.
    """
    found = _known_place(path, is_folder=content.is_dir())
    if found is None:
        yield
        return
    book, name = found
    with book.turn:
        entries = [
            Entry("wrote", one, hash_of(source), hash_of(book.root / one), size_of(source))
            for one, source in _parts(name, content)
        ]
        changed = [entry for entry in entries if entry.sha256 != entry.over]
        if changed:
            book.enter(changed)
        try:
            yield
        except BaseException:
            for entry in changed:
                book.take_back(entry)
            raise


@contextmanager
def removing(path: Path) -> Iterator[None]:
    """Enter that a file is taken away in the block."""
    found = _known_place(path, is_folder=False)
    if found is None or not path.exists():
        yield
        return
    book, name = found
    with book.turn:
        book.enter([Entry("removed", name)])
        yield


def done_before(root: Path, pattern: str) -> str | None:
    """Return the file that the same command wrote before it was stopped; None: it was not stopped, or had not come so far.

    A command that does something more each time asks this first: given again right after a stop, it gives what it had done. Once
    it came to its end, or another command wrote, it means one more. Ask where no other process can be about the same.

    Args:
        root: The project.
        pattern: A regular expression of the names of files that are its work.
    """
    book = book_of(root)
    for chapter in book.stopped():
        written = (entry for entry in reversed(chapter.entries) if re.fullmatch(pattern, entry.path))
        entry = next(written, None)
        if entry is not None and entry.sha256 == hash_of(root / entry.path):
            book.finish(chapter.name)
            return entry.path
    return None


def begin(root: Path) -> None:
    """Begin the ledger of a new project with what is there."""
    book_of(root).begin()


def look_again(root: Path) -> None:
    """Read what others wrote down meanwhile: who has just got a lock must know what its last holder did."""
    book = book_of(root)
    if book.exists:
        book.refresh()


def verify(path: Path, data: bytes | None = None, *, in_part: bool = False) -> None:
    """See that a file that a result rests on is what was written last.

    Args:
        path: The file.
        data: Its bytes, where they have been read; None: they are read.
        in_part: Only a small part of it is asked for: that it has its size is enough.

    Raises:
        IntegrityError: it was changed.
    """
    found = None if _is_open.get() else _place(path)
    if found is None or worth_of(found[1]) in (None, Worth.YOURS) or not found[0].exists:
        return
    book, name = found
    known = book.view.known.get(name)
    if known is None or (in_part and book.has_its_size(name)):
        return
    sha256 = book.hash_as_it_is(name) if data is None else hashlib.sha256(data).hexdigest()
    if not book.accepts(name, sha256):
        raise error_of(book, name, book.view.known[name], is_there=sha256 != GONE)


def known_hash(path: Path) -> str | None:
    """Return the hash of a file by the ledger; None where that is in doubt, the file has not that size, or doors are open."""
    found = None if _is_open.get() else _place(path)
    known = None if found is None else found[0].view.known.get(found[1])
    if found is None or known is None or len(known.hashes) > 1 or not found[0].has_its_size(found[1]):
        return None
    return known.last.sha256


def written_in(folder: Path, pattern: str, listed: Collection[str] = ()) -> list[str]:
    """Return the names of the files that were written in a folder: each of them is there.

    Args:
        folder: The folder.
        pattern: Which of its files, as a regular expression of their names there.
        listed: Names that are known to be there; they are not looked for, and not returned.

    Raises:
        IntegrityError: one is gone.
    """
    found = None if _is_open.get() else _place(folder)
    if found is None or not found[0].exists:
        return []
    book, within = found
    begin, names = len(within) + 1, []
    for name in book.view.under(within, re.compile(pattern)):
        if name[begin:] in listed:
            continue
        if book.is_there(name):
            names.append(name[begin:])
        elif not book.accepts(name, GONE):
            raise error_of(book, name, book.view.known[name], is_there=False)
    return names


def digest_of(root: Path, folders: Sequence[Path]) -> str:
    """Return a hash of all that was written in some folders and in the folders in them: another where anything was since.

    It reads the ledger, not the files; what nobody wrote, and frames, are not in it.

    Args:
        root: The project.
        folders: Of the project.
    """
    book = book_of(root)
    book.begin()
    book.refresh()
    known, names = book.view.known, [folder.relative_to(root).as_posix() for folder in folders]
    lines = [
        f"{name} {sorted(known[name].hashes)}" for folder in names for name in sorted(book.view.under(folder, _ANY))
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def entries_of(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that have a name of some kind, by name: all that were written, whatever a listing says.

    A shared disk may tell of a file only a while after another machine wrote it.

    Args:
        folder: The folder; there may be none.
        pattern: The names, as a regular expression.

    Raises:
        IntegrityError: one that was written is gone.
        OutsideError: the folder may not be read.
    """
    names = set(filter(re.compile(pattern).fullmatch, names_in(folder)))
    return [folder / name for name in sorted(names.union(written_in(folder, pattern, names)))]


@contextmanager
def open_doors() -> Iterator[None]:
    """Let readers through unseen in the block: `check` tells all that is wrong, not the first of it."""
    token = _is_open.set(True)
    try:
        yield
    finally:
        _is_open.reset(token)


def error_of(book: Book, name: str, known: Known, *, is_there: bool) -> IntegrityError:
    """Return the error about a file that is gone or was changed."""
    what = "was changed since" if is_there else "is gone:"
    chapter = known.chapter.removesuffix(".jsonl")
    mend = "ivsqa check --repair" if worth_of(name) is Worth.DERIVED else "restore it from a copy"
    return IntegrityError(
        f"{what} ivsqa wrote it ({chapter}{', ' if known.last.at else ''}{known.last.at})",
        path=book.root / name,
        hint=f"{mend}; `ivsqa check` lists all that is gone or changed",
    )


def acknowledging(path: Path) -> str:
    """Return the command that lets a file, or all in a folder, count as it is, as a shell takes it."""
    return f"ivsqa check --acknowledge {shlex.quote(str(path))}"


def _parts(name: str, content: Path) -> list[tuple[str, Path]]:
    """Return the files that are entered of what gets a name, each with where it lies until then."""
    if not content.is_dir() or is_one_whole(f"{name}/"):
        return [(f"{name}/" if content.is_dir() else name, content)]
    files = [file for file in sorted(content.rglob("*")) if file.is_file()]
    named = [(f"{name}/{file.relative_to(content).as_posix()}", file) for file in files]
    return [(one, file) for one, file in named if worth_of(one) is not None]


def _known_place(path: Path, *, is_folder: bool) -> tuple[Book, str] | None:
    """Return the ledger that knows a file, and the name it has there; None where none does."""
    found = _place(path)
    if found is None or (not is_folder and worth_of(found[1]) is None):
        return None
    return found


def _place(path: Path) -> tuple[Book, str] | None:
    """Return the ledger of the project around a path, and the name that the path has there; None outside of any project."""
    # Asked several times for each of thousands of files: paths are taken apart as text.
    text = str(path)
    if not text.startswith(os.sep) or ".." in text:
        text = os.path.abspath(text)  # noqa: PTH100  a link keeps its name
    folder, _, name = text.rpartition(os.sep)
    within = _inside(folder or os.sep)
    return None if within is None else (book_of(within[0]), within[1] + name)


def _inside(folder: str) -> tuple[Path, str] | None:
    """Return the project that a folder is in, or is, and how the names of its files begin there."""
    if folder not in _within:
        above, _, name = folder.rpartition(os.sep)
        around = _inside(above or os.sep) if name else None  # the root of the disk is in nothing
        within = f"{around[1]}{name}/" if around else ""
        # No project is in a room of another; to look into thousands of folders takes longer than what is asked of them.
        if not is_in_a_room(within) and _is_project(Path(folder)):
            _within[folder] = Path(folder), ""
        elif around is None:
            return None
        else:
            _within[folder] = around[0], within
    return _within[folder]


def _is_project(folder: Path) -> bool:
    """Whether a folder is a project of ours: other programs have a project.yaml too."""
    try:
        with (folder / SETTINGS_NAME).open("rb") as stream:
            return b"ivsqa/project" in stream.read(4096)
    except OSError:
        return False
