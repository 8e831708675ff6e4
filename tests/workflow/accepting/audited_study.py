"""A study whose model draws well where it says so, and an audit that was read: what frames lose can be worked out by hand."""

from pathlib import Path

from ivsqa.domain.acceptance.minutes import TimedWork
from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import FrameKey
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.manifest import read_manifest, write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import Provenance, RoundRecord, Split
from tests.workflow.scored_study import CONTOURS, study_of

N_TRAIN, N_TEST, N_FRAMES = 8, 2, 40
N_AUDITED = 120
GOOD_TO = 0.35
"""Up to this predicted loss the model drew what the reader draws; beyond, the lumen is empty space and the frame wholly lost."""


def study(root: Path) -> Project:
    """Return 320 frames of training subjects, predicted to lose 0.1 to 0.5, and 80 of test subjects, 0.8 to 1."""
    splits: list[Split] = ["train" if number < N_TRAIN else "test" for number in range(N_TRAIN + N_TEST)]
    return study_of(root, splits, [N_FRAMES] * len(splits), seed=1)


def predicted_losses(project: Project) -> dict[FrameKey, float]:
    """Return what the model is predicted to lose in each frame."""
    table = project.scores("m001").table()
    return {
        FrameKey(name, index): 1.0 - quality
        for name, index, quality in table.select("pullback_id", "frame_index", "quality").iter_rows()
    }


def as_reader_draws(predicted: float) -> dict[str, Contour]:
    """Return the contours that a reader draws in a frame of which a loss is predicted."""
    if predicted <= GOOD_TO:
        return dict(CONTOURS)
    return {"lumen": Contour.from_points([[2, 2], [8, 2], [8, 8], [2, 8]]), "eem": CONTOURS["eem"]}


def read(
    project: Project,
    keys: list[FrameKey],
    *,
    round_id: str | None = None,
    reader: str = "anna",
    second: int = 0,
    timed: TimedWork | None = None,
) -> None:
    """Read frames as that reader draws them, each in the same time."""
    predicted = predicted_losses(project)
    made = Provenance(created_at=f"2026-02-01T00:00:{second:02d}+00:00", ivsqa_version="0")
    for pullback_id in sorted({key.pullback_id for key in keys}):
        frames = {
            key.frame_index: NewAnnotation(as_reader_draws(predicted[key]), "new", timed)
            for key in keys
            if key.pullback_id == pullback_id
        }
        project.annotations.append(pullback_id, frames, reader=reader, source="csv", made=made, round_id=round_id)


def send(project: Project, round_id: str) -> None:
    """Note that a round was sent; what came back of it is known from what was read."""
    path = project.layout.round_record(round_id)
    write_manifest(path, read_manifest(path, RoundRecord).model_copy(update={"state": "exported"}))


def give_up(project: Project, key: FrameKey, round_id: str) -> None:
    """Find a frame unreadable."""
    made = Provenance(created_at="2026-02-01T00:00:30+00:00", ivsqa_version="0")
    frames = {key.frame_index: NewAnnotation({}, "unreadable")}
    project.annotations.append(key.pullback_id, frames, reader="anna", source="csv", made=made, round_id=round_id)
