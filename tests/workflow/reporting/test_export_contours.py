"""What is exported comes back in, through the readers of those formats."""

import json

import numpy as np
import pytest

from ivsqa.errors import StateError
from ivsqa.io.project.new_project import create_project
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.reporting.export_contours import export_contours

SUBJECTS = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"


@pytest.fixture(scope="module")
def study(phantoms, tmp_path_factory):
    """Two pullbacks of phantoms with the truth as annotation."""
    folder = tmp_path_factory.mktemp("export")
    project = create_project(folder / "study", template="coronary-ivus")
    options = ImportOptions(subject_from=SUBJECTS, annotations=phantoms.files[0].parent / "truth")
    import_pullbacks(project, phantoms.files[:2], options)
    return project


def drawn(project):
    store = project.annotations
    return {
        (each.pullback_id, index): one.contours
        for each in project.pullbacks()
        for index, one in store.current(each.pullback_id).items()
    }


def imported(folder, tmp_path, annotations=None):
    project = create_project(tmp_path / "again", template="coronary-ivus")
    result = import_pullbacks(project, [folder], ImportOptions(subject_from=SUBJECTS, annotations=annotations))
    assert result.failed == []
    return project


def check(found, wanted, tolerance_px):
    assert found.keys() == wanted.keys()
    for key, contours in wanted.items():
        assert set(found[key]) == set(contours)
        for name, contour in contours.items():
            assert found[key][name].distances_px(contour).max() < tolerance_px


def test_echoplaque_comes_back_to_the_pixel(study, phantoms, tmp_path):
    result = export_contours(study, tmp_path / "xml", format="echoplaque")
    assert sorted(path.name for path in (tmp_path / "xml").iterdir()) == ["S01-P1_contours.xml", "S02-P1_contours.xml"]
    assert (result.source, set(result.n_frames), result.left_out) == ("annotations", {"S01-P1", "S02-P1"}, ())
    frames = tmp_path / "frames"
    frames.mkdir()
    for path in phantoms.files[:2]:
        (frames / path.name).symlink_to(path)
    again = imported(frames, tmp_path, annotations=tmp_path / "xml")
    check(drawn(again), drawn(study), 1.0)  # whole pixels: 0.71 px, and a little between vertices


def test_nnunet_comes_back_with_frames_spacing_and_labels(study, tmp_path):
    folder = tmp_path / "Dataset500_phantoms"
    result = export_contours(study, folder, format="nnunet")
    said = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert said["labels"] == {"background": 0, "eem": [1, 2], "lumen": 1}
    assert (said["regions_class_order"], said["file_ending"]) == ([2, 1], ".nii.gz")
    cases = {path.name for path in folder.glob("images*/*")}
    assert cases == {f"{each}_0000.nii.gz" for each in result.n_frames}
    rows = (folder / "frames.csv").read_text(encoding="utf-8").splitlines()
    assert rows[:2] == ["case,slice,frame_index", "S01-P1,0,0"]
    again = imported(folder, tmp_path)
    check(drawn(again), drawn(study), 1.0)
    for record in study.pullbacks():
        other = again.pullback(record.pullback_id)
        assert other.spacing_mm == pytest.approx(record.spacing_mm)
        np.testing.assert_array_equal(other.frames, record.frames)


def test_equal_content_gives_equal_bytes_and_a_dry_run_none(study, tmp_path):
    for name in ("a", "b"):
        export_contours(study, tmp_path / name, format="nnunet", pullback_ids=["S01-P1"])
    first = {path.relative_to(tmp_path / "a"): path.read_bytes() for path in (tmp_path / "a").rglob("*.*")}
    second = {path.relative_to(tmp_path / "b"): path.read_bytes() for path in (tmp_path / "b").rglob("*.*")}
    assert first == second
    assert export_contours(study, tmp_path / "c", format="nnunet", dry_run=True).n_frames.keys() == {"S01-P1", "S02-P1"}
    assert not (tmp_path / "c").exists()


def test_nothing_is_written_over_and_nothing_is_no_export(study, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(StateError, match="is there already"):
        export_contours(study, tmp_path / "full", format="echoplaque")
    (tmp_path / "empty").mkdir()
    export_contours(study, tmp_path / "empty", format="echoplaque")
    assert len(list((tmp_path / "empty").iterdir())) == 2
    blank = create_project(tmp_path / "blank", template="coronary-ivus")
    with pytest.raises(StateError, match="no frame has annotations"):
        export_contours(blank, tmp_path / "out", format="echoplaque")
