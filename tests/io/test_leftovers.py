import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ivsqa.io.atomic import replacing
from ivsqa.io.leftovers import TEMPORARY_PREFIX, is_left, iter_temporary, may_be_left, sweep, temporary_path
from ivsqa.io.processes import Process, process_of, this_process

NOBODY = 2**22 + 1  # above the largest process number the kernel gives


def left_by(path: Path, **changes: str | int) -> Path:
    """Make what a process left."""
    owner = replace(this_process(), **changes)  # type: ignore[arg-type]
    left = path.with_name(f"{TEMPORARY_PREFIX}{owner.token}-x")
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("")
    return left


def test_name_of_what_is_not_finished_says_whose_it_is(tmp_path):
    path = temporary_path(tmp_path / "model.yaml")
    owner = process_of(path.name.removeprefix(TEMPORARY_PREFIX))
    assert owner == replace(this_process(), born=None)
    assert not owner.is_dead


def test_what_dead_processes_left_is_swept_and_that_of_others_stays(tmp_path):
    dead = left_by(tmp_path / "a" / "b" / "file", pid=NOBODY)
    kept = [
        left_by(tmp_path / "a" / "file"),
        left_by(tmp_path / "c" / "file", namespace="ffff", pid=NOBODY),
        left_by(tmp_path / "d" / "file", computer="ffff", boot="ffff", pid=NOBODY),
        tmp_path / f"{TEMPORARY_PREFIX}packet",
    ]
    kept[-1].mkdir()
    assert set(iter_temporary(tmp_path)) == {dead, *kept}
    assert sweep(iter_temporary(tmp_path)) == [dead]
    assert set(iter_temporary(tmp_path)) == set(kept)


def test_age_says_nothing_since_clocks_of_machines_differ(tmp_path):
    elsewhere = left_by(tmp_path / "file", computer="ffff", boot="ffff")
    os.utime(elsewhere, (0, 0))
    assert sweep(iter_temporary(tmp_path), is_left) == []
    assert may_be_left(elsewhere)
    assert not may_be_left(left_by(tmp_path / "file"))


def test_what_a_job_left_that_is_over_is_left_whatever_machine_it_ran_on(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ivsqa.io.leftovers.this_process", lambda: replace(this_process(), computer="ffff", boot="ffff")
    )
    in_job(monkeypatch, 17, restarts=0)
    left = temporary_path(tmp_path / "a.yaml")
    in_job(monkeypatch, 18, restarts=0)
    other = temporary_path(tmp_path / "a.yaml")
    left.mkdir()
    other.touch()
    in_job(monkeypatch, 17, restarts=1)  # put back into the queue and started again: nothing is asked for that
    monkeypatch.setenv("PATH", "")
    assert sweep(iter_temporary(tmp_path)) == []
    assert sweep(iter_temporary(tmp_path), is_left) == [left]
    assert list(tmp_path.iterdir()) == [other]


def in_job(monkeypatch, job: int, restarts: int) -> None:
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "atlas")
    monkeypatch.setenv("SLURM_JOB_ID", str(job))
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(restarts))


def test_whatever_is_said_to_be_left_is_swept_a_folder_too(tmp_path):
    (tmp_path / f"{TEMPORARY_PREFIX}old" / f"{TEMPORARY_PREFIX}inner").mkdir(parents=True)
    absent = tmp_path / "absent"
    assert sweep([*iter_temporary(tmp_path), absent], lambda _: True) == [tmp_path / f"{TEMPORARY_PREFIX}old", absent]
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_known_as_dead(tmp_path):
    script = (
        "import os, pathlib, signal; from ivsqa.io.atomic import replacing\n"
        f"with replacing(pathlib.Path({str(tmp_path / 'file')!r})) as stream:\n"
        "    stream.write(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    (left,) = tmp_path.iterdir()
    with replacing(tmp_path / "other"):
        (own,) = set(iter_temporary(tmp_path)) - {left}
        assert sweep(iter_temporary(tmp_path)) == [left]
        assert own.exists()


@pytest.mark.parametrize("token", ["", "packet", "0a1b2c3d4e5f", "0a1b2c3d4e5f-x", "0A1B2C3D4E5F-17"])
def test_a_name_that_says_no_process_is_of_nobody(token):
    assert process_of(token) is None


def test_a_process_of_which_the_system_tells_too_little_is_not_taken_for_dead():
    assert not Process("0000", "0000", "0000", NOBODY).is_dead
    assert not replace(this_process(), namespace="0000", pid=NOBODY).is_dead
    assert replace(this_process(), pid=NOBODY).is_dead
