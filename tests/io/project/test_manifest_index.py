"""The index of manifests says what the manifests say, or nothing."""

from copy import copy
from pathlib import Path
from typing import Any

import pytest

from ivsqa.errors import IntegrityError
from ivsqa.io.ledger import doors
from ivsqa.io.project import manifest, manifest_index
from ivsqa.io.project.manifest import read_manifest, write_manifest
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.records import PullbackRecord
from tests.io.project.test_project import add_pullback


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(manifest, "FEWEST", 2)
    create_project(tmp_path / "study", template="coronary-ivus")
    project = open_project(tmp_path / "study")
    for number in range(3):
        add_pullback(project, f"S0{number}-P1")
    doors.end()  # while a command runs, what it wrote last is in doubt
    project = open_project(project.root)
    project.pullbacks()
    project.note_manifests()
    return project


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of pullbacks whose manifests are read from their own files."""
    names: list[str] = []

    def reading(path, model):
        names.append(path.parent.name)
        return read_manifest(path, model)

    monkeypatch.setattr(manifest, "read_manifest", reading)
    return names


def facts_of(project: Project) -> list[dict[str, Any]]:
    return [pullback.model_dump() for pullback in open_project(project.root).pullbacks()]


def test_what_is_in_it_is_read_from_no_other_file(project, opened):
    kept = facts_of(project)
    assert opened == []
    project.layout.manifest_index.unlink()
    assert facts_of(project) == kept
    assert opened == ["S00-P1", "S01-P1", "S02-P1"]


def test_what_was_written_since_is_read_itself(project, opened):
    record = project.pullback("S01-P1").rewrite(gating_source="not clear")
    doors.end()
    assert open_project(project.root).pullback("S01-P1") == record
    assert opened == ["S01-P1"]
    opened.clear()
    again = open_project(project.root)
    again.pullbacks()
    again.note_manifests()  # one is too few
    assert facts_of(project)[1]["gating_source"] == "not clear"
    assert opened == ["S01-P1", "S01-P1"]


def test_what_is_written_after_it_was_read_is_not_kept_as_it_was(project):
    project.layout.manifest_index.unlink()
    reading = open_project(project.root)
    reading.pullbacks()
    project.pullback("S01-P1").rewrite(gating_source="not clear")  # by another process, while this one works
    doors.end()
    reading._read.note()
    assert facts_of(project)[1]["gating_source"] == "not clear"


def test_a_manifest_of_another_size_is_refused_as_ever(project):
    path = project.layout.pullback_record("S01-P1")
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(IntegrityError, match="was changed since"):
        open_project(project.root).pullbacks()


def test_a_manifest_that_is_gone_is_missed_as_ever(project):
    project.layout.pullback_record("S01-P1").unlink()
    with pytest.raises(IntegrityError, match="is gone"):
        open_project(project.root).pullbacks()


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda data: b"", lambda data: data.replace(b"S01", b"S09"), lambda data: b"\xff" + data],
)
def test_a_damaged_index_says_nothing(project, opened, damage):
    path, kept = project.layout.manifest_index, facts_of(project)
    path.write_bytes(damage(path.read_bytes()))
    assert facts_of(project) == kept
    assert opened == ["S00-P1", "S01-P1", "S02-P1"]


def test_what_an_ivsqa_of_another_version_kept_is_read_anew(project, opened, monkeypatch):
    monkeypatch.setattr(PullbackRecord, "SCHEMA_VERSION", PullbackRecord.SCHEMA_VERSION + 1)
    monkeypatch.setattr(
        PullbackRecord, "UPGRADES", {**PullbackRecord.UPGRADES, PullbackRecord.SCHEMA_VERSION - 1: dict}
    )
    assert len(facts_of(project)) == len(opened) == 3


def test_what_is_added_later_stands_beside_what_was_there(project, opened):
    for number in range(3, 5):
        add_pullback(project, f"S0{number}-P1")
    doors.end()
    later = open_project(project.root)
    later.pullbacks()
    later.note_manifests()
    opened.clear()
    assert len(facts_of(project)) == 5
    assert opened == []


def test_a_cache_that_goes_to_another_process_takes_the_index_along(project, opened):
    other = copy(project._read)  # as it is taken apart and put together for a process
    assert other is not project._read
    assert Project(project.layout, project.settings, other).pullbacks() == project.pullbacks()
    assert opened == []


def test_the_ledger_does_not_know_it(project):
    assert doors.known_hash(project.layout.manifest_index) is None
    write_manifest(project.layout.pullback_record("S00-P1"), project.pullback("S00-P1").imported)
    assert project.layout.manifest_index.is_file()


def test_it_is_not_written_for_few_manifests(project, monkeypatch):
    project.layout.manifest_index.unlink()
    monkeypatch.setattr(manifest, "FEWEST", manifest_index.FEWEST)
    again = open_project(project.root)
    again.pullbacks()
    again.note_manifests()
    assert not project.layout.manifest_index.is_file()
