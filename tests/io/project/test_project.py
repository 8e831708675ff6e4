import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from ivsqa.errors import IntegrityError, IvsqaError, ManifestError, NotAProjectError, NotFoundError, StateError
from ivsqa.io.project.layout import next_id
from ivsqa.io.project.manifest import read_manifest, write_manifest
from ivsqa.io.project.new_project import create_project, template_names
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord, PullbackRecord, RoundRecord
from ivsqa.io.project.selections import write_selection

SAMPLES = Path(__file__).parents[2] / "data" / "manifests"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return create_project(tmp_path / "study", template="coronary-ivus")


def add_pullback(project: Project, pullback_id: str, frames: np.ndarray | None = None) -> Pullback:
    sample = read_manifest(SAMPLES / "pullback-1.yaml", PullbackRecord)
    small = {"n_frames": 2, "frame_time_s": (0.0, 0.033), "height_px": 4, "width_px": 6}
    record = sample.model_copy(update={"pullback_id": pullback_id, **small})
    write_manifest(project.layout.pullback_record(pullback_id), record)
    np.save(project.layout.frames(pullback_id), np.zeros((2, 4, 6), np.uint8) if frames is None else frames)
    return project.pullback(pullback_id)


def add_model(project: Project, model_id: str, **changes) -> None:
    sample = read_manifest(SAMPLES / "model-1.yaml", ModelRecord)
    write_manifest(project.layout.model_record(model_id), sample.model_copy(update={"model_id": model_id} | changes))


def add_round(project: Project, round_id: str) -> None:
    sample = read_manifest(SAMPLES / "round-1.yaml", RoundRecord)
    write_manifest(project.layout.round_record(round_id), sample.model_copy(update={"round_id": round_id}))
    write_selection(project.layout.selection(round_id), [])


def test_a_new_project_is_named_after_its_folder_and_holds_settings_and_key(project):
    assert project.settings.name == "study"
    assert project.structures.names == ("lumen", "eem")
    assert sorted(path.name for path in project.root.iterdir()) == ["identity.yaml", "ledger", "project.yaml"]


@pytest.mark.parametrize("name", ["007", 'my "best" study', "C:\\data", "a: b # c", "Größe", "$x ${y}"])
def test_a_name_stays_what_it_is(tmp_path, name):
    create_project(tmp_path, template="lumen-only", name=name)
    assert open_project(tmp_path).settings.name == name


def test_every_project_has_its_own_key(tmp_path):
    keys = {create_project(tmp_path / name, template="lumen-only").pseudonym_key for name in "ab"}
    assert {len(key) for key in keys} == {32}
    assert len(keys) == 2


def test_a_project_is_never_made_over_another(project):
    before = project.layout.settings.read_bytes(), project.layout.identity.read_bytes()
    with pytest.raises(IvsqaError, match="already is a project"):
        create_project(project.root, template="lumen-only")
    assert (project.layout.settings.read_bytes(), project.layout.identity.read_bytes()) == before


def test_other_files_in_the_folder_and_an_older_key_are_left_alone(tmp_path, project):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.txt").write_text("mine")
    (tmp_path / "new" / "identity.yaml").write_bytes(project.layout.identity.read_bytes())
    made = create_project(tmp_path / "new", template="lumen-only")
    assert made.pseudonym_key == project.pseudonym_key
    assert (tmp_path / "new" / "notes.txt").read_text() == "mine"


def test_an_unknown_template_lists_the_known_ones_and_writes_nothing(tmp_path):
    with pytest.raises(IvsqaError) as caught:
        create_project(tmp_path / "study", template="coronary")
    assert all(name in caught.value.hint for name in template_names())
    assert not (tmp_path / "study").exists()


def test_a_project_is_found_from_any_folder_inside_it(project):
    inner = project.root / "rounds" / "r001"
    inner.mkdir(parents=True)
    assert open_project(inner).root == project.root


def test_outside_a_project_the_mend_is_said(tmp_path):
    with pytest.raises(NotAProjectError) as caught:
        open_project(tmp_path)
    assert "ivsqa init" in caught.value.hint
    assert "--project" in caught.value.hint


def test_a_broken_project_file_is_named(project):
    project.layout.settings.write_text("kind: ivsqa/project\nschema_version: 1\nnme: x\n")
    with pytest.raises(ManifestError) as caught:
        open_project(project.root)
    assert caught.value.path == project.layout.settings


def test_a_project_can_be_moved(project, tmp_path):
    add_pullback(project, "pb-1")
    moved = project.root.rename(tmp_path / "elsewhere")
    assert open_project(moved).pullback_ids() == ["pb-1"]


def test_an_empty_project_has_nothing_in_it(project):
    assert project.pullback_ids() == []
    assert project.models() == []
    assert project.rounds() == []
    assert project.current_model() is None
    with pytest.raises(StateError, match="no model"):
        project.get_model(None)
    with pytest.raises(StateError, match="no round"):
        project.get_round(None)


def test_pullbacks_come_sorted_and_half_written_ones_do_not_count(project):
    for pullback_id in ("pb-2", "pb-1"):
        add_pullback(project, pullback_id)
    (project.layout.pullbacks / "empty").mkdir()
    (project.layout.pullbacks / ".tmp-x").mkdir()
    (project.layout.pullbacks / ".tmp-x" / "pullback.yaml").write_text("")
    assert project.pullback_ids() == ["pb-1", "pb-2"]
    assert [record.pullback_id for record in project.pullbacks()] == ["pb-1", "pb-2"]


@pytest.mark.parametrize("ask", [lambda p: p.pullback("x"), lambda p: p.get_model("x"), lambda p: p.get_round("x")])
def test_what_is_not_there_is_said_with_what_makes_one(project, ask):
    with pytest.raises(NotFoundError, match="'x' in this project") as caught:
        ask(project)
    assert caught.value.hint.startswith("there is none yet: ivsqa ")


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((3, 4, 6), np.uint8),
        np.zeros((2, 6, 4), np.uint8),
        np.zeros((2, 4, 6), np.int8),
        np.asfortranarray(np.zeros((2, 4, 6), np.uint8)),
    ],
)
def test_frames_of_another_shape_or_type_are_refused(project, frames):
    record = add_pullback(project, "pb-1", frames)
    with pytest.raises(IntegrityError, match=re.escape("expected uint8 frames of shape (2, 4, 6)")):
        _ = record.frames


@pytest.mark.parametrize("content", [None, b"", b"not an array", b"\x93NUMPY\x01\x00"])
def test_frames_that_cannot_be_read_are_refused(project, content):
    record = add_pullback(project, "pb-1")
    path = project.layout.frames("pb-1")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IntegrityError, match="missing or unreadable"):
        _ = record.frames


def test_the_grid_follows_settings_and_spacing(project):
    grid = add_pullback(project, "pb-1").grid
    assert grid.size_px == 96
    assert grid.scale == pytest.approx((10.0 / 96 / 0.02, 10.0 / 96 / 0.025))


def test_the_current_model_is_the_newest_that_is_ready_and_accepted(project):
    add_model(project, "m001")
    add_model(project, "m002")
    add_model(project, "m003", accepted=False)
    add_model(project, "m004", state="training")
    assert project.get_model(None).model_id == "m002"
    assert project.get_model("m003").model_id == "m003"
    with pytest.raises(StateError, match="not trained to its end"):
        project.get_model("m004")
    assert [model.model_id for model in project.models()] == ["m001", "m002", "m003", "m004"]


def test_the_newest_round_is_meant_unless_another_is_named(project):
    add_round(project, "r001")
    add_round(project, "r002")
    assert project.get_round(None).round_id == "r002"
    assert project.get_round("r001").round_id == "r001"


def test_ids_count_by_number_not_by_letter():
    assert next_id("r", []) == "r001"
    assert next_id("r", ["r009", "r010"]) == "r011"
    assert next_id("m", ["m999"]) == "m1000"
    assert next_id("m", ["m1000", "m999"]) == "m1001"


def test_the_thousandth_model_is_newer_than_the_one_before(project):
    add_model(project, "m999")
    add_model(project, "m1000")
    assert project.get_model(None).model_id == "m1000"


def test_a_copy_a_person_made_of_a_model_is_no_model(project):
    add_model(project, "m001")
    shutil.copytree(project.layout.models / "m001", project.layout.models / "m001-old")
    add_model(project, "m002")
    assert [model.model_id for model in project.models()] == ["m001", "m002"]
