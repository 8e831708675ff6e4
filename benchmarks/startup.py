"""How long `ivsqa --help` takes, beside importing typer alone: whole processes, in turn, median and ratio by pairs.

python benchmarks/startup.py [--runs 15]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from report import print_table, write_json


def seconds(command: list[str]) -> float:
    """Return the wall time of a command."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    program = Path(sys.executable).with_name("ivsqa")
    helping = [str(program if program.exists() else shutil.which("ivsqa")), "--help"]
    typer = [sys.executable, "-c", "import typer"]
    pairs = [(seconds(helping), seconds(typer)) for _ in range(options.runs + 1)][1:]
    help_s, typer_s = (float(np.median(column)) for column in zip(*pairs, strict=True))
    ratio = float(np.median([one / other for one, other in pairs]))
    print_table(("ivsqa --help s", "import typer s", "ratio"), [[help_s, typer_s, ratio]])
    write_json("startup", {"help_s": help_s, "typer_s": typer_s, "ratio": ratio, "runs": options.runs})


if __name__ == "__main__":
    main()
