"""Processes that torchrun started, killed with -9 at random moments: one of them, their launcher, or all at once.

A study is trained, trained further and scored by two processes. Its twin is brought through the same while something is killed
again and again: torchrun starts anew what it can, and whatever it cannot is given once more, as a person or a queue would. Each
time it comes to its end, it must have come to the same weights, to the bit, and the same scores, and nothing may be left over. A
command that has answered has come to its end, whoever is killed then: given again it may mean one more, as `finetune` does.

    python benchmarks/kill_ranks.py [--kills 50] [--seed 1] [--only train]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

from kill import SUBJECT, Row, state
from report import RESULTS, WORK, print_table, write_json
from shell import IVSQA, ivsqa

from ivsqa.cli.main import main as command_line
from ivsqa.io.project.new_project import create_project

SETTINGS = {
    "image": {"working_size_px": 64},
    "training": {"max_steps": 30, "finetune_steps": 30, "batch_size": 4, "self_train": "none"},
}
COMMANDS = {"train": ["train"], "finetune": ["finetune"], "score": ["score", "--top", "3"]}
SHARES = {"train": 0.4, "finetune": 0.2, "score": 0.4}
"""Of the kills."""
VICTIMS = {"a process": 0.6, "the launcher": 0.2, "all at once": 0.2}
"""Who is killed, and how often."""
SAVE_EVERY_S = 0.5
"""A state is written after so long, so that trainings of seconds are taken up from one."""
N_PULLBACKS, N_FRAMES = 6, 180
MAX_RESTARTS = 2
LARGEST_WAIT_S = 240.0
COLUMNS = (
    "command",
    "seconds",
    *(f"kills of {name}" for name in VICTIMS),
    "starts",
    "times brought to its end",
    "end state",
)
AS_RANK = "--as-rank"
ANSWER = "answer.json"


def main() -> None:
    """Kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(COMMANDS), help="leave the other rows of the results as they are")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    started = time.monotonic()
    study = a_study(WORK / "kill-ranks")
    rows: list[Row] = []
    for name, arguments in COMMANDS.items():
        before = study.with_name(f"before-{name}")
        shutil.copytree(study, before)
        seconds = undisturbed(arguments, study)
        if options.only in (None, name):
            n_kills = round(SHARES[name] * options.kills)
            rows.append([name, *struck(n_kills, arguments, before, study, random.Random(options.seed), seconds)])
            print_table(COLUMNS, rows[-1:])
    if options.only:
        kept = json.loads((RESULTS / "kill_ranks.json").read_text(encoding="utf-8"))["rows"]
        rows = [next((new for new in rows if new[0] == old[0]), old) for old in kept]
    print_table(COLUMNS, rows)
    write_json("kill_ranks", {"seconds": round(time.monotonic() - started), "rows": rows})
    if any(row[-1] != "same" for row in rows):
        raise SystemExit(1)


def a_study(work: Path) -> Path:
    """Return a small study with contours."""
    shutil.rmtree(work, ignore_errors=True)
    frames = N_FRAMES // N_PULLBACKS
    ivsqa("phantom", work / "phantoms", "--pullbacks", N_PULLBACKS, "--frames", frames, "--size", 96)
    create_project(work / "study", template="coronary-ivus", name="study", settings=SETTINGS)
    truth = work / "phantoms/truth"
    ivsqa("import", work / "phantoms", "--annotations", truth, "--subject-from", SUBJECT, project=work / "study")
    return work / "study"


def undisturbed(arguments: list[str], study: Path) -> float:
    """Bring a command to its end; return how long it took, in seconds."""
    started = time.monotonic()
    with launched(arguments, study) as launcher:
        if launcher.wait(LARGEST_WAIT_S) != 0:
            raise SystemExit(f"{arguments[0]} failed, though nobody disturbed it")
    return time.monotonic() - started


def struck(
    n_kills: int, arguments: list[str], before: Path, reference: Path, rng: random.Random, seconds: float
) -> Iterator[object]:
    """Kill while a command runs, so many times; whenever it comes to its end first, compare, and begin anew.

    Args:
        n_kills: How many times.
        arguments: The command.
        before: The project before it.
        reference: The project that it must come to.
        rng: Whom to kill, and when.
        seconds: How long it takes.

    Yields:
        The cells of a row.
    """
    wanted, study = state(reference), before.with_name("killed")
    shutil.rmtree(study, ignore_errors=True)
    n_struck, n_starts, n_done, n_failed, same = dict.fromkeys(VICTIMS, 0), 0, 0, 0, True
    while sum(n_struck.values()) < n_kills or study.exists():
        if not study.exists():
            shutil.copytree(before, study)
        with launched(arguments, study) as launcher:
            n_starts += 1
            n_before = sum(n_struck.values())
            while sum(n_struck.values()) < n_kills:
                try:
                    launcher.wait(rng.uniform(0.0, seconds))
                    break
                except subprocess.TimeoutExpired:
                    victim = rng.choices([*VICTIMS], [*VICTIMS.values()])[0]
                    n_struck[victim] += strike(victim, launcher, rng)
                    print(f"{sum(n_struck.values())} of {n_kills} kills", end="\r", flush=True)
            is_done = launcher.wait(LARGEST_WAIT_S) == 0 or has_answered(study)
        # After a kill that its launcher survived, or could not, a start may fail; undisturbed ones may not, again and again.
        n_failed = 0 if is_done or sum(n_struck.values()) > n_before else n_failed + 1
        if n_failed > MAX_RESTARTS:
            raise SystemExit(f"{arguments[0]} fails in {study}, though nobody disturbs it any more")
        if is_done:
            n_done, same = n_done + 1, same and state(study) == wanted and is_clean(study)
            if not same:
                break
            shutil.rmtree(study)
    yield from (f"{seconds:.1f}", *n_struck.values(), n_starts, n_done, "same" if same else "DIFFERENT")


@contextmanager
def launched(arguments: list[str], study: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command as two processes; where they print an error, it is seen."""
    command = [
        "--standalone",
        "--nproc-per-node",
        "2",
        "--max-restarts",
        str(MAX_RESTARTS),
        __file__,
        AS_RANK,
        *arguments,
    ]
    line = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        *command,
        "--device",
        "cpu",
        "--json",
        "--project",
        str(study),
    ]
    with study.with_name("said.log").open("ab") as said, study.with_name(ANSWER).open("wb") as answer:
        launcher = subprocess.Popen(line, stdout=answer, stderr=said)
    try:
        yield launcher
    finally:
        launcher.kill()
        launcher.wait()


def has_answered(study: Path) -> bool:
    """Whether the command that was launched last has printed its answer, all of it, and not that it was stopped."""
    with suppress(ValueError):
        said = json.loads(study.with_name(ANSWER).read_bytes())
        # One whose launcher was killed ends as one that was told to, and answers how far it came.
        return said["n_scored"] + said["n_reused"] == N_FRAMES if "n_scored" in said else said["state"] == "ready"
    return False


def strike(victim: str, launcher: subprocess.Popen[bytes], rng: random.Random) -> bool:
    """Kill -9; returns whether there was anybody to kill."""
    ranks = children_of(launcher.pid)
    whom = {
        "a process": [rng.choice(ranks)] if ranks else [],
        "the launcher": [launcher.pid],
        "all at once": [launcher.pid, *ranks],
    }[victim]
    for number in whom:
        os.kill(number, 9)
    return bool(whom)


def children_of(number: int) -> list[int]:
    """Return the processes that a process started."""
    return [
        int(child) for path in Path(f"/proc/{number}/task").glob("*/children") for child in path.read_text().split()
    ]


def is_clean(study: Path) -> bool:
    """Whether nothing is left that belongs to a process, and a check finds nothing."""
    left = [path for path in study.rglob(".*") if path.name.startswith((".lock", ".tmp-"))]
    check = subprocess.run([*IVSQA, "check", "--project", str(study)], capture_output=True, text=True, check=False)
    if left or check.returncode:
        print(left, check.stdout, check.stderr)
    return not left and check.returncode == 0


def as_rank() -> None:
    """Be one of the processes that torchrun starts."""
    vars(import_module("ivsqa.model.training"))["train"].__kwdefaults__["save_every_s"] = SAVE_EVERY_S
    sys.argv.remove(AS_RANK)
    command_line()


if __name__ == "__main__":
    as_rank() if AS_RANK in sys.argv else main()
