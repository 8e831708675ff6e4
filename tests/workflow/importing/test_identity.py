import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from ivsqa.errors import IvsqaError, SourceError
from ivsqa.io.sources.person import Person
from ivsqa.io.sources.source import PullbackSource
from ivsqa.workflow.importing.identity import Identity, content_pullback_id, identify_by

KEY = bytes(32)


@dataclass
class Found:
    """What identity asks of a source."""

    relative: str
    patient: str | None = None
    study: str = ""

    @property
    def path(self) -> Path:
        return Path(f"{self.relative}.dcm")

    def person(self) -> Person:
        return Person(self.patient, self.study)


def identity_of(
    rule: str | None,
    relative: str,
    *,
    patient: str | None = None,
    study: str = "",
    key: bytes = KEY,
    content: str = "c",
) -> Identity:
    return identify_by(rule, key)(cast("PullbackSource", Found(relative, patient, study)), content)


def test_a_pattern_names_subject_and_pullback():
    found = identity_of(r"(?P<subject>S\d+)-(?P<pullback>P\d+)", "site/S07-P2")
    assert found == Identity("S07", "P2", is_guess=False)


def test_a_pattern_without_pullback_leaves_that_to_the_content():
    assert identity_of(r"(?P<subject>S\d+)", "S07-P2") == Identity("S07", None)


PEOPLE = (
    *(
        "Müller",
        "Möller",
        "MULLER",
        "患者甲",
        "患者乙",
        "Иванов",
        "علي",
        "???",
        "P 1",
        "P-1",
        "P.1",
        "P_1",
        "P-1-",
        "-P-1",
    ),
    *("_S1", "S1", "S1.", "a/b", "a b", "CON", "x" * 300, "x" * 301, "..", "é", "e", "S1\n2", "٣", "3", "\udce9"),
)


def test_distinct_names_give_distinct_ids_that_can_be_folders_everywhere():
    ids = [identity_of("(?s)(?P<subject>.+)", name).subject_id for name in PEOPLE]
    assert len({one.casefold() for one in ids}) == len(PEOPLE)
    for one in ids:
        assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", one), one
        assert one.upper() != "CON"


def test_a_name_that_can_be_a_folder_stays_and_of_any_other_what_can_stay_is_kept():
    assert identity_of("(?P<subject>.+)", "S07_a-B") == Identity("S07_a-B", None)
    found = identity_of("(?P<subject>.+)", "Müller 2")
    assert re.fullmatch("M-ller-2-[0-9a-f]{8}", found.subject_id)
    assert found.former_id == "M-ller-2"


def test_one_name_in_two_forms_of_unicode_or_two_cases_is_no_second_person():
    ids = {
        identity_of("(?P<subject>.+)", unicodedata.normalize(form, name)).subject_id.casefold()
        for form in ("NFC", "NFD")
        for name in ("Müller", "MÜLLER", "Müller ")
    }
    # The letters that stay differ between "M-ller" and "M-LLER", so that such two are refused, and the hash does not.
    assert len(ids) == 1


@pytest.mark.parametrize("rule", ["(?P<subject>X\\d+)", "(?P<subject>)S07"])
def test_a_path_the_pattern_does_not_match_is_an_error_of_that_file(rule):
    with pytest.raises(SourceError, match="does not match") as caught:
        identity_of(rule, "S07-P2")
    assert "--subject-from" in caught.value.hint


@pytest.mark.parametrize(
    ("rule", "said"), [("(?P<subject>", "regular expression"), ("S\\d+", "no group named subject")]
)
def test_an_unusable_pattern_is_refused_before_any_file(rule, said):
    with pytest.raises(IvsqaError, match=said) as caught:
        identify_by(rule, KEY)
    assert "(?P<subject>" in caught.value.hint


def test_the_header_gives_the_same_pseudonym_for_the_same_person_and_never_the_identifier():
    first, again, other = (identity_of(None, name, patient=who) for name, who in (("a", "7"), ("b", "7"), ("c", "8")))
    assert first == again
    assert first.subject_id != other.subject_id
    assert first.subject_id.removeprefix("s-") != "7"
    assert len(first.subject_id) == len("s-") + 8
    assert not first.is_guess


def test_another_project_gives_another_pseudonym():
    assert identity_of(None, "a", patient="7") != identity_of(None, "a", patient="7", key=b"\1" * 32)


def test_without_any_name_each_content_is_its_own_subject_and_that_is_a_guess():
    one, two = identity_of(None, "a", content="x"), identity_of(None, "a", content="y")
    assert one.is_guess
    assert one.subject_id != two.subject_id


def test_of_nobody_a_study_is_one_subject_and_that_is_a_guess():
    one, same, other = (
        identity_of(None, "a", study=study, content=c) for study, c in (("1", "x"), ("1", "y"), ("2", "x"))
    )
    assert one == same != other
    assert one.is_guess


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "who.CSV"
    path.write_text(
        "\ufeffpath,subject_id,pullback_id\nsite/run1.dcm,007,A\nrun2,008,\nsite\\run3.tiff,009,C\n,010,D\n",
        encoding="utf-8",
    )
    return path


def test_a_table_names_by_path_or_by_bare_name(table):
    assert identity_of(str(table), "site/run1") == Identity("007", "A")
    assert identity_of(str(table), "elsewhere/run2") == Identity("008", None)
    assert identity_of(str(table), "site/run3") == Identity("009", "C")


def test_a_row_that_is_there_twice_is_named_and_one_that_contradicts_it_refused(tmp_path):
    path = tmp_path / "who.csv"
    path.write_text("path,subject_id\nrun0,S0\nrun1,S1\nrun1.dcm,S1\nrun0,S5\n")
    remarks: list[str] = []
    identify = identify_by(str(path), KEY, remarks)
    assert identify(cast("PullbackSource", Found("run1")), "") == Identity("S1", None)
    assert remarks == ["who.csv has the row of 'run1.dcm' twice, in lines 3 and 4"]
    with pytest.raises(SourceError, match="2 rows in the table of subjects that say different things, lines 2 and 5"):
        identify(cast("PullbackSource", Found("run0")), "")


def test_a_table_finds_a_path_in_either_form_of_unicode(tmp_path):
    path = tmp_path / "who.csv"
    path.write_text(unicodedata.normalize("NFC", "path,subject_id\n./Prüfung/run/,S1\n"), encoding="utf-8")
    assert identity_of(str(path), unicodedata.normalize("NFD", "Prüfung/run")).subject_id == "S1"


def test_a_file_without_a_row_is_an_error_of_that_file(table):
    with pytest.raises(SourceError, match="no row") as caught:
        identity_of(str(table), "run9")
    assert str(table) in caught.value.hint


def test_a_table_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "bad.csv").write_text("file,subject\na,b\n")
    with pytest.raises(IvsqaError, match="no column path and subject_id; its first line is 'file,subject'"):
        identify_by(str(tmp_path / "bad.csv"), KEY)
    with pytest.raises(IvsqaError, match="cannot read"):
        identify_by(str(tmp_path / "absent.csv"), KEY)


def test_a_pullback_without_a_name_is_named_by_its_content():
    assert content_pullback_id("0123456789abcdef") == "pb-0123456789"
