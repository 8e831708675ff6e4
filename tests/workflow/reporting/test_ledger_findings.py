"""Whatever a study rests on is missed when it is gone and refused when it changed, and `check` names it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from ivsqa.errors import IntegrityError, NotFoundError
from ivsqa.io.ledger import doors
from ivsqa.io.leftovers import TEMPORARY_PREFIX
from ivsqa.io.processes import this_process
from ivsqa.io.project.project import Project, open_project
from ivsqa.workflow.context import Context
from ivsqa.workflow.evaluating.evaluate import evaluate_model
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.reporting.check import check_project
from ivsqa.workflow.reporting.ledger_findings import edited_files, repair_project
from ivsqa.workflow.scoring.score import score_frames
from ivsqa.workflow.training.train import train_model

KEPT = (
    "annotations/*/rev-*.yaml",
    "annotations/*/rev-*.contours.csv",
    "pullbacks/*/pullback.yaml",
    "models/m001/model.yaml",
    "models/m001/training_frames.csv",
    "models/m001/weights.safetensors",
    "rounds/r001/round.yaml",
    "rounds/r001/selection.csv",
    "rounds/r001/packet.yaml",
    "rounds/r001/sent.csv",
    "identity.yaml",
)


def one_of(project: Project, pattern: str) -> Path:
    return sorted(project.root.glob(pattern))[0]


def named(project: Project) -> set[str]:
    """Return what `check` names, by place in the project."""
    findings = check_project(open_project(project.root), deep=False)
    return {finding.where.removeprefix(f"{project.root}/") for finding in findings}


def delete(path: Path) -> None:
    path.unlink()


def change_a_digit(path: Path) -> None:
    """Change a digit in the middle; a letter where there is none."""
    data = path.read_bytes()
    at = next((place for place in range(len(data) // 2, -1, -1) if data[place : place + 1].isdigit()), 0)
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


@pytest.mark.parametrize("pattern", KEPT)
@pytest.mark.parametrize("damage", [delete, change_a_digit])
def test_damage_to_what_cannot_be_made_again_is_named(scored, pattern: str, damage: Callable[[Path], None]):
    path = one_of(scored, pattern)
    if path.suffix == ".safetensors" and damage is change_a_digit:
        pytest.skip("found by the deep check, which test_check holds")
    damage(path)
    found = named(scored)
    assert path.relative_to(scored.root).as_posix() in found, found


@pytest.mark.parametrize("pattern", ["annotations/*/rev-*.yaml", "pullbacks/*/pullback.yaml", "models/m001/model.yaml"])
@pytest.mark.parametrize("damage", [delete, change_a_digit])
def test_damage_is_refused_where_it_would_change_an_answer(scored, pattern: str, damage: Callable[[Path], None]):
    damage(one_of(scored, pattern))
    with pytest.raises(IntegrityError, match="ivsqa wrote it"):
        train_model(open_project(scored.root), device="cpu")
    with pytest.raises(IntegrityError, match="ivsqa wrote it"):
        evaluate_model(open_project(scored.root), split="train", device="cpu")


def test_damaged_scores_are_refused_then_removed_and_made_again(scored):
    path = one_of(scored, "scores/m001/*/error-maps-*.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match="was changed"):
        list(scored.scores("m001").read(path.parent.name, [0]))
    rows = path.with_name(path.name.replace("error-maps", "frames"))
    repaired = repair_project(scored, repair=True)
    assert repaired.removed == tuple(one.relative_to(scored.root).as_posix() for one in (path, rows))
    assert score_frames(open_project(scored.root), device="cpu").n_scored == 10
    assert named(scored) == set()


def test_exchanged_frames_judge_no_model(trained):
    one, other = (trained.pullbacks(split)[0].pullback_id for split in ("test", "train"))
    frames = [trained.layout.frames(name) for name in (one, other)]
    held = frames[0].read_bytes()
    frames[0].write_bytes(frames[1].read_bytes())
    frames[1].write_bytes(held)
    with pytest.raises(IntegrityError, match=f"the frames of {one} are not those that were imported"):
        evaluate_model(trained, device="cpu")


def test_training_does_not_go_on_from_a_checkpoint_that_changed(started):
    asked = count()
    stopped = Context(should_stop=lambda: next(asked) >= 5)
    assert not train_model(started, device="cpu", context=stopped).finished
    path = started.layout.checkpoint("m001")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    doors.end()
    with pytest.raises(IntegrityError, match="was changed"):
        train_model(open_project(started.root), device="cpu")


def test_folder_that_is_gone_is_one_finding_with_the_command_that_takes_the_loss(scored):
    folder = scored.layout.model("m001")
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    found = {finding.where: finding for finding in check_project(scored, deep=False)}
    assert "models/m001/" in found
    assert f"ivsqa check --acknowledge {folder}" in found["models/m001/"].hint
    assert found["models/m001/"].message.startswith("4 files gone, the first written by")
    repair_project(scored, repair=False, acknowledged=[folder])
    assert "models/m001/" not in named(scored)
    with pytest.raises(NotFoundError, match="is as it was written"):
        repair_project(scored, repair=False, acknowledged=[folder])


def test_edited_settings_are_named_and_no_finding(scored):
    with scored.layout.settings.open("a") as stream:
        stream.write("# mine\n")
    assert (edited_files(scored), named(scored)) == (["project.yaml"], set())


def test_leftovers_are_removed_and_nothing_else_is(scored, bytes_of):
    before = bytes_of(scored.root)
    dead = replace(this_process(), pid=2**22 + 1)  # above the largest process number the kernel gives
    left = scored.layout.pullbacks / f"{TEMPORARY_PREFIX}{dead.token}-x" / "frames.npy"
    left.parent.mkdir()
    left.write_text("half")
    assert repair_project(scored, repair=True).removed == (f"pullbacks/{left.parent.name}",)
    assert bytes_of(scored.root) == before
    assert repair_project(scored, repair=True).removed == ()


def test_deleted_report_is_named_with_the_command_that_makes_it_again(scored):
    with doors.command("measure"):
        folder = measure_pullbacks(scored).folder
    table = folder / "pullbacks.csv"
    table.unlink()
    (finding,) = check_project(open_project(scored.root), deep=False)
    assert finding.where == table.relative_to(scored.root).as_posix()
    assert finding.hint == "ivsqa check --repair, then: ivsqa measure"
    repair_project(scored, repair=True)
    assert named(scored) == set()
