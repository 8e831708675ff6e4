"""The same command after a kill, before whichever change on disk, comes to the same end as one that nobody killed."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ivsqa.errors import StateError, StoppedError
from ivsqa.io import atomic
from ivsqa.io.ledger import doors
from ivsqa.io.ledger.book import Book
from ivsqa.io.ledger.inspect import differences
from ivsqa.io.project.project import Project, open_project
from tests.attacks.server import in_process

MOST_CHANGES = 60


def run(arguments: Sequence[str], root: Path) -> None:
    """Run a command to its end."""
    ended = in_process([*arguments, "--project", str(root)])
    assert (ended.code, ended.bug) == (0, ""), ended.errors


def run_until_killed(arguments: Sequence[str], root: Path, n: int) -> bool:
    """Run a command; returns whether it was killed before its n-th change below a folder, from 1."""
    return bool(in_process([*arguments, "--project", str(root)], below=root, kill_before=n).signal)


def what_counts(project: Project) -> object:
    """Return what counts of each frame, and of how many steps back it is the result."""
    return {
        pullback.pullback_id: [(index, one.current, one.readings) for index, one in pullback.standings.items()]
        for pullback in project.pullbacks()
    }


def rounds(project: Project) -> object:
    return [(record.round_id, record.state, [one.key for one in record.frames]) for record in project.rounds()]


def ends(root: Path, tmp_path: Path, arguments: Sequence[str], state: Callable[[Project], object]) -> list[object]:
    """Return the state after the command, and then after a kill at each change and the command again."""

    def fresh(n: int) -> Path:
        return shutil.copytree(root, tmp_path / f"study-{n}")

    whole = fresh(0)
    run(arguments, whole)
    found = [state(open_project(whole))]
    for n in range(1, MOST_CHANGES):
        study = fresh(n)
        killed = run_until_killed(arguments, study, n)
        if killed:
            run(arguments, study)
        found.append(state(open_project(study)))
        assert not list(study.rglob(".tmp-*")), f"left by a kill before change {n}"
        assert differences(Book(study), deep=True) == [], f"after a kill before change {n}"
        if not killed:
            return found
        shutil.rmtree(study)
    raise AssertionError("it never came to its end")


def frames_by_one(project: Project) -> list[str]:
    """Return a frame of each of two pullbacks that somebody read."""
    return [
        f"{pullback.pullback_id}:{min(pullback.standings)}" for pullback in project.pullbacks() if pullback.standings
    ][:2]


def test_undo_of_two_frames_takes_each_back_once(started, tmp_path):
    found = ends(started.root, tmp_path, ["undo", *frames_by_one(started)], what_counts)
    assert len(found) > 5
    assert all(state == found[0] for state in found)


@pytest.mark.parametrize("command", [["select", "-n", "3", "--strategy", "random"]])
def test_one_round_is_opened(started, tmp_path, command):
    found = ends(started.root, tmp_path, command, rounds)
    assert len(found) > 8
    assert all(state == found[0] for state in found)


def test_once_it_came_to_its_end_the_same_command_means_one_more(started):
    for _ in range(2):
        run(["select", "-n", "3", "--strategy", "random"], started.root)
    assert [record.round_id for record in started.rounds()][-2:] == ["r004", "r005"]


def test_after_another_command_wrote_the_same_command_means_one_more(started):
    command = ["select", "-n", "3", "--strategy", "random"]
    n = 1
    while run_until_killed(command, started.root, n) and not started.layout.round_record("r004").exists():
        n += 1
    run(["export-for-annotation", "--format", "csv"], started.root)
    run(command, started.root)
    assert [record.round_id for record in open_project(started.root).rounds()][-2:] == ["r004", "r005"]


def written_in(root: Path, name: str, ended_by: Exception | None = None) -> str | None:
    """Write as one command, unless it wrote before it was stopped; return what that was."""
    with doors.command("finetune", "finetune --seed 1"):
        before = doors.done_before(root, r"models/m\d+/model\.yaml")
        if before is None:
            atomic.write_text(root / name, name)
        if ended_by is not None:
            raise ended_by
        return before


@pytest.mark.parametrize(("stopped_by", "same"), [(StoppedError("another has ended"), True), (StateError("no"), False)])
def test_who_lost_another_process_has_not_come_to_its_end_and_who_was_refused_has(started, stopped_by, same):
    with pytest.raises(type(stopped_by)):
        written_in(started.root, "models/m001/model.yaml", stopped_by)
    assert written_in(started.root, "models/m002/model.yaml") == ("models/m001/model.yaml" if same else None)


def test_what_torchrun_starts_anew_is_the_same_command_and_what_it_left_alone_was_stopped(started, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert written_in(started.root, "models/m001/model.yaml") is None
    assert (
        written_in(started.root, "models/m002/model.yaml") == "models/m001/model.yaml"
    )  # after another process failed
    monkeypatch.setattr("ivsqa.io.ranks._STARTED_BY", os.getppid() + 1)  # another torchrun: one more
    assert written_in(started.root, "models/m003/model.yaml") is None  # whose launcher has ended
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    assert written_in(started.root, "models/m004/model.yaml") == "models/m003/model.yaml"
