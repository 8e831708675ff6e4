"""Any moment is a good moment to pull the plug: kill -9 at random moments, then the same command again.

One project is brought through import, train and score without a stop; its twin has each command killed many times at random
moments while it runs, and then run to its end. Both must come to the same pullbacks, annotations, weights and scores. So must a
study that the tasks of an array score, of which some are killed, again and again.

    python benchmarks/kill.py [--kills 20] [--seed 1] [--only "score, an array"]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from report import RESULTS, WORK, print_table, write_json
from shell import IVSQA, ivsqa

from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.project.annotations import AnnotationStore
from ivsqa.io.project.layout import ProjectLayout
from ivsqa.io.project.new_project import create_project

SUBJECT = "(?P<pullback>(?P<subject>S[0-9]+)-P[0-9]+)"
COMMANDS: dict[str, list[str]] = {
    "import": ["import", "{phantoms}", "--annotations", "{phantoms}/truth", "--subject-from", SUBJECT, "--jobs", "2"],
    "train": ["train", "--steps", "60"],
    "score": ["score"],
}


RETURN = "import-annotations"
N_RETURNED = 120
"""Frames of the packet that comes back: what makes its import take a while."""
ARRAY = "score, an array"
N_TASKS, N_AT_ONCE = 4, 2
COLUMNS = ("command", "seconds", "kills while running", "times brought to its end", "end state")
Row = list[object]


def main() -> None:
    """Kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--import-kills", type=int, default=100, help=f"kills of {RETURN}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--task-kills", type=int, default=50, help="kills of tasks of an array")
    parser.add_argument("--only", choices=[RETURN, ARRAY], help="leave the other rows of the results as they are")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    work = WORK / "kill"
    shutil.rmtree(work, ignore_errors=True)
    phantoms = work / "phantoms"
    ivsqa("phantom", phantoms, "--pullbacks", 10, "--frames", 60, "--size", 192)
    if options.only:
        result = json.loads((RESULTS / "kill.json").read_text(encoding="utf-8"))
        rows = [row for row in result["rows"] if row[0] != options.only]
        findings = result["check"]
    else:
        rows, findings = learning_rows(phantoms, options.kills, rng)
    if options.only != ARRAY:
        rows.append(return_row(phantoms, options.import_kills, rng))
    if options.only != RETURN:
        rows.append(array_row(phantoms, options.task_kills, rng))
    print_table(COLUMNS, rows)
    print(findings)
    write_json("kill", {"rows": rows, "check": findings})
    if any(row[-1] != "same" for row in rows):
        raise SystemExit(1)


def learning_rows(phantoms: Path, n_kills: int, rng: random.Random) -> tuple[list[Row], str]:
    """Return a row for each of `COMMANDS`, and what `check` says of the project that was killed."""
    work = phantoms.parent
    reference, killed = work / "reference", work / "killed"
    for study in (reference, killed):
        subprocess.run([*IVSQA, "init", str(study), "--name", "study"], check=True, capture_output=True)
    shutil.copy(reference / "identity.yaml", killed / "identity.yaml")
    rows: list[Row] = []
    for name, template in COMMANDS.items():
        arguments = [part.format(phantoms=phantoms) for part in template]
        started = time.monotonic()
        ivsqa(*arguments, project=reference)
        seconds = time.monotonic() - started
        n_done, same = strike_until(n_kills, arguments, killed, state(reference), rng, seconds)
        rows.append([name, f"{seconds:.1f}", n_kills, n_done, "same" if same else "DIFFERENT"])
        print_table(COLUMNS, rows[-1:])
    findings = subprocess.run([*IVSQA, "check", "--project", str(killed)], capture_output=True, text=True, check=False)
    return rows, findings.stdout.strip()


def array_row(phantoms: Path, n_kills: int, rng: random.Random) -> Row:
    """Return the row of an array of shards that score: two tasks at once, each killed at a random moment unless it is done."""
    reference = phantoms.parent / "array-reference"
    create_project(reference, template="coronary-ivus", name="study")
    few = sorted(phantoms.glob("*.dcm"))[:N_TASKS]
    ivsqa("import", *few, "--annotations", "none", "--subject-from", SUBJECT, project=reference)
    killed, before = reference.with_name("array-killed"), reference.with_name("array-before")
    for copy in (killed, before):
        shutil.copytree(reference, copy)
    started = time.monotonic()
    ivsqa("score", project=reference)
    seconds, wanted = time.monotonic() - started, state(reference)
    n_struck, n_done, same, waiting = 0, 0, True, list[int]()
    running: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
    while n_struck < n_kills or waiting or running:
        if not waiting and not running:
            waiting = rng.sample(range(1, N_TASKS + 1), N_TASKS)
        while waiting and len(running) < N_AT_ONCE:
            number = waiting.pop(0)
            line = [*IVSQA, "score", "--shard", f"{number}/{N_TASKS}", "--project", str(killed), "--json"]
            task = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            running[number] = task, time.monotonic() + rng.uniform(0.0, seconds)
        time.sleep(0.02)
        for number, (task, ends) in [*running.items()]:
            if task.poll() is None and time.monotonic() > ends and n_struck < n_kills:
                task.kill()
                task.wait()
                n_struck += 1
                print(f"{n_struck} of {n_kills} kills", end="\r", flush=True)
            if task.poll() is not None:
                del running[number]
                waiting += [number] * (task.returncode != 0)
        if not waiting and not running:
            n_done, same = n_done + 1, same and state(killed) == wanted
            if n_struck < n_kills:
                shutil.rmtree(killed)
                shutil.copytree(before, killed)
    return [ARRAY, f"{seconds:.1f}", n_kills, n_done, "same" if same else "DIFFERENT"]


def return_row(phantoms: Path, n_kills: int, rng: random.Random) -> Row:
    """Return the row of a packet that is taken in."""
    reference = phantoms.parent / "returned-reference"
    create_project(reference, template="coronary-ivus", name="study", settings={"selection": {"min_gap_frames": 0}})
    ivsqa("import", phantoms, "--annotations", "none", "--subject-from", SUBJECT, project=reference)
    ivsqa("select", "-n", N_RETURNED, "--strategy", "random", project=reference)
    packet = Path(ivsqa("export-for-annotation", "--format", "labelme", project=reference)["packet"])
    returned = draw_truth(packet, phantoms / "truth", phantoms.parent / "came-back")
    killed = reference.with_name("returned-killed")
    shutil.copytree(reference, killed)
    arguments = [RETURN, str(returned), "--reader", "R1"]
    started = time.monotonic()
    n_taken = ivsqa(*arguments, project=reference)["n_frames_taken"]
    seconds = time.monotonic() - started
    if n_taken != len(list((packet / "images").glob("*.png"))):
        raise SystemExit(f"only {n_taken} frames were taken")
    n_done, same = strike_until(n_kills, arguments, killed, state(reference), rng, seconds, watched=whole_revisions)
    return [RETURN, f"{seconds:.1f}", n_kills, n_done, "same" if same else "DIFFERENT"]


def draw_truth(packet: Path, truth: Path, folder: Path) -> Path:
    """Draw the true borders into a LabelMe packet, as an annotator would who makes no mistake; return the folder."""
    (folder / "images").mkdir(parents=True)
    contours = {
        pullback_id: frames for path in truth.glob("*.csv") for pullback_id, frames in read_contours_csv(path).items()
    }
    for path in (packet / "images").glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        pullback_id, _, index = path.stem.rpartition("_f")
        for name, contour in contours[pullback_id][int(index)].items():
            shape = {"label": name, "points": contour.edge_points.tolist(), "shape_type": "polygon", "flags": {}}
            document["shapes"].append(shape)
        (folder / "images" / path.name).write_text(json.dumps(document), encoding="utf-8")
    return folder


def whole_revisions(study: Path) -> dict[str, str]:
    """Return the hash of every annotation revision; raise where one is half written."""
    layout = ProjectLayout(study)
    store = AnnotationStore(layout)
    found: dict[str, str] = {}
    for folder in sorted(path for path in layout.annotations.glob("*") if path.is_dir()):
        for revision in store.revisions(folder.name):
            n_frames = len(store.contours(revision))
            if n_frames != len(revision.frame_indices):
                raise SystemExit(f"{revision.revision_id} has {n_frames} of {len(revision.frame_indices)} frames")
            found[f"{folder.name}/{revision.revision_id}"] = revision.contours_sha256
    return found


def strike_until(
    n_kills: int,
    arguments: list[str],
    study: Path,
    wanted: dict[str, str],
    rng: random.Random,
    seconds: float,
    watched: Callable[[Path], dict[str, str]] = lambda study: {},  # noqa: ARG005
) -> tuple[int, bool]:
    """Kill a command while it runs, so many times; whenever it comes to its end first, compare, and begin anew.

    Args:
        n_kills: How many times.
        arguments: The command.
        study: The project.
        wanted: The state it must come to.
        rng: When to kill.
        seconds: How long the command takes.
        watched: What must stay as it is from one kill to the next; looked at after each.

    Returns:
        How often it came to its end, and whether each end was the wanted state.
    """
    before = study.with_name("before")
    shutil.rmtree(before, ignore_errors=True)
    shutil.copytree(study, before)
    n_struck, n_done, same = 0, 0, True
    there = watched(study)
    while n_struck < n_kills:
        if strike(arguments, study, rng.uniform(0.0, seconds)):
            n_struck += 1
            before_kill, there = there, watched(study)
            same = same and before_kill.items() <= there.items()
            print(f"{n_struck} of {n_kills} kills", end="\r", flush=True)
            continue
        n_done, same = n_done + 1, same and state(study) == wanted
        shutil.rmtree(study)
        shutil.copytree(before, study)
        there = watched(study)
    ivsqa(*arguments, project=study)
    return n_done + 1, same and state(study) == wanted


def strike(arguments: list[str], study: Path, seconds: float) -> bool:
    """Start a command, kill -9 it after some time; returns whether it was still running then."""
    process = subprocess.Popen(
        [*IVSQA, *arguments, "--project", str(study), "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def packed_rows(rows: pl.DataFrame) -> list[bytes]:
    """Return the rows of a score table as bytes, the same for the same content."""
    return [repr(row).encode() for row in rows.iter_rows()]


def state(study: Path) -> dict[str, str]:
    """Return everything that counts in a project, by file, without times of day."""
    found: dict[str, str] = {}
    for path in sorted(study.rglob("*")):
        name = path.relative_to(study).as_posix()
        if (
            not path.is_file()
            or name.startswith((".lock", "ledger/", "reports"))
            or "checkpoint" in name
            or ".tmp-" in name
        ):
            continue
        if path.suffix == ".yaml":
            text = re.sub(r"created_at: .*", "", path.read_text(encoding="utf-8"))
            found[name] = hashlib.sha256(text.encode()).hexdigest()
        elif path.suffix == ".parquet":
            rows = pl.read_parquet(path)
            found[name] = hashlib.sha256(b"".join(packed_rows(rows))).hexdigest()
        elif path.suffix == ".npy":
            found[name] = hashlib.sha256(np.load(path, mmap_mode="r").tobytes()).hexdigest()
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


if __name__ == "__main__":
    main()
