from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from ivsqa.errors import IvsqaError, SourceError
from ivsqa.io.sources.source import PullbackSource
from ivsqa.workflow.importing.identity import Identity, content_pullback_id, identify_by

KEY = bytes(32)


@dataclass
class Found:
    """What identity asks of a source."""

    relative: str
    patient: str | None = None

    @property
    def path(self) -> Path:
        return Path(f"{self.relative}.dcm")

    def patient_key(self) -> str | None:
        return self.patient


def identity_of(
    rule: str | None, relative: str, *, patient: str | None = None, key: bytes = KEY, content: str = "c"
) -> Identity:
    return identify_by(rule, key)(cast("PullbackSource", Found(relative, patient)), content)


def test_a_pattern_names_subject_and_pullback():
    found = identity_of(r"(?P<subject>S\d+)-(?P<pullback>P\d+)", "site/S07-P2")
    assert found == Identity("S07", "P2", is_guess=False)


def test_a_pattern_without_pullback_leaves_that_to_the_content():
    assert identity_of(r"(?P<subject>S\d+)", "S07-P2") == Identity("S07", None)


def test_names_become_safe_for_every_file_system():
    assert identity_of("(?P<subject>.+)", "a b/ü?..").subject_id == "a-b"
    assert identity_of("(?P<subject>.+)", "???").subject_id == "unnamed"


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
