import errno
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from ivsqa.errors import ProjectLockedError
from ivsqa.io.processes import this_process
from ivsqa.io.project.lock import project_lock, remove_dead_locks

NOW = "2026-01-02T03:04:05+00:00"
NOBODY = 2**22 + 1  # above the largest process number the kernel gives


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".lock-train"


def hold(path: Path):
    return project_lock(path, purpose="training", started_at=NOW)


def owned_by(path: Path, **owner) -> None:
    path.write_text(json.dumps({"host": socket.gethostname(), **asdict(this_process()), "started_at": NOW} | owner))


def test_the_lock_says_who_holds_it_and_goes_when_the_block_ends(path):
    with hold(path):
        owner = json.loads(path.read_text())
        assert (owner["host"], owner["pid"], owner["started_at"]) == (socket.gethostname(), os.getpid(), NOW)
    assert list(path.parent.iterdir()) == []


def test_the_lock_goes_when_the_block_fails(path):
    with pytest.raises(RuntimeError), hold(path):
        raise RuntimeError
    assert list(path.parent.iterdir()) == []


def test_a_second_holder_is_refused_and_told_who_and_how_to_mend(path):
    with hold(path):
        with pytest.raises(ProjectLockedError) as caught, hold(path):
            pass
        assert path.exists()
    assert "training is already running" in caught.value.message
    assert f"process {os.getpid()}" in caught.value.message
    assert NOW in caught.value.message
    assert str(path) in caught.value.hint
    with hold(path):
        pass


def test_a_living_process_of_this_host_is_respected(path):
    script = (
        "import sys, pathlib; from ivsqa.io.project.lock import project_lock\n"
        f"with project_lock(pathlib.Path(sys.argv[1]), purpose='training', started_at={NOW!r}):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(ProjectLockedError, match=f"process {child.pid}"), hold(path):
            pass
        child.kill()
        child.wait()
        assert path.exists()  # nobody could clean up
        with hold(path):
            assert json.loads(path.read_text())["pid"] == os.getpid()
    assert not path.exists()


def test_a_lock_of_a_dead_process_is_taken_over(path):
    owned_by(path, pid=NOBODY)
    with hold(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this kernel does not tell when a process started")
def test_a_process_number_that_was_given_again_counts_as_dead(path):
    owned_by(path, born="1")
    with hold(path):
        pass


@pytest.mark.skipif(not Path("/proc/1").exists() or os.getuid() == 0, reason="needs a process of another user")
def test_a_process_of_another_user_is_respected(path):
    owned_by(path, pid=1)
    with pytest.raises(ProjectLockedError), hold(path):
        pass


def test_a_lock_of_another_host_is_respected(path):
    owned_by(path, host="some-other-host", computer="ffff", boot="ffff", pid=NOBODY)
    with pytest.raises(ProjectLockedError, match="on some-other-host") as caught, hold(path):
        pass
    assert "rm " in caught.value.hint
    assert path.exists()


ELSEWHERE = {"host": "node-7", "computer": "ffff", "boot": "ffff", "pid": NOBODY}


def in_job(monkeypatch, job: int, restarts: int) -> None:
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "atlas")
    monkeypatch.setenv("SLURM_JOB_ID", str(job))
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(restarts))


def test_a_job_that_was_started_again_on_another_node_takes_over_its_own_lock(path, monkeypatch):
    owned_by(path, **ELSEWHERE, cluster="atlas", job=17, restarts=0)
    in_job(monkeypatch, 17, restarts=1)
    with hold(path):
        owner = json.loads(path.read_text())
        assert (owner["cluster"], owner["job"], owner["restarts"]) == ("atlas", 17, 1)
    assert not path.exists()


@pytest.mark.parametrize(("job", "restarts"), [(17, 0), (18, 1)])
def test_a_process_beside_it_in_the_same_job_or_in_another_is_respected(path, monkeypatch, job, restarts):
    owned_by(path, **ELSEWHERE, cluster="atlas", job=17, restarts=0)
    in_job(monkeypatch, job, restarts)
    monkeypatch.setenv("PATH", "")  # where nothing can be asked
    with pytest.raises(ProjectLockedError, match=r"on node-7 \(process 4194305 of job 17, since"), hold(path):
        pass


@pytest.mark.parametrize("job", ["17", None, [17]])
def test_a_lock_with_an_odd_job_is_respected(path, job):
    owned_by(path, **ELSEWHERE, cluster="atlas", job=job, restarts=0)
    with pytest.raises(ProjectLockedError, match=r"process 4194305, since"), hold(path):
        pass


def test_a_server_that_answers_twice_does_not_lock_out_who_has_the_lock(path, monkeypatch):
    link = os.link

    def made_and_told_again(source, target):
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", made_and_told_again)
    with hold(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()
        with pytest.raises(ProjectLockedError), hold(path):
            pass


def test_a_lock_of_another_container_with_the_same_host_name_is_respected(path):
    owned_by(path, namespace="ffff", pid=NOBODY)
    with pytest.raises(ProjectLockedError, match=f"on {socket.gethostname()}"), hold(path):
        pass


@pytest.mark.skipif(
    "0000" in (this_process().computer, this_process().boot), reason="this system tells too little of itself"
)
def test_a_lock_from_before_the_machine_was_started_again_is_taken_over(path):
    owned_by(path, boot="ffff", namespace="ffff")
    with hold(path):
        assert json.loads(path.read_text())["boot"] == this_process().boot


def test_a_lock_of_an_older_version_is_respected(path):
    path.write_text(json.dumps({"host": socket.gethostname(), "pid": NOBODY, "born": None, "started_at": NOW}))
    with pytest.raises(ProjectLockedError), hold(path):
        pass


def test_path_in_a_hint_is_quoted(tmp_path):
    path = tmp_path / "my study" / ".lock-train"
    path.parent.mkdir()
    owned_by(path, host="some-other-host", computer="ffff", boot="ffff")
    with pytest.raises(ProjectLockedError) as caught, hold(path):
        pass
    assert f"rm '{path}'" in caught.value.hint


def odd_link(path: Path) -> None:
    path.symlink_to(path)


def odd_pipe(path: Path) -> None:
    os.mkfifo(path)


def odd_giant(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(2**40)


def odd_brackets(path: Path) -> None:
    path.write_text("[" * 4000)


@pytest.mark.parametrize("make", [odd_link, odd_pipe, odd_giant, odd_brackets])
def test_what_is_no_lock_holds_nobody_up(path, make):
    make(path)
    with hold(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert list(path.parent.iterdir()) == []


def test_folder_in_the_place_of_a_lock_is_left_alone_and_named(path):
    (path / "inside").mkdir(parents=True)
    with pytest.raises(ProjectLockedError, match="a folder is where a lock would be") as caught, hold(path):
        pass
    assert "mv " in caught.value.hint
    assert (path / "inside").is_dir()


def test_locks_of_dead_processes_are_removed_and_others_stay(tmp_path):
    dead, living, elsewhere = (tmp_path / f".lock-{name}" for name in ("dead", "living", "elsewhere"))
    owned_by(dead, pid=NOBODY)
    owned_by(living)
    owned_by(elsewhere, host="x", computer="ffff", boot="ffff")
    assert remove_dead_locks(tmp_path) == [dead]
    assert sorted(tmp_path.iterdir()) == sorted([living, elsewhere])


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"host": "x"}'])
def test_a_lock_that_says_nothing_holds_nobody_up(path, text):
    path.write_text(text)
    with hold(path):
        pass
    assert not path.exists()


def test_a_lock_that_was_taken_away_and_given_to_another_is_left_to_them(path):
    with hold(path):
        owned_by(path, host="some-other-host")
    assert json.loads(path.read_text())["host"] == "some-other-host"


def test_two_purposes_do_not_hold_each_other_up(path):
    with hold(path), hold(path.with_name(".lock-import")):
        pass


def test_a_disk_without_hard_links_is_locked_too(path, monkeypatch):
    def refused(*_names):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    with hold(path):
        with pytest.raises(ProjectLockedError), hold(path):
            pass
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert list(path.parent.iterdir()) == []
    owned_by(path, pid=NOBODY)
    with hold(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_a_dry_run_holds_no_lock_and_minds_none(path):
    with project_lock(path, purpose="training", started_at=NOW, dry_run=True):
        assert list(path.parent.iterdir()) == []
        with hold(path), project_lock(path, purpose="training", started_at=NOW, dry_run=True):
            pass
