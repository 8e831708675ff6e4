"""The job scripts in a SLURM that runs: two nodes on the loopback, which this script starts and ends.

A study is scored and trained in one go; its twin by the jobs that `ivsqa slurm` writes. While they run, a task of the array is
killed, one is put back into the queue, and one, as the training, is told that its time is over. Both must come to the same scores
and weights. So must a training on two nodes, of which a process is killed and which is told to end, and one of two processes that
torchrun alone starts. Then a round runs as a chain.

    python benchmarks/slurm.py [--only "train, two nodes"]

It needs slurmctld, slurmd and munged (Debian: slurm-wlm and munge) and the rights of root; without, it says so and leaves.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kill import SUBJECT, state
from report import RESULTS, print_table, write_json
from shell import ivsqa

from ivsqa.io.formats.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import open_project

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "scancel")
N_TASKS = 4
N_DRAWN = 20
"""Frames of each pullback: the others are left to choose from."""
SETTINGS = {
    "image": {"working_size_px": 64},
    "training": {"max_steps": 40, "finetune_steps": 20, "batch_size": 4, "self_train": "none"},
    "selection": {"min_gap_frames": 2},
}
Row = list[object]


def main() -> None:
    """Start a SLURM, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(ROWS), help="leave the other rows of the results as they are")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # sums by another number of threads have other last bits
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        why = f"there is no {', '.join(missing)}" if missing else "only root can start slurmd"
        print(f"skipped: {why} (Debian: apt-get install slurm-wlm munge)")
        return
    started = time.monotonic()
    with TemporaryDirectory() as folder:
        alone, twin = studies(Path(folder))
        with slurm(Path(folder) / "queue"):
            version = told("sbatch", "--version").split()[-1]
            rows = [[name, *make(alone, twin)] for name, make in ROWS.items() if options.only in (None, name)]
        if any(row[-1] != "same" for row in rows):
            print(*(path.read_text() for path in sorted(Path(folder).glob("*.log"))), sep="\n")
    if options.only:
        kept = json.loads((RESULTS / "slurm.json").read_text(encoding="utf-8"))["rows"]
        by_name = {row[0]: row for row in [*kept, *rows]}
        rows = [by_name[name] for name in ROWS if name in by_name]
    print_table(("jobs", "seconds", "killed or put back", "told to end", "starts", "end state"), rows)
    write_json("slurm", {"slurm": version, "seconds": round(time.monotonic() - started), "rows": rows})
    if any(row[-1] != "same" for row in rows):
        raise SystemExit(1)


def studies(work: Path) -> tuple[Path, Path]:
    """Return two equal studies, with a name that a shell could trip over."""
    ivsqa("phantom", work / "phantoms", "--pullbacks", 8, "--frames", 40, "--size", 128)
    alone, twin = work / "it's alone", work / "it's a twin"
    create_project(alone, template="coronary-ivus", name="study", settings=SETTINGS)
    truth = [read_contours_csv(path) for path in sorted((work / "phantoms/truth").glob("*.csv"))]
    rows = [(name, index, drawn) for one in truth for name, frames in one.items() for index, drawn in frames.items()]
    few = work / "drawn.csv"
    few.write_text(contours_csv_text(row for row in rows if row[1] < N_DRAWN), encoding="utf-8")
    ivsqa("import", work / "phantoms", "--annotations", "none", "--subject-from", SUBJECT, project=alone)
    ivsqa("import", work / "phantoms", "--annotations", few, "--subject-from", SUBJECT, project=alone)
    # The starter model was taught on another grid: a model of a few steps is what scores.
    ivsqa("train", "--steps", 4, project=alone)
    shutil.copytree(alone, twin)
    return alone, twin


@contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Run a SLURM of this machine alone for the length of the block: as two nodes."""
    for name in ("state", "run"):
        (folder / name).mkdir(parents=True)
    host, nodes, cores = socket.gethostname(), ("node1", "node2"), max(1, (os.cpu_count() or 1) // 2)
    key, door = folder / "munge.key", folder / "run/munge"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    (folder / "slurm.conf").write_text(
        f"""ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={free_port()}
CommunicationParameters=NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={door}
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=1,sched_interval=1
ReturnToService=2
KillWait=30
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={free_port()} CPUs={cores} State=UNKNOWN
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={free_port()} CPUs={cores} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
    )
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    seed, log, number = folder / "run/seed", folder / "munged.log", folder / "run/munged.pid"
    munged = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={door}"]
    munged += [f"--seed-file={seed}", f"--log-file={log}", f"--pid-file={number}"]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for line in (munged, ["slurmctld", "-D", "-i"], *(["slurmd", "-D", "-N", node] for node in nodes)):
            with (folder / f"{line[0]}.out").open("ab") as out:
                running.append(subprocess.Popen(line, stdout=out, stderr=out))
            time.sleep(1.0)
        wait_until(
            lambda: answer("sinfo", "--noheader", "--Node").stdout.count(" idle") == 2, 60, "the nodes never came up"
        )
        yield
    finally:
        for one in reversed(running):
            one.terminate()
            one.wait(30)
        del os.environ["SLURM_CONF"]


def score_row(alone: Path, twin: Path) -> Row:
    """Return the row of an array: of its tasks one is killed, one put back into the queue, one told that its time is over."""
    ivsqa("score", project=alone)
    started = time.monotonic()
    array = told("sbatch", "--parsable", *asked(twin), script(twin, "score", "--nodes", N_TASKS))
    wait_until(lambda: len(claims(twin, array)) >= 2, 120, "no two tasks ran at once")
    (killed, number), (put_back, _), *_ = claims(twin, array).items()
    os.kill(number, signal.SIGKILL)
    told("scontrol", "requeue", put_back)
    others = lambda: sorted(claims(twin, array).keys() - {killed, put_back})  # noqa: E731
    wait_until(others, 300, "no other task ran")
    ended = others()[0]
    told("scancel", "--batch", "--signal=USR1", ended)
    wait_until(lambda: n_completed(array) == N_TASKS - 1, 300, "the array never ended")
    tasks = tasks_of(array)
    failed = [name for name, task in tasks.items() if "JobState=COMPLETED" not in task]
    restarts = {name: int(re.findall(r"Restarts=(\d+)", task)[0]) for name, task in tasks.items()}
    # As a person would who sees that a task failed: what is missing is given to the queue once more.
    missing = ivsqa("status", "--shards", N_TASKS, project=twin)["missing_shards"]
    job = told("sbatch", "--parsable", f"--array={missing[0]}", *asked(twin), twin / "jobs/score.sh")
    wait_until(lambda: n_completed(job) == 1, 300, "the task never ended")
    as_planned = failed == [killed] == [f"{array}_{missing[0]}"] and restarts == dict.fromkeys(tasks, 0) | {
        put_back: 1,
        ended: 1,
    }
    same = (
        as_planned
        and len(scores_of(alone)) > 8
        and scores_of(alone) == scores_of(twin)
        and not list(twin.glob(".lock-*"))
    )
    starts = N_TASKS + sum(restarts.values()) + 1
    return [f"{time.monotonic() - started:.0f}", 2, 1, starts, "same" if same else "DIFFERENT"]


def train_row(alone: Path, twin: Path) -> Row:
    """Return the row of a training that is told twice that its time is over."""
    ivsqa("train", "--seed", 1, project=alone)
    started = time.monotonic()
    path = script(twin, "train")
    path.write_text(path.read_text().replace(" train --project", " train --seed 1 --project"))
    job = told("sbatch", "--parsable", *asked(twin), path)
    slowest = 0.0
    for _ in range(2):
        wait_until((twin / ".lock-train").exists, 240, "the training never began")
        time.sleep(1.0)
        told("scancel", "--batch", "--signal=USR1", job)
        told_at = time.monotonic()
        wait_until(lambda: not (twin / ".lock-train").exists(), 60, "the training did not end")
        slowest = max(slowest, time.monotonic() - told_at)
        wait_until(lambda: n_completed(job) == 1 or (twin / ".lock-train").exists(), 180, "the training never went on")
    print(f"a training that is told to end has ended after {slowest:.1f} s at most")
    wait_until(lambda: n_completed(job) == 1, 300, "the training never ended")
    (task,) = tasks_of(job).values()
    starts = 1 + int(re.findall(r"Restarts=(\d+)", task)[0])
    names = [f"models/m002/{name}" for name in ("weights.safetensors", "log.csv", "model.yaml")]
    ends = [state(study) for study in (alone, twin)]
    same = all(ends[0][name] == ends[1].get(name) for name in names) and slowest < 10.0 and starts == 3
    return [f"{time.monotonic() - started:.0f}", 0, 2, starts, "same" if same else "DIFFERENT"]


def two_nodes_row(alone: Path, twin: Path) -> Row:
    """Return the row of a training on two nodes: its first process is killed once, then it is told that its time is over."""
    line = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "ivsqa", "train", "--seed", "2"]
    subprocess.run([sys.executable, "-m", *line, "--project", str(alone)], capture_output=True, check=True)
    started, lock = time.monotonic(), twin / ".lock-train"
    path = script(twin, "train", "--nodes", 2)
    text = path.read_text().replace(" train --project", " train --seed 2 --project")
    # No machine here is called as a node is.
    path.write_text(text.replace('first="$(scontrol', 'first=127.0.0.1; true "$(scontrol'))
    job = told("sbatch", "--parsable", *asked(twin), path)
    wait_until(lock.exists, 240, "the training never began")
    killed = json.loads(lock.read_text())["pid"]
    os.kill(killed, signal.SIGKILL)
    again = lambda: lock.exists() and json.loads(lock.read_text())["pid"] != killed  # noqa: E731
    wait_until(again, 240, "torchrun did not start it anew")
    told("scancel", "--batch", "--signal=USR1", job)
    wait_until(lambda: n_completed(job) == 1, 600, "the training never ended")
    (task,) = tasks_of(job).values()
    starts = 1 + int(re.findall(r"Restarts=(\d+)", task)[0])
    newest = sorted(path.name for path in (twin / "models").iterdir())[-1]
    ends = [state(study) for study in (alone, twin)]
    files = ("weights.safetensors", "log.csv", "model.yaml")
    same = starts == 2 and all(
        ends[0][f"models/{newest}/{name}"] == ends[1][f"models/{newest}/{name}"] for name in files
    )
    return [f"{time.monotonic() - started:.0f}", 1, 1, starts, "same" if same else "DIFFERENT"]


def round_row(_: Path, twin: Path) -> Row:
    """Return the row of a round as a chain: at its end a packet is there, chosen by the scores of the model that learnt in it."""
    started = time.monotonic()
    environment = os.environ | {"SBATCH_OUTPUT": f"{twin.parent}/%j.log"}
    path = script(twin, "round")
    path.write_text(path.read_text().replace("select -n 50", "select -n 5"))
    said = subprocess.run(["bash", path], env=environment, capture_output=True, text=True, check=True).stdout
    jobs = ",".join(re.findall(r"\d+", said))
    wait_until(lambda: n_completed(jobs) == 3, 300, "the round never ended")
    rounds, packets = open_project(twin).rounds(), list((twin / "rounds").glob("*/packet-*.zip"))
    newest = open_project(twin).models()[-1].model_id
    same = len(packets) == 1 and [(one.model_id, len(one.frames)) for one in rounds] == [(newest, 5)]
    return [f"{time.monotonic() - started:.0f}", 0, 0, 3, "same" if same else "DIFFERENT"]


ROWS = {
    "score, an array": score_row,
    "train": train_row,
    "train, two nodes": two_nodes_row,
    "round, a chain": round_row,
}


def script(study: Path, *arguments: object) -> Path:
    """Return a job script as `ivsqa slurm` writes it, for the cores of this machine."""
    return Path(ivsqa("slurm", *arguments, "--gpus", 0, "--cpus", 1, project=study)["path"])


def asked(study: Path) -> list[str]:
    """Return what else the queue is told: where to put what a job prints."""
    return [f"--output={study.parent}/%A_%a.log"]


def claims(study: Path, array: str) -> dict[str, int]:
    """Return the tasks of an array that score a study now, by its claims, with the process of each."""
    owners = [json.loads(path.read_text()) for path in study.glob(".lock-score-*")]
    names = {re.findall(r"^JobId=(\d+)", task)[0]: name for name, task in tasks_of(array).items()}
    return {names[str(owner["job"])]: owner["pid"] for owner in owners}


def n_completed(jobs: str) -> int:
    """Return how many jobs and tasks have come to their end; what was put back need not wait for its two minutes."""
    waiting = told("squeue", "--noheader", "--states=PENDING", "--format=%i %r", f"--jobs={jobs}").splitlines()
    put_back = [line.split()[0] for line in waiting if line.endswith("BeginTime")]
    if put_back:
        time.sleep(3.0)  # a node takes a start within the second of the end for what it was told to end
    for name in put_back:
        told("scontrol", "update", f"JobId={name}", "StartTime=now")
    return sum("JobState=COMPLETED " in task for job in jobs.split(",") for task in tasks_of(job).values())


def tasks_of(job: str) -> dict[str, str]:
    """Return what the queue says of each task of an array, or of a job, by its name."""
    lines = told("scontrol", "--oneliner", "show", "job", job).splitlines()
    found = [re.match(r"JobId=(\d+) (?:ArrayJobId=(\d+) ArrayTaskId=(\d+) )?", line) for line in lines]
    return {f"{one[2]}_{one[3]}" if one[2] else one[1]: line for one, line in zip(found, lines, strict=True) if one}


def scores_of(study: Path) -> dict[str, str]:
    """Return what counts of the scores of a study."""
    return {name: digest for name, digest in state(study).items() if name.startswith("scores/")}


def told(*line: object) -> str:
    """Return what a program of the queue prints."""
    done = answer(*line)
    if done.returncode and "Invalid job id" not in done.stderr:
        raise SystemExit(f"{' '.join(str(word) for word in line)} → {done.returncode}\n{done.stderr}")
    return done.stdout.strip()


def answer(*line: object) -> subprocess.CompletedProcess[str]:
    """Return what a program says, whether or not it could do what it was asked for."""
    return subprocess.run([str(word) for word in line], capture_output=True, text=True, check=False)


def wait_until(is_so, seconds: float, otherwise: str) -> None:
    """Wait for something, and stop the benchmark where it does not come."""
    ends = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > ends:
            raise SystemExit(otherwise)
        time.sleep(0.2)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    main()
