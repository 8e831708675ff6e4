"""What SLURM says: which job this process is of, which task of an array, and whether another job is over.

A job that is over runs nowhere, and neither does what it ran before it was started again: so a lock that names it is of nobody.
Only the queue knows that; clocks of machines differ.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache

from ivsqa.domain.shards import Shard
from ivsqa.errors import IvsqaError

ENDED = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"}
)  # fmt: skip
"""States in which nothing of a job runs; one that is being ended is COMPLETING."""
ANSWERS_IN_S = 20.0
_TOKEN = re.compile(r"([\w-]+)\.(\d+)\.(\d+)")
_NO_SUCH_JOB = "Invalid job id"
"""What is told of a job that ended so long ago that it was forgotten."""


@dataclass(frozen=True)
class Job:
    """A job, or a task of an array, which is a job of its own.

    Attributes:
        cluster: Where; "" where that is not known.
        job: Its number.
        restarts: How often it was put back into the queue and started again.
    """

    cluster: str
    job: int
    restarts: int

    @property
    def token(self) -> str:
        """The job in few characters, for names of files; "" where its cluster is not known."""
        token = f"{self.cluster}.{self.job}.{self.restarts}"
        return token if _TOKEN.fullmatch(token) else ""

    @property
    def is_over(self) -> bool:
        """Whether nothing that it started up to this restart certainly runs any longer."""
        here = this_job()
        if here is not None and (here.cluster, here.job) == (self.cluster, self.job):
            return self.restarts < here.restarts
        if not self.cluster or self.cluster != _cluster():
            return False
        return _says_over(_asked("show", "job", str(self.job)), self)


def this_job() -> Job | None:
    """Return the job that this process is of; None outside of one."""
    number = os.environ.get("SLURM_JOB_ID", "")
    if not number.isdecimal():
        return None
    restarts = os.environ.get("SLURM_RESTART_COUNT", "")
    return Job(os.environ.get("SLURM_CLUSTER_NAME", ""), int(number), int(restarts) if restarts.isdecimal() else 0)


def job_of(token: str) -> Job | None:
    """Return the job that a text begins with; None where it begins with none.

    Example:
        >>> job_of("atlas.17.0-x")
        Job(cluster='atlas', job=17, restarts=0)
    """
    match = _TOKEN.match(token)
    return Job(match[1], int(match[2]), int(match[3])) if match else None


def shard_of_array() -> Shard:
    """Return the shard that this process is, as a task of an array of jobs.

    Raises:
        IvsqaError: it is none, or the numbers of the array have gaps: which share is whose cannot be told then.
    """
    names = ("ID", "COUNT", "MIN", "MAX", "STEP")
    said = [os.environ.get(f"SLURM_ARRAY_TASK_{name}", "1" if name == "STEP" else "") for name in names]
    if not all(text.isdecimal() for text in said):
        raise IvsqaError("this is no task of an array of jobs", hint="write which share it is, such as --shard 2/8")
    task, count, first, last, step = map(int, said)
    if step < 1 or (last - first) // step + 1 != count:
        hint = "write which share it is by the numbers of the whole array, such as --shard $SLURM_ARRAY_TASK_ID/8"
        raise IvsqaError(f"the array has {count} of the tasks from {first} to {last}", hint=hint)
    return Shard((task - first) // step + 1, count)


def _says_over(answer: subprocess.CompletedProcess[str] | None, job: Job) -> bool:
    """Return whether an answer about a job says that it is over; of an array, a line is about each of its tasks."""
    if answer is None:
        return False
    if answer.returncode:
        return _NO_SUCH_JOB in answer.stderr
    line = next((line for line in answer.stdout.splitlines() if line.startswith(f"JobId={job.job} ")), "")
    state, restarts = re.search(r" JobState=(\w+)", line), re.search(r" Restarts=(\d+)", line)
    return state is not None and (state[1] in ENDED or (restarts is not None and int(restarts[1]) > job.restarts))


@cache
def _cluster() -> str:
    """Return the name of the cluster whose queue is asked here; "" where there is none."""
    answer = _asked("show", "config")
    found = re.search(r"^ClusterName\s*=\s*(\S+)", answer.stdout, re.MULTILINE) if answer else None
    return found[1] if found else ""


def _asked(*question: str) -> subprocess.CompletedProcess[str] | None:
    """Return the answer of the queue; None where there is none, or it does not answer."""
    try:
        return subprocess.run(
            ["scontrol", "--oneliner", *question], capture_output=True, text=True, timeout=ANSWERS_IN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
