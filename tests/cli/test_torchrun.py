"""What torchrun starts is one command: it answers once, writes once, outlives a process that is killed, and fails in one line."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ivsqa.cli.progress import resumable_context
from ivsqa.io.project.project import Project
from ivsqa.workflow.training.train import train_model
from tests.cli.befallen import STEP
from tests.conftest import copied
from tests.edited_settings import with_settings

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")


def torchrun(*words: str | Path, restarts: int = 0) -> subprocess.CompletedProcess[str]:
    launch = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", str(restarts), "-m"]
    command = [sys.executable, "-m", *launch, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def errors_in(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines of ours that say what went wrong."""
    return [line for line in done.stderr.splitlines() if line.startswith("error")]


def losses(project: Project) -> list[float]:
    with project.layout.training_log("m001").open(encoding="utf-8") as stream:
        return [float(row["loss"]) for row in csv.DictReader(stream)]


EXACT = {"training": {"precision": "fp32", "learning_rate": 0.001, "max_steps": 30}}
"""The order of sums is all that differs, and 30 small steps make little of that."""


@pytest.fixture
def exact(started) -> Project:
    return with_settings(started.root, EXACT)


@pytest.fixture(scope="module")
def expected(started_study, tmp_path_factory) -> list[float]:
    """The loss of each step of one process."""
    project = with_settings(copied(started_study, tmp_path_factory.mktemp("alone")), EXACT)
    train_model(project, device="cpu")
    return losses(project)


def test_a_process_that_is_killed_costs_nothing_but_time(exact, expected):
    command = ("tests.cli.befallen", "killed", "train", "--device", "cpu", "--json", "--project", exact.root)
    done = torchrun(*command, restarts=1)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)  # of the first process alone
    assert answer["state"] == "ready"
    assert STEP - 1 <= answer["resumed_at"] <= STEP
    assert losses(exact) == pytest.approx(expected, rel=1e-3)
    assert not exact.layout.lock("train").exists()
    assert [path.name.partition("-")[2] for path in (exact.root / "ledger").iterdir()].count("train.jsonl") <= 2


def test_a_stopped_launcher_leaves_a_state_from_which_one_process_goes_on(exact, expected):
    command = ("tests.cli.befallen", "stopped", "train", "--device", "cpu", "--project", exact.root)
    done = torchrun(*command, restarts=3)
    assert done.returncode != 0
    assert done.stderr.count("stopping after this step") == 1
    assert exact.layout.checkpoint("m001").is_file()
    assert not exact.layout.lock("train").exists()
    outcome = train_model(exact, device="cpu")
    assert outcome.resumed_at >= STEP
    assert losses(exact) == pytest.approx(expected, rel=1e-3)


def test_who_has_lost_its_launcher_is_asked_to_stop(monkeypatch):
    monkeypatch.setattr(os, "getppid", lambda: 1)  # as the kernel says once the parent has ended
    with resumable_context() as alone:
        assert not alone.should_stop()  # whoever closes a terminal ends nothing that runs by itself
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    with resumable_context() as started_by_torchrun:
        assert started_by_torchrun.should_stop()


def test_scores_are_those_of_one_process(trained, scored, bytes_of):
    done = torchrun("ivsqa", "score", "--device", "cpu", "--json", "--top", "3", "--project", trained.root)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["n_scored"], answer["n_reused"], len(answer["frames"]), answer["failed"]) == (80, 0, 3, [])
    by_two, by_one = (bytes_of(project.layout.scores("m001")) for project in (trained, scored))
    assert by_two.keys() == by_one.keys()
    assert [name for name in by_two if by_two[name] != by_one[name]] == ["scores.yaml"]  # which says when


def test_a_process_that_finds_something_else_ends_all_in_one_line(exact):
    command = ("tests.cli.befallen", "asked for another seed", "train", "--device", "cpu", "--project", exact.root)
    done = torchrun(*command)
    assert done.returncode != 0
    (line,) = errors_in(done)
    assert line.startswith("error in process 2 of 2: this process finds other frames or settings")
    assert "  mend: see that all machines have the same project folder" in done.stderr
    assert not exact.layout.lock("train").exists()


def test_a_failure_that_all_meet_is_one_line(tmp_path):
    done = torchrun("ivsqa", "train", "--project", tmp_path)
    assert done.returncode != 0
    (line,) = errors_in(done)
    assert "project.yaml" in line


def test_a_command_that_is_not_shared_out_is_done_once(started):
    done = torchrun("ivsqa", "status", "--json", "--project", started.root)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n_subjects"] == 7
