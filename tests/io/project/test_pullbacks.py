"""A pullback of an open project: its facts, and what people and models say of its frames."""

import os
import pickle  # noqa: TID251  what a process pool does with its arguments

import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.errors import NotFoundError, OutsideError
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import Provenance
from tests.workflow.scored_study import study_of

PULLBACK = "S000-P1"


@pytest.fixture
def study(tmp_path) -> Project:
    return study_of(tmp_path / "study", ["train", "test"], [6, 2], seed=0)


def drawn(low: float, high: float) -> Contour:
    return Contour.from_points([[low, low], [high, low], [high, high], [low, high]])


def annotate(study: Project, reader: str, frame_index: int, contour: Contour | None, *, second: int = 0) -> None:
    made = Provenance(created_at=f"2026-02-01T00:00:{second:02d}+00:00", ivsqa_version="0")
    annotation = NewAnnotation({} if contour is None else {"lumen": contour}, "new" if contour else "unreadable")
    study.annotations.append(PULLBACK, {frame_index: annotation}, reader=reader, source="csv", made=made)


def test_it_has_the_facts_of_its_manifest_and_its_frames(study):
    pullback = study.pullback(PULLBACK)
    assert (pullback.subject_id, pullback.split, pullback.n_frames, pullback.frame_shape) == (
        "S000",
        "train",
        6,
        (64, 64),
    )
    assert pullback.frames.shape == (6, 64, 64)
    assert pullback.grid.size_px == study.settings.image.working_size_px
    assert [one.pullback_id for one in study.pullbacks("test")] == ["S001-P1"]


@pytest.mark.skipif(os.name == "nt", reason="pipes are those of POSIX")
def test_a_pipe_in_the_place_of_frames_is_refused_and_not_waited_for(study):
    record = study.pullback(study.pullback_ids()[0])
    path = study.layout.frames(record.pullback_id)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OutsideError, match="is no file but a pipe"):
        _ = record.frames


def test_unread_are_frames_of_which_nothing_counts(study):
    annotate(study, "anna", 1, drawn(10, 20))
    annotate(study, "anna", 2, None)  # found unreadable: somebody read it
    annotate(study, "anna", 3, drawn(10, 20))
    annotate(study, "ben", 3, drawn(11, 20))  # in dispute
    pullback = study.pullback(PULLBACK)
    assert pullback.unread.tolist() == [True, False, False, False, True, True]
    assert list(pullback.annotations) == [1]
    assert sorted(pullback.standings) == [1, 2, 3]


def test_contours_are_as_annotated_else_as_the_model_draws_them(study):
    mine = drawn(10, 20)
    annotate(study, "anna", 1, mine)
    annotate(study, "anna", 2, None)
    contours = study.pullback(PULLBACK).contours()
    assert sorted(contours) == [0, 1, 3, 4, 5]  # nobody can annotate frame 2
    assert set(contours[0]) == {"lumen", "eem"}
    assert set(contours[1]) == {"lumen"}
    assert contours[1]["lumen"].area_px2 == pytest.approx(mine.area_px2)


def test_error_maps_lie_on_the_pixels_of_the_frame(study):
    maps = study.pullback(PULLBACK).error_maps(0)
    assert {name: error_map.shape for name, error_map in maps.items()} == {"lumen": (64, 64), "eem": (64, 64)}
    assert all(error_map.dtype == np.float32 for error_map in maps.values())
    for index in (6, -1):
        with pytest.raises(NotFoundError, match=f"S000-P1 has frames 0 to 5, not {index}"):
            study.pullback(PULLBACK).error_maps(index)


def test_choices_keep_index_position_and_score_together(study):
    pullback = study.pullback(PULLBACK)
    choices = pullback.choices(np.array([1, 4]), np.arange(6) / 10)
    assert (choices.pullback_id, choices.subject_id, choices.frame_index.tolist()) == (PULLBACK, "S000", [1, 4])
    assert choices.score is not None
    assert choices.score.tolist() == [0.1, 0.4]
    assert choices.position_mm is not None
    assert choices.position_mm == pytest.approx([0.015, 0.06])  # 0.5 mm/s, a frame every 0.03 s


def test_what_is_written_later_is_seen_by_an_open_project(study):
    assert study.pullback(PULLBACK).unread.all()
    annotate(study, "anna", 0, drawn(10, 20))
    assert study.pullback(PULLBACK).unread.tolist() == [False] + 5 * [True]
    annotate(study, "anna", 0, drawn(12, 20), second=1)
    assert study.pullback(PULLBACK).contours()[0]["lumen"].area_px2 == pytest.approx(drawn(12, 20).area_px2)


def test_a_pullback_goes_to_another_process_without_all_that_was_read_of_the_study(study):
    alone = len(pickle.dumps(study.pullback(PULLBACK)))
    study.pullbacks()
    assert study.models()
    sent = pickle.dumps(study.pullback(PULLBACK))
    assert len(sent) == alone
    assert pickle.loads(sent).frames.shape == (6, 64, 64)
