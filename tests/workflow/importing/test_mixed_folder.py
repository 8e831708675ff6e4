"""A folder of 500 files, 40 of them broken in 20 ways: what is whole comes in, what is not is named with a way to mend it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import (
    HEVCMP51,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from tests.workflow.importing.made_files import SIDE, dicom, frames_of, jpeg, picture, said_to_be, ybr

N_FILES, N_BROKEN = 500, 40
WHOLE: dict[str, Callable[[int], bytes]] = {
    "a.dcm": lambda n: dicom(frames_of(n)),
    "b.dcm": lambda n: dicom(frames_of(n), ImplicitVRLittleEndian),
    "c": lambda n: dicom(frames_of(n)),
    "d.dcm": lambda n: dicom(frames_of(n), ExplicitVRBigEndian),
    "e.dcm": lambda n: dicom(frames_of(n, 3)),
    "f.dcm": ybr,
    "g.dcm": lambda n: dicom(frames_of(n), JPEG2000Lossless, jpeg(frames_of(n), "JPEG2000")),
    "h.dcm": lambda n: dicom(frames_of(n).astype(np.uint16) << 4, BitsStored=12, HighBit=11),
    "i.dcm": lambda n: dicom(frames_of(n), PhotometricInterpretation="MONOCHROME1"),
    "j.dcm": lambda n: dicom(frames_of(n), DeflatedExplicitVRLittleEndian),
    "k/0.tif": lambda n: picture(frames_of(n), "TIFF"),
    "l/frames/0.png": lambda n: picture(frames_of(n), "PNG"),
    "m/0.jpg": lambda n: picture(frames_of(n), "JPEG"),
}  # fmt: skip

BROKEN: dict[str, Callable[[int], bytes]] = {
    "empty.dcm": lambda _: b"",
    "a letter.dcm": lambda _: b"Dear colleague, the frames are on the other disk.",
    "header cut.dcm": lambda n: dicom(frames_of(n))[:200],
    "pixels cut.dcm": lambda n: dicom(frames_of(n))[:-SIDE],
    "jpeg cut.dcm": lambda n: ybr(n)[:-200],
    "pointer.dcm": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    "jpeg xl.dcm": lambda n: said_to_be(dicom(frames_of(n)), "1.2.840.10008.1.2.4.112"),
    "video.dcm": lambda n: said_to_be(dicom(frames_of(n)), HEVCMP51),
    "unknown syntax.dcm": lambda n: said_to_be(dicom(frames_of(n)), "1.2.3.4"),
    "no rows.dcm": lambda n: dicom(frames_of(n), Rows=None),
    "cmyk.dcm": lambda n: dicom(frames_of(n), PhotometricInterpretation="CMYK"),
    "deep.dcm": lambda n: dicom(frames_of(n).astype(np.uint32)),
    "a million frames.dcm": lambda n: dicom(frames_of(n), NumberOfFrames=1_000_000),
    "frames missing.dcm": lambda n: dicom(frames_of(n, 3), JPEGBaseline8Bit, jpeg(frames_of(n, 3)), NumberOfFrames=5),
    "other size.dcm": lambda n: dicom(frames_of(n, 3), JPEGBaseline8Bit, jpeg(frames_of(n, 3)), Rows=40),
    "no jpeg.dcm": lambda n: said_to_be(dicom(frames_of(n, 3), PhotometricInterpretation="YBR_FULL"), JPEGBaseline8Bit),
    "png cut/0.png": lambda n: picture(frames_of(n), "PNG")[:-100],
    "no png/0.png": lambda _: b"not found (404)",
    "cut tif/0.tif": lambda n: picture(frames_of(n), "TIFF")[:60],
    "mask/0.png": lambda n: picture((frames_of(n) > 127).astype(np.uint8) * 255, "PNG"),
}  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five sites of a hundred files, the broken ones among the others."""
    folder = tmp_path_factory.mktemp("archive")
    broken = [(name, make) for name, make in BROKEN.items() for _ in range(N_BROKEN // len(BROKEN))]
    whole = list(WHOLE.items())
    every = N_FILES // N_BROKEN
    for number in range(N_FILES):
        is_broken = number % every == 3 and broken
        name, make = broken.pop() if is_broken else whole[number % len(whole)]
        path = folder / f"site{number % 5}" / f"{number:03d} {name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make(number))
    assert not broken
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return create_project(tmp_path_factory.mktemp("study") / "study", template="coronary-ivus")


def names(failed: list[Any]) -> Counter[str]:
    """Return what is broken by its name without the number, from the paths of errors."""
    return Counter(
        next(part.split(" ", 1)[1] for part in error.path.parts if part[:3].isdecimal() and " " in part)
        for error in failed
    )


def test_what_is_whole_comes_in_and_what_is_broken_is_named_with_a_way_to_mend_it(
    archive, study, bytes_of, monkeypatch
):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no plug is pulled here, and 1,380 waits for the disk are long
    result = import_pullbacks(study, [archive], ImportOptions())
    assert len(result.imported) == N_FILES - N_BROKEN
    assert len(result.failed) == N_BROKEN
    assert names(result.failed) == Counter({name.split("/")[0]: 2 for name in BROKEN})
    assert all(error.message and error.hint and "\n" not in error.line for error in result.failed)

    before = bytes_of(study.root)
    again = import_pullbacks(study, [archive], ImportOptions(n_jobs=2))
    assert (len(again.imported), len(again.unchanged)) == (0, N_FILES - N_BROKEN)
    assert [str(error) for error in again.failed] == [str(error) for error in result.failed]
    assert bytes_of(study.root) == before
