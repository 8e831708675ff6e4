"""docs/json.md lists what `--json` prints: no key more, no key less."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ivsqa.cli.main import app
from ivsqa.io.formats.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.project.project import open_project
from ivsqa.pages.demo import DemoStage
from ivsqa.workflow.scoring.score import score_frames

STRUCTURES = ("lumen", "eem")


def documented_keys(page: str) -> dict[str, set[str]]:
    """Return the keys of each command's section."""
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    keys = {part.split("\n", 1)[0]: set(re.findall(r"^\| `([^`]+)` \|", part, flags=re.MULTILINE)) for part in sections}
    return keys | {"finetune": keys["train"]}


def key_paths(value: object, path: str = "") -> set[str]:
    """Return the path of every leaf; names of structures become <structure>."""
    if isinstance(value, dict):
        names = {key: "<structure>" if key in STRUCTURES else key for key in value}
        return set().union(*(key_paths(value[key], f"{path}.{name}".lstrip(".")) for key, name in names.items()))
    if isinstance(value, list):
        assert value, f"{path} is empty: this test would not see its keys"
        return set().union(*(key_paths(each, f"{path}[]") for each in value))
    return {path}


class Commands:
    """Runs commands in a project and checks what they print under --json."""

    def __init__(self, documented: dict[str, set[str]]) -> None:
        self._documented = documented
        self.checked: set[str] = set()

    def __call__(self, *words: str, exit_code: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*words, "--json"])
        assert result.exit_code == exit_code, result.output
        answer: dict[str, Any] = json.loads(result.stdout)
        name = "import --dry-run" if "--dry-run" in words and words[0] == "import" else words[0]
        name = "import --shard" if "--shard" in words and words[0] == "import" else name
        name = "simulate --finish" if "--finish" in words else name
        name = "check PATH" if "--packet" in words else name
        assert key_paths(answer) == self._documented[name], name
        assert answer["version"] == 1
        self.checked.add(name)
        return answer


def write_return(phantoms: Path, frames: list[dict[str, Any]], target: Path) -> None:
    """Write what an annotator might send: frames of the round drawn, and one that nobody asked for."""
    pullbacks = {one["pullback_id"] for one in frames}
    truth = {name: read_contours_csv(phantoms / f"truth/{name}.contours.csv")[name] for name in pullbacks}
    rows = [(one["pullback_id"], one["frame_index"], truth[one["pullback_id"]][one["frame_index"]]) for one in frames]
    pullback_id, _, contours = rows[0]
    target.write_text(contours_csv_text([*rows, (pullback_id, 999, contours)]), encoding="utf-8")


def write_points(frames: list[dict[str, Any]], target: Path) -> None:
    """Write a point for a border of the first frame that was sent, and one for a frame that was not."""
    rows = read_contours_csv(Path("rounds/r001/sent.csv"))
    one = next(one for one in frames if rows.get(one["pullback_id"], {}).get(one["frame_index"]))
    name, contour = next(iter(rows[one["pullback_id"]][one["frame_index"]].items()))
    x, y = contour.points_px[0]
    head = "pullback_id,frame_index,structure,x_px,y_px"
    stranger = f"{one['pullback_id']},999,{name},1,1"
    target.write_text(f"{head}\n{one['pullback_id']},{one['frame_index']},{name},{x},{y}\n{stranger}\n")


def test_json_prints_the_documented_keys(
    repository: Path, small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documented = documented_keys((repository / "docs/json.md").read_text(encoding="utf-8"))
    shutil.copytree(small_study, tmp_path / "work")
    study = tmp_path / "work/study"
    monkeypatch.chdir(study)
    run = Commands(documented)

    project = open_project(study)
    score_frames(project, device="cpu")
    claimed = project.pullbacks("train")[0].pullback_id
    claim = project.layout.lock(f"score-m001-{claimed}")
    claim.write_text('{"host": "node-7", "pid": 1, "started_at": "now"}')
    run("score", "--all", "--top", "2", "--device", "cpu", exit_code=3)
    claim.unlink()
    run("export", "../predicted", "--format", "echoplaque", "--source", "predictions")
    run("export", "../data-set", "--format", "nnunet")
    assert run("train", "--device", "cpu")["reused"]
    planned = run("select", "-n", "2", "--dry-run")
    assert planned == run("select", "-n", "2")
    frames = planned["frames"]
    run("export-for-annotation", "--format", "csv", "--dry-run")
    run("export-for-annotation", "--format", "csv")
    write_return(tmp_path / "work/phantoms", frames[:1], tmp_path / "returned.csv")  # the other is still out
    run("import-annotations", str(tmp_path / "returned.csv"), "--reader", "r1", exit_code=3)
    write_points(frames, tmp_path / "points.csv")
    run("refine", "--nudges", str(tmp_path / "points.csv"), "--device", "cpu", exit_code=3)
    run("finetune", "--device", "cpu")
    run("evaluate", "--device", "cpu")
    run("export-for-annotation", "--format", "csv", "--reader", "r2")
    shifted = re.sub(r",(\d+)\.(\d+)$", r",\1.9\2", (tmp_path / "returned.csv").read_text(), flags=re.MULTILINE)
    (tmp_path / "returned-2.csv").write_text(shifted, encoding="utf-8")
    assert run("import-annotations", str(tmp_path / "returned-2.csv"), "--reader", "r2", exit_code=3)[
        "n_frames_disputed"
    ]
    run("agreement")
    run("adjudicate", "--tolerance-mm", "0.0001", "--reader", "r3", "--format", "csv")
    run("undo", "r001", "--reader", "r2")
    amended = ("amend", frames[0]["pullback_id"], "--by", "r1", "--why", "the console was set so")
    run(*amended, "--pullback-speed", "0.6")
    run(*amended, "--undo")
    run("status")
    run("slurm", "score", "--print")
    run("audit", "-n", "2")
    run("accept", "--dry-run")
    run("simulate", "--seeds", "2", "--steps", "2", "--ladder", "20,50", "--device", "cpu")
    run("simulate", "--finish", "--seeds", "1", "--steps", "2", "--labels", "2", "--audit", "2", "--device", "cpu")
    run("why", f"{frames[0]['pullback_id']}:{frames[0]['frame_index']}")
    run("phantom", "../phantoms/more", "--pullbacks", "1", "--frames", "2", "--size", "64")
    Path("../phantoms/more/broken.dcm").write_bytes(b"no DICOM")
    Path("../phantoms/more/Thumbs.db").write_bytes(b"of a system")
    pattern = "(?P<pullback>(more/)?(?P<subject>S[0-9]+)-P[0-9]+)"
    # A spacing that is not that of the files is not taken, and noted.
    run("import", "../phantoms", "--subject-from", pattern, "--spacing-mm", "0.5", "--dry-run", exit_code=3)
    run("import", "../phantoms", "--subject-from", pattern, "--shard", "1/2", exit_code=3)
    run("import", "../phantoms", "--subject-from", pattern, exit_code=3)
    for drawn in (study / "annotations" / frames[0]["pullback_id"]).glob("*.csv"):
        drawn.write_bytes(b"")
    run("measure", "--burden", "0.01", "--lesion-length", "0", exit_code=3)
    run("report", exit_code=3)
    (study / "pullbacks" / frames[0]["pullback_id"] / "frames.npy").write_bytes(b"")
    (study / "reports/report.html").write_text("damaged", encoding="utf-8")
    with (study / "project.yaml").open("a", encoding="utf-8") as settings:
        settings.write("# a remark\n")
    run("check", "--repair", "--acknowledge", str(drawn), exit_code=4)
    write_return(tmp_path / "work/phantoms", frames, tmp_path / "whole.csv")
    run("check", str(tmp_path / "whole.csv"), "--packet", str(study / "rounds/r001/packet"), exit_code=3)

    assert run.checked == set(documented) - {"demo"}  # which takes minutes


def test_json_of_the_demo_documents_every_fact_of_a_stage(repository: Path) -> None:
    documented = documented_keys((repository / "docs/json.md").read_text(encoding="utf-8"))["demo"]
    stages = {re.sub(r"\.<structure>$", "", key.removeprefix("stages[].")) for key in documented if "[]" in key}
    assert stages == {field.name for field in fields(DemoStage)}


def test_every_command_with_json_is_documented(repository: Path) -> None:
    documented = documented_keys((repository / "docs/json.md").read_text(encoding="utf-8"))
    sections = re.split(r"^## ", (repository / "docs/cli.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    with_json = {part.split("\n", 1)[0] for part in sections if "`--json`" in part}
    assert with_json | {"import --dry-run", "import --shard", "check PATH", "simulate --finish"} == set(documented)


def test_a_key_that_is_not_documented_is_noticed() -> None:
    with pytest.raises(AssertionError, match="is empty"):
        key_paths({"frames": []})
    assert key_paths({"a": [{"lumen": 1, "b": None}]}) == {"a[].<structure>", "a[].b"}
