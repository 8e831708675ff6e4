import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw

from ivsqa.domain.contour import Contour
from ivsqa.errors import AnnotationError, IntegrityError, IvsqaError, NotFoundError, ProjectLockedError, SourceError
from ivsqa.io.formats.contours_csv import contours_csv_text
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import open_project
from ivsqa.workflow.context import Context
from ivsqa.workflow.importing.gating import NOT_CLEAR
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, find_all_sources, import_pullbacks
from ivsqa.workflow.reporting.ledger_findings import repair_project

SUBJECTS = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"
NAMED = ImportOptions(subject_from=SUBJECTS)


@pytest.fixture
def empty(tmp_path):
    return create_project(tmp_path / "study", template="coronary-ivus")


@pytest.fixture
def two(phantoms, tmp_path):
    folder = tmp_path / "two"
    folder.mkdir()
    for path in phantoms.files[:2]:
        shutil.copy(path, folder)
    return folder


def square(side: float) -> Contour:
    return Contour.from_points([(10.0, 10.0), (10.0 + side, 10.0), (10.0 + side, 10.0 + side), (10.0, 10.0 + side)])


def test_frames_and_facts_are_those_of_the_file(empty, two):
    result = import_pullbacks(empty, [two], NAMED)
    assert [record.pullback_id for record in result.imported] == ["S01-P1", "S02-P1"]
    record = empty.pullback("S01-P1")
    np.testing.assert_array_equal(record.frames, pydicom.dcmread(two / "S01-P1.dcm").pixel_array)
    assert record.spacing_mm == pytest.approx((0.104, 0.104))  # console A: 384 px of 0.026 mm shown on 96 px
    assert record.position_mm(3) == pytest.approx(3 / 30.0 * record.pullback_speed_mm_s)


def test_importing_again_changes_nothing(empty, two, bytes_of):
    import_pullbacks(empty, [two], NAMED)
    before = bytes_of(empty.root)
    again = import_pullbacks(empty, [two], NAMED)
    assert (again.imported, again.unchanged, again.failed) == ([], ["S01-P1", "S02-P1"], [])
    assert bytes_of(empty.root) == before


def test_a_copy_under_another_name_is_the_same_pullback(empty, two):
    import_pullbacks(empty, [two], NAMED)
    shutil.copy(two / "S01-P1.dcm", two / "S09-P9.dcm")
    assert import_pullbacks(empty, [two], NAMED).unchanged == ["S01-P1", "S02-P1", "S01-P1"]


def test_the_same_frames_in_another_file_are_the_same_pullback(empty, two):
    import_pullbacks(empty, [two], NAMED)
    dataset = pydicom.dcmread(two / "S01-P1.dcm")
    dataset.SeriesDescription = "exported again"
    dataset.save_as(two / "S01-P1.dcm")
    again = import_pullbacks(empty, [two], NAMED)
    assert (again.imported, again.unchanged) == ([], ["S01-P1", "S02-P1"])
    assert sorted(path.name for path in empty.layout.pullbacks.iterdir()) == ["S01-P1", "S02-P1"]


def test_a_broken_file_does_not_stop_the_others(empty, two):
    (two / "S00-P1.dcm").write_bytes((two / "S01-P1.dcm").read_bytes()[:3000])
    (two / "S03-P1.dcm").write_bytes(b"not a DICOM file")
    result = import_pullbacks(empty, [two, two / "absent"], NAMED)
    assert {record.pullback_id for record in result.imported} == {"S01-P1", "S02-P1"}
    assert {error.path.name for error in result.failed if error.path} == {"S00-P1.dcm", "S03-P1.dcm", "absent"}
    assert not list(empty.layout.pullbacks.glob(".tmp-*"))


def test_other_content_under_a_name_that_is_taken_is_refused(empty, two, phantoms):
    import_pullbacks(empty, [two], NAMED)
    shutil.copy(phantoms.files[2], two / "S01-P1.dcm")
    result = import_pullbacks(empty, [two], NAMED)
    (error,) = result.failed
    assert isinstance(error, SourceError)
    assert "S01-P1 is already here with other content" in error.message


def test_without_a_rule_the_header_names_the_subject_pseudonymised(empty, phantoms):
    result = import_pullbacks(empty, phantoms.files[3:5], ImportOptions())  # both runs of S04
    assert len({record.subject_id for record in result.imported}) == 1
    assert result.imported[0].subject_id.startswith("s-")
    assert all(record.pullback_id == f"pb-{record.frames_sha256[:10]}" for record in result.imported)
    assert result.n_guessed_subjects == 0


def test_no_name_of_a_person_or_original_uid_is_stored(empty, two):
    dataset = pydicom.dcmread(two / "S01-P1.dcm")
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "MRN-4711"
    dataset.save_as(two / "S01-P1.dcm")
    import_pullbacks(empty, [two], ImportOptions())
    text = "".join(path.read_text() for path in empty.root.rglob("*.yaml"))
    assert not any(
        secret in text for secret in ("Doe", "4711", str(dataset.SOPInstanceUID), str(dataset.StudyInstanceUID))
    )


def test_what_the_user_says_fills_gaps_and_never_overrides_the_file(empty, tmp_path, two):
    (tmp_path / "frames").mkdir()
    for index in range(3):
        Image.fromarray(np.full((32, 48), 20 * index, np.uint8)).save(tmp_path / "frames" / f"{index}.png")
    says = ImportOptions(spacing_mm=(0.5, 0.25), pullback_speed_mm_s=9.0)
    by_hand, *others = import_pullbacks(empty, [tmp_path / "frames", two], says).imported
    assert (by_hand.spacing_mm, by_hand.spacing_source) == ((0.5, 0.25), "user")
    assert (by_hand.pullback_speed_mm_s, by_hand.pullback_speed_source) == (9.0, "user")
    assert by_hand.frame_shape == (32, 48)
    assert all(record.spacing_source != "user" and record.pullback_speed_mm_s != 9.0 for record in others)


def test_pullbacks_nothing_ties_to_a_person_are_counted(empty, tmp_path):
    (tmp_path / "frames").mkdir()
    Image.fromarray(np.zeros((32, 48), np.uint8)).save(tmp_path / "frames" / "0.png")
    assert import_pullbacks(empty, [tmp_path / "frames"], ImportOptions()).n_guessed_subjects == 1


def test_every_subject_has_one_split_and_each_split_has_a_subject(imported):
    splits: dict[str, set[str]] = {}
    for record in imported.pullbacks():
        splits.setdefault(record.subject_id, set()).add(record.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == {"train", "validation", "test"}
    assert imported.pullback("S04-P1").split == imported.pullback("S04-P2").split


def test_a_later_pullback_of_a_known_subject_joins_its_split(empty, phantoms):
    import_pullbacks(empty, phantoms.files[:4], NAMED)
    split = empty.pullback("S04-P1").split
    (late,) = import_pullbacks(empty, [phantoms.files[4]], NAMED).imported
    assert (late.subject_id, late.split) == ("S04", split)


def test_contours_beside_a_file_come_with_it_once_unless_told_not_to(empty, two, bytes_of):
    text = contours_csv_text([("S01-P1", 2, {"lumen": square(20), "eem": square(40)})])
    (two / "S01-P1.contours.csv").write_text(text)
    assert (
        import_pullbacks(empty, [two], ImportOptions(subject_from=SUBJECTS, with_annotations=False)).n_annotations == 0
    )
    assert import_pullbacks(empty, [two], NAMED).n_annotations == 1
    before = bytes_of(empty.root)
    assert import_pullbacks(empty, [two], NAMED).n_annotations == 0
    assert bytes_of(empty.root) == before
    annotation = empty.annotations.current("S01-P1")[2]
    assert annotation.contours["lumen"].area_px2 == 400.0
    assert (annotation.revision.reader, annotation.revision.origin_of(2)) == ("import", "imported")


def test_contours_from_elsewhere_go_to_the_pullbacks_they_name(empty, two, phantoms):
    options = ImportOptions(subject_from=SUBJECTS, annotations=phantoms.folder / "truth")
    result = import_pullbacks(empty, [two], options)
    assert result.n_annotations == 20
    assert {error.message for error in result.failed} == {
        f"no pullback {name!r} in this project" for name in ("S03-P1", "S04-P1", "S04-P2", "S05-P1", "S06-P1", "S07-P1")
    }
    assert all(error.path and error.path.suffix == ".csv" for error in result.failed)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("S01-P1", 0, {"lumne": square(5)})], "unknown structure 'lumne'"),
        ([("S01-P1", 10, {"lumen": square(5)})], "frame 10 is not one of the 10"),
        (None, "no contours there"),
    ],
)
def test_contours_that_fit_nothing_are_refused_and_the_pullbacks_are_in(empty, two, tmp_path, rows, said):
    path = tmp_path / "contours.csv"
    if rows is not None:
        path.write_text(contours_csv_text(rows))
    result = import_pullbacks(empty, [two], ImportOptions(subject_from=SUBJECTS, annotations=path))
    assert len(result.imported) == 2
    (error,) = (one for one in result.failed if said in one.message)
    assert isinstance(error, AnnotationError | NotFoundError)
    assert error.path == path


def test_a_plan_reads_names_only_and_writes_nothing(empty, two, bytes_of):
    before = bytes_of(empty.root)
    sources, failed = find_all_sources([two, two / "absent"])
    assert [source.path.name for source in sources] == ["S01-P1.dcm", "S02-P1.dcm"]
    assert len(failed) == 1
    assert bytes_of(empty.root) == before


def test_what_a_killed_import_left_is_swept(empty, two):
    (empty.layout.pullbacks / ".tmp-old").mkdir(parents=True)
    import_pullbacks(empty, [two], NAMED)
    assert not (empty.layout.pullbacks / ".tmp-old").exists()


def test_two_imports_at_once_are_refused(empty, two):
    lock = project_lock(empty.layout.lock("import"), purpose="import", started_at="now")
    with lock, pytest.raises(ProjectLockedError):
        import_pullbacks(empty, [two], NAMED)


def test_an_unusable_rule_stops_before_anything_is_read(empty, two):
    with pytest.raises(IvsqaError, match="regular expression"):
        import_pullbacks(empty, [two], ImportOptions(subject_from="("))
    assert empty.pullback_ids() == []


def test_a_lost_frames_file_comes_back_when_its_folder_is_given_up_and_it_is_imported_again(empty, two):
    import_pullbacks(empty, [two], NAMED)
    empty.layout.frames("S01-P1").unlink()
    with pytest.raises(IntegrityError):
        len(empty.pullback("S01-P1").frames)
    folder = empty.layout.pullbacks / "S01-P1"
    shutil.rmtree(folder)
    with pytest.raises(IntegrityError, match="is gone"):
        import_pullbacks(open_project(empty.root), [two], NAMED)
    repair_project(empty, repair=False, acknowledged=[folder])
    import_pullbacks(open_project(empty.root), [two], NAMED)
    assert empty.pullback("S01-P1").frames.shape == (10, 96, 96)


def test_the_number_of_jobs_changes_nothing(tmp_path, two, phantoms, bytes_of):
    shutil.copy(phantoms.files[3], two)
    shutil.copy(phantoms.files[0], two / "S07-P9.dcm")  # the same content twice
    (two / "S00-P1.dcm").write_bytes(phantoms.files[4].read_bytes()[:-500])
    shutil.copy(phantoms.folder / "truth/S01-P1.contours.csv", two / "S01-P1.contours.csv")
    context = Context(clock=lambda: "2026-01-01T00:00:00.000000+00:00")
    written, results = [], []
    for n_jobs in (1, 2):
        project = create_project(tmp_path / f"jobs{n_jobs}" / "study", template="coronary-ivus")
        results.append(
            import_pullbacks(project, [two], ImportOptions(subject_from=SUBJECTS, n_jobs=n_jobs, gated=True), context)
        )
        written.append({name: data for name, data in bytes_of(project.root).items() if name != "identity.yaml"})
    assert written[0] == written[1]
    one, two_jobs = results
    assert [record.pullback_id for record in two_jobs.imported] == ["S01-P1", "S02-P1", "S04-P1"]
    assert (one.unchanged, one.n_annotations) == (two_jobs.unchanged, two_jobs.n_annotations) == (["S01-P1"], 10)
    assert [str(error) for error in one.failed] == [str(error) for error in two_jobs.failed]
    assert not [name for name in written[0] if ".tmp-" in name]


def test_after_a_wish_to_stop_the_same_import_goes_on(empty, two):
    answers = iter([False, True, True])
    stopped = import_pullbacks(empty, [two], NAMED, Context(should_stop=lambda: next(answers)))
    assert (len(stopped.imported), stopped.finished) == (1, False)
    rest = import_pullbacks(empty, [two], NAMED)
    assert (len(rest.imported), len(rest.unchanged), rest.finished) == (1, 1, True)


def test_phases_that_come_later_are_taken_over_and_those_in_the_images_are_not_asked(empty, two):
    import_pullbacks(empty, [two], NAMED)
    assert empty.pullback("S01-P1").end_diastolic_frames is None
    (two / "S01-P1.phases.csv").write_text("frame_index,phase\n0,-\n2,D\n5,S\n7,d\n")
    import_pullbacks(empty, [two], ImportOptions(subject_from=SUBJECTS, gated=True))
    record = empty.pullback("S01-P1")
    assert (record.end_diastolic_frames, record.gating_source) == ((2, 7), "phases.csv")
    other = empty.pullback("S02-P1")  # a third of a second: no rhythm can be seen
    assert (other.end_diastolic_frames, other.gating_source) == (None, NOT_CLEAR)


def test_phases_in_the_code_page_of_windows_are_read_with_a_note(empty, two):
    (two / "S01-P1.phases.csv").write_bytes("frame_index,phase,note\n0,D,größer\n".encode("cp1252"))
    result = import_pullbacks(empty, [two], NAMED)
    assert (result.failed, empty.pullback("S01-P1").end_diastolic_frames) == ([], (0,))
    assert "S01-P1.phases.csv is not UTF-8" in result.notes["S01-P1"][0]


def test_phases_that_cannot_be_read_are_named_and_the_other_pullbacks_come_in(empty, two):
    (two / "S01-P1.phases.csv").write_text("frame_index,phase\n0,D\n0,S\n")
    result = import_pullbacks(empty, [two], NAMED)
    (error,) = result.failed
    assert "line 3: frame 0 has the phases 'D' and 'S'" in error.line
    assert [record.pullback_id for record in result.imported] == ["S02-P1"]


def test_a_pullback_with_pixels_larger_than_any_number_comes_in_without_spacing(empty, two):
    dataset = pydicom.dcmread(two / "S01-P1.dcm")
    dataset.SequenceOfUltrasoundRegions[0].PhysicalDeltaX = 1e308
    dataset.save_as(two / "S01-P1.dcm")
    result = import_pullbacks(empty, [two], NAMED)
    assert (result.failed, empty.pullback("S01-P1").spacing_mm) == ([], None)


def burn(path: Path, text: str) -> None:
    """Write a text into the lower left corner of every frame of a phantom file."""
    dataset = pydicom.dcmread(path)
    frames = []
    for frame in dataset.pixel_array:
        image = Image.fromarray(frame)
        ImageDraw.Draw(image).text((1, 86), text, fill=220, font_size=9)
        frames.append(np.asarray(image))
    dataset.PixelData = np.stack(frames).tobytes()
    dataset.save_as(path)


def test_burned_in_text_is_reported_and_blackened_on_request(tmp_path, two):
    plain = pydicom.dcmread(two / "S01-P1.dcm").pixel_array
    burn(two / "S01-P1.dcm", "DOE")
    changed = (pydicom.dcmread(two / "S01-P1.dcm").pixel_array != plain).any(axis=0)
    seen = {}
    for masked in (False, True):
        project = create_project(tmp_path / f"masked-{masked}", template="coronary-ivus")
        result = import_pullbacks(project, [two / "S01-P1.dcm"], ImportOptions(subject_from=SUBJECTS, mask_text=masked))
        record = project.pullback("S01-P1")
        seen[masked] = record.frames[:, changed]
        assert len(record.text_regions) == 1
        assert record.text_masked == masked
        assert result.notes["S01-P1"][-1].startswith("text seems to be burned in at x 0…")
        assert result.notes["S01-P1"][-1].endswith("blackened" if masked else "--mask-text blackens it")
    assert seen[False].max() > 150
    assert not seen[True].any()
    later = import_pullbacks(
        open_project(tmp_path / "masked-False"),
        [two / "S01-P1.dcm"],
        ImportOptions(subject_from=SUBJECTS, mask_text=True),
    )
    assert "was imported with it: to import again, remove " in later.notes["S01-P1"][-1]
