"""What SLURM says: of a job array, and of jobs that may be over. The program that asks the queue is played by a script."""

from __future__ import annotations

import os

import pytest

from ivsqa.errors import IvsqaError
from ivsqa.io import slurm
from ivsqa.io.slurm import Job, shard_of_array, this_job

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SLURM runs on POSIX")
NO_SUCH_JOB = "slurm_load_jobs error: Invalid job id specified"


@pytest.fixture(autouse=True)
def outside_of_any_job(monkeypatch):
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    slurm._cluster.cache_clear()
    yield
    slurm._cluster.cache_clear()


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Return a function that gives the queue of the cluster "atlas" its answer about jobs."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def answers(text: str, *, code: int = 0) -> None:
        script = tmp_path / "scontrol"
        script.write_text(
            "#!/bin/sh\n"
            'if [ "$3" = config ]; then echo "ClusterName             = atlas"; exit 0; fi\n'
            f"cat <<'END' >&{2 if code else 1}\n{text}\nEND\nexit {code}\n"
        )
        script.chmod(0o755)

    return answers


def line(job: int, state: str, restarts: int = 0) -> str:
    return f"JobId={job} ArrayJobId=7 JobName=x Requeue=1 Restarts={restarts} BatchFlag=1 JobState={state} Reason=None"


def as_task(monkeypatch, task: int, count: int, first: int, last: int, step: int = 1) -> None:
    for name, value in (("ID", task), ("COUNT", count), ("MIN", first), ("MAX", last), ("STEP", step)):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))


@pytest.mark.parametrize(
    ("task", "count", "first", "last", "step", "shard"),
    [
        (1, 8, 1, 8, 1, "1/8"),
        (0, 8, 0, 7, 1, "1/8"),
        (7, 8, 0, 7, 1, "8/8"),
        (13, 4, 10, 13, 1, "4/4"),
        (5, 4, 1, 7, 2, "3/4"),
    ],
)
def test_the_first_task_of_an_array_is_the_first_shard(monkeypatch, task, count, first, last, step, shard):
    as_task(monkeypatch, task, count, first, last, step)
    assert str(shard_of_array()) == shard


def test_an_array_with_gaps_cannot_tell_which_share_is_whose(monkeypatch):
    as_task(monkeypatch, 7, 2, 3, 7)
    with pytest.raises(IvsqaError, match="2 of the tasks from 3 to 7") as caught:
        shard_of_array()
    assert "--shard $SLURM_ARRAY_TASK_ID/8" in caught.value.hint


def test_a_job_of_no_array_is_no_shard(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with pytest.raises(IvsqaError, match="no task of an array"):
        shard_of_array()
    assert this_job() == Job("", 7, 0)


def test_outside_of_slurm_there_is_no_job(monkeypatch):
    assert this_job() is None
    assert not Job("", 7, 0).is_over
    monkeypatch.setenv("PATH", "")
    assert not Job("atlas", 7, 0).is_over


def test_a_job_that_was_started_again_is_over_up_to_then(monkeypatch):
    monkeypatch.setenv("SLURM_CLUSTER_NAME", "atlas")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    assert this_job() == Job("atlas", 7, 2)
    assert Job("atlas", 7, 1).is_over
    assert not Job("atlas", 7, 2).is_over  # a step beside this one


@pytest.mark.parametrize(
    ("state", "restarts", "over"),
    [
        ("RUNNING", 0, False),
        ("COMPLETING", 0, False),
        ("SUSPENDED", 0, False),
        ("RUNNING", 1, True),  # what it ran before is dead
        ("PENDING", 1, True),
        ("COMPLETED", 0, True),
        ("FAILED", 0, True),
        ("NODE_FAIL", 0, True),
        ("SOMETHING_NEW", 0, False),
    ],
)
def test_the_queue_knows_whether_a_job_is_over(queue, state, restarts, over):
    queue(f"{line(71, 'COMPLETED')}\n{line(7, state, restarts)}")  # of an array, a line a task
    assert Job("atlas", 7, 0).is_over == over


def test_a_job_that_the_queue_forgot_is_over_and_one_that_it_cannot_tell_of_is_not(queue):
    queue(NO_SUCH_JOB, code=1)
    assert Job("atlas", 7, 0).is_over
    queue("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", code=1)
    assert not Job("atlas", 7, 0).is_over


def test_a_job_of_another_cluster_is_not_asked_for_here(queue):
    queue(NO_SUCH_JOB, code=1)
    assert not Job("other", 7, 0).is_over
    assert not Job("", 7, 0).is_over
