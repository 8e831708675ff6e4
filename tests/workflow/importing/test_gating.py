import numpy as np
import pytest

from ivsqa.errors import BatchError, StateError
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.new_project import create_project
from ivsqa.phantom import phantom_pullback
from ivsqa.phantom.files import write_phantom
from ivsqa.workflow.importing.gating import FROM_IMAGES, NOT_CLEAR, NOT_GATED, gate_pullbacks
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.measuring.measures import MeasureOptions
from ivsqa.workflow.rounds.select import select_frames

SUBJECTS = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"
BEATS = (1, 4, 7)


def give_beats(project, pullback_id):
    record = project.pullback(pullback_id).model_copy(
        update={"end_diastolic_frames": BEATS, "gating_source": "phases.csv"}
    )
    write_manifest(project.layout.pullback_record(pullback_id), record)


def test_a_phantom_is_gated_at_import_and_once(tmp_path, bytes_of):
    write_phantom(tmp_path / "in", n_pullbacks=1, n_frames=240, seed=1, size_px=96)
    project = create_project(tmp_path / "study", template="coronary-ivus")
    options = ImportOptions(subject_from=SUBJECTS, gated=True)
    result = import_pullbacks(project, [tmp_path / "in"], options)
    record = project.pullback("S01-P1")
    assert record.gating_source == FROM_IMAGES
    assert not result.notes
    true = phantom_pullback(seed=1, index=0, n_frames=240, size_px=96).end_diastoles
    found = np.array(record.end_diastolic_frames)
    assert np.mean([np.abs(found - one).min() <= 3 for one in true]) > 0.9
    before = bytes_of(project.root)
    import_pullbacks(project, [tmp_path / "in"], options)
    assert bytes_of(project.root) == before


def test_a_pullback_without_a_clear_heartbeat_is_named_and_not_tried_again(imported):
    assert gate_pullbacks(imported, ["S01-P1"]) == ["S01-P1"]
    assert imported.pullback("S01-P1").gating_source == NOT_CLEAR
    assert gate_pullbacks(imported, ["S01-P1"]) == ["S01-P1"]
    assert NOT_GATED.startswith("no heartbeat")


def test_frames_that_stand_for_a_pullback_are_end_diastolic_at_even_steps_or_both(imported):
    give_beats(imported, "S01-P1")
    record = imported.pullback("S01-P1")
    step = record.position_mm(1)
    assert record.frames_in_use(gated=False, every_mm=None).tolist() == list(range(10))
    assert record.frames_in_use(gated=True, every_mm=None).tolist() == list(BEATS)
    assert record.frames_in_use(gated=False, every_mm=4 * step).tolist() == [0, 4, 8, 9]
    assert record.frames_in_use(gated=True, every_mm=5 * step).tolist() == [1, 7]
    with pytest.raises(StateError, match="S02-P1 are not known") as caught:
        imported.pullback("S02-P1").frames_in_use(gated=True, every_mm=None)
    assert "import PATH --gated" in caught.value.hint


def test_only_end_diastolic_frames_are_chosen_and_pullbacks_without_are_passed_over(imported):
    train = [record.pullback_id for record in imported.pullbacks() if record.split == "train"]
    with pytest.raises(StateError, match="are not known"):
        select_frames(imported, n=2, gated=True)
    give_beats(imported, train[1])
    result = select_frames(imported, n=2, gated=True)
    assert {(one.pullback_id, one.frame_index in BEATS) for one in result.frames} == {(train[1], True)}
    assert result.round.gated


def test_scored_frames_are_chosen_by_score_among_the_end_diastolic_ones(scored):
    for record in scored.pullbacks():
        give_beats(scored, record.pullback_id)
    result = select_frames(scored, n=3, strategy="sqa", gated=True)
    assert all(one.frame_index in BEATS and one.quality is not None for one in result.frames)


def test_frames_are_chosen_at_even_steps(imported):
    step = imported.pullback("S01-P1").position_mm(1)
    result = select_frames(
        imported, n=2, pullback_ids=["S01-P1"], split=imported.pullback("S01-P1").split, every_mm=9 * step
    )
    assert {one.frame_index for one in result.frames} <= {0, 9}
    assert result.round.every_mm == 9 * step


def test_only_end_diastolic_frames_are_measured_and_the_beat_between_them_is_bridged(scored):
    give_beats(scored, "S01-P1")
    result = measure_pullbacks(
        scored, pullback_ids=["S01-P1", "S02-P1"], options=MeasureOptions(gated=True, max_gap_mm=0.0)
    )
    assert result.frames["frame_index"].to_list() == list(BEATS)
    (pullback,) = result.pullbacks.to_dicts()
    assert pullback["n_gaps"] == 0
    (error,) = result.failed
    assert "S02-P1 are not known" in error.message
    assert BatchError("", result.failed).failures == [error]
