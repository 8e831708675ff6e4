"""Lumen and EEM were sent as squares of 20 and 50 px: what a reader had to draw can be worked out by hand."""

import pytest

from ivsqa.domain.acceptance.minutes import FrameWork, TimedWork
from ivsqa.errors import IvsqaError
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.records import Provenance
from ivsqa.workflow.context import silent_progress
from ivsqa.workflow.reporting.readings import read_readings
from ivsqa.workflow.rounds.import_annotations import import_annotations
from tests.workflow.conftest import square


def readings_of(project, failed=None):
    standings = project.standings(project.pullbacks()).values()
    with silent_progress("", 0, "") as advance:
        readings = read_readings(project, standings, [] if failed is None else failed, advance)
    return {(one.round_id, one.reader): one for one in readings}


def test_what_was_drawn_is_the_border_that_was_not_there(squares, redraw):
    squares.edit(redraw("lumen", 24, 36))  # 4 px inside what was sent, all round: further than 0.1 mm
    import_annotations(squares.project, squares.back, reader="r1")
    reading = readings_of(squares.project)["r004", "r1"]
    assert dict(reading.frames) == {"edited": 1}
    assert dict(reading.contours) == {"edited": 1, "untouched": 1}
    assert reading.corrected / reading.border == pytest.approx(48 / (48 + 200))
    assert len(reading.edit_mm) == 1


def test_a_contour_nudged_by_less_than_experts_differ_costs_nothing(squares, redraw):
    squares.edit(redraw("lumen", 20.6, 40.6))
    import_annotations(squares.project, squares.back, reader="r1")
    reading = readings_of(squares.project)["r004", "r1"]
    assert dict(reading.contours) == {"edited": 1, "untouched": 1}
    assert reading.corrected == 0.0


def test_without_a_model_all_is_drawn(started):
    found = readings_of(started)
    assert [round_id for round_id, _ in found] == ["r001", "r002", "r003"]
    reading = found["r001", "simulated"]
    assert reading.corrected == reading.border > 0.0
    assert dict(reading.frames) == {"new": 6}


def test_of_a_frame_that_came_back_twice_the_last_counts(squares, redraw):
    squares.edit(redraw("lumen", 24, 36))
    import_annotations(squares.project, squares.back, reader="r1")
    squares.edit(redraw("lumen", 20, 40))
    squares.edit(redraw("eem", 12, 58))
    import_annotations(squares.project, squares.back, reader="r1", round_id="r004")
    reading = readings_of(squares.project)["r004", "r1"]
    assert sum(reading.frames.values()) == 1
    assert reading.corrected / reading.border == pytest.approx(184 / (184 + 80))


def test_what_cannot_be_read_is_said_and_the_rest_is_counted(started):
    started.layout.sent_contours("r002").unlink()
    failed: list[IvsqaError] = []
    assert [round_id for round_id, _ in readings_of(started, failed)] == ["r001", "r003"]
    assert [error.path for error in failed] == [started.layout.sent_contours("r002")]


def test_times_of_frames_that_came_with_contours_stand_apart_from_those_drawn_from_nothing(squares, started):
    project, (frame, other) = squares.project, squares.project.get_round("r004").frames[:2]
    made = Provenance(created_at="2026-03-01T00:00:00+00:00", ivsqa_version="0")

    def read(key, annotation, project=project, *, reader="r1", round_id="r004"):
        frames = {key.frame_index: annotation}
        project.annotations.append(key.pullback_id, frames, reader=reader, source="page", made=made, round_id=round_id)

    moved = {"lumen": square(20, 40), "eem": square(12, 58)}
    read(frame.key, NewAnnotation(moved, "edited", TimedWork(FrameWork(drawn=1), 40.0)))
    read(other.key, NewAnnotation({}, "unreadable", TimedWork(FrameWork(), 9.0)))
    reading = readings_of(squares.project)["r004", "r1"]
    assert sorted(reading.seconds) == [9.0, 40.0]
    # Drawn anew it would be two contours, though one was moved; a frame that was given up would not have been drawn.
    assert reading.helped == [TimedWork(FrameWork(drawn=2), 40.0)]
    assert reading.unaided == []
    first = started.get_round("r001").frames[0].key
    drawn = started.annotations.current(first.pullback_id)[first.frame_index].contours
    unaided = NewAnnotation(drawn, "new", TimedWork(FrameWork(drawn=2), 150.0))
    read(first, unaided, started, reader="simulated", round_id="r001")
    reading = readings_of(started)["r001", "simulated"]
    assert (reading.helped, reading.unaided) == ([], [TimedWork(FrameWork(drawn=2), 150.0)])
