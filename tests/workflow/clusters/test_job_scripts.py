"""Job scripts: what they ask the queue for, and what their shells do when the queue tells them to end."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ivsqa.errors import IvsqaError, StateError
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project
from ivsqa.workflow.clusters.job_scripts import Resources, job_script, write_job_script

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SLURM runs on POSIX")


@pytest.fixture
def project(tmp_path) -> Project:
    return create_project(tmp_path / "it's $HOME of 100 %", template="coronary-ivus")


def directives(script: str) -> set[str]:
    return {line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")}


def command_of(script: str) -> list[str]:
    (line,) = [line for line in script.splitlines() if line.startswith("srun ")]
    return shlex.split(line.removesuffix(" &"))


def test_training_runs_as_one_job_on_all_machines(project):
    script = job_script(project, "train", Resources(nodes=2, gpus=4, cpus=32, time="1-00", partition="a100"))
    assert {"nodes=2", "gpus-per-node=4", "cpus-per-task=32", "time=1-00", "partition=a100"} <= directives(script)
    assert not any(one.startswith(("array", "account")) for one in directives(script))
    words = command_of(script)
    assert {"torch.distributed.run", "--nnodes=2", "--nproc-per-node=4"} <= set(words)
    assert words[-5:] == ["-m", "ivsqa", "train", "--project", str(project.root)]


def test_scoring_is_an_array_with_a_task_for_each_gpu(project):
    script = job_script(project, "score", Resources(nodes=2, gpus=4))
    assert {"array=1-8", "nodes=1", "gpus-per-node=1"} <= directives(script)
    assert command_of(script) == [
        "srun", sys.executable, "-m", "ivsqa", "score", "--project", str(project.root), "--shard", "$SLURM_ARRAY_TASK_ID/8"
    ]  # fmt: skip


def test_without_gpus_a_task_is_a_machine_and_none_is_asked_for(project):
    script = job_script(project, "score", Resources(nodes=3, gpus=0))
    assert "array=1-3" in directives(script)
    assert "--gpus" not in script
    assert "torch.distributed" not in job_script(project, "finetune", Resources(nodes=1, gpus=0))


def test_every_token_is_filled_and_every_shell_is_sound(project):
    for job in ("train", "finetune", "score", "round"):
        for wanted in (Resources(), Resources(2, 4, account="lab")):
            script = job_script(project, job, wanted)
            assert "@" not in script.replace("B:USR1@60", "")
            subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("named", [{"partition": "gpu\n#SBATCH --wrap=x"}, {"account": "a b"}, {"time": ""}])
def test_what_is_no_name_of_a_queue_is_refused(project, named):
    with pytest.raises(IvsqaError, match=f"is no {next(iter(named))} of a queue"):
        job_script(project, "train", Resources(**named))


def test_a_script_that_was_edited_is_left_as_it_is(project):
    path = write_job_script(project, "score", Resources())
    assert write_job_script(project, "score", Resources()) == path
    edited = path.read_text() + "# mine\n"
    path.write_text(edited)
    with pytest.raises(StateError, match="another script") as caught:
        write_job_script(project, "score", Resources())
    assert "--print" in caught.value.hint
    assert path.read_text() == edited


def played(folder: Path, **programs: str) -> dict[str, str]:
    """Return an environment in which programs of the queue are played by scripts."""
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_JOB_ID": "17", "SLURM_CPUS_PER_TASK": "1"}


CANCEL = "[ $1 = --signal=TERM ] && [ $2 = {job} ] && kill -TERM $(cat {folder}/began)"
WORK = "echo $$ > {folder}/began; trap 'exit {code}' TERM; while :; do sleep 0.05; done"


@pytest.mark.parametrize(
    ("job", "sent", "code", "again"),
    [
        ("train", signal.SIGUSR1, 130, "17"),
        ("train", signal.SIGUSR1, 0, ""),
        ("train", signal.SIGTERM, 130, ""),
        ("score", signal.SIGUSR1, 130, "17_3"),  # not 17: that would be all tasks of the array
    ],
)
def test_a_job_whose_time_is_over_goes_back_into_the_queue_unless_it_is_done(project, tmp_path, job, sent, code, again):
    (tmp_path / "bin").mkdir()
    asked = tmp_path / "asked"
    environment = played(
        tmp_path / "bin",
        srun=WORK.format(folder=tmp_path, code=code),
        scancel=CANCEL.format(folder=tmp_path, job="17_3" if job == "score" else 17),
        scontrol=f'echo "$@" > {asked}',
    )
    environment |= {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3"} if job == "score" else {}
    script = write_job_script(project, job, Resources(gpus=0))
    with subprocess.Popen(["bash", script], env=environment) as shell:
        while not (tmp_path / "began").exists():
            time.sleep(0.02)
        shell.send_signal(sent)
        if sent == signal.SIGTERM:  # of a job that is cancelled, the queue tells all that runs
            os.kill(int((tmp_path / "began").read_text()), signal.SIGTERM)
        assert shell.wait(20) == code
    assert asked.exists() == bool(again)
    assert not again or asked.read_text() == f"requeue {again}\n"


def test_a_job_that_fails_by_itself_does_not_come_back(project, tmp_path):
    (tmp_path / "bin").mkdir()
    environment = played(tmp_path / "bin", srun="exit 3", scontrol=f"touch {tmp_path}/asked")
    done = subprocess.run(["bash", write_job_script(project, "train", Resources(gpus=0))], env=environment, check=False)
    assert done.returncode == 3
    assert not (tmp_path / "asked").exists()


def test_a_round_is_a_chain_in_which_each_job_waits_for_the_one_before(project, tmp_path):
    (tmp_path / "bin").mkdir()
    number = f"n=$(($(cat {tmp_path}/n 2>/dev/null || echo 16) + 1)); echo $n > {tmp_path}/n; cat > {tmp_path}/$n.sh"
    environment = played(tmp_path / "bin", sbatch=f'{number}; echo "$@" >> {tmp_path}/asked; echo $n')
    done = subprocess.run(
        ["bash", write_job_script(project, "round", Resources(2, 4))],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (tmp_path / "asked").read_text().splitlines() == [
        "--parsable", "--parsable --dependency=afterok:17", "--parsable --dependency=afterok:18"
    ]  # fmt: skip
    assert done.stdout == "finetune: job 17; score: 18; select and export-for-annotation: 19\n"
    assert (tmp_path / "17.sh").read_text() == job_script(project, "finetune", Resources(2, 4))
    assert (tmp_path / "18.sh").read_text() == job_script(project, "score", Resources(2, 4))
    assert f"select -n 50 --project {shlex.quote(str(project.root))}" in (tmp_path / "19.sh").read_text()
