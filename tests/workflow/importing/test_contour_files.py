"""Contours of other tools that lie apart from the frames, given with --annotations."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from ivsqa.domain.contour import Contour
from ivsqa.io.project.new_project import create_project
from ivsqa.io.sources.archives.echoplaque import echoplaque_text
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks

DRAWN = {1: {"lumen": Contour.from_points([[10, 10], [30, 10], [30, 20], [10, 20]])}}
NAMED = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"


def write_frames(folder, seed):
    folder.mkdir(parents=True)
    for index in range(3):
        grey = np.random.default_rng(seed + index).integers(0, 255, (40, 50), dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"{index}.png")


def write_contours(path, n_frames=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    said: dict[str, Any] = {"n_frames": n_frames, "shape": (40, 50), "spacing_mm": None, "speed_mm_s": None}
    path.write_text(echoplaque_text("x", DRAWN, **said), encoding="utf-8")
    return path


@pytest.fixture
def study(tmp_path):
    for number in (1, 2):
        write_frames(tmp_path / "frames" / f"S0{number}-P1", 10 * number)
    project = create_project(tmp_path / "study", template="coronary-ivus")
    import_pullbacks(project, [tmp_path / "frames"], ImportOptions(subject_from=NAMED))
    return project


def annotated(project):
    store = project.annotations
    return {one.pullback_id: store.annotated_frames(one.pullback_id) for one in project.pullbacks()}


def test_a_file_goes_to_the_pullback_it_is_called_like(study, tmp_path):
    write_contours(tmp_path / "drawn" / "S02-P1_contours.xml")
    options = ImportOptions(subject_from=NAMED, annotations=tmp_path / "drawn")
    result = import_pullbacks(study, [tmp_path / "frames"], options)
    assert (result.n_annotations, result.failed) == (1, [])
    assert annotated(study) == {"S01-P1": [], "S02-P1": [1]}
    assert result.notes == {"S02-P1": ("S02-P1_contours.xml (echoPlaque): contours of 1 frame",)}
    assert import_pullbacks(study, [tmp_path / "frames"], options).n_annotations == 0


def test_a_folder_may_carry_the_name_and_one_bad_file_does_not_stop_the_rest(study, tmp_path):
    write_contours(tmp_path / "drawn" / "S01-P1" / "a.xml")
    bad = write_contours(tmp_path / "drawn" / "S02-P1" / "a.xml")
    bad.write_text(bad.read_text(encoding="utf-8").replace("<Num>1<", "<Num>7<"), encoding="utf-8")
    stranger = write_contours(tmp_path / "drawn" / "S03-P1.xml")
    result = import_pullbacks(
        study, [tmp_path / "frames"], ImportOptions(subject_from=NAMED, annotations=tmp_path / "drawn")
    )
    assert annotated(study) == {"S01-P1": [1], "S02-P1": []}
    said = {error.path: error.message for error in result.failed}
    assert said == {
        stranger: "belongs to no pullback that is here",
        bad: "there is no frame 7: the pullback has 3",
    }


def test_where_there_is_one_pullback_the_file_needs_no_name(tmp_path):
    write_frames(tmp_path / "S01-P1", 5)
    project = create_project(tmp_path / "study", template="coronary-ivus")
    path = write_contours(tmp_path / "drawn.xml")
    result = import_pullbacks(project, [tmp_path / "S01-P1"], ImportOptions(subject_from=NAMED, annotations=path))
    assert (result.failed, annotated(project)) == ([], {"S01-P1": [1]})


def test_a_contour_file_given_as_a_pullback_is_named_for_what_it_is(tmp_path):
    project = create_project(tmp_path / "study", template="coronary-ivus")
    (error,) = import_pullbacks(project, [write_contours(tmp_path / "drawn.xml")], ImportOptions()).failed
    assert "holds contours (echoPlaque) but no frames" in str(error)
    assert "--annotations" in error.hint


def test_a_lumen_beyond_its_eem_is_kept_as_drawn_until_repair_is_asked_for(study, tmp_path):
    eem = Contour.from_points([[5, 5], [25, 5], [25, 25], [5, 25]])
    drawn = {1: DRAWN[1] | {"eem": eem}}
    path = tmp_path / "S01-P1.xml"
    text = echoplaque_text("x", drawn, n_frames=3, shape=(40, 50), spacing_mm=None, speed_mm_s=None)
    path.write_text(text, encoding="utf-8")
    areas = []
    for repair in (False, True):
        options = ImportOptions(subject_from=NAMED, annotations=path, repair=repair)
        result = import_pullbacks(study, [tmp_path / "frames"], options)
        assert "lumen: 1 contour beyond the border around it (first in frame 1)" in result.notes["S01-P1"][1]
        lumen = study.annotations.current("S01-P1")[1].contours["lumen"]
        areas.append(lumen.area_px2)
    assert areas == pytest.approx([200.0, 150.0])


def test_a_folder_of_contours_alone_says_so(tmp_path):
    project = create_project(tmp_path / "study", template="coronary-ivus")
    write_contours(tmp_path / "only" / "drawn.xml")
    (error,) = import_pullbacks(project, [tmp_path / "only"], ImportOptions()).failed
    assert error.message == "nothing to import here but contours, such as drawn.xml (echoPlaque)"


def test_contours_in_millimetres_go_by_the_spacing_that_the_user_gives(tmp_path):
    folder = tmp_path / "frames" / "S01-P1"
    write_frames(folder, 1)
    (folder / "S01-P1_csv_files").mkdir()
    square_mm = [(0.2, 0.6), (0.6, 0.6), (0.6, 0.4), (0.2, 0.4)]  # y upwards from the lower edge of 40 px
    lines = [f"2\t{x:.4f}\t{y:.4f}\t0.0" for x, y in square_mm]
    (folder / "S01-P1_csv_files" / "diastolic_contours.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    project = create_project(tmp_path / "study", template="coronary-ivus")
    without = import_pullbacks(project, [folder], ImportOptions())
    assert "spacing of the pullback is not known" in without.failed[0].message
    given = import_pullbacks(project, [folder], ImportOptions(spacing_mm=(0.02, 0.02)))
    assert given.failed == []
    (drawn,) = annotated(project).values()
    assert list(drawn) == [1]
    (pullback_id,) = project.pullback_ids()
    lumen = project.annotations.current(pullback_id)[1].contours["lumen"]
    assert lumen.area_px2 == pytest.approx(20.0 * 10.0)
    assert lumen.points_px.min(axis=0) == pytest.approx([10.0, 10.0])


@pytest.mark.parametrize(
    ("scale", "n_annotations", "word"),
    [(1, 1, None), (3, 1, "leave the frame"), (12, 0, "lumen lies far outside frame 0")],
)
def test_contours_of_another_size_of_the_frames_do_not_come_in_without_a_word(tmp_path, scale, n_annotations, word):
    """A triangle in a frame of 64 × 64 px, on the frame as it is, three and twelve times as large."""
    project = create_project(tmp_path / "study", template="coronary-ivus")
    run = tmp_path / "run"
    run.mkdir()
    Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(run / "0.png")
    corners = ((10 * scale, 10 * scale), (40 * scale, 10 * scale), (20 * scale, 40 * scale))
    lines = "".join(f"run,0,lumen,{vertex},{x},{y}\n" for vertex, (x, y) in enumerate(corners))
    (run / "contours.csv").write_text("pullback_id,frame_index,structure,vertex,x_px,y_px\n" + lines)
    result = import_pullbacks(project, [run], ImportOptions())
    assert (len(result.imported), result.n_annotations) == (1, n_annotations)
    said = [note for notes in result.notes.values() for note in notes] + [error.message for error in result.failed]
    assert [word in line for line in said] == ([True] if word else [])
