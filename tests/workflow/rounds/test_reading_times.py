"""Minutes that readers reported are kept, counted once, and teach what the rest will take."""

import pytest

from ivsqa.domain.acceptance.minutes import CostModel, FrameWork, TimedWork
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.records import Provenance
from ivsqa.workflow.readers.undo import undo
from ivsqa.workflow.rounds.reading_times import learned_cost, reading_times
from tests.workflow.scored_study import CONTOURS, study_of

DRAWN = FrameWork(drawn=2)


@pytest.fixture
def study(tmp_path):
    return study_of(tmp_path / "study", ["train"], [40], seed=0)


def read(study, works, *, reader="anna", second=0, source="page", origin="edited"):
    """Read frames, by index, each with its time."""
    made = Provenance(created_at=f"2026-02-01T00:00:{second:02d}+00:00", ivsqa_version="0")
    frames = {index: NewAnnotation(CONTOURS, origin, work) for index, work in works.items()}
    (pullback,) = study.pullbacks()
    return study.annotations.append(
        pullback.pullback_id, frames, reader=reader, source=source, made=made, round_id="r001"
    )[0]


def times(study):
    return reading_times(study, study.pullbacks())


def test_without_reported_times_nothing_is_said_of_minutes(study):
    record = read(study, {0: None})
    assert record.times is None
    assert (times(study).n_frames, times(study).minutes) == (0, None)
    assert learned_cost(study, study.pullbacks()) == CostModel()


def test_what_a_frame_took_and_what_was_done_there_is_kept_as_reported(study):
    work = TimedWork(FrameWork(drawn=1, points=3), 41.5)
    read(study, {4: work, 5: None, 7: TimedWork(DRAWN, 78.5)})
    assert times(study).works == (work, TimedWork(DRAWN, 78.5))
    assert times(study).minutes == pytest.approx(2.0)


def test_a_page_saved_again_goes_on_counting_and_counts_once(study):
    read(study, {4: TimedWork(DRAWN, 60.0)})
    read(study, {4: TimedWork(DRAWN, 90.0)}, second=1, origin="nudged")
    assert [one.seconds for one in times(study).works] == [90.0]


def test_two_readers_of_a_frame_both_spent_their_time(study):
    read(study, {4: TimedWork(DRAWN, 60.0)})
    read(study, {4: TimedWork(DRAWN, 30.0)}, reader="ben", second=1)
    assert times(study).minutes == pytest.approx(1.5)


def test_time_spent_on_what_was_undone_was_spent(study):
    undo(study, [read(study, {4: TimedWork(DRAWN, 60.0)}).revision_id])
    assert not study.pullbacks()[0].standings
    assert times(study).minutes == pytest.approx(1.0)


def test_reported_times_teach_what_the_rest_will_take(study):
    # Ten frames weigh as much as what was supposed: half of the way from 165 s to 85 s, nearly all of it in what is drawn.
    read(study, {index: TimedWork(DRAWN, 85.0) for index in range(10)})
    cost = learned_cost(study, study.pullbacks())
    assert cost.seconds(DRAWN) == pytest.approx(125.0, abs=4.0)
    assert cost.drawn_s == pytest.approx(60.0, abs=2.0)
