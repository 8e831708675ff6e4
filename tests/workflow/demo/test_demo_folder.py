import shutil
from pathlib import Path

import pytest

from ivsqa.errors import StateError
from ivsqa.io.project.records import provenance
from ivsqa.workflow.demo.demo_folder import make_room, staged, write_mark


@pytest.fixture
def played(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    make_room(folder, overwrite=False)
    with staged(folder) as stage:
        for name in ("study/project.yaml", "study/annotations/rev-1.yaml", "phantoms/S01-P1.dcm", "summary.html"):
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).write_text(name, encoding="utf-8")
        write_mark(stage, provenance("2026-01-02T03:04:05.000006+00:00"))
    return folder


def test_a_demo_is_removed_only_when_it_is_said(played, bytes_of):
    before = bytes_of(played)
    with pytest.raises(StateError, match=r"holds a demo.*add --overwrite"):
        make_room(played, overwrite=False)
    assert bytes_of(played) == before
    make_room(played, overwrite=True)
    assert list(played.iterdir()) == []


def test_a_real_study_is_never_removed_whatever_it_is_called(tmp_path, bytes_of):
    study = tmp_path / "trial" / "study"
    study.mkdir(parents=True)
    (study / "project.yaml").write_text("a year of work", encoding="utf-8")
    before = bytes_of(tmp_path)
    with pytest.raises(StateError, match=r"not empty.*choose another folder"):
        make_room(tmp_path / "trial", overwrite=True)
    assert bytes_of(tmp_path) == before


def test_what_a_person_added_or_changed_in_a_demo_keeps_all_of_it(played, bytes_of):
    for name in ("study/annotations/rev-2.yaml", "study/project.yaml", "notes.txt"):
        kept = played / name
        was = kept.read_bytes() if kept.exists() else None
        kept.write_text("mine", encoding="utf-8")
        before = bytes_of(played)
        with pytest.raises(StateError, match=kept.name):
            make_room(played, overwrite=True)
        assert bytes_of(played) == before
        kept.write_bytes(was) if was else kept.unlink()


def test_a_link_in_a_demo_is_not_followed(played, tmp_path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "patient.dcm").write_text("mine", encoding="utf-8")
    (played / "study" / "archive").symlink_to(tmp_path / "archive")
    with pytest.raises(StateError, match="archive: was not written by the demo"):
        make_room(played, overwrite=True)
    assert (tmp_path / "archive" / "patient.dcm").is_file()


def test_what_is_left_of_a_demo_that_was_killed_makes_room_by_itself(played):
    # Killed while it was played, and killed while it was moved out or removed.
    shutil.rmtree(played / "study")
    (played / ".tmp-demo" / "study").mkdir(parents=True)
    make_room(played, overwrite=False)
    assert list(played.iterdir()) == []
    (played / ".tmp-demo").mkdir()
    make_room(played, overwrite=False)
    assert list(played.iterdir()) == []
