"""The scripts in examples/ do a round on a small study, as they stand."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from ivsqa.io.formats.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.project.project import open_project
from ivsqa.io.project.selections import read_selection


def test_the_two_scripts_make_one_round(
    repository: Path, small_study: Path, shell: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    shutil.copytree(small_study, tmp_path, dirs_exist_ok=True)
    environment = "export FRAMES=2 FORMATS='labelme csv' DEVICE=cpu; "

    first = shell(f"{environment}{repository}/examples/batch_round.sh study", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    layout = open_project(tmp_path / "study").layout
    chosen = read_selection(layout.selection("r001"))
    assert len(chosen) == 2
    assert (layout.round("r001") / "packet-r001.zip").is_file()
    with (layout.packet("r001") / "worklist.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["pullback_id"] for row in csv.DictReader(stream)] == [frame.pullback_id for frame in chosen]

    truth = {frame.pullback_id: f"phantoms/truth/{frame.pullback_id}.contours.csv" for frame in chosen}
    contours = {name: read_contours_csv(tmp_path / path)[name] for name, path in truth.items()}
    rows = [(one.pullback_id, one.frame_index, contours[one.pullback_id][one.frame_index]) for one in chosen]
    (tmp_path / "returned.csv").write_text(contours_csv_text(rows), encoding="utf-8")
    second = shell(f"{environment}{repository}/examples/take_back.sh study returned.csv reader-1", folder=tmp_path)
    assert second.returncode == 0, second.stderr
    project = open_project(tmp_path / "study")
    assert project.rounds()[0].state == "imported"
    assert [(model.model_id, model.parent) for model in project.models()] == [("m001", None), ("m002", "m001")]
    assert list(layout.reports.glob("evaluation-*-test.json"))


def test_a_script_without_its_arguments_says_what_is_missing(
    repository: Path, shell: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    result = shell(f"{repository}/examples/take_back.sh study", folder=tmp_path)
    assert result.returncode != 0
    assert "name what came back" in result.stderr
