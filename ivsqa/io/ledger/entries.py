"""The lines of a ledger, and what they come to: pure.

A line is a JSON object. The first of a file says which command it is of (`begin`), the last that it came to its end (`end`).
Between them stands what was written (`wrote`), with its hash and that of what it replaced (`over`), or taken away (`removed`),
and what was found to be there (`found`): when the ledger began, when a person had edited project.yaml, or had said that a file
shall count as it is. And of commands that were stopped, by the names of their files: behind which this one cleaned up (`swept`),
and of which it found that their work was done (`finished`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

GONE = ""
"""In place of a hash: there is no such file."""


class Entry(NamedTuple):
    """One file, written, removed or found.

    Attributes:
        verb: `wrote`, `removed` or `found`.
        path: Of the file in the project; that of a folder that is entered as a whole ends with a slash.
        sha256: Of what is there from then on; `GONE` where nothing is.
        over: Of what was there before; `GONE` where nothing was.
        n_bytes: Its size; of a folder, that of its files.
        at: When, UTC, ISO 8601: for people; nothing follows from it.
    """

    verb: str
    path: str
    sha256: str = GONE
    over: str = GONE
    n_bytes: int = 0
    at: str = ""

    @property
    def line(self) -> str:
        """The entry as a line."""
        fields = {self.verb: self.path, "sha256": self.sha256, "over": self.over, "bytes": self.n_bytes, "at": self.at}
        return json.dumps({name: value for name, value in fields.items() if value}) + "\n"


@dataclass
class Chapter:
    """What one command wrote down.

    Attributes:
        name: Of its file.
        entries: In order.
        command: Which command.
        request: A hash of what it was asked for; "" where that is not known.
        process: The token of the process that it ran in.
        launcher: The token of what started that, and starts it anew when one of several fails; "" where nothing did.
        finished: Whether it came to its end.
        swept: Names of earlier chapters, which were stopped, behind which it cleaned up.
        unreadable: Numbers of lines that say nothing, from 1.
        n_lines: How many lines were read.
    """

    name: str
    entries: list[Entry] = field(default_factory=list)
    command: str = ""
    request: str = ""
    process: str = ""
    launcher: str = ""
    finished: bool = False
    swept: list[str] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    n_lines: int = 0

    @classmethod
    def of(cls, name: str, text: str) -> Chapter:
        """Return the chapter in a file; a last line that was not written to its end says nothing."""
        chapter = cls(name)
        chapter.read(text)
        return chapter

    def read(self, text: str) -> None:
        """Take in the next lines; what stands behind the last end of a line says nothing."""
        for said in _objects(text.split("\n")[:-1]):
            self.n_lines += 1
            try:
                self._take(said)
            except (ValueError, KeyError, TypeError, AttributeError):
                self.unreadable.append(self.n_lines)

    def _take(self, said: Any) -> None:  # noqa: ANN401
        """Take in the object on a line; raises ValueError where it is none of a ledger."""
        verb, value = next(iter(said.items()), ("", ""))
        if not isinstance(value, str):
            raise TypeError(value)
        if verb == "begin":
            self.command, self.request = value, str(said.get("request", ""))
            self.process, self.launcher = str(said.get("process", "")), str(said.get("launcher", ""))
        elif verb == "end":
            self.finished = True
        elif verb == "finished":
            pass  # for people: whose work that was follows from the order
        elif verb == "swept":
            self.swept.append(value)
        elif verb in ("wrote", "removed", "found"):
            n_bytes = said.get("bytes", 0)
            if not isinstance(n_bytes, int):
                raise TypeError(n_bytes)
            hashes = str(said.get("sha256", GONE)), str(said.get("over", GONE))
            self.entries.append(Entry(verb, value, *hashes, n_bytes, str(said.get("at", ""))))
        else:
            raise ValueError(verb)


def _objects(lines: Sequence[str]) -> list[Any]:
    """Return the object on each line; None of one that holds none."""
    # A study has tens of thousands of lines: read as one list they take a third of the time.
    if all(line.startswith("{") and line.endswith("}") for line in lines):
        with suppress(ValueError, RecursionError):
            objects: list[Any] = json.loads(f"[{','.join(lines)}]")
            if len(objects) == len(lines):
                return objects
    return [_object(line) for line in lines]


def _object(line: str) -> Any:  # noqa: ANN401
    """Return the object on a line; None where it holds none."""
    with suppress(ValueError, RecursionError):
        return json.loads(line)
    return None


def hashes_after(before: frozenset[str], entry: Entry, *, in_doubt: bool) -> frozenset[str]:
    """Return what a file may be after an entry, in doubt as the last of a command that was stopped.

    Only what an entry says that it replaced is known to be replaced: chapters of two commands that ran at once stand one behind
    the other.
    """
    if entry.verb == "found" or (entry.verb == "removed" and not in_doubt):
        return frozenset({entry.sha256})
    return (before | {entry.over} if in_doubt else before - {entry.over}) | {entry.sha256}
