"""What a study does before anybody has drawn: a starter model draws, and the first training begins with it."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ivsqa.errors import IntegrityError, NotFoundError, StateError
from ivsqa.io.project import starter as starters
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.records import StarterRecord
from ivsqa.model.inference import Predictor
from ivsqa.workflow.evaluating.evaluate import evaluate_model
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.predicting.networks import load_predictor, load_weights, start_weights
from ivsqa.workflow.reporting.check import check_project
from ivsqa.workflow.reporting.export_contours import export_contours
from ivsqa.workflow.reporting.report import write_report
from ivsqa.workflow.reporting.status import project_status
from ivsqa.workflow.reporting.why import explain_frame
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.refine import refine
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.scoring.score import score_frames
from ivsqa.workflow.training.train import finetune_model, train_model
from tests.edited_settings import with_settings
from tests.starters import write_starter

LUMEN = [{"name": "lumen", "color": "#56b4e9"}]
STENT = [*LUMEN, {"name": "stent", "color": "#e69f00"}]


@pytest.fixture
def come_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StarterRecord:
    """A starter model for the small studies of these tests comes with ivsqa."""
    folder = tmp_path / "starter"
    card = write_starter(folder)
    monkeypatch.setattr(starters, "STARTERS", folder)
    return card


def another(**changes: object) -> None:
    """Let another starter model come with ivsqa."""
    write_starter(starters.STARTERS, **changes)  # type: ignore[arg-type]


def the(project: Project) -> StarterRecord:
    card = project.starter()
    assert card is not None
    return card


def test_without_a_starter_model_there_is_no_model(imported):
    with pytest.raises(NotFoundError) as caught:
        imported.get_model("starter")
    assert caught.value.hint == "project.yaml names none (network.starter), or none comes with this ivsqa"
    assert imported.settings.network.starter == "coronary-ivus"
    assert imported.current_model() is None
    assert imported.starter_misfit() == ""
    with pytest.raises(StateError, match=r"^there is no model yet\b(?!:)"):
        imported.get_model(None)


@pytest.mark.usefixtures("come_along")
def test_starter_model_draws_until_the_study_has_a_model_of_its_own(trained, imported):
    assert trained.get_model(None).model_id == "m001"
    model = imported.get_model(None)
    assert model.is_starter
    assert imported.get_model("starter") == imported.get_model(model.model_id) == model
    assert with_settings(imported.root, {"network": {"starter": "none"}}).current_model() is None


@pytest.mark.usefixtures("come_along")
def test_a_study_goes_from_import_to_measures_before_anybody_has_drawn(imported, phantoms, tmp_path):
    steps = [project_status(imported).next_step[1]]
    scored = score_frames(imported, device="cpu", top=3)
    steps.append(project_status(imported).next_step[1])
    assert steps == ["ivsqa score --top 50", "ivsqa select -n 50"]
    assert (scored.model_id, scored.n_scored, scored.earlier) == (the(imported).model_id, 80, [])
    chosen = select_frames(imported, n=20)
    assert (chosen.round.strategy, chosen.round.model_id) == ("sqa", scored.model_id)
    assert project_status(imported).next_step[1] == "ivsqa export-for-annotation"
    packet = export_for_annotation(imported)
    assert imported.packets("r001")[0].model_id == scored.model_id
    assert any(packet.folder.rglob("*.html"))  # borders follow points by the weights of the starter model
    points = tmp_path / "points.csv"
    scores = imported.scores()
    drawn = next(one for key in chosen.frames if (one := scores.find(*key.key)) and "lumen" in one.contours)
    x_px, y_px = drawn.contours["lumen"].points_px[0]
    head = "pullback_id,frame_index,structure,x_px,y_px,weight\n"
    points.write_text(f"{head}{drawn.pullback_id},{drawn.frame_index},lumen,{x_px},{y_px},\n")
    assert refine(imported, points, device="cpu").folder.is_dir()  # the model that drew the packet is asked
    measured = measure_pullbacks(imported)
    assert (measured.model_id, measured.n_frames_from("prediction")) == (scored.model_id, 80)
    assert measured.calibrated_on == "phantoms"
    assert measured.frames["lumen_area_low_mm2"].is_not_null().any()
    assert json.loads((measured.folder / "measures.json").read_text())["calibrated_on"] == "phantoms"
    page = write_report(imported).page.read_text(encoding="utf-8")
    assert "taught by phantoms alone" in page
    assert "calibrated on phantoms and not yet on this study" in page
    assert export_contours(imported, tmp_path / "out", format="echoplaque", source="predictions").folder.is_dir()
    frame = chosen.frames[0]
    chain = explain_frame(imported, f"{frame.pullback_id}:{frame.frame_index}")
    assert [model.model_id for model, _ in chain.scores] == [scored.model_id]
    assert check_project(imported) == []


@pytest.mark.usefixtures("come_along")
def test_first_training_begins_with_the_starter_model_and_names_it(started):
    assert project_status(started).next_step[1] == "ivsqa train"
    model = train_model(started, max_steps=1, device="cpu").model
    assert (model.parent, model.n_training_frames) == (the(started).model_id, 6)
    assert model.training["learning_rate"] == started.settings.training.learning_rate
    assert "against starter-" in model.verdict
    name = "first.encoder.0.0.weight"
    begun, learnt = start_weights(started, the(started)).weights[name], load_weights(started, model).weights[name]
    assert float((begun - learnt).abs().max()) < 0.05
    assert open_project(started.root).get_model("starter").is_starter  # still there, to compare with


@pytest.mark.usefixtures("come_along")
def test_starter_model_is_measured_beside_the_models_of_the_study(trained):
    measured = evaluate_model(trained, model_id="starter", device="cpu")
    assert measured.model_id == the(trained).model_id
    page = write_report(trained).page.read_text(encoding="utf-8")
    assert measured.model_id in page
    assert "taught by phantoms alone" not in page  # it is not what draws


@pytest.mark.usefixtures("come_along")
def test_training_from_scratch_does_not_ask_the_starter_model(started):
    model = train_model(started, from_scratch=True, max_steps=1, device="cpu").model
    assert (model.parent, model.verdict) == (None, "trained from scratch")


@pytest.mark.usefixtures("come_along")
def test_starter_model_is_finetuned_at_the_rate_of_finetuning(started):
    outcome = finetune_model(started, max_steps=1, device="cpu")
    assert outcome.model.parent == the(started).model_id
    assert outcome.model.training["learning_rate"] == started.settings.training.finetune_learning_rate
    assert outcome.n_new_frames == outcome.model.n_training_frames


@pytest.mark.usefixtures("come_along")
def test_starter_model_begins_a_training_on_another_grid_but_does_not_draw_there(started):
    larger = with_settings(started.root, {"image": {"working_size_px": 48}})
    assert larger.current_model() is None
    assert larger.starter_misfit() == (
        "the starter model was taught with image.working_size_px: 32, project.yaml says 48"
    )
    model = train_model(larger, max_steps=1, device="cpu").model
    assert (model.parent, model.network["size_px"]) == (the(larger).model_id, 48)


@pytest.mark.usefixtures("come_along")
def test_starter_model_draws_whole_frames_as_well_as_a_field_of_view(imported):
    whole = with_settings(imported.root, {"image": {"working_size_px": 32, "field_of_view_mm": None}})
    assert whole.starter_misfit() == ""
    assert score_frames(whole, device="cpu").model_id == the(whole).model_id


@pytest.mark.usefixtures("come_along")
def test_network_of_other_widths_begins_from_scratch_and_says_why(started):
    other = with_settings(started.root, {"network": {"widths": [4, 8]}})
    model = train_model(other, max_steps=1, device="cpu").model
    assert model.parent is None
    assert (
        model.verdict == "trained from scratch: the starter model has network.widths [8, 16], project.yaml says [4, 8]"
    )


@pytest.mark.usefixtures("come_along")
def test_study_of_other_structures_says_why_nothing_is_drawn(imported):
    other = with_settings(imported.root, {"structures": STENT})
    assert other.current_model() is None
    assert project_status(other).starter_misfit == "the starter model draws lumen, eem, the project lumen, stent"
    with pytest.raises(StateError, match="there is no model yet: the starter model draws lumen, eem"):
        score_frames(other, device="cpu")


@pytest.mark.usefixtures("come_along")
def test_study_of_the_lumen_gets_exactly_the_lumen_of_the_starter_model(imported):
    whole = load_predictor(imported, imported.get_model(None), device="cpu")
    lumen = with_settings(imported.root, {"structures": LUMEN})
    alone = load_predictor(lumen, lumen.get_model(None), device="cpu")
    images = np.random.default_rng(0).integers(0, 255, (2, 32, 32), dtype=np.uint8)
    both, one = whole(images), alone(images)
    assert one.probabilities.shape == (2, 1, 32, 32)
    assert np.array_equal(one.probabilities[:, 0], both.probabilities[:, 0])
    assert np.array_equal(one.features, both.features)
    assert alone.sample(images, 2, 0).shape == (2, 2, 1, 32, 32)
    assert score_frames(lumen, device="cpu").n_scored == 80
    assert "dice_eem" not in lumen.scores().table().columns


@pytest.mark.usefixtures("come_along")
def test_study_of_the_lumen_begins_its_training_near_the_lumen_of_the_starter_model(started):
    lumen = with_settings(started.root, {"structures": LUMEN})
    begun = start_weights(lumen, the(lumen))
    assert begun.config.n_structures == 1
    images = np.random.default_rng(0).integers(0, 255, (2, 32, 32), dtype=np.uint8)
    near = Predictor(begun, begun.config, device="cpu")(images).probabilities
    exact = load_predictor(lumen, the(lumen), device="cpu")(images).probabilities
    assert np.corrcoef(near.ravel(), exact.ravel())[0, 1] > 0.7
    assert train_model(lumen, max_steps=1, device="cpu").model.parent == the(lumen).model_id


@pytest.mark.usefixtures("come_along")
def test_scores_of_another_starter_model_are_not_taken_for_those_of_this_one(imported):
    first = score_frames(imported, device="cpu")
    assert score_frames(imported, device="cpu").n_reused == 80
    another(measure_calibration=None)  # the same weights, but other intervals
    now = open_project(imported.root)
    again = score_frames(now, device="cpu")
    assert (again.n_scored, again.earlier) == (80, [first.model_id])
    assert score_frames(now, device="cpu").earlier == []
    with pytest.raises(NotFoundError) as caught:
        now.get_model(first.model_id)
    assert caught.value.hint == "it came with another ivsqa"


@pytest.mark.usefixtures("come_along")
def test_words_of_a_card_do_not_make_another_model(imported):
    before = the(imported).model_id
    another(limits=("not for carotids",), licence="CC0")
    assert the(open_project(imported.root)).model_id == before


@pytest.mark.usefixtures("come_along")
def test_changed_weights_of_the_starter_model_are_found(imported):
    starters.starter_weights("coronary-ivus").write_bytes(b"changed")
    with pytest.raises(IntegrityError, match="weights are missing or were changed"):
        score_frames(imported, device="cpu")
    assert [finding.code for finding in check_project(imported)] == ["weights"]


@pytest.mark.usefixtures("come_along")
def test_measures_of_a_model_of_the_study_are_calibrated_on_the_study(scored):
    measured = measure_pullbacks(scored)
    assert measured.calibrated_on in ("study", None)
    assert measured.frames.filter(pl.col("source") == "prediction").height > 0


@pytest.mark.usefixtures("come_along")
def test_a_new_study_without_a_frame_has_a_state(tmp_path):
    root = create_project(tmp_path / "study", template="coronary-ivus").root
    project = with_settings(root, {"image": {"working_size_px": 32}, "network": {"widths": [8, 16]}})
    status = project_status(project)
    assert status.current_model is not None
    assert (sum(status.n_frames.values()), status.outlook) == (0, None)
    assert status.next_step[1].startswith("ivsqa import")
