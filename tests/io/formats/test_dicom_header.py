from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ivsqa.errors import SourceError
from ivsqa.io.formats.dicom_header import (
    DicomHeader,
    looks_like_dicom,
    number,
    numbers,
    read_header,
    signed_number,
    text,
)

FRAME = np.zeros((1, 6, 8), dtype=np.uint8)


def raw(keyword_tag: int, vr: str, value: bytes) -> Dataset:
    made = Dataset()
    made._dict[Tag(keyword_tag)] = RawDataElement(Tag(keyword_tag), vr, len(value), value, 0, False, True)
    return made


def test_dicom_is_recognised_by_its_mark_whatever_its_name(write_dicom):
    assert looks_like_dicom(write_dicom("no-extension", FRAME))


def test_dicom_without_preamble_is_recognised_by_its_class(write_dicom):
    path = write_dicom("a", FRAME)
    path.write_bytes(path.read_bytes()[132:])
    assert looks_like_dicom(path)


@pytest.mark.parametrize("content", [b"", b"# notes", b"\x08\x00 something else", b"\x02\x00" + bytes(300)])
def test_other_content_is_no_dicom(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert not looks_like_dicom(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"hello", "no DICOM file"),
        (bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04", "cut short|cannot be read"),
    ],
)
def test_what_is_no_dicom_says_what_it_is(tmp_path, content, message):
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        read_header(path)
    assert caught.value.hint


def test_a_missing_file_is_an_error_of_its_own(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_header(tmp_path / "a.dcm")


def test_broken_numbers_are_unknown():
    broken = raw(0x00181063, "DS", b"fast")
    assert np.isnan(numbers(broken, "FrameTime")).tolist() == [True]
    assert number(broken, "FrameTime") is None
    cut = raw(0x00280010, "US", b"\x01\x02\x03")
    assert numbers(cut, "Rows") == []
    assert text(cut, "Rows") == ""


@pytest.mark.parametrize(("value", "signed", "positive"), [(2.0, 2.0, 2.0), (-2.0, -2.0, None), (0.0, 0.0, None)])
def test_zero_and_negative_are_unknown_where_a_positive_number_is_wanted(value, signed, positive):
    made = Dataset()
    made.PhysicalDeltaX = value
    assert (signed_number(made, "PhysicalDeltaX"), number(made, "PhysicalDeltaX")) == (signed, positive)


def test_infinite_and_several_values_are_no_number():
    made = Dataset()
    made.PhysicalDeltaX = float("inf")
    made.PixelSpacing = [0.1, 0.2]
    assert number(made, "PhysicalDeltaX") is None
    assert number(made, "PixelSpacing") is None


def test_a_word_where_a_number_should_be_is_not_a_number():
    made = Dataset()
    made.add(DataElement(0x00080060, "CS", "US"))
    assert np.isnan(numbers(made, "Modality")).all()


@pytest.mark.parametrize(("declared", "n_frames"), [(None, 1), (0, 1), (-3, 1), (7, 7)])
def test_nonsense_frame_counts_are_one_frame(declared, n_frames):
    made = Dataset()
    made.NumberOfFrames = declared
    assert DicomHeader.of(made, Path("a")).n_frames == n_frames


def test_what_is_in_no_list_of_tags_is_never_read(write_dicom):
    path = write_dicom("a.dcm", FRAME, PatientID="12", PatientComments="afraid of needles", Manufacturer="Vendor")
    header = read_header(path).dataset
    assert (text(header, "PatientID"), text(header, "Manufacturer")) == ("12", "Vendor")
    assert "needles" not in str(header)
    with pytest.raises(AssertionError, match="PatientComments"):
        text(header, "PatientComments")
