"""Files made to break a reader: each is one line that names it, the rest of the folder comes in, and little memory is taken."""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from ivsqa.errors import IvsqaError, SourceError
from ivsqa.io import budgets
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project
from ivsqa.io.reading import reading
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, ImportResult, import_pullbacks
from ivsqa.workflow.importing.plan import plan_import

HOSTILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "cases" / "hostile"
FRAME = np.add.outer(np.arange(24), np.arange(32)).astype(np.uint8)
MOST_MB_MORE = 300
"""What a small file may add to the memory of the process at most; each of these took 1 to 6 GB."""


@pytest.fixture
def study(tmp_path) -> Project:
    return create_project(tmp_path / "study", template="coronary-ivus")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds a good pullback."""
    good = tmp_path / "in" / "good"
    good.mkdir(parents=True)
    for index in range(3):
        Image.fromarray(FRAME + np.uint8(index)).save(good / f"{index}.png")
    return tmp_path / "in"


def imported(study: Project, folder: Path) -> ImportResult:
    """Import a folder and look at it, within the budget of memory; returns the result."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    plan = plan_import(study, [folder], ImportOptions())
    result = import_pullbacks(study, [folder], ImportOptions())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MB_MORE << 10
    for error in (*plan.failed, *result.failed):
        assert error.path is not None
        assert folder in (error.path, *error.path.parents)
        assert len(error.line.splitlines()) == 1
    return result


def is_good_in(result: ImportResult) -> bool:
    return (24, 32) in {(record.height_px, record.width_px) for record in result.imported}


def hostile(pattern: str) -> list[Path]:
    return sorted(HOSTILE.glob(pattern)) or [HOSTILE / "absent"]


@pytest.mark.parametrize("case", hostile("dicom/*.dcm") + hostile("formats/*"), ids=lambda path: path.name)
def test_a_file_made_to_break_a_reader_is_named_and_its_neighbour_comes_in(study, folder, case):
    if not case.exists():
        pytest.skip("the hostile files (../shared/data/cases/hostile) are not on this machine")
    if case.is_dir():
        shutil.copytree(case, folder / "odd")
    else:
        shutil.copy(case, folder)
    result = imported(study, folder)
    assert is_good_in(result)
    assert len(result.imported) + len(result.failed) > 1  # it came in, or it was named


def png_of(width: int, height: int) -> bytes:
    """Return a grey PNG whose header declares a size and which holds one row."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def nifti_of(*sides: int, dtype: str = "u1") -> bytes:
    """Return the header of a NIfTI volume, and little behind it."""
    header = nib.Nifti1Header()
    header.set_data_shape(sides)
    header.set_data_dtype(dtype)
    header["vox_offset"] = 352
    return bytes(header.binaryblock + b"\0" * 100)


def nrrd_of(*sides: int) -> bytes:
    sizes = " ".join(map(str, sides))
    head = f"NRRD0004\ntype: uchar\ndimension: {len(sides)}\nsizes: {sizes}\nencoding: gzip\n\n"
    return head.encode() + gzip.compress(b"\0" * 1000)


BOMBS: dict[str, Callable[[], bytes]] = {
    "wide.png": lambda: png_of(1_000_000, 1),
    "wide.jpg": lambda: png_of(1_000_000, 1),
    "large.png": lambda: png_of(8000, 8000),
    "none.png": lambda: png_of(0, 10),
    "a.nii": lambda: nifti_of(1000, 1000, 2000),
    "b.nii.gz": lambda: gzip.compress(nifti_of(1000, 1000, 2000)),
    "c.nii": lambda: nifti_of(9000, 10, 10),
    "d.nii": lambda: nifti_of(1000, 1000, 100, dtype="f8"),
    "e.nii": lambda: nifti_of(32767, 32767, 32767),
    "f.nrrd": lambda: nrrd_of(1000, 1000, 2000),
    "g.nrrd": lambda: nrrd_of(10**30, 10, 10),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_declares_gigabytes_is_refused_before_they_are_taken(study, folder, name):
    (folder / name).write_bytes(BOMBS[name]())
    result = imported(study, folder)
    assert is_good_in(result)
    assert [error.path.name for error in result.failed if error.path] in ([name], [folder.name])


def test_a_label_volume_larger_than_its_frames_is_not_unpacked(study, folder):
    voxels = np.random.default_rng(0).integers(0, 255, (16, 16, 4), dtype=np.uint8)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / "run.nii.gz")
    (folder / "run-labels.nii.gz").write_bytes(gzip.compress(nifti_of(900, 900, 500)))
    result = imported(study, folder)
    assert len(result.imported) == 2
    (error,) = result.failed
    assert "it has 900 × 900 × 500 voxels, they have 16 × 16 × 4" in error.line


def test_what_is_black_may_shrink_but_nothing_holds_more_than_five_hundred_times_itself():
    budgets.check_unpacked((512, 512, 1000), 1, 600_000, error=SourceError)
    with pytest.raises(SourceError, match="declares 512 × 512 × 3000, more than its 1,000,000 bytes can hold"):
        budgets.check_unpacked((512, 512, 3000), 1, 1_000_000, error=SourceError)


def test_pages_of_a_long_tiff_are_read_in_one_go(study, folder, monkeypatch):
    """Opened one by one, each page costs a walk from the first: 2,000 took 102 s."""
    pages = [Image.fromarray(FRAME + np.uint8(index % 100)) for index in range(400)]
    pages[0].save(folder / "long.tif", save_all=True, append_images=pages[1:])
    n_opened = 0
    plain = Image.open

    def counting(*given: Any, **named: Any) -> Image.Image:
        nonlocal n_opened
        n_opened += 1
        return plain(*given, **named)

    monkeypatch.setattr(Image, "open", counting)
    result = imported(study, folder)
    assert sorted(record.n_frames for record in result.imported) == [3, 400]
    assert n_opened < 50


@pytest.fixture
def deep(folder) -> Iterator[None]:
    """Make folders in folders, which can only be reached and removed one by one."""
    here, depth = Path.cwd(), 1500
    try:
        os.chdir(folder)
        for _ in range(depth):
            Path("deeper").mkdir()
            os.chdir("deeper")
        yield
        for _ in range(depth):
            os.chdir("..")
            Path("deeper").rmdir()
    finally:
        os.chdir(here)


@pytest.mark.usefixtures("deep")
def test_folders_deeper_than_a_path_may_be_long_are_named_and_do_not_stop_the_rest(study, folder):
    result = imported(study, folder)
    assert is_good_in(result)
    (error,) = result.failed
    assert error.message.startswith("cannot be read: File name too long")


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (PermissionError(13, "Permission denied"), "cannot be read: Permission denied"),
        (OSError("broken data stream"), "is broken or cut short"),
        (MemoryError(), "takes more memory than there is"),
        (RecursionError(), "is broken in a way that its reader does not know (RecursionError)"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "x"), "is broken in a way that its reader does not know"),
        (ZeroDivisionError(), "is broken in a way that its reader does not know (ZeroDivisionError)"),
    ],
)
def test_whatever_a_reader_raises_names_the_file(raised, message):
    with pytest.raises(SourceError) as caught, reading(Path("a.dcm")):
        raise raised
    assert caught.value.path == Path("a.dcm")
    assert caught.value.message.startswith(message)


def test_what_a_reader_says_of_its_file_is_kept():
    with pytest.raises(IvsqaError) as caught, reading(Path("folder")):
        raise SourceError("is empty", path=Path("folder/a.dcm"))
    assert caught.value.line == "folder/a.dcm: is empty"
