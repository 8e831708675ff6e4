"""Pseudonyms: subject and pullback ids by a pattern, a table, or a keyed hash of the patient identifier."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ivsqa.errors import IvsqaError, SourceError
from ivsqa.io.formats.files import bare_name
from ivsqa.io.sources.source import PullbackSource
from ivsqa.io.tables import read_rows

PSEUDONYM_LENGTH = 8
PULLBACK_ID_LENGTH = 10


@dataclass(frozen=True)
class Identity:
    """The ids of a source.

    Attributes:
        subject_id: The person's pseudonym.
        pullback_id: The run's id; None: take it from the content.
        is_guess: Nothing named the subject, so the pullback counts as its own.
    """

    subject_id: str
    pullback_id: str | None
    is_guess: bool = False


Identify = Callable[[PullbackSource, str], Identity]
"""(source, hash of its files) → its ids."""


def identify_by(rule: str | None, key: bytes) -> Identify:
    """Return the function that names sources.

    Args:
        rule: A table (path of a CSV with columns path, subject_id and perhaps pullback_id); else a regular expression with a
            group `subject` and perhaps `pullback`, searched in the path of each source; None: a keyed hash of the patient
            identifier in the header, and where there is none each pullback is its own subject.
        key: The project's pseudonym key.

    Raises:
        IvsqaError: the table or the expression is unusable.
    """
    if rule is None:
        return lambda source, content: _by_header(source, content, key)
    if rule.lower().endswith(".csv"):
        table = _read_table(Path(rule))
        return lambda source, _content: _by_table(source, table, Path(rule))
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise IvsqaError(f"--subject-from is not a regular expression: {error}", hint=_PATTERN_HINT) from None
    if "subject" not in pattern.groupindex:
        raise IvsqaError("--subject-from has no group named subject", hint=_PATTERN_HINT)
    return lambda source, _content: _by_pattern(source, pattern)


_PATTERN_HINT = "for example --subject-from '(?P<pullback>(?P<subject>S[0-9]+)-P[0-9]+)', or a .csv table"


def content_pullback_id(frames_sha256: str) -> str:
    """Return the id a pullback has where nothing names it."""
    return f"pb-{frames_sha256[:PULLBACK_ID_LENGTH]}"


def _by_header(source: PullbackSource, content: str, key: bytes) -> Identity:
    patient = source.patient_key()
    raw = patient if patient is not None else f"content:{content}"
    # Keyed: without the project's key nobody can try names until a pseudonym fits.
    digest = hmac.new(key, raw.encode(), hashlib.sha256).hexdigest()
    return Identity(f"s-{digest[:PSEUDONYM_LENGTH]}", None, is_guess=patient is None)


def _by_pattern(source: PullbackSource, pattern: re.Pattern[str]) -> Identity:
    match = pattern.search(source.relative)
    if match is None or not match["subject"]:
        raise SourceError("--subject-from does not match this path", path=source.path, hint=_PATTERN_HINT)
    pullback = match["pullback"] if "pullback" in pattern.groupindex else None
    return Identity(_safe(match["subject"]), _safe(pullback) if pullback else None)


def _by_table(source: PullbackSource, table: dict[str, dict[str, str]], path: Path) -> Identity:
    # The whole path first: files of several folders may have one name.
    row = table.get(source.relative) or table.get(Path(source.relative).name)
    if row is None:
        raise SourceError("has no row in the table of subjects", path=source.path, hint=f"add it to {path}")
    return Identity(_safe(row["subject_id"]), _safe(row["pullback_id"]) if row.get("pullback_id") else None)


def _read_table(path: Path) -> dict[str, dict[str, str]]:
    """Return rows by path without extension; raises IvsqaError."""
    rows = read_rows(path, "table of subjects", ("path", "subject_id"), error=IvsqaError)
    return {_without_suffix(row["path"]): row for row in rows if row["path"] and row["subject_id"]}


def _without_suffix(name: str) -> str:
    """Return a path of a table as sources name theirs."""
    folder, slash, last = name.replace("\\", "/").rpartition("/")
    return folder + slash + bare_name(last)


def _safe(name: str) -> str:
    """Return a name that can be a folder everywhere."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "unnamed"
