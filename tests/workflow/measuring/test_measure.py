"""A vessel of known geometry, through a DICOM file into a project and out as tables; and what comes from whom."""

from __future__ import annotations

import json
from io import BytesIO
from math import pi
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from ivsqa.domain.contour import Contour
from ivsqa.domain.measures.pullback_measures import LesionRule
from ivsqa.errors import IntegrityError, NotFoundError, StateError
from ivsqa.io.formats.contours_csv import contours_csv_text
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.records import provenance
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.measuring.measures import MeasureOptions
from tests.edited_settings import with_settings

SPACING_MM = 0.025
STEP_MM = 0.1
N_FRAMES = 41
NARROWEST = 23
TURN = np.linspace(0.0, 2.0 * pi, 360, endpoint=False)

POSITION = STEP_MM * np.arange(N_FRAMES)
LUMEN_RADIUS_MM = 1.0 + 0.25 * np.abs(POSITION - POSITION[NARROWEST])  # two cones that meet, 1 mm wide where they do
EEM_AXES_MM = (4.2, 3.6)


def vessel_contours(index: int) -> dict[str, Contour]:
    """Return an eccentric round lumen in an elliptic EEM."""
    radius = LUMEN_RADIUS_MM[index]
    lumen = np.column_stack([0.3 + radius * np.cos(TURN), 0.1 + radius * np.sin(TURN)])
    eem = np.column_stack([EEM_AXES_MM[0] * np.cos(TURN), EEM_AXES_MM[1] * np.sin(TURN)])
    return {name: Contour.from_points(200.0 + one / SPACING_MM) for name, one in (("lumen", lumen), ("eem", eem))}


def dicom_file(path: Path, *, with_spacing: bool = True, with_speed: bool = True) -> Path:
    """Write a pullback of 41 frames, 0.1 mm apart: 10 frames a second at 1 mm/s, 0.025 mm a pixel."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID, dataset.StudyInstanceUID = (generate_uid() for _ in range(3))
    dataset.Modality = "IVUS"
    dataset.PatientID = path.stem
    dataset.NumberOfFrames = N_FRAMES
    dataset.Rows = dataset.Columns = 401
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.FrameTime = 100.0
    if with_speed:
        dataset.IVUSPullbackRate = 1.0
    if with_spacing:
        region = Dataset()
        region.RegionSpatialFormat = region.RegionDataType = 1
        region.RegionFlags = region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
        region.RegionLocationMaxX1 = region.RegionLocationMaxY1 = 400
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # cm
        region.PhysicalDeltaX = region.PhysicalDeltaY = SPACING_MM / 10.0
        dataset.SequenceOfUltrasoundRegions = [region]
    frames = np.zeros((N_FRAMES, 401, 401), dtype=np.uint8)
    frames[:, 0, 0] = np.arange(N_FRAMES)
    dataset.PixelData = frames.tobytes() + b"\0" * (frames.size % 2)
    dataset["PixelData"].VR = "OB"
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    path.write_bytes(stream.getvalue())
    return path


def vessel_project(folder: Path, drawn: range = range(N_FRAMES), **header: bool) -> Project:
    """Return a project with the vessel in it, and its true contours drawn on some frames."""
    project = create_project(folder / "study", template="coronary-ivus")
    file = dicom_file(folder / "S01-P1.dcm", **header)
    table = folder / "drawn.csv"
    table.write_text(contours_csv_text(("S01-P1", index, vessel_contours(index)) for index in drawn), encoding="utf-8")
    import_pullbacks(
        project, [file], ImportOptions(subject_from=r"(?P<pullback>(?P<subject>S\d+)-P\d+)", annotations=table)
    )
    return project


def cone_mm3(wide: float, narrow: float, height: float) -> float:
    return pi * height * (wide**2 + wide * narrow + narrow**2) / 3.0


def test_a_known_vessel_comes_out_of_its_dicom_file_as_it_is(tmp_path):
    result = measure_pullbacks(vessel_project(tmp_path))
    frames = result.frames
    areas = pi * LUMEN_RADIUS_MM**2
    eem_area = pi * EEM_AXES_MM[0] * EEM_AXES_MM[1]
    assert frames["position_mm"].to_numpy() == pytest.approx(POSITION)
    assert frames["lumen_area_mm2"].to_numpy() == pytest.approx(areas, rel=1e-3)
    assert frames["eem_area_mm2"].to_numpy() == pytest.approx(eem_area, rel=1e-3)
    assert frames["plaque_burden"].to_numpy() == pytest.approx(1.0 - areas / eem_area, abs=1e-3)
    half_a_pixel = SPACING_MM / 2.0
    for column in ("lumen_min_diameter_mm", "lumen_max_diameter_mm"):
        assert frames[column].to_numpy() == pytest.approx(2.0 * LUMEN_RADIUS_MM, abs=half_a_pixel)
    assert frames["eem_max_diameter_mm"].to_numpy() == pytest.approx(8.4, abs=half_a_pixel)
    assert frames["eem_min_diameter_mm"].to_numpy() == pytest.approx(7.2, abs=half_a_pixel)

    (pullback,) = result.pullbacks.to_dicts()
    ends = LUMEN_RADIUS_MM[0], LUMEN_RADIUS_MM[-1]
    lumen = cone_mm3(ends[0], 1.0, POSITION[NARROWEST]) + cone_mm3(ends[1], 1.0, POSITION[-1] - POSITION[NARROWEST])
    assert pullback["lumen_volume_mm3"] == pytest.approx(lumen, rel=2e-3)
    assert pullback["eem_volume_mm3"] == pytest.approx(eem_area * 4.0, rel=2e-3)
    assert pullback["plaque_media_volume_mm3"] == pytest.approx(eem_area * 4.0 - lumen, rel=2e-3)
    assert pullback["atheroma_volume_fraction"] == pytest.approx(1.0 - lumen / (eem_area * 4.0), abs=1e-3)
    assert (pullback["length_mm"], pullback["measured_length_mm"]) == (pytest.approx(4.0), pytest.approx(4.0))
    assert (pullback["mla_frame_index"], pullback["mla_position_mm"]) == (NARROWEST, pytest.approx(2.3))
    assert pullback["mla_mm2"] == pytest.approx(pi, rel=1e-3)
    assert (pullback["n_frames"], pullback["n_annotated"], pullback["n_gaps"]) == (N_FRAMES, N_FRAMES, 0)


def test_a_lesion_is_compared_with_the_reference_that_was_named(tmp_path):
    # Lumen areas fall from 7.8 mm² at both ends to 3.1; burden of 0.9 is a radius below 1.23 mm: 0.9 mm around the narrowest.
    project = vessel_project(tmp_path)
    rule = LesionRule(burden=0.9, reference="distal")
    (lesion,) = measure_pullbacks(project, options=MeasureOptions(rule=rule)).lesions.to_dicts()
    assert (lesion["first_frame_index"], lesion["last_frame_index"]) == (14, 32)
    assert (lesion["lesion"], lesion["mla_frame_index"], lesion["length_mm"]) == (1, NARROWEST, pytest.approx(1.8))
    assert (lesion["distal_frame_index"], lesion["proximal_frame_index"]) == (0, N_FRAMES - 1)
    assert lesion["area_stenosis"] == pytest.approx(1.0 - 1.0 / LUMEN_RADIUS_MM[0] ** 2, abs=1e-3)
    assert lesion["remodelling_index"] == pytest.approx(1.0, abs=1e-6)
    assert lesion["reference"] == "distal"


def test_without_spacing_no_mm_is_printed_anywhere_but_ratios_stay(tmp_path):
    project = vessel_project(tmp_path, with_spacing=False)
    result = measure_pullbacks(project, options=MeasureOptions(rule=LesionRule(burden=0.9)))
    for table in (result.frames, result.lesions, result.pullbacks):
        assert len(table)
        in_mm = [name for name in table.columns if name.endswith(("_mm", "_mm2", "_mm3"))]
        assert in_mm
        assert all(table[name].is_null().all() for name in in_mm)
    burden = 1.0 - LUMEN_RADIUS_MM**2 / (EEM_AXES_MM[0] * EEM_AXES_MM[1])
    assert result.frames["plaque_burden"].to_numpy() == pytest.approx(burden, abs=1e-3)
    assert result.pullbacks["mla_frame_index"].item() == NARROWEST
    assert result.pullbacks["atheroma_volume_fraction"].item() == pytest.approx(burden.mean(), abs=0.01)
    assert result.lesions["area_stenosis"].item() > 0.5


def test_without_speed_there_are_areas_but_no_lengths_and_no_volumes(tmp_path):
    result = measure_pullbacks(vessel_project(tmp_path, with_speed=False))
    (pullback,) = result.pullbacks.to_dicts()
    assert pullback["mla_mm2"] == pytest.approx(pi, rel=1e-3)
    for column in (
        "length_mm",
        "measured_length_mm",
        "n_gaps",
        "lumen_volume_mm3",
        "eem_volume_mm3",
        "mla_position_mm",
    ):
        assert pullback[column] is None
    assert pullback["n_lesions"] is None
    assert len(result.lesions) == 0
    assert result.frames["position_mm"].is_null().all()


def test_frames_that_nobody_drew_are_missing_and_never_zero(tmp_path):
    project = vessel_project(tmp_path, drawn=range(0, N_FRAMES, 20))
    result = measure_pullbacks(project)
    assert (result.n_frames_from("annotation"), result.n_frames_from("missing")) == (3, N_FRAMES - 3)
    assert result.frames["lumen_area_mm2"].is_null().sum() == N_FRAMES - 3
    assert 0.0 not in result.frames["lumen_area_mm2"].to_list()
    (pullback,) = result.pullbacks.to_dicts()
    assert pullback["lumen_volume_mm3"] is None
    assert pullback["n_gaps"] == 2
    wide = measure_pullbacks(project, options=MeasureOptions(max_gap_mm=2.0)).pullbacks.to_dicts()[0]
    assert wide["eem_volume_mm3"] == pytest.approx(pi * EEM_AXES_MM[0] * EEM_AXES_MM[1] * 4.0, rel=2e-3)


def test_a_frame_each_mm_is_enough_for_a_volume(tmp_path):
    project = vessel_project(tmp_path)
    result = measure_pullbacks(project, options=MeasureOptions(every_mm=1.0))
    assert result.frames["frame_index"].to_list() == [0, 10, 20, 30, 40]
    assert result.pullbacks["eem_volume_mm3"].item() == pytest.approx(
        pi * EEM_AXES_MM[0] * EEM_AXES_MM[1] * 4.0, rel=2e-3
    )
    uneven = measure_pullbacks(project, options=MeasureOptions(every_mm=1.5))
    assert uneven.frames["frame_index"].to_list() == [0, 15, 30, 40]  # the last frame ends the pullback
    assert uneven.pullbacks["length_mm"].item() == pytest.approx(4.0)


def test_a_drawn_contour_has_no_interval(tmp_path):
    frames = measure_pullbacks(vessel_project(tmp_path)).frames
    ends = [name for name in frames.columns if "_low" in name or "_high" in name]
    assert len(ends) == 2 * 15
    assert all(frames[name].is_null().all() for name in ends)


def test_tables_are_the_same_in_every_format_and_say_how_they_came_about(tmp_path):
    project = vessel_project(tmp_path, drawn=range(0, N_FRAMES, 2))
    result = measure_pullbacks(project)
    assert result.folder == project.layout.measures(None)
    assert {path.name for path in result.files} == {
        "measures.json",
        *(f"{name}.{kind}" for name in ("frames", "lesions", "pullbacks") for kind in ("csv", "parquet", "json")),
    }
    for name, table in (("frames", result.frames), ("lesions", result.lesions), ("pullbacks", result.pullbacks)):
        parquet = pl.read_parquet(result.folder / f"{name}.parquet")
        assert parquet.equals(table)
        csv = pl.read_csv(result.folder / f"{name}.csv", schema=table.schema)
        assert csv.equals(table.with_columns(pl.selectors.float().round(6)))
        assert json.loads((result.folder / f"{name}.json").read_text()) == table.to_dicts()
    about = json.loads((result.folder / "measures.json").read_text())
    assert about["model_id"] is None
    assert about["coverage"] is None
    assert about["options"]["rule"]["burden"] == 0.4
    assert about["codes"]["plaque_burden"]["value"] == "122354"
    assert about["provenance"]["ivsqa_version"]


def test_only_the_formats_that_were_asked_for_are_written_where_they_were_asked_for(tmp_path):
    project = vessel_project(tmp_path, drawn=range(3))
    result = measure_pullbacks(project, options=MeasureOptions(formats=("csv",)), out=tmp_path / "elsewhere")
    assert {path.name for path in (tmp_path / "elsewhere").iterdir()} == {
        "frames.csv",
        "lesions.csv",
        "pullbacks.csv",
        "measures.json",
    }
    assert result.folder == tmp_path / "elsewhere"
    assert not project.layout.measures(None).exists()


def test_what_a_person_drew_comes_before_what_the_model_says(scored):
    result = measure_pullbacks(scored)
    frames = result.frames
    assert result.model_id == "m001"
    assert set(frames["source"]) == {"annotation", "prediction"}
    assert result.n_frames_from("annotation") == 12
    drawn = frames.filter(pl.col("source") == "annotation").row(0, named=True)
    store = scored.scores("m001")
    score = next(store.read(drawn["pullback_id"], [drawn["frame_index"]]))
    spacing = scored.pullback(drawn["pullback_id"]).spacing_mm
    assert spacing is not None
    predicted_mm2 = score.contours["eem"].area_px2 * spacing[0] * spacing[1]
    assert drawn["eem_area_mm2"] != pytest.approx(predicted_mm2, rel=1e-6)


def with_calibration(project: Project, factor: float | None) -> Project:
    """Return the project after its model was told how far the lumen's area may be off."""
    model = project.get_model(None)
    factors = {} if factor is None else {"lumen_area": factor}
    pooled = {} if factor is None else {"lumen_area": factor / 2.0}
    told = {"factors": factors, "pooled": pooled, "n_frames": 40, "n_subjects": 12}
    write_manifest(project.layout.model_record("m001"), model.model_copy(update={"measure_calibration": told}))
    return open_project(project.root)


def test_predicted_areas_have_intervals_as_wide_as_the_calibration_says(scored):
    one, two = (
        measure_pullbacks(with_calibration(scored, factor)).frames.filter(pl.col("source") == "prediction")
        for factor in (0.5, 1.0)
    )
    width = (one["lumen_area_high_mm2"] - one["lumen_area_low_mm2"]).to_numpy()
    wider = (two["lumen_area_high_mm2"] - two["lumen_area_low_mm2"]).to_numpy()
    inside = two["lumen_area_low_mm2"].to_numpy() > 0.0
    assert inside.any()
    assert wider[inside] == pytest.approx(2.0 * width[inside])
    assert one["lumen_area_mm2"].to_list() == two["lumen_area_mm2"].to_list()
    assert one["eem_area_low_mm2"].is_null().all()  # which was not calibrated


def test_volumes_are_as_unsure_as_pullbacks_were_and_the_smallest_lumen_lies_in_any_frame_that_could_hold_it(scored):
    result = measure_pullbacks(with_calibration(scored, 0.5), options=MeasureOptions(max_gap_mm=100.0))
    assert result.n_calibration_subjects == 12
    one = result.pullbacks.filter(pl.col("n_annotated") == 0).row(0, named=True)
    rows = result.frames.filter(pl.col("pullback_id") == one["pullback_id"])
    position, area, high = (rows[name].to_numpy() for name in ("position_mm", "lumen_area_mm2", "lumen_area_high_mm2"))
    volume, reach = np.trapezoid(area, position), 0.5 * np.trapezoid(high - area, position)  # factor / 2
    assert one["lumen_volume_mm3"] == pytest.approx(volume, rel=1e-6)
    assert one["lumen_volume_high_mm3"] == pytest.approx(volume + reach, rel=1e-6)
    assert one["lumen_volume_low_mm3"] == pytest.approx(max(volume - reach, 0.0), rel=1e-6)
    low = rows["lumen_area_low_mm2"].to_numpy()
    assert (one["mla_mm2"], one["mla_low_mm2"], one["mla_high_mm2"]) == (area.min(), low.min(), high.min())
    assert (one["mla_is_drawn"], one["mla_n_frames"]) == (False, (low <= high.min()).sum())
    assert one["atheroma_volume_fraction_low"] is None  # plaque burden was not calibrated


def test_without_calibration_there_is_no_interval(scored):
    result = measure_pullbacks(with_calibration(scored, None))
    assert result.n_calibration_subjects == 0
    assert result.frames["lumen_area_low_mm2"].is_null().all()
    assert result.pullbacks["mla_low_mm2"].is_null().all()


def test_one_validation_subject_calibrates_nothing(trained):
    stored = trained.get_model(None).measure_calibration
    assert stored == {"factors": {}, "pooled": {}, "n_frames": 3, "n_subjects": 1}


def test_measuring_again_gives_the_same_tables(scored, bytes_of):
    folder = measure_pullbacks(scored).folder
    before = {name: data for name, data in bytes_of(folder).items() if name != "measures.json"}
    measure_pullbacks(scored)
    assert {name: data for name, data in bytes_of(folder).items() if name != "measures.json"} == before


def test_a_frame_that_nobody_can_read_is_not_measured_by_the_model_either(scored):
    pullback_id = scored.pullback_ids()[0]
    made = provenance("2026-01-02T03:04:05.000000+00:00")
    scored.annotations.append(pullback_id, {0: NewAnnotation({}, "unreadable")}, reader="r", source="test", made=made)
    row = measure_pullbacks(scored, pullback_ids=[pullback_id]).frames.row(0, named=True)
    assert (row["frame_index"], row["source"], row["lumen_area_mm2"]) == (0, "unreadable", None)


def test_one_broken_pullback_does_not_stop_the_others(scored):
    annotated = next(path for path in scored.layout.annotations.iterdir() if any(path.glob("*.csv")))
    next(annotated.glob("*.csv")).write_text("changed", encoding="utf-8")
    result = measure_pullbacks(scored)
    assert [type(error) for error in result.failed] == [IntegrityError]
    assert annotated.name in str(result.failed[0].path)
    assert len(result.pullbacks) == 7


def test_what_is_missing_is_said_with_the_command(imported, scored, tmp_path):
    with pytest.raises(StateError, match="no frame has contours") as caught:
        measure_pullbacks(imported)
    assert "ivsqa score" in caught.value.hint
    with pytest.raises(NotFoundError, match="S99"):
        measure_pullbacks(scored, pullback_ids=["S99"])
    with pytest.raises(NotFoundError, match="m009"):
        measure_pullbacks(scored, model_id="m009")
    with pytest.raises(StateError, match="no pullbacks"):
        measure_pullbacks(create_project(tmp_path / "empty", template="coronary-ivus"))


def test_a_study_without_eem_measures_the_lumen_alone(tmp_path):
    project = create_project(tmp_path / "study", template="lumen-only")
    file = dicom_file(tmp_path / "S01-P1.dcm")
    table = tmp_path / "drawn.csv"
    rows = (("S01-P1", index, {"lumen": vessel_contours(index)["lumen"]}) for index in range(N_FRAMES))
    table.write_text(contours_csv_text(rows), encoding="utf-8")
    options = ImportOptions(subject_from=r"(?P<pullback>(?P<subject>S\d+)-P\d+)", annotations=table)
    import_pullbacks(project, [file], options)
    result = measure_pullbacks(project)
    assert result.pullbacks["mla_frame_index"].item() == NARROWEST
    assert not [name for name in result.frames.columns if "plaque" in name or "eem" in name]
    assert result.pullbacks["n_lesions"].item() is None


def test_a_structure_that_the_project_no_longer_has_is_left_out(tmp_path):
    project = vessel_project(tmp_path, drawn=range(3))
    project = with_settings(project.root, {"structures": [{"name": "lumen", "color": "#56b4e9"}]})
    frames = measure_pullbacks(project).frames
    assert frames["lumen_area_mm2"].count() == 3
    assert "eem_area_mm2" not in frames.columns


def test_a_model_for_other_settings_is_not_measured(scored):
    project = with_settings(scored.root, {"image": {"field_of_view_mm": 9.0}})
    with pytest.raises(StateError, match="field_of_view_mm"):
        measure_pullbacks(project)
