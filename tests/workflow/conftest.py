"""A round whose sent contours are squares, so that what an annotator does to them can be worked out by hand."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.domain.quality.frame_score import SIGNALS, FrameScore
from ivsqa.io.project.project import Project, open_project
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.select import select_frames
from tests.edited_settings import with_settings


def square(low: float, high: float) -> Contour:
    return Contour.from_points([[low, low], [high, low], [high, high], [low, high]])


@dataclass(frozen=True)
class Round:
    """A packet on its way to the annotator and back; in each of its frames lumen is 20 … 40 px and eem 10 … 60 px."""

    project: Project
    round_id: str
    packet: Path
    back: Path

    @property
    def files(self) -> list[Path]:
        """The LabelMe files of the return."""
        return sorted(self.back.rglob("*.json"))

    def edit(self, change: Callable[[dict[str, Any]], None], *, number: int = 0) -> None:
        """Change one LabelMe file of the return as an editor would."""
        path = self.files[number]
        document = json.loads(path.read_text(encoding="utf-8"))
        change(document)
        path.write_text(json.dumps(document), encoding="utf-8")

    def edit_all(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change every file of the return."""
        for number in range(len(self.files)):
            self.edit(change, number=number)


def draw(document: dict[str, Any], name: str, contour: Contour) -> None:
    """Replace what is drawn for a structure."""
    shape = next(one for one in document["shapes"] if one["label"] == name)
    shape["points"] = contour.edge_points.tolist()


@pytest.fixture
def redraw() -> Callable[..., Callable[[dict[str, Any]], None]]:
    """Return an edit that draws a square from `low` to `high` px for a structure."""

    def edit(name: str, low: float, high: float) -> Callable[[dict[str, Any]], None]:
        return lambda document: draw(document, name, square(low, high))

    return edit


@pytest.fixture(scope="session")
def squares_study(trained_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = open_project(Path(shutil.copytree(trained_study, tmp_path_factory.mktemp("squares") / "study")))
    project = with_settings(project.root, {"packet": {"carry": False}})  # carried to, squares would be none
    for record in project.pullbacks():
        scores = [
            FrameScore(
                pullback_id=record.pullback_id,
                frame_index=index,
                quality=0.5,
                dice={"lumen": 0.5, "eem": 0.75},
                dice_lower={"lumen": None, "eem": None},
                expected_error_px=1.0,
                n_regions=0,
                signals=dict.fromkeys(SIGNALS, 0.0),
                features=np.zeros(2, dtype=np.float32),
                contours={"lumen": square(20, 40), "eem": square(10, 60)},
                error_maps=np.zeros((2, 32, 32), dtype=np.uint8),
            )
            for index in range(record.n_frames)
        ]
        project.scores("m001").write_chunk(record.frames_sha256, scores)
    select_frames(project, n=4, strategy="random")
    export_for_annotation(project)
    return project.root


@pytest.fixture
def squares(squares_study: Path, tmp_path: Path) -> Round:
    project = open_project(Path(shutil.copytree(squares_study, tmp_path / "squares")))
    packet = project.layout.packet("r004")
    return Round(project, "r004", packet, Path(shutil.copytree(packet, tmp_path / "back")))
