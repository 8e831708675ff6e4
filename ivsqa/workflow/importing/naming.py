"""Naming the sources of one import by its rule, and so that no two people become one, nor one person two, as far as it shows."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from ivsqa.errors import IvsqaError, SourceError
from ivsqa.io.project.project import Project
from ivsqa.io.sources.source import PullbackSource
from ivsqa.workflow.importing.identity import Identity, identify_by

MOST_STUDIES = 3
"""A person has few examinations: more under one identifier are asked about."""
TRAITS = ("birth date", "sex", "issuer of the identifier")
ASK = "say who is who with --subject-from"


@dataclass
class _Seen:
    """What was seen of one subject in this import: the first that was said of each trait, and its examinations."""

    traits: list[str] = field(default_factory=lambda: [""] * len(TRAITS))
    studies: Counter[str] = field(default_factory=Counter)


class Naming:
    """The names of one import; the same for its plan."""

    def __init__(self, rule: str | None, project: Project) -> None:
        """Read the rule.

        Args:
            rule: See `identify_by`.
            project: The study.

        Raises:
            IvsqaError: the rule is unusable.
        """
        self._remarks: list[str] = []
        self._by_header = rule is None
        self._identify = identify_by(rule, project.pseudonym_key, self._remarks)
        self._here = frozenset(record.subject_id for record in project.pullbacks())
        self._named: set[str] = set()
        self._by_folded = {subject_id.casefold(): subject_id for subject_id in self._here}
        self._seen: dict[str, _Seen] = {}
        self._by_folded_key: dict[str, str] = {}
        self._n_nobody = 0

    def expect(self, sources: Iterable[PullbackSource]) -> None:
        """Take note of all that a pattern or a table will name: who bears a name is not whom another name meant."""
        for source in [] if self._by_header else sources:
            with suppress(IvsqaError):  # what has no name is refused in its turn
                self._named.add(self._identify(source, "").subject_id)

    def said_of(self, source: PullbackSource, *, is_same_file: bool) -> tuple[str, str]:
        """Return the subject that a source is said to be of and what says so, which is not remembered; "" where nothing does.

        Args:
            source: The source, whose pixels are here.
            is_same_file: So is its file; then its header says what it said before, and only the rule may say something new.
        """
        if not (self._by_header and is_same_file):
            with suppress(IvsqaError):
                identity = self._identify(source, "")
                if not identity.is_guess:
                    return identity.subject_id, "its PatientID" if self._by_header else "--subject-from"
        return "", ""

    def of(self, source: PullbackSource, content: str) -> Identity:
        """Return the ids of a source.

        Args:
            source: The source.
            content: Hash of its files; may be "" where its header names it.

        Raises:
            SourceError: it has no name, or one by which two people would become one, or one person two.
        """
        identity = self._identify(source, content)
        former, subject_id = identity.former_id, identity.subject_id
        if former in self._here and subject_id not in self._here and former not in self._named:
            raise SourceError(
                f"may be of the subject {former}, who is here: earlier versions called several names so",
                hint=f"in a table for --subject-from, write {former} for it if they are one person, else another name",
                path=source.path,
            )
        alike = self._by_folded.setdefault(subject_id.casefold(), subject_id)
        if alike != subject_id:
            message = f"is of {subject_id}, and there is {alike}, which differs in small and capital letters only"
            raise SourceError(message, hint=f"call both alike if they are one person: {ASK}", path=source.path)
        if self._by_header:
            self._look_at_person(source, subject_id)
        return identity

    @property
    def remarks(self) -> list[str]:
        """What a person should know of the names."""
        remarks = list(self._remarks)
        if self._n_nobody:
            remarks.append(
                f"PatientIDs that name nobody, such as ANONYMOUS: {self._n_nobody}. Each study of these counts as its own "
                f"subject. If one person has several, {ASK} before you train"
            )
        for subject_id, seen in self._seen.items():
            if len(seen.studies) > MOST_STUDIES:
                remarks.append(
                    f"{subject_id} has pullbacks of {len(seen.studies)} studies under one PatientID, which count as one "
                    f"person. If they are several, {ASK}"
                )
        return remarks

    def _look_at_person(self, source: PullbackSource, subject_id: str) -> None:
        """Note what a header says of its person; raises where that is another one than the identifier says."""
        person = source.person()
        self._n_nobody += person.says_nobody
        if person.key is None:
            return
        alike = self._by_folded_key.setdefault(_folded(person.key), subject_id)
        if alike != subject_id:
            message = "has a PatientID that differs from another one of this import in small and capital letters or blanks only"
            raise SourceError(message, hint=f"call both alike if they are one person: {ASK}", path=source.path)
        seen = self._seen.setdefault(subject_id, _Seen())
        for place, (what, ours, theirs) in enumerate(zip(TRAITS, seen.traits, person.traits, strict=True)):
            if ours and theirs and ours != theirs:
                message = f"has the PatientID of another pullback of this import, but another {what}"
                raise SourceError(message, hint=ASK, path=source.path)
            seen.traits[place] = ours or theirs
        if person.study:
            seen.studies[person.study] += 1


def _folded(key: str) -> str:
    """Return an identifier as people who do not look at letters and blanks closely would call the same."""
    return " ".join(unicodedata.normalize("NFKC", key).casefold().split())
