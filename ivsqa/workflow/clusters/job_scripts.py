"""Job scripts: what SLURM is given to train, score, or go a whole round, with the paths of a project."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from ivsqa.errors import IvsqaError, StateError
from ivsqa.io import atomic
from ivsqa.io.project.project import Project
from ivsqa.io.templates import templates_folder

Job: TypeAlias = Literal["train", "finetune", "score", "round"]
DOES = {
    "train": "Trains a model of the study",
    "finetune": "Trains the model of the study further",
    "score": "Scores the frames of the study, a share a task of the array",
}
_TOKEN = re.compile(r"@([A-Z]+)@")
_WORD = re.compile(r"[\w.,:+=-]*")
"""What the queue is told besides numbers: names of partitions and accounts, times."""


@dataclass(frozen=True)
class Resources:
    """What a job asks the queue for.

    Attributes:
        nodes: Machines.
        gpus: GPUs of each; 0: none.
        cpus: Cores of each.
        time: Longest time, as SLURM writes it: hours:minutes:seconds, days-hours.
        partition: Which queue; None: the usual one.
        account: Who pays; None: the usual one.
    """

    nodes: int = 1
    gpus: int = 1
    cpus: int = 4
    time: str = "24:00:00"
    partition: str | None = None
    account: str | None = None

    @property
    def n_processes(self) -> int:
        """How many processes compute: one a GPU, or one a machine without."""
        return self.nodes * max(1, self.gpus)


def job_script(project: Project, job: Job, wanted: Resources) -> str:
    """Return the script of a job, with the paths of a project.

    Training runs as one job on all machines, scoring as an array with a task for each process; a round is both, in turn.

    Raises:
        IvsqaError: a time, partition or account is none.
    """
    for name in ("time", "partition", "account"):
        said = getattr(wanted, name)
        if said is not None and not (said and _WORD.fullmatch(said)):
            raise IvsqaError(f"{said!r} is no {name} of a queue", hint="write it as sbatch takes it, without blanks")
    if job != "round":
        return _one_job(project, job, wanted)
    values = {
        "FINETUNE": _one_job(project, "finetune", wanted).rstrip(),
        "SCORE": _one_job(project, "score", wanted).rstrip(),
        "IVSQA": shlex.join([sys.executable, "-m", "ivsqa"]),
        "PROJECT": shlex.quote(str(project.root)),
        **_of_the_queue(wanted),
    }
    return _filled("round", values)


def write_job_script(project: Project, job: Job, wanted: Resources) -> Path:
    """Write the script of a job to `jobs/` in the project, and return its path; one that was edited is left as it is.

    Raises:
        StateError: there is another one.
        IvsqaError: as `job_script`.
    """
    path, script = project.root / "jobs" / f"{job}.sh", job_script(project, job, wanted)
    if path.exists() and path.read_text(encoding="utf-8") != script:
        raise StateError(
            "there is another script already", path=path, hint="remove it, or see what would be written with: --print"
        )
    atomic.write_text(path, script)
    return path


def _one_job(project: Project, job: Job, wanted: Resources) -> str:
    """Return the script of a job that is no round."""
    command = ["-m", "ivsqa", job, "--project", str(project.root)]
    is_array = job == "score"
    n_together = 1 if is_array else wanted.n_processes
    words = shlex.join([sys.executable, *command])
    if is_array:
        words += f' --shard "$SLURM_ARRAY_TASK_ID/{wanted.n_processes}"'
    elif n_together > 1:
        launcher = f"-m torch.distributed.run --nnodes={wanted.nodes} --nproc-per-node={max(1, wanted.gpus)}"
        meeting = '--rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" --rdzv-endpoint="$first:$port" --max-restarts=3'
        words = f"{shlex.quote(sys.executable)} {launcher} {meeting} {shlex.join(command)}"
    values = {
        "DOES": DOES[job],
        "JOB": job,
        "SHARDS": str(wanted.n_processes) if is_array else None,
        "NODES": "1" if is_array else str(wanted.nodes),
        "GPUS": str(min(1, wanted.gpus) if is_array else wanted.gpus) if wanted.gpus else None,
        "CPUS": str(wanted.cpus),
        "MANY": "" if n_together > 1 else None,
        "COMMAND": words,
        **_of_the_queue(wanted),
    }
    return _filled("job", values)


def _of_the_queue(wanted: Resources) -> dict[str, str | None]:
    """Return what is said of time and queue, by token."""
    return {"TIME": wanted.time, "PARTITION": wanted.partition, "ACCOUNT": wanted.account}


def _filled(name: str, values: dict[str, str | None]) -> str:
    """Return a template with its tokens filled in; a line with one that has no value is left out."""
    template = (templates_folder() / "slurm" / f"{name}.sh").read_text(encoding="utf-8")
    kept = [line for line in template.splitlines() if all(values[one] is not None for one in _TOKEN.findall(line))]
    lines = [_TOKEN.sub(lambda found: values[found[1]] or "", line).rstrip() for line in kept]
    return "\n".join(lines) + "\n"
