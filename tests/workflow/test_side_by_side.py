"""Several processes at work in one project at once: each ends well, and together they come to what one after the other does."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from typer.testing import CliRunner

from ivsqa.cli.main import app
from ivsqa.io.project.project import Project, open_project
from ivsqa.phantom.files import write_phantom
from ivsqa.workflow.reporting.check import check_project
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.select import select_frames
from tests.conftest import SUBJECTS, Phantoms

COMMANDS_IN_TURN = """
import shlex, sys
from typer.testing import CliRunner
from ivsqa.cli.main import app
for line in sys.argv[1:]:
    done = CliRunner().invoke(app, shlex.split(line))
    print(done.exit_code, line, done.output, sep="\\t", end="\\0")
"""


def begun(project: Project, lines: Sequence[str]) -> subprocess.Popen[str]:
    """Start a process that gives commands, one after the other."""
    asked = [f"{line} --project {shlex.quote(str(project.root))}" for line in lines]
    return subprocess.Popen(
        [sys.executable, "-c", COMMANDS_IN_TURN, *asked],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> list[list[str]]:
    """Return exit code, command and output of each command of a process."""
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return [told.split("\t", 2) for told in out.split("\0")[:-1]]


def content_of(root: Path) -> dict[str, bytes]:
    """Return what counts in a project: all but times, the ledger, and what belongs to one moment."""
    kept = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name, data = path.relative_to(root).as_posix(), path.read_bytes()
        if name.startswith(("ledger/", "reports/report", ".")) or name.endswith("measures.json"):
            continue
        kept[name] = (
            b"\n".join(line for line in data.splitlines() if b"created_at:" not in line)
            if name.endswith(".yaml")
            else data
        )
    return kept


def test_four_processes_of_mixed_commands_come_to_what_one_does(
    trained: Project, phantoms: Phantoms, tmp_path: Path
) -> None:
    select_frames(trained, n=4, strategy="random")
    packet = shutil.copytree(export_for_annotation(trained).folder, tmp_path / "returned")
    phantoms.annotate(packet)
    more = tmp_path / "more"
    write_phantom(more, n_pullbacks=2, n_frames=10, seed=9, size_px=96)
    for path in sorted(more.rglob("S0*"), reverse=True):  # of other people than those that are here
        path.rename(path.with_name(path.name.replace("S0", "S7")))
    alone = open_project(shutil.copytree(trained.root, tmp_path / "alone"))

    importing = [
        f"import {more} --annotations none --subject-from '{SUBJECTS}'",
        f"import-annotations {packet} --reader anna",
    ]
    looking = ["status", "measure", "select -n 2 --strategy random --dry-run", "why S01-P1:3", "report"]
    at_once = [
        begun(trained, lines)
        for lines in (["score --shard 1/2", "score"], ["score --shard 2/2", "measure"], importing, looking * 2)
    ]
    told = [ended(process) for process in at_once]
    # What another process is about is left to it, which is said by a 3; nothing else may go wrong.
    assert [one for one in told[0] + told[1] if one[0] != "0" and "left to who is about" not in one[2]] == []
    assert [one for one in told[2] + told[3] if one[0] != "0"] == []

    last = ["score", "measure"]
    for project, lines in ((trained, last), (alone, [*importing, *last])):
        for line in lines:
            assert CliRunner().invoke(app, [*shlex.split(line), "--project", str(project.root)]).exit_code == 0, line
    assert content_of(trained.root) == content_of(alone.root)
    assert len(list((trained.layout.scores("m001")).glob("*/frames-*.parquet"))) == 10
    assert check_project(trained) == []
    assert list(trained.root.glob(".*")) == []
