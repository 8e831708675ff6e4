"""What the chapters of a ledger come to: pure.

It grows with what is written: a command that writes to thousands of pullbacks, and reads in between, reads each line once.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ivsqa.io.ledger.entries import GONE, Chapter, Entry, hashes_after


class Known(NamedTuple):
    """What the ledger says of one file.

    Attributes:
        hashes: What it may be: one hash or `GONE`; several where a stop left it in doubt, or two wrote it at once.
        last: The last entry about it, and the chapter that it is in.
        chapter: The name of that chapter.
    """

    hashes: frozenset[str]
    last: Entry
    chapter: str


class View:
    """What the chapters of a ledger say of each file, and which files lie where.

    Attributes:
        known: By path, what is known of the file.
    """

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self._chapters: dict[str, Chapter] = {}
        self._doubt: dict[str, frozenset[str]] = {}
        """By chapter that has not come to its end, what the file of its last entry was before."""
        self._by_folder: dict[str, list[str]] = {}
        """By folder, the files in it and in the folders in it."""
        self._fitting: dict[str, dict[re.Pattern[str], list[str]]] = {}

    @property
    def chapters(self) -> list[Chapter]:
        """The chapters in order."""
        return list(self._chapters.values())

    def read(self, name: str, text: str) -> None:
        """Take in the next lines of a chapter, a new one behind all others.

        Args:
            name: Of its file.
            text: Whole lines.
        """
        chapter = self._chapters.setdefault(name, Chapter(name))
        n_before = len(chapter.entries)
        chapter.read(text)
        new = chapter.entries[n_before:]
        settled = chapter.entries[n_before - 1 : n_before] if name in self._doubt else []
        if any(self._is_said_later(name, entry.path) for entry in settled + new):
            self._start_again()
        else:
            self._take(chapter, new)

    def under(self, folder: str, pattern: re.Pattern[str]) -> list[str]:
        """Return the files in a folder and in the folders in it whose names there fit a pattern."""
        fitting = self._fitting.setdefault(folder, {})
        if pattern not in fitting:
            # Asked for each of thousands of pullbacks, and the same each time.
            listed = self._by_folder.get(folder, [])
            fitting[pattern] = [name for name in listed if pattern.fullmatch(name, len(folder) + 1)]
        return fitting[pattern]

    def _is_said_later(self, chapter: str, path: str) -> bool:
        """Whether a chapter that stands behind this one speaks of a file: two commands ran at once."""
        if path not in self.known or self.known[path].chapter == chapter:
            return False
        names = list(self._chapters)
        return names.index(self.known[path].chapter) > names.index(chapter)

    def _start_again(self) -> None:
        """Go through all chapters in their order."""
        self.known, self._doubt, self._by_folder, self._fitting = {}, {}, {}, {}
        for chapter in self._chapters.values():
            self._take(chapter, chapter.entries)

    def _take(self, chapter: Chapter, new: list[Entry]) -> None:
        """Take in the next entries of a chapter, which speak of files that no later one speaks of."""
        if chapter.name in self._doubt and (new or chapter.finished):
            last = chapter.entries[len(chapter.entries) - len(new) - 1]
            self._know(chapter, last, self._doubt.pop(chapter.name), in_doubt=False)
        for entry in new:
            before = self.known[entry.path].hashes if entry.path in self.known else frozenset({GONE})
            in_doubt = entry is new[-1] and not chapter.finished
            if in_doubt:
                self._doubt[chapter.name] = before
            self._know(chapter, entry, before, in_doubt=in_doubt)

    def _know(self, chapter: Chapter, entry: Entry, before: frozenset[str], *, in_doubt: bool) -> None:
        """Note what an entry says of its file."""
        if entry.path not in self.known:
            self._place(entry.path)
        self.known[entry.path] = Known(hashes_after(before, entry, in_doubt=in_doubt), entry, chapter.name)

    def _place(self, name: str) -> None:
        """Note where a file lies."""
        folder, _, _ = name.rpartition("/")
        for one in (folder, folder.rpartition("/")[0]):
            if one:
                if one not in self._by_folder:
                    self._by_folder[one] = []
                self._by_folder[one].append(name)
                if one in self._fitting:
                    for pattern, fitting in self._fitting[one].items():
                        if pattern.fullmatch(name, len(one) + 1):
                            fitting.append(name)
