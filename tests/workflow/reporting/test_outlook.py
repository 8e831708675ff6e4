import pytest

from ivsqa.io.project.manifest import write_manifest
from ivsqa.workflow.reporting.outlook import find_outlook
from ivsqa.workflow.reporting.status import project_status


def test_before_every_frame_is_scored_nothing_is_said(imported, trained, scored):
    assert find_outlook(imported) is None
    assert find_outlook(trained) is None
    for path in (scored.layout.scores("m001") / "S05-P1").glob("frames-*"):
        path.unlink()
    assert find_outlook(scored) is None


def test_what_is_left_is_what_nobody_read_of_training_subjects(scored):
    outlook = find_outlook(scored)
    assert outlook is not None
    training = scored.pullbacks("train")
    n_read = sum(len(record.standings) for record in training)
    assert outlook.n_unread == sum(record.n_frames for record in training) - n_read
    assert outlook.n_pool == sum(int(free.sum()) for free in scored.choosable(training).values()) < outlook.n_unread
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
    outlook = find_outlook(scored)
    assert outlook is not None
    assert outlook.expected_gain == (None if gain is None else pytest.approx(gain, abs=5e-4))
    assert project_status(scored).next_step[1] == step
