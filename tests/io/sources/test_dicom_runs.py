"""Which files are one pullback, and which place each frame has: by what headers say, names last."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MediaStorageDirectoryStorage, UltrasoundImageStorage

from ivsqa.io.sources.find import find_sources
from ivsqa.workflow.importing.import_pullbacks import find_all_sources

FRAME = np.zeros((1, 6, 8), dtype=np.uint8)
ONE = {"SeriesInstanceUID": "1.2.3.1"}


@pytest.fixture
def write(write_dicom):
    """Return a writer of single frames whose first pixel is the place that the frame should have."""

    def make(name, place, **tags):
        return write_dicom(name, FRAME + place, **{**ONE, **tags})

    return make


def found(path):
    sources, errors = find_sources(path)
    assert errors == []
    return sources


def order(source):
    return [int(frame[0, 0]) for frame in source.iter_frames()]


@pytest.mark.parametrize(
    "tags",
    [
        lambda place: {"InstanceNumber": place + 5},
        lambda place: {"TemporalPositionIdentifier": place + 1},
        lambda place: {"SliceLocation": place * 0.5 - 1.0},
        lambda place: {"ImagePositionPatient": [0, 0.1 * place, 3]},
        lambda place: {"AcquisitionDateTime": f"20200101120000.{place}"},
        lambda place: {"AcquisitionDate": "20200101", "AcquisitionTime": f"12000{place}"},
        lambda place: {"ContentDate": "20200101", "ContentTime": f"12000{place}.5"},
        lambda place: {"InstanceNumber": 1, "AcquisitionDateTime": f"20200101120000.{place}"},
    ],
)
def test_frames_are_in_the_order_that_headers_say(write, tmp_path, tags):
    for name, place in (("a", 2), ("b", 0), ("c", 1)):
        write(f"{name}.dcm", place, **tags(place))
    (source,) = found(tmp_path)
    assert (order(source), source.facts().notes) == ([0, 1, 2], ())


def test_names_order_frames_only_where_headers_are_silent_and_that_is_said_where_they_are_not(write, tmp_path):
    for name in (10, 9, 1):
        write(f"silent/IM{name}.dcm", name)
        write(f"said/IM{name}.dcm", name, InstanceNumber=3, SeriesInstanceUID="1.2.3.2")
    said, silent = found(tmp_path)
    assert order(silent) == order(said) == [1, 9, 10]
    assert silent.facts().notes == ()
    assert "frames are in the order of their names" in said.facts().notes[0]


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (lambda place: {"AcquisitionTime": f"12000{9 - place}"}, "the time of acquisition orders the frames otherwise"),
        (lambda place: {"AcquisitionTime": "120000"}, ""),
        (lambda place: {"SliceLocation": -place}, ""),
        (lambda place: {"SliceLocation": [0, 2, 1][place]}, "SliceLocation orders the frames otherwise"),
        (lambda place: {"TemporalPositionIdentifier": 9 - place}, "TemporalPositionIdentifier orders the frames"),
    ],
)
def test_whatever_contradicts_the_order_is_named(write, tmp_path, tags, told):
    for name, place in (("a", 2), ("b", 0), ("c", 1)):
        write(f"{name}.dcm", place, InstanceNumber=place, AcquisitionDate="20200101", **tags(place))
    (source,) = found(tmp_path)
    assert order(source) == [0, 1, 2]
    assert told in " ".join(source.facts().notes)
    assert bool(source.facts().notes) == bool(told)


def test_two_series_of_one_study_are_two_pullbacks(write, tmp_path):
    for place in range(4):
        write(f"{place}.dcm", place, SeriesInstanceUID=f"1.2.3.{place % 2}", InstanceNumber=place // 2)
    assert [order(source) for source in found(tmp_path)] == [[0, 2], [1, 3]]


def test_a_picture_of_another_series_is_no_frame_of_the_run(write, tmp_path):
    for place in range(3):
        write(f"{place}.dcm", place, InstanceNumber=place)
    write("still.dcm", 9, SeriesInstanceUID="1.2.3.9", InstanceNumber=1)
    assert [order(source) for source in found(tmp_path)] == [[0, 1, 2], [9]]


def test_two_acquisitions_of_a_series_that_count_anew_are_two_pullbacks(write, tmp_path):
    for place in range(4):
        write(f"{place}.dcm", place, AcquisitionNumber=place // 2, InstanceNumber=place % 2)
    sources = found(tmp_path)
    assert [order(source) for source in sources] == [[0, 1], [2, 3]]
    assert "its series is 2 pullbacks" in sources[0].facts().notes[0]


def test_a_zoom_that_changes_in_a_series_parts_it_and_is_named(write, tmp_path, region):
    for place in range(4):
        zoom = [region((0, 0, 7, 5), 0.002 if place < 2 else 0.004)]
        write(f"{place}.dcm", place, InstanceNumber=place, SequenceOfUltrasoundRegions=zoom)
    sources = found(tmp_path)
    assert [order(source) for source in sources] == [[0, 1], [2, 3]]
    assert all("its series is 2 pullbacks" in " ".join(source.facts().notes) for source in sources)


def test_an_instance_seen_twice_is_one_frame_and_that_is_said(write, tmp_path):
    for name, place in (("a", 0), ("b", 1), ("b copy", 1)):
        write(f"{name}.dcm", place, InstanceNumber=place, SOPInstanceUID=f"1.2.9.{place}")
    (source,) = found(tmp_path)
    assert order(source) == [0, 1]
    assert source.facts().notes == ("left out, since another file holds the same instance: 1",)


def test_frames_that_share_an_instance_uid_and_differ_are_frames_and_that_is_said(write, tmp_path):
    for place in range(3):
        write(f"{place}.dcm", place, InstanceNumber=place, SOPInstanceUID="1.2.9")
    (source,) = found(tmp_path)
    assert order(source) == [0, 1, 2]
    assert "one SOPInstanceUID" in source.facts().notes[0]


def test_a_number_that_is_left_out_is_named(write, tmp_path):
    for place in (0, 1, 3, 4):
        write(f"{place}.dcm", place, InstanceNumber=place + 1, NumberOfSeriesRelatedInstances=5)
    (source,) = found(tmp_path)
    gap, promise = source.facts().notes
    assert "InstanceNumber goes from 1 to 5, but 1 of these are not here" in gap
    assert promise == "NumberOfSeriesRelatedInstances says 5, but 4 frames are here"


def test_numbers_that_rise_by_ten_leave_out_nothing(write, tmp_path):
    for place in range(3):
        write(f"{place}.dcm", place, InstanceNumber=10 * place)
    assert found(tmp_path)[0].facts().notes == ()


def test_files_of_a_run_that_claim_otherwise_are_heard(write, tmp_path):
    for place in range(3):
        write(f"{place}.dcm", place, InstanceNumber=place, FrameTime=33.3 if place < 2 else 50.1)
    (source,) = found(tmp_path)
    assert source.facts().frame_time_s is None
    assert "FrameTime says 33.3 ms, FrameTime says 50.1 ms" in source.facts().notes[0]


def part(write_dicom, name, number, frames, *, offset, total=3, **tags):
    return write_dicom(
        name,
        np.concatenate([FRAME + place for place in frames]),
        ConcatenationUID="1.2.7",
        InConcatenationNumber=number,
        InConcatenationTotalNumber=total,
        ConcatenationFrameOffsetNumber=offset,
        **tags,
    )


def test_the_parts_of_a_concatenation_are_one_pullback(write_dicom, tmp_path):
    part(write_dicom, "a.dcm", 3, [3], offset=3, FrameTime=33.3)
    part(write_dicom, "b.dcm", 1, [0], offset=0, FrameTime=33.3)
    part(write_dicom, "c.dcm", 2, [1, 2], offset=1, FrameTime=33.3)
    (source,) = found(tmp_path)
    assert (order(source), source.facts().n_frames) == ([0, 1, 2, 3], 4)
    assert source.kind().startswith("DICOM in 3 files")


def test_parts_of_a_concatenation_that_lie_in_several_folders_are_one_pullback(write_dicom, tmp_path):
    part(write_dicom, "disk2/a.dcm", 2, [2, 3], offset=2, total=2)
    part(write_dicom, "disk1/z.dcm", 1, [0, 1], offset=0, total=2)
    (source,) = found(tmp_path)
    assert order(source) == [0, 1, 2, 3]
    assert source.relative == "disk1/z"
    # A copy of one part in a third folder is the same part.
    (tmp_path / "disk3").mkdir()
    shutil.copy(tmp_path / "disk2" / "a.dcm", tmp_path / "disk3" / "a.dcm")
    (source,) = found(tmp_path)
    assert order(source) == [0, 1, 2, 3]
    assert source.facts().notes == ("left out, since another file holds the same instance: 1",)


def test_frames_of_a_series_in_several_folders_are_named_unless_they_are_copies(write, tmp_path):
    for place in range(4):
        write(f"{'ab'[place // 2]}/{place}.dcm", place, InstanceNumber=place + 1)
    assert [order(source) for source in found(tmp_path)] == [[0, 1], [2, 3]]
    assert all("frames of its series lie in 2 folders" in source.facts().notes[0] for source in found(tmp_path))
    shutil.rmtree(tmp_path / "b")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert all(source.facts().notes == () for source in found(tmp_path))


def test_a_number_that_some_file_lacks_orders_nothing_and_that_is_said(write, tmp_path):
    for place in range(3):
        write(f"{2 - place}.dcm", place, InstanceNumber=None if place == 1 else place + 1)
    (source,) = found(tmp_path)
    assert order(source) == [2, 1, 0]
    first, second = source.facts().notes
    assert first == "InstanceNumber stands in some of the files only, or is no number, and says nothing of their order"
    assert "frames are in the order of their names" in second


def write_index(folder, names):
    """Write the index of a CD that names images by their paths."""
    index = Dataset()
    index.file_meta = FileMetaDataset()
    index.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    index.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    index.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    index.DirectoryRecordSequence = []
    for name in names:
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        record.ReferencedFileID = name.split("/")
        record.ReferencedSOPClassUIDInFile = UltrasoundImageStorage
        index.DirectoryRecordSequence.append(record)
    dcmwrite(folder / "DICOMDIR", index, enforce_file_format=True)


def test_images_that_the_index_of_a_cd_names_and_that_are_not_there_are_named(write, tmp_path):
    write("cd/PT0/IM0", 0)
    write("cd/pt0/im1.dcm", 1)  # a copy in small letters, with an extension
    write_index(tmp_path / "cd", ["PT0/IM0", "PT0/IM1", "PT0/IM2", "PT1/IM0"])
    remarks: list[str] = []
    _, errors = find_sources(tmp_path / "cd", remarks=remarks)
    assert errors == []
    (remark,) = remarks
    assert (
        remark
        == f"{tmp_path / 'cd' / 'DICOMDIR'} names 2 images that are not here: PT0/IM2, PT1/IM0; copy all of the CD"
    )
    write_index(tmp_path / "cd", ["PT0/IM0"])
    find_sources(tmp_path / "cd" / "DICOMDIR", remarks=remarks)
    assert remarks == [remark]


def test_a_part_that_is_named_alone_is_refused_and_files_named_together_are_one_pullback(write_dicom, tmp_path):
    one = part(write_dicom, "a.dcm", 1, [0, 1], offset=0, total=2)
    other = part(write_dicom, "b.dcm", 2, [2], offset=2, total=2)
    sources, (error,) = find_sources(one)
    assert (sources, error.message) == ([], "is part of a pullback in 2 files, of which part 2 is not here")
    (source,), _ = find_all_sources([one, other])
    assert order(source) == [0, 1, 2]


def test_frames_that_a_shell_names_one_by_one_are_one_pullback(write, tmp_path):
    files = [write(f"run/{place}.dcm", place, InstanceNumber=place + 1) for place in range(3)]
    other = write("other.dcm", 7)
    (run, alone), errors = find_all_sources([files[2], other, files[0], files[1]])
    assert (order(run), run.relative, order(alone), alone.relative, errors) == ([0, 1, 2], "run", [7], "other", [])


def test_a_concatenation_that_lacks_a_part_is_refused_and_the_part_named(write_dicom, tmp_path):
    part(write_dicom, "a.dcm", 1, [0, 1], offset=0)
    part(write_dicom, "c.dcm", 3, [3], offset=3)
    sources, (error,) = find_sources(tmp_path)
    assert sources == []
    assert error.message == "is part of a pullback in 3 files, of which part 2 is not here"


def test_a_part_that_begins_elsewhere_than_the_one_before_ends_is_refused(write_dicom, tmp_path):
    part(write_dicom, "a.dcm", 1, [0, 1], offset=0, total=2)
    part(write_dicom, "b.dcm", 2, [3], offset=3, total=2)
    _, (error,) = find_sources(tmp_path)
    assert "begins at frame 3 of its concatenation, but the parts before it hold 2" in error.message


def test_a_part_that_is_there_twice_counts_once(write_dicom, tmp_path):
    for name in ("a", "a copy"):
        part(write_dicom, f"{name}.dcm", 1, [0, 1], offset=0, total=2, SOPInstanceUID="1.2.8")
    part(write_dicom, "b.dcm", 2, [2], offset=2, total=2)
    (source,) = found(tmp_path)
    assert order(source) == [0, 1, 2]


def test_frames_stored_against_their_numbers_stay_and_that_is_said(write_dicom):
    from pydicom.dataset import Dataset

    def content(number):
        group, item = Dataset(), Dataset()
        item.InStackPositionNumber = number
        group.FrameContentSequence = [item]
        return group

    groups = [content(number) for number in (3, 2, 1)]
    (source,) = found(write_dicom("a.dcm", np.concatenate([FRAME] * 3), PerFrameFunctionalGroupsSequence=groups))
    assert "InStackPositionNumber orders the frames otherwise than they are stored" in source.facts().notes[0]


def test_one_run_in_two_versions_is_noted_on_both_wherever_they_lie(write_dicom, tmp_path):
    for folder in "abc":
        version = {"ImageComments": "smaller"} if folder == "c" else {}
        write_dicom(f"{folder}/run.dcm", np.concatenate([FRAME] * 2), SOPInstanceUID="1.2.8", **version)
    write_dicom("d/run.dcm", np.concatenate([FRAME] * 3), SOPInstanceUID="1.2.9")
    noted = [bool(source.facts().notes) for source in found(tmp_path)]
    assert noted == [True, True, True, False]
