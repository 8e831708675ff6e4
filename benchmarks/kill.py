"""Any moment is a good moment to pull the plug: kill -9 at random moments, then the same command again.

One project is brought through import, train and score without a stop; its twin has each command killed many times at random
moments while it runs, and then run to its end. Both must come to the same pullbacks, annotations, weights and scores.

    python benchmarks/kill.py [--kills 20] [--seed 1]
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import polars as pl
from report import WORK, print_table, write_json
from shell import IVSQA, ivsqa

SUBJECT = "(?P<pullback>(?P<subject>S[0-9]+)-P[0-9]+)"
COMMANDS: dict[str, list[str]] = {
    "import": ["import", "{phantoms}", "--annotations", "{phantoms}/truth", "--subject-from", SUBJECT, "--jobs", "2"],
    "train": ["train", "--steps", "60"],
    "score": ["score"],
}


COLUMNS = ("command", "seconds", "kills while running", "times brought to its end", "end state")


def main() -> None:
    """Kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    work = WORK / "kill"
    shutil.rmtree(work, ignore_errors=True)
    phantoms = work / "phantoms"
    ivsqa("phantom", phantoms, "--pullbacks", 10, "--frames", 60, "--size", 192)
    reference, killed = work / "reference", work / "killed"
    for study in (reference, killed):
        subprocess.run([*IVSQA, "init", str(study), "--name", "study"], check=True, capture_output=True)
    shutil.copy(reference / "identity.yaml", killed / "identity.yaml")
    rows = []
    for name, template in COMMANDS.items():
        arguments = [part.format(phantoms=phantoms) for part in template]
        started = time.monotonic()
        ivsqa(*arguments, project=reference)
        seconds = time.monotonic() - started
        n_done, same = strike_until(options.kills, arguments, killed, state(reference), rng, seconds)
        rows.append([name, f"{seconds:.1f}", options.kills, n_done, "same" if same else "DIFFERENT"])
        print_table(COLUMNS, rows[-1:])
    print_table(COLUMNS, rows)
    findings = subprocess.run([*IVSQA, "check", "--project", str(killed)], capture_output=True, text=True, check=False)
    print(findings.stdout.strip())
    write_json("kill", {"rows": rows, "check": findings.stdout.strip()})
    if any(row[-1] != "same" for row in rows):
        raise SystemExit(1)


def strike_until(
    n_kills: int, arguments: list[str], study: Path, wanted: dict[str, str], rng: random.Random, seconds: float
) -> tuple[int, bool]:
    """Kill a command while it runs, so many times; whenever it comes to its end first, compare, and begin anew.

    Returns:
        How often it came to its end, and whether each end was the wanted state.
    """
    before = study.with_name("before")
    shutil.rmtree(before, ignore_errors=True)
    shutil.copytree(study, before)
    n_struck, n_done, same = 0, 0, True
    while n_struck < n_kills:
        if strike(arguments, study, rng.uniform(0.0, seconds)):
            n_struck += 1
            continue
        n_done, same = n_done + 1, same and state(study) == wanted
        shutil.rmtree(study)
        shutil.copytree(before, study)
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
        if not path.is_file() or name.startswith((".lock", "reports")) or "checkpoint" in name or ".tmp-" in name:
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
