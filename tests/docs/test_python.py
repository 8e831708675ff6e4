"""The Python interface does what its page says: every block of docs/python.md and the example notebook are run, in order."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import ivsqa
from ivsqa.io.project.project import Project


@pytest.fixture
def in_study(small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(small_study, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_block_of_the_page_runs(repository: Path, in_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (repository / "docs/python.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 6
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert isinstance(names["study"], ivsqa.Study)
    assert names["frames"].shape == (8, *names["pullback"].frame_shape)
    assert names["table"].height == 32
    assert set(names["error_maps"]) == {"lumen", "eem"}
    assert names["latest"].n_back + len(names["latest"].out) == 2
    assert names["measures"].pullbacks.height == 4
    # Workflows print nothing: all that was printed is what the page itself prints.
    said, hint = capsys.readouterr().out.strip().split(" | ")
    assert said == "no pullback 'no-such-pullback' in this project"
    assert hint.startswith("there are: ")


def test_the_example_notebook_runs(repository: Path, in_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = (repository / "examples/explore.py").read_text(encoding="utf-8")
    exec(compile(script, "examples/explore.py", "exec"), {"__name__": "__main__"})
    assert "likely wrong" in capsys.readouterr().out
    assert [record.state for record in ivsqa.open("study").rounds()] == ["selected"]


def test_a_study_made_from_python_takes_settings_and_is_the_project_of_the_command_line(tmp_path: Path) -> None:
    study = ivsqa.create(tmp_path / "new", name="Mine", settings={"training": {"max_steps": 500}})
    assert (study.settings.name, study.settings.training.max_steps) == ("Mine", 500)
    assert isinstance(study, Project)
    assert ivsqa.open(tmp_path / "new" / ".").settings == study.settings


def test_every_public_name_is_there_and_others_are_not() -> None:
    assert {getattr(ivsqa, name) is not None for name in ivsqa.__all__} == {True}
    with pytest.raises(AttributeError, match="no attribute 'opn'"):
        _ = ivsqa.opn  # type: ignore[attr-defined]


def test_the_methods_of_a_study_are_the_functions_that_commands_call() -> None:
    from ivsqa.workflow.training.train import train_model

    assert ivsqa.Study.train is train_model
    assert ivsqa.Study.status.__doc__
