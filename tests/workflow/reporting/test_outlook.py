import pytest

from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.records import Provenance
from ivsqa.workflow.evaluating.evaluate import evaluate_model
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.reporting.outlook import find_outlook
from ivsqa.workflow.reporting.status import project_status
from tests.edited_settings import with_settings


def test_before_every_frame_is_scored_nothing_is_said(imported, trained, scored):
    assert find_outlook(imported, imported.pullbacks("train")) is None
    assert find_outlook(trained, trained.pullbacks("train")) is None
    for path in (scored.layout.scores("m001") / "S05-P1").glob("frames-*"):
        path.unlink()
    assert find_outlook(scored, scored.pullbacks("train")) is None


def test_what_is_left_is_what_nobody_read_of_training_subjects(scored):
    outlook = find_outlook(scored, scored.pullbacks("train"))
    assert outlook is not None
    training = scored.pullbacks("train")
    n_read = sum(len(record.standings) for record in training)
    assert outlook.n_unread == sum(record.n_frames for record in training) - n_read
    assert outlook.n_pool == sum(int(free.sum()) for _, free in scored.choosable(training)) < outlook.n_unread
    assert outlook.quality.low <= outlook.quality.value <= outlook.quality.high
    assert 0.0 <= outlook.poor_share <= 1.0
    assert (outlook.n_next, outlook.expected_gain) == (6, None)  # r001 chose six; one model says nothing of the next


@pytest.mark.parametrize(("dice", "n_labels", "gain", "step"), [
    (0.9, 24, 0.1 * (1 - (30 / 24) ** -0.5), "ivsqa select -n 50"),  # four times the labels halved the error
    (0.79, 24, None, "ivsqa select -n 50"),
    (0.801, 24, 0.0, "ivsqa evaluate"),
])  # fmt: skip
def test_another_round_is_worth_what_labels_brought_before(scored, dice, n_labels, gain, step):
    model = scored.get_model(None)
    older = model.model_copy(update={"model_id": "m000", "validation_dice": 0.8})
    write_manifest(scored.layout.model_record("m000"), older)
    now = model.model_copy(update={"validation_dice": dice, "n_training_frames": n_labels})
    write_manifest(scored.layout.model_record("m001"), now)
    outlook = find_outlook(scored, scored.pullbacks("train"))
    assert outlook is not None
    assert outlook.expected_gain == (None if gain is None else pytest.approx(gain, abs=5e-4))
    assert project_status(scored).next_step[1] == step


def test_once_another_round_hardly_helps_each_step_leads_to_the_next(scored):
    model = scored.get_model(None)
    write_manifest(
        scored.layout.model_record("m000"), model.model_copy(update={"model_id": "m000", "validation_dice": 0.8})
    )
    now = model.model_copy(update={"validation_dice": 0.801, "n_training_frames": 24})
    write_manifest(scored.layout.model_record("m001"), now)
    assert project_status(scored).next_step[1] == "ivsqa evaluate"
    evaluate_model(scored, device="cpu")
    assert project_status(scored).next_step[1] == "ivsqa measure"
    measure_pullbacks(scored)
    assert project_status(scored).next_step[1] == "ivsqa report"
    evaluation = scored.layout.evaluation("m001", "test")
    evaluation.write_text("{", encoding="utf-8")  # damaged: made again, and no reason to say nothing of the study
    assert project_status(scored).next_step[1] == "ivsqa evaluate"
    evaluation.unlink()
    assert project_status(scored).next_step[1] == "ivsqa evaluate"


def test_where_no_frame_may_be_chosen_nothing_is_chosen_next(scored):
    study = with_settings(scored.root, {"selection": {"min_gap_frames": 100}})
    made = Provenance(created_at="2026-02-01T00:00:00+00:00", ivsqa_version="0")
    for pullback in study.pullbacks("train"):
        unreadable = {0: NewAnnotation({}, "unreadable")}
        study.annotations.append(pullback.pullback_id, unreadable, reader="anna", source="csv", made=made)
    outlook = find_outlook(study, study.pullbacks("train"))
    assert outlook is not None
    assert (outlook.n_pool, outlook.n_unread > 0) == (0, True)
    assert project_status(study).next_step == ("no frame is left to choose: measure on test subjects", "ivsqa evaluate")
