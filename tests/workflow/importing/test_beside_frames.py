"""Tables, JSON and reports that stand beside frames, made to break their readers: the frames come in, the file is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivsqa.io.project.new_project import create_project
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks

HOSTILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "cases" / "hostile" / "beside"
FRAME = np.add.outer(np.arange(24), np.arange(32)).astype(np.uint8)
MASK = (FRAME > 20).astype(np.uint8) + np.uint8(1)


def files() -> list[Path]:
    return sorted(HOSTILE.iterdir()) if HOSTILE.is_dir() else [HOSTILE / "absent-absent-absent"]


@pytest.mark.parametrize("hostile", files(), ids=lambda path: path.name)
def test_a_file_made_to_break_its_reader_keeps_no_other_pullback_out(tmp_path, hostile):
    if not hostile.exists():
        pytest.skip("the hostile files (../shared/data/cases/hostile) are not on this machine")
    kind, name = hostile.name.split("-", 1)[0], hostile.name.rsplit("-", 1)[1]
    folder = tmp_path / "in"
    for run in ("fr", "good"):
        for index in range(3):
            (folder / run / "frames").mkdir(parents=True, exist_ok=True)
            Image.fromarray(FRAME + np.uint8(index + 10 * (run == "good"))).save(
                folder / run / "frames" / f"{index}.png"
            )
    if kind in ("labels.csv", "planes.csv"):
        (folder / "fr" / "labels").mkdir()
        pixels = MASK if kind == "labels.csv" else np.stack([MASK, MASK * 0, MASK * 0], axis=-1)
        Image.fromarray(pixels).save(folder / "fr" / "labels" / "0.png")
    shutil.copy(hostile, folder / "fr" / name)
    study = create_project(tmp_path / "study", template="coronary-ivus")
    result = import_pullbacks(study, [folder], ImportOptions())
    assert len(result.imported) + len(result.failed) >= 2
    assert result.imported
    for error in result.failed:
        assert error.path is not None
        assert folder / "fr" in (error.path, *error.path.parents)
        assert len(str(error)) < 1500
