"""Who a pullback is of, as headers say it: kept in memory to derive pseudonyms, never stored or printed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.dataset import Dataset

from ivsqa.io.formats.dicom_header import text

NOBODY = frozenset(
    (
        *(
            "anon",
            "anonym",
            "anonyme",
            "anonymous",
            "anonymus",
            "anonymized",
            "anonymised",
            "anonymisiert",
            "anonimo",
            "匿名",
        ),
        *(
            "unknown",
            "unbekannt",
            "inconnu",
            "desconocido",
            "none",
            "null",
            "nil",
            "na",
            "nn",
            "no",
            "not",
            "available",
        ),
        *(
            "info",
            "name",
            "noname",
            "id",
            "noid",
            "number",
            "patient",
            "patients",
            "patientid",
            "nopatient",
            "blank",
            "empty",
        ),
        *("deidentified", "deident", "deid", "de", "identified", "removed", "redacted", "masked", "hidden"),
        *("test", "dummy", "default", "demo", "sample"),
    )
)
"""Words that programs write where they removed a name; a name of such words alone is none."""


@dataclass(frozen=True)
class Person:
    """A person as a header names them.

    Attributes:
        key: What identifies them; None where nothing does.
        study: UID of the examination, of which all pullbacks are of one person; "" where absent.
        traits: Birth date, sex, and who issued the identifier, "" where absent: two people who share one may differ in them.
        says_nobody: The header has an identifier, which names nobody.
    """

    key: str | None = None
    study: str = ""
    traits: tuple[str, str, str] = ("", "", "")
    says_nobody: bool = False


def person_of(tags: Dataset) -> Person:
    """Return the person in a DICOM header: the PatientID, else name and birth date; nobody where these were taken out."""
    patient_id, name = text(tags, "PatientID"), text(tags, "PatientName").strip("^ ")
    birth_date, sex = text(tags, "PatientBirthDate"), text(tags, "PatientSex").upper()
    says_nobody = names_nobody(patient_id or name)
    key = None if says_nobody else patient_id or (f"{name}\n{birth_date}" if name else None)
    issuer = text(tags, "IssuerOfPatientID").casefold() if patient_id else ""
    traits = (birth_date, sex if sex in ("F", "M") else "", issuer)
    return Person(key, text(tags, "StudyInstanceUID"), traits, says_nobody)


def names_nobody(name: str) -> bool:
    """Return whether a name is one that programs and people write where they took a name out; "" is none at all.

    Example:
        >>> [names_nobody(name) for name in ("ANONYMOUS", "Anonymized^^", "N/A", "000000", "XXXX", "***")]
        [True, True, True, True, True, True]
        >>> [names_nobody(name) for name in ("", "ANON-0017", "S01", "Test^Jane", "0012")]
        [False, False, False, False, False]
    """
    words = re.findall(r"[^\W\d_]+|[0-9]+", name.casefold())
    is_blank = all(word in NOBODY or re.fullmatch(r"0+|x{2,}", word) for word in words)
    return bool(name.strip()) and (is_blank or "".join(words) in NOBODY)
