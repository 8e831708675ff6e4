"""Errors a user can fix, and the exit codes of the command line.

Everything a user can mend is an `IvsqaError`: one line that says what is wrong and where, one that says how to mend it.
Anything else that reaches the top is a bug, and shows as a traceback.

    IvsqaError
    ├── NotAProjectError        no project.yaml here or above
    ├── ProjectLockedError      another process holds the project
    ├── ManifestError           a YAML file is broken, misspelt or of the wrong kind
    │   └── ManifestTooNewError written by a later ivsqa
    ├── SourceError             a file to import cannot be read: DICOM, frames, masks
    ├── AnnotationError         contours that cannot be used: format, geometry, names
    │   └── PacketError         a returned packet does not belong to what was sent
    ├── NotFoundError           no such pullback, frame, model or round
    ├── StateError              right command, wrong moment: nothing annotated yet, round not exported
    ├── IntegrityError          what is stored is not what was written
    ├── OutsideError            the system refuses: disk full or read-only, no permission, no memory
    └── BatchError              some of many files failed; the rest was done
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MOST_NAMES = 5
"""Names that a hint lists."""
LONGEST_TEXT = 600
"""What an error says is cut to this many characters: it may quote a cell of a megabyte."""

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_USER_ERROR = 3
EXIT_FINDINGS = 4
EXIT_INTERRUPTED = 130
EXIT_NOBODY_READS = 141
"""Whoever reads the answer, such as `head`, left: what the shell says of programs that end so."""


class IvsqaError(Exception):
    """A failure that the user can mend.

    Args:
        message: What is wrong, in one line, without the path.
        hint: How to mend it: the command or the edit that does.
        path: The file it is about.
        where: The place in that file: a line, a key, a frame, a vertex.
    """

    def __init__(self, message: str, *, hint: str = "", path: Path | None = None, where: str = "") -> None:
        super().__init__(message)
        self.message = _one_line(message)
        self.hint = _one_line(hint)
        self.path = path
        self.where = _one_line(where)

    @property
    def line(self) -> str:
        """File, place and message in one line."""
        place = ", ".join(part for part in (str(self.path or ""), self.where) if part)
        return f"{place}: {self.message}" if place else self.message

    def __str__(self) -> str:
        return f"{self.line} ({self.hint})" if self.hint else self.line


@contextmanager
def located(*, path: Path | None = None, where: str = "") -> Iterator[None]:
    """Give an error that is raised in the block its file and its place in it, where it does not name them itself.

    So what reads a part of a file need not be told which file and part that is; of nested blocks the innermost counts.

    Example:
        >>> with located(path=Path("a.json")), located(where="shape 1"):
        ...     raise AnnotationError("has no label")
        Traceback (most recent call last):
        ivsqa.errors.AnnotationError: a.json, shape 1: has no label
    """
    try:
        yield
    except IvsqaError as error:
        error.path = error.path or path
        error.where = error.where or _one_line(where)
        raise


def _one_line(text: str) -> str:
    """Return a text that may quote a file of strangers as one printable line that is not too long.

    Example:
        >>> _one_line("two" + chr(10) + "lines"), len(_one_line("x" * 9999)) < 610
        ('two�lines', True)
    """
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return shown if len(shown) <= LONGEST_TEXT else f"{shown[: LONGEST_TEXT // 2]} … {shown[-LONGEST_TEXT // 2 :]}"


class NotAProjectError(IvsqaError):
    """No project.yaml in this folder or above it."""


class StoppedError(IvsqaError):
    """A command was stopped before its end, by no fault of its own: the same command goes on."""


class ProjectLockedError(IvsqaError):
    """Another process is doing what must not run twice."""


class ManifestError(IvsqaError):
    """A YAML file is broken, of the wrong kind, or has a key or value that is not known."""


class ManifestTooNewError(ManifestError):
    """The file was written by a later version of ivsqa than this one."""


class SourceError(IvsqaError):
    """A file to import cannot be read or is not what it should be."""


class AnnotationError(IvsqaError):
    """Contours that cannot be used: unknown format, unknown structure, broken geometry."""


class PacketError(AnnotationError):
    """A returned packet, or a file in it, does not belong to what was sent out."""


class NotFoundError(IvsqaError):
    """No such pullback, frame, model or round in this project."""

    @classmethod
    def among(
        cls, kind: str, wanted: str, known: Sequence[str], *, first: str = "", place: str = "in this project"
    ) -> NotFoundError:
        """Return the error that a name is none of those there are; its hint names the nearest, and where they begin and end.

        Args:
            kind: What is named.
            wanted: The name.
            known: The names that there are.
            first: The command that makes one where there is none.
            place: Where it was looked for.

        Example:
            >>> print(NotFoundError.among("round", "r9", ["r001", "r002"]))
            no round 'r9' in this project (there are: r001, r002)
        """
        near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.75)
        few = known if len(known) <= MOST_NAMES else [*known[: MOST_NAMES - 1], "…", known[-1]]
        there = f"there are: {', '.join(few)}" if known else f"there is none yet{first and ': '}{first}"
        hint = f"did you mean {near[0]}? {there}" if near else there
        return cls(f"no {kind} {wanted!r} {place}", hint=hint)


class StateError(IvsqaError):
    """The command is right but its moment is not: something has to happen first."""


class IntegrityError(IvsqaError):
    """What is stored is not what was written: a hash, a size or a shape differs."""


class OutsideError(IvsqaError):
    """The system refuses: the disk is full or read-only, a file may not be read, the memory does not suffice.

    Args:
        message: As of `IvsqaError`.
        hint: As of `IvsqaError`.
        path: As of `IvsqaError`.
        strikes_all: Whether whatever is done next would fail alike, so that there is no use in going on.
    """

    def __init__(self, message: str, *, hint: str = "", path: Path | None = None, strikes_all: bool = False) -> None:
        super().__init__(message, hint=hint, path=path)
        self.strikes_all = strikes_all


class BatchError(IvsqaError):
    """Some of many files failed; the rest was done and is kept.

    Args:
        message: How many of how many failed.
        failures: One error a file.
    """

    def __init__(self, message: str, failures: list[IvsqaError]) -> None:
        super().__init__(message)
        self.failures = failures
