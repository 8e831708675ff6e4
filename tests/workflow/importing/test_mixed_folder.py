"""A folder of 500 files, 80 of them broken in 40 ways: what is whole comes in, what is not is named with a way to mend it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import (
    HEVCMP51,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    UltrasoundImageStorage,
)

from ivsqa.io.formats.dicom_header import FOR_PROCESSING
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.importing.plan import plan_import
from tests.workflow.importing.made_files import SIDE, dicom, frames_of, jpeg, nifti, nrrd, picture, said_to_be, ybr

N_FILES, N_BROKEN, N_SERIES, N_OF_SERIES = 500, 80, 28, 10
"""A series is ten files: single frames in DICOM, or pictures."""
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
    "n.nii": lambda n: nifti(frames_of(n)),
    "o.nrrd": lambda n: nrrd(frames_of(n)),
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
    "by angle and depth.dcm": lambda n: dicom(frames_of(n), SOPClassUID=FOR_PROCESSING),
    "a part.dcm": lambda n: dicom(frames_of(n), ConcatenationUID=f"1.2.{n}", InConcatenationNumber=2),
    "no palette.dcm": lambda n: dicom(frames_of(n), PhotometricInterpretation="PALETTE COLOR"),
    "no pixels.dcm": lambda n: dicom(frames_of(n)[:, :0, :0]),
    "jpeg-ls broken.dcm": lambda n: dicom(frames_of(n), JPEGLSLossless, [b"\xff\xd8\xff\xf7" + bytes(64)] * 2),
    "rle broken.dcm": lambda n: dicom(frames_of(n), RLELossless, [bytes(64)] * 2),
    "jpeg 2000 cut.dcm": lambda n: dicom(frames_of(n), JPEG2000Lossless, [b"\xff\x4f\xff\x51" + bytes(64)] * 2),
    "deflated broken.dcm": lambda n: dicom(frames_of(n), DeflatedExplicitVRLittleEndian)[:-300] + bytes(200),
    "two sizes.tif": lambda n: picture([frames_of(n)[0], frames_of(n)[1, :9]], "TIFF"),
    "pages lost.tif": lambda n: picture(frames_of(n), "TIFF", description="ImageJ=1.54f\nimages=20\n"),
    "floating.tif": lambda n: picture(frames_of(n).astype(np.float32), "TIFF"),
    "animated/0.png": lambda n: picture(frames_of(n), "PNG", save_all=True, append_images=[Image.new("L", (SIDE, SIDE))]),
    "no video.mp4": lambda _: b"Dear colleague, the video is on the other disk.",
    "cut.nii": lambda n: nifti(frames_of(n))[:-SIDE],
    "not packed.nii.gz": lambda n: nifti(frames_of(n)),
    "frames first.nii": lambda n: nifti(frames_of(n).T),
    "negative.nii": lambda n: nifti(frames_of(n).astype(np.int16) - 99),
    "nobody's-labels.nii": lambda n: nifti(frames_of(n)),
    "as text.nrrd": lambda n: nrrd(frames_of(n), "encoding: ascii"),
    "voxels elsewhere.nrrd": lambda n: nrrd(frames_of(n), "data file: run.raw\nencoding: raw"),
}  # fmt: skip


def series(number: int) -> dict[str, bytes]:
    """Return the files of a series by their names: single frames in DICOM, or pictures."""
    places = range(N_OF_SERIES)
    frames = [frames_of(1000 + N_OF_SERIES * number + place)[:1] for place in places]
    if number % 2:
        return {f"{place}.png": picture(frames[place], "PNG") for place in places}
    tags: dict[str, Any] = {"SeriesInstanceUID": f"1.2.{number}", "PatientID": f"{number}", "NumberOfFrames": None}
    tags |= {"SOPClassUID": UltrasoundImageStorage, "StudyInstanceUID": f"1.{number}"}
    return {f"{9 - place}": dicom(frames[place], InstanceNumber=place, **tags) for place in places}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five sites of a hundred files, the broken ones among the others."""
    folder = tmp_path_factory.mktemp("archive")
    broken = [(name, make) for name, make in BROKEN.items() for _ in range(N_BROKEN // len(BROKEN))]
    whole = list(WHOLE.items())
    n_apart = N_FILES - N_SERIES * N_OF_SERIES
    for number in range(n_apart):
        name, make = broken.pop() if number % 2 and broken else whole[number % len(whole)]
        path = folder / f"site{number % 5}" / f"{number:03d} {name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make(number))
    for number in range(N_SERIES):
        inside = folder / f"site{number % 5}" / f"series{number}"
        inside.mkdir()
        for name, content in series(number).items():
            (inside / name).write_bytes(content)
    assert not broken
    assert sum(path.is_file() for path in folder.rglob("*")) == N_FILES
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
    plan = plan_import(study, [archive], ImportOptions())
    result = import_pullbacks(study, [archive], ImportOptions())
    assert Counter(record.n_frames for record in result.imported)[N_OF_SERIES] == N_SERIES
    n_whole = N_FILES - N_BROKEN - N_SERIES * N_OF_SERIES + N_SERIES
    assert len(result.imported) == n_whole
    assert names(result.failed) == Counter({name.split("/")[0]: 2 for name in BROKEN})
    assert len(BROKEN) == 40
    assert all(error.message and error.hint and "\n" not in error.line for error in result.failed)
    # What needs no decoded frame is refused by the plan already, in the same words.
    assert {str(error) for error in plan.failed} <= {str(error) for error in result.failed}
    assert len(plan.failed) >= N_BROKEN // 2

    before = bytes_of(study.root)
    again = import_pullbacks(study, [archive], ImportOptions())
    assert (len(again.imported), len(again.unchanged)) == (0, n_whole)
    assert [str(error) for error in again.failed] == [str(error) for error in result.failed]
    assert bytes_of(study.root) == before
