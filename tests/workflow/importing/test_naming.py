"""No two people become one by their names, and nobody becomes two, as far as names and headers show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, ImportResult, import_pullbacks
from ivsqa.workflow.importing.plan import plan_import
from tests.workflow.importing.made_files import dicom, frames_of

BY_FOLDER = ImportOptions(subject_from="(?P<subject>[^/]+)")


@pytest.fixture
def study(tmp_path: Path) -> Project:
    return create_project(tmp_path / "study", template="coronary-ivus")


def put(folder: Path, *names: str) -> Path:
    """Write a pullback of two frames into a folder of each name."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for index, frame in enumerate(frames_of(sum(name.encode()))):
            Image.fromarray(frame).save(folder / name / f"{index}.png")
    return folder


def subjects(result: ImportResult) -> list[str]:
    return [record.subject_id for record in result.imported]


def test_names_that_differ_in_case_only_are_asked_about_and_both_are_named(study, tmp_path):
    archive = put(tmp_path / "in", "MRN-0012", "mrn-0012", "S2")
    plan = plan_import(study, [archive], BY_FOLDER)
    result = import_pullbacks(study, [archive], BY_FOLDER)
    assert subjects(result) == ["MRN-0012", "S2"]
    for (error,) in (plan.failed, result.failed):
        assert "is of mrn-0012, and there is MRN-0012" in error.message


def test_a_name_of_another_case_in_a_later_import_is_asked_about(study, tmp_path):
    import_pullbacks(study, [put(tmp_path / "a", "MÜLLER")], BY_FOLDER)
    (error,) = import_pullbacks(study, [put(tmp_path / "b", "Müller")], BY_FOLDER).failed
    assert "small and capital letters only" in error.message


def test_a_subject_of_an_earlier_version_is_neither_split_nor_given_to_another_person(study, tmp_path):
    """Before, "P 1", "P-1" and "P.1" were all the subject P-1."""
    import_pullbacks(study, [put(tmp_path / "a", "P-1")], BY_FOLDER)
    later = put(tmp_path / "b", "P 1")
    (error,) = import_pullbacks(study, [later], BY_FOLDER).failed
    assert "may be of the subject P-1, who is here" in error.message
    (tmp_path / "who.csv").write_text("path,subject_id\nP 1,P-1\n")
    result = import_pullbacks(study, [later], ImportOptions(subject_from=str(tmp_path / "who.csv")))
    assert subjects(result) == ["P-1"]


def test_a_name_that_somebody_here_bears_is_of_nobody_else(study, tmp_path):
    archive = put(tmp_path / "in", "P-1", "P 1", "P.1")
    result = import_pullbacks(study, [archive], BY_FOLDER)
    assert result.failed == []
    assert len(set(subjects(result))) == 3
    assert sorted(import_pullbacks(study, [put(archive, "P 1/more").parent], BY_FOLDER).unchanged)


def test_pullbacks_whose_folders_would_be_one_on_windows_are_refused(study, tmp_path):
    rule = ImportOptions(subject_from="(?P<subject>S)(?P<pullback>.+)")
    result = import_pullbacks(study, [put(tmp_path / "in", "Srun", "SRUN")], rule)
    assert len(result.imported) == 1
    (error,) = result.failed
    assert "is already here with other content" in error.message


def put_headers(folder: Path, *people: dict[str, Any]) -> Path:
    """Write a pullback for each person, all of one PatientID."""
    folder.mkdir()
    for number, tags in enumerate(people):
        (folder / f"{number}.dcm").write_bytes(dicom(frames_of(number), **({"PatientID": "4711"} | tags)))
    return folder


def test_people_of_one_identifier_who_differ_in_birth_date_or_sex_are_not_made_one(study, tmp_path):
    born, other = {"PatientBirthDate": "19500101"}, {"PatientBirthDate": "19610101", "PatientSex": "F"}
    archive = put_headers(tmp_path / "in", born, {}, other, born | {"PatientSex": "M"})
    result = import_pullbacks(study, [archive], ImportOptions())
    assert len(result.imported) == 3
    assert len(set(subjects(result))) == 1
    (error,) = result.failed
    assert error.path == archive / "2.dcm"
    assert "has the PatientID of another pullback of this import, but another birth date" in error.message
    assert "1961" not in str(error)
    assert "4711" not in str(error)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ({"IssuerOfPatientID": "A"}, {"IssuerOfPatientID": "B"}, "but another issuer of the identifier"),
        ({"PatientID": "abc 1"}, {"PatientID": "ABC  1"}, "in small and capital letters or blanks only"),
    ],
)
def test_identifiers_that_are_almost_the_same_or_of_two_places_are_asked_about(study, tmp_path, ours, theirs, message):
    archive = put_headers(tmp_path / "in", ours, theirs, ours)
    result = import_pullbacks(study, [archive], ImportOptions())
    assert (len(result.imported), len(set(subjects(result)))) == (2, 1)
    (error,) = result.failed
    assert error.path == archive / "1.dcm"
    assert message in error.message
    assert "--subject-from" in error.hint


@pytest.mark.parametrize(("n_studies", "n_remarks"), [(3, 0), (4, 1)])
def test_an_identifier_that_many_studies_share_is_asked_about(study, tmp_path, n_studies, n_remarks):
    archive = put_headers(tmp_path / "in", *({"StudyInstanceUID": f"1.2.{number}"} for number in range(n_studies)))
    options = ImportOptions()
    plan, result = plan_import(study, [archive], options), import_pullbacks(study, [archive], options)
    assert len(set(subjects(result))) == 1
    assert plan.remarks == result.remarks
    assert len(result.remarks) == n_remarks
    assert not n_remarks or "has pullbacks of 4 studies under one PatientID" in result.remarks[0]


def test_of_nobody_the_pullbacks_of_one_study_are_of_one_subject(study, tmp_path):
    people = [{"PatientID": "ANON", "StudyInstanceUID": f"1.2.{study_number}"} for study_number in (1, 1, 2)]
    result = import_pullbacks(study, [put_headers(tmp_path / "in", *people)], ImportOptions())
    first, second, third = subjects(result)
    assert first == second != third
    assert result.n_guessed_subjects == 3
