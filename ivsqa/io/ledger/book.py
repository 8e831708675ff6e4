"""The ledger of one project: what it says, and how a command writes its chapter."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from threading import RLock

import ivsqa
from ivsqa.io.hashes import sha256_of_file, sha256_of_folder
from ivsqa.io.ledger.entries import GONE, Chapter, Entry
from ivsqa.io.ledger.rooms import IDENTITY_NAME, LEDGER_FOLDER, SETTINGS_NAME, is_in_a_whole, is_one_whole, worth_of
from ivsqa.io.ledger.view import View
from ivsqa.io.leftovers import iter_temporary, sweep, temporary_path
from ivsqa.io.outside import entries, is_file, opened_file, outside
from ivsqa.io.processes import process_of, this_process
from ivsqa.io.ranks import launcher

_CHAPTER = re.compile(r"(\d{5,})-([a-z-]+)\.jsonl")


@dataclass(frozen=True)
class Command:
    """The command that writes.

    Attributes:
        name: As it is typed; "python" for a script or a notebook.
        request: A hash of what it was asked for; "" where nobody knows.
    """

    name: str = "python"
    request: str = ""


class Book:
    """The ledger of one project. What others wrote meanwhile is read when it is needed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / LEDGER_FOLDER
        self._prefix = f"{root}/"
        self.turn = RLock()
        """Held from a line to the write that it announces: of one command, only the last line is ever in doubt."""
        self.command = Command()
        self._reading = RLock()
        self._read: dict[str, int] = {}
        """By file that was read, how much of it: whole lines only."""
        self._view: View | None = None
        self._hashed: dict[str, tuple[tuple[int, int, int], str]] = {}
        self._own: tuple[int, Path] | None = None

    # What it says

    @property
    def exists(self) -> bool:
        """Whether there is one: projects of older versions get theirs with the first write."""
        return os.path.isdir(f"{self._prefix}{LEDGER_FOLDER}")  # noqa: PTH112  asked of every file of a study

    def refresh(self) -> bool:
        """Read what was written since it was read last; returns whether there was any."""
        with outside(self.folder):
            sizes = {path.name: path.stat().st_size for path in entries(self.folder) if _CHAPTER.fullmatch(path.name)}
        names = sorted(sizes, key=_place)
        with self._reading:
            if self._view is not None and sizes == self._read:
                return False
            before = None if self._view is None else dict(self._read)
            is_longer = names[: len(self._read)] == list(self._read) and all(
                sizes[name] >= n for name, n in self._read.items()
            )
            if self._view is None or not is_longer:
                self._view, self._read = View(), {}
            for name in names:
                if self._read.get(name) != sizes[name]:
                    self._read_on(name)
            # A last line that was cut stays unread, however often it is looked at.
            return self._read != before

    def _read_on(self, name: str) -> None:
        """Read the lines of a chapter that were not read yet."""
        with self._reading, opened_file(self.folder / name) as stream:
            stream.seek(self._read.get(name, 0))
            new = stream.read()
            lines = new[: new.rfind(b"\n") + 1]
            self._read[name] = self._read.get(name, 0) + len(lines)
            assert self._view is not None
            self._view.read(name, lines.decode("utf-8", "replace"))

    def hash_as_it_is(self, name: str) -> str:
        """Return the hash of a file; it is read again only where it was written again."""
        path = self.root / name
        try:
            stat = path.stat()
        except OSError:
            return GONE
        state = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if name not in self._hashed or self._hashed[name][0] != state:
            self._hashed[name] = state, hash_of(path)
        return self._hashed[name][1]

    @property
    def view(self) -> View:
        """What it said when it was read last."""
        if self._view is None:
            self.refresh()
        assert self._view is not None
        return self._view

    def accepts(self, name: str, sha256: str) -> bool:
        """Whether a file may have this hash, or be `GONE`; a file that the ledger does not know may be anything."""
        for again in (False, True):
            # Whoever writes enters it first, so that what we saw is in the ledger by now.
            if again and not self.refresh():
                return False
            known = self.view.known.get(name)
            if known is None or sha256 in known.hashes:
                return True
        return False

    def is_there(self, name: str) -> bool:
        """Whether something has this name."""
        try:
            os.stat(f"{self._prefix}{name}")  # noqa: PTH116  asked of every file of a study, so paths are text
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def has_its_size(self, name: str) -> bool:
        """Whether a file is as large as what was written last."""
        last = self.view.known[name].last
        try:
            return last.sha256 != GONE and os.stat(f"{self._prefix}{name}").st_size == last.n_bytes  # noqa: PTH116
        except OSError:
            return False

    # What is written

    def enter(self, new: Iterable[Entry]) -> None:
        """Append entries to the chapter of this command; the ledger is begun if there is none."""
        listed = list(new)
        self.begin()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        lines = "".join(Entry(one.verb, one.path, one.sha256, one.over, one.n_bytes, now).line for one in listed)
        pid = os.getpid()
        if self._own is None or self._own[0] != pid or not self._own[1].is_file():
            self._own = pid, self._new_chapter()
            lines = self._opening(now) + lines
        self._say(lines)

    def take_back(self, entry: Entry) -> None:
        """Enter that a write which was announced did not happen."""
        with suppress(OSError):
            self.enter([Entry("found", entry.path, entry.over)])
            return
        # The disk is full, most likely. The line stays the last of its chapter, and so in doubt.
        self._own = None

    def end(self, *, was_stopped: bool = False) -> None:
        """Enter that the command came to its end, where it wrote anything and was not stopped before."""
        if self._own is not None and not was_stopped and self._own[0] == os.getpid() and self._own[1].is_file():
            now = datetime.now(UTC).isoformat(timespec="seconds")
            with suppress(OSError):
                self._say(json.dumps({"end": self.command.name, "at": now}) + "\n")
        self._own = None

    def finish(self, name: str) -> None:
        """Enter that an earlier command, which was stopped, had done its work."""
        self.enter([])
        self._say(json.dumps({"finished": name}) + "\n")

    def stopped(self) -> list[Chapter]:
        """Return the chapters of the same request that were stopped before their end, newest first, unless others wrote.

        What one launcher starts anew is one command: that one of its processes came to its end is no end.
        """
        if not self.command.request or not self.exists:
            return []
        self.refresh()
        own = self._own[1].name if self._own else ""
        others = (chapter for chapter in reversed(self.view.chapters) if chapter.name != own)
        again = launcher()
        return list(
            takewhile(
                lambda one: (
                    one.request == self.command.request and (not one.finished or (again and one.launcher == again))
                ),
                others,
            )
        )

    def iter_files(self) -> Iterator[str]:
        """Yield the names of all files that a ledger knows and that are there; of folders that are entered as a whole, theirs."""
        waiting = [self.root]
        while waiting:
            folder = waiting.pop()
            with os.scandir(folder) as found:
                for one in found:
                    name = (folder / one.name).relative_to(self.root).as_posix()
                    if one.is_dir(follow_symlinks=False):
                        if is_one_whole(f"{name}/"):
                            yield f"{name}/"
                        elif folder == self.root or worth_of(f"{name}/x") is not None:
                            waiting.append(folder / one.name)
                    elif worth_of(name) is not None and not is_in_a_whole(name):
                        yield name

    def found(self, name: str) -> Entry:
        """Return the entry of a file as it is now."""
        path = self.root / name
        return Entry("found", name, hash_of(path), GONE, size_of(path))

    def _say(self, lines: str) -> None:
        """Append lines to the chapter of this command."""
        assert self._own is not None
        try:
            _append(self._own[1], lines)
        except OSError:
            self._own = None
            raise
        if self._view is not None:
            self._read_on(self._own[1].name)

    def begin(self) -> None:
        """Begin the ledger with what is there, where there is none; it appears whole.

        The key of pseudonyms is for its owner alone from then on; earlier versions let everybody read it.
        """
        if self.exists:
            return
        with suppress(OSError):  # not ours: a check names it
            (self.root / IDENTITY_NAME).chmod(0o600)
        lines = [json.dumps({"begin": "found", "ivsqa": ivsqa.__version__}) + "\n"]
        lines += [self.found(name).line for name in sorted(self.iter_files())]
        lines.append(json.dumps({"end": "found"}) + "\n")
        draft = temporary_path(self.folder)
        draft.mkdir()
        _append(draft / "00000-found.jsonl", "".join(lines))
        try:
            draft.rename(self.folder)
        except OSError:
            (draft / "00000-found.jsonl").unlink()
            draft.rmdir()
            if not self.folder.is_dir():  # else another process was first
                raise

    def _opening(self, now: str) -> str:
        """Return the first lines of a chapter: of which command it is, and what happened since the last; and clean up."""
        self.refresh()
        said = {
            "begin": self.command.name,
            "request": self.command.request,
            "process": this_process().token,
            "launcher": launcher(),
            "ivsqa": ivsqa.__version__,
            "at": now,
        }
        lines = [json.dumps({key: value for key, value in said.items() if value}) + "\n"]
        dead = self._dead_and_unswept()
        if dead:
            sweep(iter_temporary(self.root))
            lines += [json.dumps({"swept": name}) + "\n" for name in dead]
        settings = self.found(SETTINGS_NAME)
        if not self.accepts(SETTINGS_NAME, settings.sha256):
            lines.append(settings.line)
        return "".join(lines)

    def _dead_and_unswept(self) -> list[str]:
        """Return the names of chapters of commands that were stopped, and behind which nobody cleaned up."""
        swept = {name for chapter in self.view.chapters for name in chapter.swept}
        return [
            chapter.name
            for chapter in self.view.chapters
            if not chapter.finished and chapter.name not in swept
            if (process := process_of(chapter.process)) is not None and process.is_dead
        ]

    def _new_chapter(self) -> Path:
        """Make the file of this command, numbered behind all there are, and return it."""
        taken = [_place(path.name)[0] for path in self.folder.iterdir() if _CHAPTER.fullmatch(path.name)]
        number = max(taken, default=0)
        while True:
            # What was listed may be older than what is there: only that a file can be made says that its number is free.
            number += 1
            path = self.folder / f"{number:05d}-{self.command.name}.jsonl"
            with suppress(FileExistsError):
                path.touch(exist_ok=False)
                return path


def hash_of(path: Path) -> str:
    """Return the hash of a file or a folder; `GONE` where there is none."""
    if path.is_dir():
        return sha256_of_folder(path)
    return sha256_of_file(path) if is_file(path) else GONE


def size_of(path: Path) -> int:
    """Return the size of a file, or of all files in a folder; 0 where there is none."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _place(name: str) -> tuple[int, str]:
    """Return the place of a chapter by the name of its file: m100000 comes behind m99999."""
    return int(name.partition("-")[0]), name


def _append(path: Path, lines: str) -> None:
    """Append lines to a file that nobody else writes to, and see them on the disk; where that fails, it is as it was."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(handle).st_size
        try:
            data = lines.encode("ascii")
            while data:
                data = data[os.write(handle, data) :]
            os.fsync(handle)
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
