"""How soon a command begins: the help beside importing typer alone, and each command that runs no network beside `status`.

`begins` ends where the command has imported all that it calls; `ends` is the whole command line on a project of 120 frames.
Whole processes, in turn, in processor time, which other work on the machine hardly changes; medians, and of ratios within a turn.

python benchmarks/startup.py [--runs 15]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from report import print_table, write_json
from shell import IVSQA, ivsqa

COMMANDS = {
    "status": ("workflow.reporting.status", "status"),
    "check PACKET": ("workflow.rounds.check_packet", "check {packet}"),
    "check": ("workflow.reporting.check", "check"),
    "measure": ("workflow.measuring.measure", "measure"),
    "report": ("workflow.reporting.report", "report"),
    "export": ("workflow.reporting.export_contours", "export {exported} --format echoplaque --dry-run"),
    "select": ("workflow.rounds.select", "select -n 1 --strategy random --dry-run"),
    "export-for-annotation": ("workflow.rounds.export", "export-for-annotation --format csv --dry-run"),
    "import-annotations": ("workflow.rounds.import_annotations", "import-annotations {packet} --dry-run"),
    "agreement": ("workflow.readers.agreement", "agreement"),
    "why": ("workflow.reporting.why", "why S01-P1:0"),
}
"""The workflow that each calls, and how it is typed."""


def processor_s(command: list[str], folder: Path) -> float:
    """Return the processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def small_project(folder: Path) -> tuple[Path, Path]:
    """Make a project of two pullbacks, one drawn of the other a frame out and one chosen; return its folder and the packet's."""
    study = folder / "study"
    subprocess.run([*IVSQA, "init", str(study)], check=True, capture_output=True)
    files = ivsqa("phantom", folder / "phantoms", "--pullbacks", 2, "--frames", 60, "--size", 64)["files"]
    subjects = "(?P<pullback>(?P<subject>S[0-9]+)-P[0-9]+)"
    for file, drawn in zip(files, ("none", files[1]["truth"]), strict=True):
        ivsqa("import", file["path"], "--subject-from", subjects, "--annotations", drawn, project=study)
    ivsqa("select", "-n", 1, "--strategy", "random", project=study)
    packet = Path(ivsqa("export-for-annotation", "--format", "csv", project=study)["packet"])
    ivsqa("select", "-n", 1, "--strategy", "random", project=study)
    return study, packet


def command_lines(folder: Path, packet: Path) -> dict[str, list[str]]:
    """Return what to run by name: to the begin of each command, and to its end."""
    lines = {"--help": [*IVSQA, "--help"], "import typer": [sys.executable, "-c", "import typer"]}
    for name, (module, typed) in COMMANDS.items():
        code = (
            f"from ivsqa.cli.commands import LazyCommands; LazyCommands()[{name.split()[0]!r}]; import ivsqa.{module}"
        )
        words = typed.format(packet=packet, exported=folder / "exported").split()
        lines[f"{name} begins"] = [sys.executable, "-c", code]
        lines[f"{name} ends"] = [*IVSQA, *words]
    return lines


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        study, packet = small_project(Path(name))
        lines = command_lines(Path(name), packet)
        turns = [{key: processor_s(line, study) for key, line in lines.items()} for _ in range(options.runs + 1)][1:]

    def median(key: str, over: str = "") -> float:
        return float(np.median([turn[key] / (turn[over] if over else 1.0) for turn in turns]))

    rows = [
        (command, median(f"{command} begins"), median(f"{command} begins", "status begins"), median(f"{command} ends"))
        for command in COMMANDS
    ]
    print_table(("command", "begins s", "of status", "ends s"), rows)
    help_s, typer_s, ratio = median("--help"), median("import typer"), median("--help", "import typer")
    print_table(("ivsqa --help s", "import typer s", "ratio"), [(help_s, typer_s, ratio)])
    commands = {command: dict(zip(("begins_s", "of_status", "ends_s"), row, strict=True)) for command, *row in rows}
    result = {"help_s": help_s, "typer_s": typer_s, "ratio": ratio, "commands": commands, "runs": options.runs}
    write_json("startup", result)


if __name__ == "__main__":
    main()
