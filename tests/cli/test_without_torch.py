"""Commands that run no network do without torch, which takes seconds to load and gigabytes to install."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ivsqa.io.project.project import open_project
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.select import select_frames

LINES = {
    "init": "init {new}",
    "phantom": "phantom {phantoms} --pullbacks 1 --frames 2 --size 64",
    "import": "import {phantoms} --project {new}",
    "status": "status",
    "check": "check",
    "check PACKET": "check {anna}",
    "import-annotations": "import-annotations {anna} --reader anna --repair",
    "import-annotations of another reader": "import-annotations {ben} --reader ben --repair",
    "agreement": "agreement",
    "adjudicate": "adjudicate --tolerance-mm 5",
    "undo": "undo r004 --reader consensus",
    "why": "why S01-P1:3",
    "score of what is scored": "score --top 3 --heatmaps",
    "select": "select -n 2",
    "export-for-annotation": "export-for-annotation --format labelme --format csv",
    "measure": "measure",
    "report": "report",
    "export": "export {exported} --format echoplaque --source predictions",
}
"""In the order they run in, on one project with a model and scores."""

CODE = """
import json, os, sys, traceback
from importlib.machinery import ModuleSpec

class NoTorch:
    # To be looked for is allowed, as polars does; to be loaded is not.
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec("torch", self) if name == "torch" else None

    def create_module(self, spec):
        raise ImportError("this command must not load torch")

    def exec_module(self, module):
        pass

sys.meta_path.insert(0, NoTorch())
from typer.testing import CliRunner
from ivsqa.cli.main import app
study, lines = sys.argv[1], json.loads(sys.argv[2])
os.chdir(study)
answers = {}
for name, line in lines.items():
    result = CliRunner().invoke(app, line)
    said = result.output + ("" if result.exc_info is None else "".join(traceback.format_exception(*result.exc_info)))
    answers[name] = [result.exit_code, said]
sys.stdout.write(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(scored_study, tmp_path_factory, phantoms) -> dict[str, tuple[int, str]]:
    """The exit code and the words of each command, all run in one process in which torch cannot be imported."""
    folder = tmp_path_factory.mktemp("light")
    project = open_project(Path(shutil.copytree(scored_study, folder / "study")))
    select_frames(project, n=3, strategy="random")
    packets = {
        name: export_for_annotation(project, reader=name, formats=["labelme"]).folder for name in ("anna", "ben")
    }
    for seed, packet in enumerate(packets.values()):
        phantoms.annotate(packet, seed=seed)
    places = {name: folder / name for name in ("new", "phantoms", "exported")} | packets
    lines = {name: line.format(**places) for name, line in LINES.items()}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(project.root), json.dumps(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", LINES)
def test_a_command_that_runs_no_network_needs_no_torch(answers, name):
    code, said = answers[name]
    assert code == 0, said
