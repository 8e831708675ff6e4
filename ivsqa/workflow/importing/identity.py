"""Pseudonyms: subject and pullback ids by a pattern, a table, or a keyed hash of the patient identifier.

Distinct names give distinct ids, whatever their script; and nobody becomes two where it can be seen.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ivsqa.errors import IvsqaError, SourceError
from ivsqa.io.formats.files import bare_name
from ivsqa.io.sources.source import PullbackSource
from ivsqa.io.tables import FIRST_ROW, read_rows

PSEUDONYM_LENGTH = 8
PULLBACK_ID_LENGTH = 10
LONGEST_ID = 64
_SAFE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9_])?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)
"""Names that no folder may have on Windows."""


@dataclass(frozen=True)
class Identity:
    """The ids of a source.

    Attributes:
        subject_id: The person's pseudonym.
        pullback_id: The run's id; None: take it from the content.
        is_guess: Nothing named the subject, so the pullback counts as its own, or its study does.
        former_id: What earlier versions called the subject, where that was the id of other names too; "" where it is the same.
    """

    subject_id: str
    pullback_id: str | None
    is_guess: bool = False
    former_id: str = ""


Identify = Callable[[PullbackSource, str], Identity]
"""(source, hash of its files) → its ids."""


def identify_by(rule: str | None, key: bytes, remarks: list[str] | None = None) -> Identify:
    """Return the function that names sources.

    Args:
        rule: A table (path of a CSV with columns path, subject_id and perhaps pullback_id); else a regular expression with a
            group `subject` and perhaps `pullback`, searched in the path of each source; None: a keyed hash of the patient
            identifier in the header, and where there is none each study, or each pullback, is its own subject.
        key: The project's pseudonym key.
        remarks: Gets what a person should know of the table.

    Raises:
        IvsqaError: the table or the expression is unusable.
    """
    if rule is None:
        return lambda source, content: _by_header(source, content, key)
    if rule.lower().endswith(".csv"):
        table = _read_table(Path(rule), [] if remarks is None else remarks)
        return lambda source, _content: _by_table(source, table, Path(rule), key)
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise IvsqaError(f"--subject-from is not a regular expression: {error}", hint=_PATTERN_HINT) from None
    if "subject" not in pattern.groupindex:
        raise IvsqaError("--subject-from has no group named subject", hint=_PATTERN_HINT)
    return lambda source, _content: _by_pattern(source, pattern, key)


_PATTERN_HINT = "for example --subject-from '(?P<pullback>(?P<subject>S[0-9]+)-P[0-9]+)', or a .csv table"


def content_pullback_id(frames_sha256: str) -> str:
    """Return the id a pullback has where nothing names it."""
    return f"pb-{frames_sha256[:PULLBACK_ID_LENGTH]}"


def is_named_by_content(source: PullbackSource) -> bool:
    """Return whether a header names neither a person nor a study, so that only the content can stand for the subject."""
    person = source.person()
    return person.key is None and not person.study


def _by_header(source: PullbackSource, content: str, key: bytes) -> Identity:
    person = source.person()
    unnamed = f"study:{person.study}" if person.study else f"content:{content}"
    raw = unnamed if person.key is None else person.key
    return Identity(f"s-{_keyed(raw, key)}", None, is_guess=person.key is None)


def _by_pattern(source: PullbackSource, pattern: re.Pattern[str], key: bytes) -> Identity:
    match = pattern.search(source.relative)
    if match is None or not match["subject"]:
        raise SourceError("--subject-from does not match this path", path=source.path, hint=_PATTERN_HINT)
    return _identity(match["subject"], match["pullback"] if "pullback" in pattern.groupindex else None, key)


def _by_table(source: PullbackSource, table: dict[str, list[_Row]], path: Path, key: bytes) -> Identity:
    # The whole path first: files of several folders may have one name.
    place = unicodedata.normalize("NFC", source.relative)
    rows = table.get(place) or table.get(Path(place).name) or []
    if not rows:
        raise SourceError("has no row in the table of subjects", path=source.path, hint=f"add it to {path}")
    if len(rows) > 1:
        lines = " and ".join(str(row.line) for row in rows)
        message = f"has {len(rows)} rows in the table of subjects that say different things, lines {lines}"
        raise SourceError(message, path=source.path, hint=f"keep the one that is right in {path}")
    return _identity(rows[0].subject, rows[0].pullback, key)


@dataclass(frozen=True)
class _Row:
    """A row of a table of subjects."""

    line: int
    subject: str
    pullback: str


def _read_table(path: Path, remarks: list[str]) -> dict[str, list[_Row]]:
    """Return rows by path without extension, several where they differ; raises IvsqaError."""
    by_path: dict[str, list[_Row]] = {}
    for line, row in enumerate(
        read_rows(path, "table of subjects", ("path", "subject_id"), error=IvsqaError, notes=remarks), start=FIRST_ROW
    ):
        if not (row["path"] and row["subject_id"]):
            continue
        new = _Row(line, row["subject_id"], row.get("pullback_id", ""))
        rows = by_path.setdefault(_without_suffix(row["path"]), [])
        same = next((old for old in rows if (old.subject, old.pullback) == (new.subject, new.pullback)), None)
        if same is None:
            rows.append(new)
        else:
            remarks.append(f"{path.name} has the row of {row['path']!r} twice, in lines {same.line} and {line}")
    return by_path


def _without_suffix(name: str) -> str:
    """Return a path of a table as sources name theirs."""
    folder, slash, last = unicodedata.normalize("NFC", name).replace("\\", "/").strip("/").rpartition("/")
    return folder.removeprefix("./") + slash + bare_name(last)


def _identity(subject: str, pullback: str | None, key: bytes) -> Identity:
    subject_id, former_id = id_of(subject, key)
    return Identity(subject_id, id_of(pullback, key)[0] if pullback else None, former_id=former_id)


def id_of(name: str, key: bytes) -> tuple[str, str]:
    """Return an id that can be a folder everywhere, and what it would have been without a hash, "" where it has none.

    A name that can be one stays. Of any other the letters that can stay, and a keyed hash that keeps it apart from names that
    differ in the others.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if _SAFE.fullmatch(name) and not _RESERVED.fullmatch(name) and len(name) <= LONGEST_ID:
        return name, ""
    former = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "unnamed"
    stem = former[: LONGEST_ID - PSEUDONYM_LENGTH - 1].strip("-_") or "unnamed"
    return f"{stem}-{_keyed(name.casefold(), key)}", former


def _keyed(raw: str, key: bytes) -> str:
    """Return a keyed hash: without the project's key nobody can try names until a pseudonym fits."""
    return hmac.new(key, raw.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:PSEUDONYM_LENGTH]
