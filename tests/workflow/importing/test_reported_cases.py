"""Cases that people who do this job reported of imaging tools, each with what is right; the table stands beside the files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project
from ivsqa.workflow.importing.amend import NewFacts, amend
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, ImportResult, import_pullbacks
from ivsqa.workflow.importing.plan import plan_import

CASES = Path(__file__).resolve().parents[4] / "shared" / "data" / "cases"
Importer = Callable[..., tuple[Project, ImportResult]]


@pytest.fixture
def bring(tmp_path: Path) -> Importer:
    """Return a function that imports a case into a new study."""

    def run(name: str, *, subject_from: str | None = None) -> tuple[Project, ImportResult]:
        if not (CASES / name).exists():
            pytest.skip("the reported cases (../shared/data/cases) are not on this machine")
        study = create_project(tmp_path / "study", template="coronary-ivus")
        table = str(CASES / subject_from) if subject_from else None
        return study, import_pullbacks(study, [CASES / name], ImportOptions(subject_from=table))

    return run


@pytest.mark.parametrize("kind", ["phases", "labels"])
@pytest.mark.parametrize(("encoding", "n_notes"), [("cp1252", 1), ("utf-16", 0)])
def test_d3_a_table_saved_by_excel_is_read(bring, kind, encoding, n_notes):
    study, result = bring(f"d3_{kind}_{encoding}")
    assert result.failed == []
    (record,) = result.imported
    notes = [note for notes in result.notes.values() for note in notes if "cp1252" in note]
    assert len(notes) == n_notes
    if kind == "phases":
        assert study.pullback(record.pullback_id).end_diastolic_frames == (0,)
    else:
        assert result.n_annotations == 3


def test_d3_contours_saved_by_excel_are_read(bring):
    _, result = bring("d3_contours_cp1252")
    assert (result.failed, result.n_annotations > 0) == ([], True)


def test_d4_a_table_in_the_code_page_of_windows_stops_no_other_pullback(bring):
    _, result = bring("d4_two")
    assert (result.failed, len(result.imported)) == ([], 3)


@pytest.mark.parametrize(
    ("case", "n_pullbacks"), [("f1_eadir", 1), ("f1b_eadir_tree", 3), ("f1c_eadir_frames", 2), ("f1d_eadir_dicom", 1)]
)
def test_f1_what_a_disk_station_leaves_is_no_pullback_and_named_once(bring, case, n_pullbacks):
    _, result = bring(case)
    assert (result.failed, len(result.imported)) == ([], n_pullbacks)
    assert len([remark for remark in result.remarks if "left out" in remark]) == (case != "f1c_eadir_frames")


def test_a3_a_cd_comes_in_by_its_folder_and_by_its_index(bring, tmp_path):
    study, result = bring("a3_cd")
    assert (result.failed, len(result.imported)) == ([], 2)
    again = import_pullbacks(study, [CASES / "a3_cd" / "DICOMDIR"], ImportOptions())
    assert (again.failed, again.imported, len(again.unchanged)) == ([], [], 2)


def test_c4_labels_on_another_grid_are_refused_by_what_differs(bring):
    _, result = bring("c4_eye")
    (error,) = result.failed
    assert "it has 1 × 1 × 1 mm a voxel, they have 0.04 × 0.04 × 0.1" in error.message


def test_c4b_labels_that_are_mirrored_are_refused_by_their_axes(bring):
    _, result = bring("c4b_flip")
    (error,) = result.failed
    assert "as axes" in error.message


def test_k1_names_in_other_scripts_are_read(bring):
    _, result = bring("k1 Prüfung ÄÖ")
    assert (result.failed, result.n_annotations > 0) == ([], True)


@pytest.mark.parametrize(("table", "n_remarks"), [("d1_utf8.csv", 0), ("d1_ansi.csv", 1)])
def test_d1_people_whose_names_differ_in_other_than_latin_letters_stay_distinct(bring, table, n_remarks):
    _, result = bring("d1_names", subject_from=table)
    assert result.failed == []
    assert len({record.subject_id.casefold() for record in result.imported}) == 6
    assert len(result.remarks) == n_remarks  # the code page was guessed


def test_d1_a_table_with_two_rows_of_one_pullback_is_named_and_the_others_come_in(bring):
    _, result = bring("d1_names", subject_from="d1_twice.csv")
    assert [record.subject_id for record in result.imported] == ["S1", "S2", "S3", "S4", "S5"]
    (error,) = result.failed
    assert "lines 2 and 8" in error.message


def test_a14_a_patient_id_that_names_nobody_is_asked_about(bring):
    _, result = bring("a14_anonymous")
    assert (result.failed, result.n_guessed_subjects) == ([], 6)
    assert len({record.subject_id for record in result.imported}) == 6
    (remark,) = result.remarks
    assert "PatientIDs that name nobody, such as ANONYMOUS: 6." in remark
    assert "--subject-from" in remark


def frame_of(study: Project, result: ImportResult, number: int = 0) -> np.ndarray:
    return np.asarray(study.pullback(result.imported[number].pullback_id).frames[0])


def test_a5_subsampled_chroma_is_no_green_and_blue(bring):
    """Taken for RGB, grey 20 became 97."""
    study, result = bring("a5_rgb_jpeg")
    (record,) = result.imported
    assert (result.failed, result.unchanged) == ([], [record.pullback_id])  # the same with a marker and without
    assert np.median(frame_of(study, result)) == 58


def test_a16_bits_that_end_at_bit_15_are_those(bring):
    study, result = bring("a16_highbit")
    with Image.open(CASES / "d1_names" / "run 0" / "f0.png") as picture:
        truth = np.asarray(picture)
    assert np.abs(frame_of(study, result).astype(int) - truth)[8:].max() <= 2


def test_f2_a_tiff_whose_least_is_white_is_turned_around_at_any_depth(bring):
    _, result = bring("f2_miniswhite")
    (record,) = result.imported
    assert (result.failed, result.unchanged) == ([], [record.pullback_id])  # the same in 8 bits and in 16


def test_h1_encapsulated_pixels_that_call_themselves_words_are_read(bring):
    _, result = bring("h1_ow")
    assert (result.failed, [record.n_frames for record in result.imported]) == ([], [4, 4])


def test_c3_a_mask_that_is_black_inside_is_refused_and_the_frames_come_in(bring):
    _, result = bring("c3_inverted")
    assert (len(result.imported), result.n_annotations) == (1, 0)
    (error,) = result.failed
    assert error.path == CASES / "c3_inverted"
    assert "lumen fills frame 0" in error.message


def test_j2_a_mask_that_is_white_all_over_is_asked_about_and_comes_in_by_the_answer(bring, tmp_path):
    """The opaque part of the first has 2,828 px."""
    study, result = bring("j2_alpha")
    (record,) = result.imported
    (error,) = result.failed
    assert result.n_annotations == 0
    assert "colours and its opacity show different areas" in error.message
    assert "3,lumen" in error.hint
    shutil.copytree(CASES / "j2_alpha", tmp_path / "answered", copy_function=shutil.copyfile)
    (tmp_path / "answered").chmod(0o755)
    (tmp_path / "answered" / "planes.csv").write_text("plane,structure\n3,lumen\n")
    again = import_pullbacks(study, [tmp_path / "answered"], ImportOptions())
    assert (again.failed, again.unchanged, again.n_annotations) == ([], [record.pullback_id], 3)
    lumen = study.annotations.current(record.pullback_id)[0].contours["lumen"]
    assert lumen.area_px2 == pytest.approx(2828, rel=0.03)


@pytest.mark.parametrize("case", ["c3_inverted", "j2_alpha", "c4_eye", "c4b_flip", "a6b_ivoct_processing", "f4_avi"])
def test_a_dry_run_refuses_what_the_import_refuses_in_the_same_words(bring, tmp_path, case):
    _, result = bring(case)
    before = create_project(tmp_path / "before", template="coronary-ivus")
    plan = plan_import(before, [CASES / case], ImportOptions())
    assert [str(error) for error in plan.failed] == [str(error) for error in result.failed] != []


def test_a11_the_pane_in_which_contours_lie_is_named_with_its_scale(bring):
    """28.24 mm² by the other pane's 0.1 mm are 4.52 mm² by this one's 0.04."""
    study, result = bring("a11_two_panes")
    (record,) = result.imported
    assert record.spacing_mm is None
    note = result.notes[record.pullback_id][-1]
    assert note.startswith(
        "all its contours lie in one pane, of which the ultrasound region at x 0 to 127 says 0.04 mm"
    )
    assert note.endswith("amend it with --spacing-mm 0.04")
    amend(
        study, [record.pullback_id], NewFacts(spacing_mm=(0.04, 0.04)), by="reader-1", why="the left pane is the vessel"
    )
    lumen = study.annotations.current(record.pullback_id)[0].contours["lumen"]
    x_mm, y_mm = study.pullback(record.pullback_id).spacing_mm
    assert lumen.area_px2 * x_mm * y_mm == pytest.approx(4.52, abs=0.01)


def test_c1b_a_tiff_with_exif_stands_upright(bring):
    _, result = bring("c1b_exif_tiff")
    assert result.failed == []
