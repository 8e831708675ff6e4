"""What the tests of documentation and examples share: where things lie, a shell that finds ivsqa, and a small study."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ivsqa.io.project.new_project import create_project
from ivsqa.phantom.files import write_phantom
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.training.train import train_model

Shell = Callable[..., subprocess.CompletedProcess[str]]

SUBJECT_PATTERN = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"
SMALL = {
    "image": {"working_size_px": 32},
    "network": {"widths": [4, 8]},
    "training": {"batch_size": 2, "max_steps": 2, "finetune_steps": 2},
    "selection": {"min_gap_frames": 2},
}
"""Settings that make a network of no use and no cost."""


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder with README.md."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def shell() -> Shell:
    """Runs bash with the ivsqa of this Python first on the path; one thread, since tests run side by side."""

    def run(script: str, *, folder: Path) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with phantoms/ and study/: one pullback each of train, validation and test drawn, and a model of two steps.

    Tests that write work on a copy.
    """
    folder = tmp_path_factory.mktemp("small")
    files = write_phantom(folder / "phantoms", n_pullbacks=4, n_frames=8, seed=3, size_px=64)
    project = create_project(folder / "study", template="coronary-ivus", settings=SMALL)
    drawn = folder / "drawn"
    drawn.mkdir()
    for file in files[:3]:
        (drawn / file.truth_path.name).write_bytes(file.truth_path.read_bytes())
    import_pullbacks(project, [folder / "phantoms"], ImportOptions(subject_from=SUBJECT_PATTERN, annotations=drawn))
    train_model(project, device="cpu")
    return folder
