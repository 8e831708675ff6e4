"""What a decoder of other people raises is an error about the file; what a line of ours may never raise stays a bug."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from ivsqa.errors import SourceError
from ivsqa.io.formats.dicom_header import text
from ivsqa.io.reading import reading


@pytest.mark.parametrize("raised", [AssertionError, NotImplementedError, KeyError, RecursionError])
def test_whatever_a_decoder_raises_is_an_error_about_the_file(raised):
    with pytest.raises(SourceError, match=rf"reader does not know \({raised.__name__}\)"), reading(Path("a.dcm")):
        raise raised("of a decoder")


def test_a_broken_promise_of_ours_is_no_fault_of_the_file():
    with pytest.raises(AssertionError, match="PatientComments"), reading(Path("a.dcm")):
        text(Dataset(), "PatientComments")
