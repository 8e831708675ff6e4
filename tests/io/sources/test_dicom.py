from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import CTImageStorage

from ivsqa.errors import AnnotationError, SourceError
from ivsqa.io.sources.dicom import DicomSource
from ivsqa.io.sources.dicom_runs import DicomRun
from ivsqa.io.sources.find import find_sources
from ivsqa.io.sources.person import Person

FRAME = np.arange(48, dtype=np.uint8).reshape(1, 6, 8)
TRIANGLE = "pb,1,lumen,0,1,1\npb,1,lumen,1,5,1\npb,1,lumen,2,1,4\n"
HEAD = "pullback_id,frame_index,structure,vertex,x_px,y_px\n"


def found(path):
    sources, errors = find_sources(path)
    assert errors == []
    return sources


def test_a_multi_frame_file_is_one_pullback(write_dicom):
    (source,) = found(write_dicom("run.1.dcm", np.concatenate([FRAME, FRAME + 1])))
    assert (source.relative, source.facts().n_frames) == ("run.1", 2)
    assert [int(frame[0, 0]) for frame in source.iter_frames()] == [0, 1]


def test_single_frames_of_one_study_are_one_pullback_in_natural_order(write_dicom, tmp_path):
    for number in (10, 9, 1):
        write_dicom(f"runs/a/IM{number}", FRAME + number)
    (source,) = found(tmp_path / "runs")
    assert (source.relative, source.path, source.facts().n_frames) == ("a", tmp_path / "runs" / "a", 3)
    assert [int(frame[0, 0]) for frame in source.iter_frames()] == [1, 9, 10]


@pytest.mark.parametrize(
    "other",
    [
        {"StudyInstanceUID": "1.2.4"},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"Modality": "IVUS"},
    ],
)
def test_single_frames_that_are_unlike_are_a_pullback_each(write_dicom, tmp_path, other):
    write_dicom("a.dcm", FRAME)
    write_dicom("b.dcm", FRAME, **other)
    assert [(source.relative, source.facts().n_frames) for source in found(tmp_path)] == [("a", 1), ("b", 1)]


def test_single_frames_of_other_size_or_calibration_are_a_pullback_each(write_dicom, tmp_path, region):
    write_dicom("a.dcm", FRAME)
    write_dicom("b.dcm", FRAME[:, :4])
    write_dicom("c.dcm", FRAME, SequenceOfUltrasoundRegions=[region((0, 0, 7, 5), 0.002)])
    write_dicom("d.dcm", FRAME, SequenceOfUltrasoundRegions=[region((0, 0, 7, 5), 0.002)])
    assert [(source.relative, source.facts().n_frames) for source in found(tmp_path)] == [("a", 1), ("b", 1), ("c", 2)]


def test_one_patient_and_series_number_hold_frames_together_whose_study_was_renamed(write_dicom, tmp_path):
    for index, study in enumerate(("1.1", "1.2", "1.3")):
        write_dicom(f"{index}.dcm", FRAME, StudyInstanceUID=study, SeriesNumber=4)
    (source,) = found(tmp_path)
    assert source.facts().n_frames == 3


def test_a_file_in_two_worlds_joins_them(write_dicom, tmp_path):
    write_dicom("a.dcm", FRAME, StudyInstanceUID="1.1", SeriesNumber=None)
    write_dicom("b.dcm", FRAME, StudyInstanceUID="1.2", SeriesNumber=4)
    write_dicom("c.dcm", FRAME + 9, StudyInstanceUID="1.1", SeriesNumber=4)
    (source,) = found(tmp_path)
    assert [int(frame[0, 0]) for frame in source.iter_frames()] == [0, 0, 9]


def test_frames_that_say_nothing_of_their_origin_go_by_their_folder(write_dicom, tmp_path):
    for name in ("a.dcm", "b.dcm"):
        write_dicom(name, FRAME, StudyInstanceUID=None, PatientID=None)
    assert [source.facts().n_frames for source in found(tmp_path)] == [2]


def test_the_fingerprint_follows_the_bytes_and_the_order_not_the_names(write_dicom, tmp_path):
    first, second = write_dicom("a/1.dcm", FRAME), write_dicom("a/2.dcm", FRAME + 1)
    for folder, names in (("same", ("x3", "x20")), ("turned", ("x20", "x3"))):
        (tmp_path / folder).mkdir()
        for file, name in zip((first, second), names, strict=True):
            (tmp_path / folder / name).write_bytes(file.read_bytes())
    prints = {source.relative: source.fingerprint() for source in found(tmp_path)}
    assert prints["a"] == prints["same"] != prints["turned"]


def test_the_patient_is_the_id_or_else_name_and_birth_date(write_dicom):
    def key(**tags):
        (source,) = found(write_dicom("a.dcm", FRAME, **tags))
        return source.person().key

    assert key() == "007"
    assert key(PatientID=None, PatientBirthDate="19500101") == "Doe^Jane\n19500101"
    assert key(PatientID="", PatientName="^") is None


def test_an_identifier_that_names_nobody_is_none_and_neither_is_the_name_beside_it(write_dicom):
    (source,) = found(write_dicom("a.dcm", FRAME, PatientID="ANONYMOUS", PatientName="Doe^Jane", PatientSex="F"))
    assert source.person() == Person(None, "1.2.3", ("", "F", ""), says_nobody=True)


def test_no_message_or_note_holds_a_patient(write_dicom):
    source = DicomSource(path := write_dicom("a.dcm", FRAME, BurnedInAnnotation="YES"), "a", DicomRun.of_file(path))
    told = repr(source.facts())
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(SourceError) as caught:
        list(source.iter_frames())
    assert "Doe" not in told + str(caught.value)
    assert "007" not in told + str(caught.value)


def test_another_kind_of_object_named_outright_is_refused_by_its_kind(write_dicom):
    sources, (error,) = find_sources(write_dicom("a.dcm", FRAME, SOPClassUID=CTImageStorage, Modality="CT"))
    assert sources == []
    assert "CT Image Storage" in str(error)


def test_contours_beside_a_file_belong_to_it(write_dicom, both, tmp_path):
    (source,) = found(write_dicom("run.dcm", np.concatenate([FRAME, FRAME])))
    assert source.read_annotations(both).contours == {}
    (tmp_path / "run.contours.csv").write_text(HEAD + TRIANGLE)
    assert source.read_annotations(both).contours[1]["lumen"].area_px2 == 6.0


def test_contours_in_the_folder_belong_to_its_single_frames(write_dicom, both, tmp_path):
    for name in ("1.dcm", "2.dcm"):
        write_dicom(f"run/{name}", FRAME)
    (tmp_path / "run" / "contours.csv").write_text(HEAD + TRIANGLE)
    (source,) = found(tmp_path)
    assert list(source.read_annotations(both).contours) == [1]


def test_contours_of_a_frame_that_is_not_there_are_refused(write_dicom, both, tmp_path):
    (source,) = found(write_dicom("run.dcm", FRAME))
    (tmp_path / "run.contours.csv").write_text(HEAD + TRIANGLE)
    with pytest.raises(AnnotationError, match="beyond the last frame, 0"):
        source.read_annotations(both)


def test_a_nonsense_number_of_frames_is_refused_before_anything_is_made_of_it(write_dicom):
    (source,) = found(write_dicom("a.dcm", FRAME, NumberOfFrames=2_000_000_000, FrameTime=33))
    with pytest.raises(SourceError, match="more than fit into the file"):
        source.facts()


@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_an_image_without_size_is_refused(write_dicom, keyword):
    (source,), _ = find_sources(write_dicom("a.dcm", FRAME, **{keyword: None}))
    with pytest.raises(SourceError, match=f"no {keyword}"):
        source.facts()
