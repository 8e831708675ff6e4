"""A calibration without training: the weights stay, what the model says of itself is learnt anew."""

import pytest

from ivsqa.errors import StateError
from ivsqa.io.project import starter
from ivsqa.io.project.project import Project, open_project
from ivsqa.workflow.reporting.outlook import find_outlook
from ivsqa.workflow.reporting.report import write_report
from ivsqa.workflow.scoring.score import score_frames
from ivsqa.workflow.training.train import finetune_model
from tests.starters import write_starter


def gain_of_more(study: Project) -> float | None:
    outlook = find_outlook(study, study.pullbacks("train"))
    assert outlook is not None
    return outlook.expected_gain


def test_starter_model_is_calibrated_as_soon_as_validation_frames_are_annotated(started, tmp_path, monkeypatch):
    write_starter(tmp_path / "starter")
    monkeypatch.setattr(starter, "STARTERS", tmp_path / "starter")
    before = started.get_model(None)
    model = finetune_model(started, max_steps=0, device="cpu").model
    assert (model.parent, model.steps, model.n_training_frames, model.n_validation_frames) == (before.model_id, 0, 0, 3)
    assert model.verdict == f"the weights of {before.model_id}, calibrated on 3 validation frames"
    assert model.error_calibration != before.error_calibration
    assert model.border_priors == before.border_priors  # no frame was learnt from
    study = open_project(started.root)
    assert study.get_model(None).model_id == "m001"
    assert score_frames(study, device="cpu").n_scored == 80
    assert gain_of_more(study) is None  # of no labels nothing follows for more
    assert write_report(study).failed == []
    assert finetune_model(study, max_steps=1, device="cpu").model.parent == "m001"
    score_frames(study, device="cpu")
    assert gain_of_more(study) is None
    assert write_report(study).failed == []


def test_model_of_the_study_keeps_its_weights_and_its_lessons(trained):
    before = trained.get_model(None)
    outcome = finetune_model(trained, max_steps=0, device="cpu")
    assert outcome.model.weights_sha256 == before.weights_sha256
    assert (outcome.model.n_training_frames, outcome.n_new_frames) == (before.n_training_frames, 0)
    assert outcome.model.border_priors == before.border_priors
    assert outcome.model.validation_dice == pytest.approx(before.validation_dice, abs=1e-5)
    assert finetune_model(trained, parent_id="m001", max_steps=0, device="cpu").reused


def test_without_validation_frames_there_is_nothing_to_calibrate_on(imported, tmp_path, monkeypatch):
    write_starter(tmp_path / "starter")
    monkeypatch.setattr(starter, "STARTERS", tmp_path / "starter")
    with pytest.raises(StateError, match="nothing to calibrate on"):
        finetune_model(imported, max_steps=0, device="cpu")
