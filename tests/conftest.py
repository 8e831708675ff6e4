"""A small study on phantoms, brought to each stage once and copied for every test that wants to change it."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.ledger.rooms import LEDGER_FOLDER
from ivsqa.io.project import starter
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project, open_project
from ivsqa.phantom.files import write_phantom
from ivsqa.workflow.demo.simulated_annotator import Truth, Work, annotate_packet
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.scoring.score import score_frames
from ivsqa.workflow.training.train import train_model

# Tests share the cores among themselves: networks that each want all of them spend their time waiting for each other.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of the commands that tests start
# Nobody pulls the plug of a test; what is on the disk after a kill does not depend on it.
os.fsync = lambda fd: None
# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("ivsqa", deadline=None)
hypothesis.settings.load_profile("ivsqa")
# No test depends on what comes along: those about a starter model make their own (tests/starters.py).
PACKAGED_STARTERS, starter.STARTERS = starter.STARTERS, Path(__file__).parent / "no starters"

SUBJECTS = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"
N_FRAMES = 10
START = {"train": 6, "validation": 3, "test": 3}

SMALL = {
    "image": {"working_size_px": 32},
    "network": {"widths": [8, 16]},
    "training": {"max_steps": 60, "finetune_steps": 10, "batch_size": 8, "learning_rate": 0.01, "eval_every": 20},
    "selection": {"min_gap_frames": 2},
}
"""Settings by which a network trains in seconds."""


@dataclass(frozen=True)
class Phantoms:
    """Phantom files and what is true in them: 8 pullbacks of 7 subjects, S04 has two."""

    folder: Path
    files: list[Path]
    truth: Truth

    def annotate(self, packet: Path, *, seed: int = 0) -> Work:
        """Work through a packet as a person would."""
        return annotate_packet(packet, self.truth, rng=np.random.default_rng(seed))


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Phantoms:
    return phantoms_in(tmp_path_factory.mktemp("phantoms"))


def phantoms_in(folder: Path) -> Phantoms:
    written = write_phantom(folder, n_pullbacks=8, n_frames=N_FRAMES, seed=3, size_px=96)
    truth = {name: frames for file in written for name, frames in read_contours_csv(file.truth_path).items()}
    return Phantoms(folder, [file.path for file in written], truth)


@pytest.fixture(scope="session")
def imported_study(tmp_path_factory: pytest.TempPathFactory, phantoms: Phantoms) -> Path:
    return imported_in(tmp_path_factory.mktemp("imported") / "study", phantoms)


def imported_in(root: Path, phantoms: Phantoms) -> Path:
    project = create_project(root, template="coronary-ivus", settings=SMALL)
    import_pullbacks(project, [phantoms.folder], ImportOptions(subject_from=SUBJECTS))
    return root


@pytest.fixture(scope="session")
def started_study(tmp_path_factory: pytest.TempPathFactory, phantoms: Phantoms, imported_study: Path) -> Path:
    root = copied(imported_study, tmp_path_factory.mktemp("started"))
    start(open_project(root), phantoms)
    return root


def start(project: Project, phantoms: Phantoms) -> None:
    for split, n in START.items():
        select_frames(project, n=n, split=split, strategy="stratified")  # type: ignore[arg-type]
        packet = export_for_annotation(project).folder
        phantoms.annotate(packet)
        import_annotations(project, packet, reader="simulated")


@pytest.fixture(scope="session")
def trained_study(tmp_path_factory: pytest.TempPathFactory, started_study: Path) -> Path:
    root = copied(started_study, tmp_path_factory.mktemp("trained"))
    train_model(open_project(root), device="cpu")
    return root


@pytest.fixture(scope="session")
def scored_study(tmp_path_factory: pytest.TempPathFactory, trained_study: Path) -> Path:
    root = copied(trained_study, tmp_path_factory.mktemp("scored"))
    score_frames(open_project(root), device="cpu")
    return root


def copied(root: Path, folder: Path) -> Path:
    return Path(shutil.copytree(root, folder / "study"))


@pytest.fixture
def imported(imported_study: Path, tmp_path: Path) -> Project:
    """Eight pullbacks, nothing annotated."""
    return open_project(copied(imported_study, tmp_path / "imported"))


@pytest.fixture
def started(started_study: Path, tmp_path: Path) -> Project:
    """A starting set is annotated: rounds r001 to r003."""
    return open_project(copied(started_study, tmp_path / "started"))


@pytest.fixture
def trained(trained_study: Path, tmp_path: Path) -> Project:
    """One model, nothing scored."""
    return open_project(copied(trained_study, tmp_path / "trained"))


@pytest.fixture
def scored(scored_study: Path, tmp_path: Path) -> Project:
    """Every frame scored by m001."""
    return open_project(copied(scored_study, tmp_path / "scored"))


@pytest.fixture
def bytes_of() -> Callable[[Path], dict[str, bytes]]:
    """Return every file below a folder with its bytes, but for the ledger, which has a line for what these show."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.parent.name != LEDGER_FOLDER
        }

    return read


@pytest.fixture
def without_ledger() -> Callable[[Project], Project]:
    """Return a project as one of an older version, which wrote no ledger: other checks must find what it would have named."""

    def forget(project: Project) -> Project:
        shutil.rmtree(project.root / LEDGER_FOLDER)
        return open_project(project.root)

    return forget


@pytest.fixture
def stopped_at_its_end() -> Callable[[Project], Project]:
    """Return a project as if the last command had been killed when all its work was done, before it could say so."""

    def stop(project: Project) -> Project:
        last = max((project.root / LEDGER_FOLDER).iterdir())
        lines = last.read_text(encoding="utf-8").splitlines(keepends=True)
        assert '"end"' in lines.pop()
        last.write_text("".join(lines), encoding="utf-8")
        return open_project(project.root)

    return stop
