"""What the ledger costs: its share of an import and of a scoring run, and of a check at 40,000 frames.

The time that commands spend in its doors is added up, and divided by the rest of their time: a difference of two runs would say
more of the machine. The large study has the files of 40 pullbacks of 1,000 frames: revisions, scores of three models, and the
rounds of a year of reading; what is timed is all that `check --quick` asks the ledger.

    python benchmarks/ledger.py [--runs 3]
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from report import WORK, print_table, write_json

from ivsqa.io import atomic
from ivsqa.io.ledger import doors
from ivsqa.io.ledger.book import Book
from ivsqa.io.ledger.inspect import differences
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import open_project
from ivsqa.phantom.files import write_phantom
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.scoring.score import score_frames

SUBJECT = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"
N_PULLBACKS, N_FRAMES, SIZE_PX = 4, 300, 512
N_LARGE, N_REVISIONS, N_ROUNDS, N_MODELS = 40, 25, 200, 3
FILES_OF_A_ROUND = ("round.yaml", "selection.csv", "sent.csv", "packet.yaml")


@contextmanager
def timed_doors(spent: list[float]) -> Iterator[None]:
    """Add the seconds that are spent in the doors of the ledger to a list."""
    held = {name: getattr(doors, name) for name in ("entering", "removing", "verify", "miss_nothing", "end")}

    def timed(run: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **settings: Any) -> Any:
            started = time.perf_counter()
            try:
                return run(*args, **settings)
            finally:
                spent.append(time.perf_counter() - started)

        return wrapped

    def timed_entry(door: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def wrapped(*args: Any, **settings: Any) -> Iterator[None]:
            entry = door(*args, **settings)
            timed(entry.__enter__)()
            try:
                yield
            finally:
                timed(entry.__exit__)(None, None, None)

        return wrapped

    for name, door in held.items():
        setattr(doors, name, timed_entry(door) if name in ("entering", "removing") else timed(door))
    try:
        yield
    finally:
        for name, door in held.items():
            setattr(doors, name, door)


def shares_of(phantoms: Path, root: Path) -> dict[str, float]:
    """Return the share of the ledger in an import and in a scoring run, of the rest of their time."""
    project = create_project(root, template="coronary-ivus")
    work: dict[str, Callable[[], object]] = {
        "import": lambda: import_pullbacks(project, [phantoms], ImportOptions(subject_from=SUBJECT)),
        "score": lambda: score_frames(open_project(root), device="cpu", top=0),
    }
    shares = {}
    for name, run in work.items():
        spent: list[float] = []
        started = time.perf_counter()
        with timed_doors(spent), doors.command(name):
            run()
        shares[name] = sum(spent) / (time.perf_counter() - started - sum(spent))
    return shares


def large_project(root: Path) -> int:
    """Write the files of a large study, as far as its ledger knows them, and return how many there are."""
    create_project(root, template="coronary-ivus")
    pullbacks = [f"S{number:02d}-P1" for number in range(N_LARGE)]
    kinds = (".yaml", ".contours.csv")
    names = [f"annotations/{p}/rev-{n:012x}{kind}" for p, n, kind in product(pullbacks, range(N_REVISIONS), kinds)]
    names += [f"pullbacks/{pullback}/pullback.yaml" for pullback in pullbacks]
    names += [f"rounds/r{number:03d}/{name}" for number, name in product(range(N_ROUNDS), FILES_OF_A_ROUND)]
    tables = product(range(N_MODELS), pullbacks, ("frames", "error-maps"))
    names += [f"scores/m{model:03d}/{pullback}/{kind}-000000-000999.parquet" for model, pullback, kind in tables]
    for begin in range(0, len(names), 10):
        with doors.command("import"):
            for name in names[begin : begin + 10]:
                atomic.write_text(root / name, f"{name}\n" * 30)
    return len(names)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    work = WORK / "ledger"
    shutil.rmtree(work, ignore_errors=True)
    write_phantom(work / "phantoms", n_pullbacks=N_PULLBACKS, n_frames=N_FRAMES, seed=1, size_px=SIZE_PX)
    runs = [shares_of(work / "phantoms", work / f"study-{run}") for run in range(options.runs)]
    n_files = large_project(work / "large")
    seconds = []
    for _ in range(options.runs):
        started = time.perf_counter()
        found = differences(Book(work / "large"), deep=False)
        seconds.append(time.perf_counter() - started)
        if found:
            raise SystemExit(f"{len(found)} files differ")
    shares = {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
    rows = [[name, f"{100 * share:.2f} %"] for name, share in shares.items()]
    rows.append([f"check of {n_files} files of {N_LARGE * 1000} frames", f"{float(np.median(seconds)):.2f} s"])
    print_table(("what", "the ledger costs"), rows)
    write_json("ledger", {"shares": shares, "check_s": float(np.median(seconds)), "n_files": n_files})


if __name__ == "__main__":
    main()
