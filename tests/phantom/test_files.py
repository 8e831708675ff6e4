import csv
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest

from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.phantom import iter_frames, phantom_pullback, varied_pullback
from ivsqa.phantom.files import PhantomFile, dicom_bytes, write_phantom


def write_two(folder: Path) -> list[PhantomFile]:
    return write_phantom(folder, n_pullbacks=2, n_frames=3, seed=5, size_px=96)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> list[PhantomFile]:
    return write_two(tmp_path_factory.mktemp("phantom"))


def the_pullback(index: int):
    return phantom_pullback(seed=5, index=index, n_frames=3, size_px=96)


def test_files_are_named_after_subject_and_run(written):
    assert [file.path.name for file in written] == ["S01-P1.dcm", "S02-P1.dcm"]
    assert [file.truth_path.name for file in written] == ["S01-P1.contours.csv", "S02-P1.contours.csv"]
    assert [(file.pullback, file.subject) for file in written] == [("S01-P1", "S01"), ("S02-P1", "S02")]
    assert all(file.truth_path.parent == file.path.parent / "truth" for file in written)


def test_the_dicom_holds_the_frames_as_they_were_made(written):
    dataset = pydicom.dcmread(written[1].path)
    assert dataset.PhotometricInterpretation == "MONOCHROME2"
    assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    np.testing.assert_array_equal(dataset.pixel_array, np.stack(list(iter_frames(the_pullback(1)))))


def test_the_dicom_is_calibrated_in_cm_by_a_region_over_the_whole_frame(written):
    dataset = pydicom.dcmread(written[0].path)
    (region,) = dataset.SequenceOfUltrasoundRegions
    assert (region.RegionSpatialFormat, region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection) == (1, 3, 3)
    # Console A: 384 px of 0.026 mm, shown on 96 px: 0.104 mm = 0.0104 cm.
    assert region.PhysicalDeltaX == pytest.approx(0.0104)
    assert region.PhysicalDeltaY == pytest.approx(0.0104)
    assert (region.RegionLocationMinX0, region.RegionLocationMaxX1, region.RegionLocationMaxY1) == (0, 95, 95)


def test_the_dicom_tells_frame_time_and_pullback_rate(written):
    dataset = pydicom.dcmread(written[0].path)
    assert float(dataset.FrameTime) == pytest.approx(1000.0 / 30.0, abs=1e-5)
    assert float(dataset.IVUSPullbackRate) == the_pullback(0).pullback_speed_mm_s


def test_the_dicom_names_nobody(written):
    dataset = pydicom.dcmread(written[0].path)
    assert dataset.PatientID == "S01"
    assert dataset.PatientName == ""
    assert dataset.PatientBirthDate == ""


def test_the_truth_reads_back_to_the_last_decimal(written):
    pullback = the_pullback(0)
    (frames,) = read_contours_csv(written[0].truth_path).values()
    assert sorted(frames) == [0, 1, 2]
    for frame_index, contours in frames.items():
        assert set(contours) == {"lumen", "eem"}
        for structure, contour in contours.items():
            true_px = pullback.contours[frame_index][structure].points_px
            np.testing.assert_array_equal(contour.points_px, true_px.round(3))


def test_the_truth_has_a_row_for_each_vertex_in_px_and_mm(written):
    with written[0].truth_path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["pullback_id", "frame_index", "structure", "vertex", "x_px", "y_px", "x_mm", "y_mm"]
    assert len(rows) == 3 * 2 * 128
    for row in rows[::50]:
        assert float(row["x_mm"]) == pytest.approx(0.104 * float(row["x_px"]), abs=1.1e-4)
        assert float(row["y_mm"]) == pytest.approx(0.104 * float(row["y_px"]), abs=1.1e-4)


def test_writing_again_gives_the_same_bytes_and_touches_nothing(written, tmp_path):
    folder = written[0].path.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    assert write_two(folder) == written
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")} == before
    elsewhere = write_two(tmp_path)
    for here, there in zip(written, elsewhere, strict=True):
        assert here.path.read_bytes() == there.path.read_bytes()
        assert here.truth_path.read_bytes() == there.truth_path.read_bytes()


def test_a_damaged_file_is_written_anew(written, tmp_path):
    damaged = write_two(tmp_path)[0].path
    damaged.write_bytes(b"damaged")
    write_two(tmp_path)
    assert damaged.read_bytes() == written[0].path.read_bytes()


def test_progress_counts_pullbacks(tmp_path):
    seen: list[tuple[int, int]] = []
    write_phantom(
        tmp_path, n_pullbacks=2, n_frames=1, seed=5, size_px=64, on_progress=lambda *counts: seen.append(counts)
    )
    assert seen == [(1, 2), (2, 2)]


def test_both_runs_of_a_subject_share_a_study_and_no_two_files_a_uid(tmp_path):
    files = write_phantom(tmp_path, n_pullbacks=5, n_frames=1, seed=5, size_px=64)
    datasets = [pydicom.dcmread(file.path, stop_before_pixels=True) for file in files]
    assert datasets[3].StudyInstanceUID == datasets[4].StudyInstanceUID
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == 5
    assert len({dataset.StudyInstanceUID for dataset in datasets}) == 4


def test_a_pullback_of_a_drawn_console_is_a_file_too():
    for index in range(12):
        pullback = varied_pullback(seed=2, index=index, n_frames=1, size_px=96, frame_step_mm=0.5)
        dataset = pydicom.dcmread(BytesIO(dicom_bytes(pullback)))
        region = dataset.SequenceOfUltrasoundRegions[0]
        assert dataset.ManufacturerModelName == "look varied"
        assert (region.PhysicalDeltaX * 10.0, region.PhysicalDeltaY * 10.0) == pytest.approx(pullback.spacing_mm)
        if "text" in pullback.plan.names:
            assert dataset.BurnedInAnnotation == "YES"
