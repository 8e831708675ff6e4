from dataclasses import replace

import numpy as np
import pytest

from ivsqa.domain.contour import Contour
from ivsqa.errors import IntegrityError, ProjectLockedError, StateError
from ivsqa.io.ledger import doors
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import open_project
from ivsqa.io.project.records import provenance
from ivsqa.io.project.training_frames_csv import frames_csv, read_training_frames
from ivsqa.workflow.context import Context
from ivsqa.workflow.predicting.networks import load_weights
from ivsqa.workflow.predicting.samples import frames_on_grid, sample_set
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.training.train import finetune_model, parent_before, train_model
from tests.edited_settings import with_settings


def annotate_more(project, phantoms, n: int = 4) -> None:
    select_frames(project, n=n, strategy="random")
    packet = export_for_annotation(project).folder
    phantoms.annotate(packet)
    import_annotations(project, packet, reader="simulated")


def stopping_after(n: int) -> Context:
    asked = iter(range(10**6))
    return Context(should_stop=lambda: next(asked) >= n)


def test_a_model_says_what_it_was_made_of(trained):
    model = trained.get_model(None)
    assert (model.model_id, model.parent, model.state, model.accepted) == ("m001", None, "ready", True)
    assert (model.n_training_frames, model.n_validation_frames) == (6, 3)
    assert model.verdict == "trained from scratch"
    assert 0.5 < model.validation_dice <= 1.0
    assert model.best_step <= 60
    assert model.steps <= 180  # twice as many for the error branch
    assert set(model.error_calibration) == {"lumen", "eem"}
    assert set(model.border_priors) == {"lumen", "eem"}
    assert not trained.layout.checkpoint("m001").exists()
    log = trained.layout.training_log("m001").read_text().splitlines()
    assert log[0] == "step,loss,validation_dice"
    assert len(log) > 1


def test_the_frames_a_model_learnt_from_are_listed_with_their_revisions(trained):
    path = trained.layout.training_frames("m001")
    learnt = read_training_frames(path, "train")
    assert learnt == {frame.key for frame in trained.annotated_frames("train")}
    looked_at = read_training_frames(path, "validation")
    assert {trained.pullback(pullback_id).split for pullback_id, _ in learnt} == {"train"}
    assert {trained.pullback(pullback_id).split for pullback_id, _ in looked_at} == {"validation"}
    assert "rev-" in path.read_text()


def test_training_twice_is_one_model(trained, bytes_of):
    before = bytes_of(trained.root)
    again = train_model(trained, device="cpu")
    assert (again.reused, again.finished, again.model.model_id) == (True, True, "m001")
    assert bytes_of(trained.root) == before


def test_the_same_request_in_a_copy_of_the_project_gives_the_same_weights(started, trained):
    fresh = train_model(started, device="cpu").model
    assert fresh.weights_sha256 == trained.get_model("m001").weights_sha256
    assert fresh.request_sha256 == trained.get_model("m001").request_sha256


def test_another_seed_is_another_model(trained):
    outcome = train_model(trained, seed=7, max_steps=2, device="cpu")
    assert (outcome.reused, outcome.model.model_id, outcome.model.seed) == (False, "m002", 7)


def test_a_stopped_training_goes_on_and_ends_where_it_would_have(started, trained):
    first = train_model(started, device="cpu", context=stopping_after(15))
    assert not first.finished
    assert first.model.state == "training"
    assert started.layout.checkpoint("m001").is_file()
    assert started.current_model() is None
    second = train_model(started, device="cpu")
    assert (second.finished, second.model.model_id) == (True, "m001")
    assert 0 < second.resumed_at < 60
    assert second.model.weights_sha256 == trained.get_model("m001").weights_sha256


def test_nothing_annotated_is_said_with_what_to_do(imported):
    with pytest.raises(StateError, match="no frame of a training subject is annotated") as caught:
        train_model(imported, device="cpu")
    assert "ivsqa select" in caught.value.hint
    assert imported.models() == []


def test_two_trainings_at_once_are_refused(started):
    with (
        project_lock(started.layout.lock("train"), purpose="training", started_at="now"),
        pytest.raises(ProjectLockedError),
    ):
        train_model(started, device="cpu")


def test_finetuning_goes_on_from_its_parent_with_the_new_frames(trained, phantoms):
    annotate_more(trained, phantoms)
    outcome = finetune_model(trained, device="cpu")
    model = outcome.model
    assert (model.model_id, model.parent, outcome.n_new_frames) == ("m002", "m001", 4)
    assert model.n_training_frames == 10
    assert model.parent_validation_dice == pytest.approx(trained.get_model("m001").validation_dice, abs=1e-5)
    assert "against m001" in model.verdict
    assert model.accepted
    assert trained.get_model(None).model_id == "m002"
    assert finetune_model(trained, parent_id="m001", device="cpu").reused


def test_learning_only_nonsense_ends_where_it_began(trained):
    store = trained.annotations
    for frame in trained.annotated_frames("train"):
        pullback_id, index = frame.key
        corner = {name: Contour.from_points([(2, 2), (9, 2), (9, 9), (2, 9)]) for name in ("lumen", "eem")}
        made = provenance("2100-01-01T00:00:00+00:00")
        store.append(pullback_id, {index: NewAnnotation(corner, "edited")}, reader="simulated", source="x", made=made)
    project = with_settings(trained.root, {"training": {"finetune_learning_rate": 0.05}})
    outcome = finetune_model(project, max_steps=20, device="cpu")
    assert outcome.model.best_step == 0
    # Its network is the parent's; of the borders it did learn that they are squares.
    assert outcome.model.validation_dice == pytest.approx(trained.get_model("m001").validation_dice, abs=0.01)
    assert outcome.model.verdict.startswith("accepted: validation Dice ")


def test_without_validation_frames_a_model_is_accepted_and_says_it_was_not_seen(trained):
    store = trained.annotations
    for frame in trained.annotated_frames("validation"):
        pullback_id, index = frame.key
        gone = {index: NewAnnotation({}, "unreadable")}
        store.append(pullback_id, gone, reader="x", source="x", made=provenance("2100-01-01T00:00:00+00:00"))
    outcome = finetune_model(trained, max_steps=2, device="cpu")
    assert outcome.model.accepted
    assert outcome.model.verdict == "accepted unseen: no border of a validation frame is annotated"
    assert outcome.model.validation_dice is None


def test_validation_frames_without_any_border_leave_a_model_that_every_command_reads(trained):
    store = trained.annotations
    for frame in trained.annotated_frames("validation"):
        pullback_id, index = frame.key
        made = provenance("2100-01-01T00:00:00+00:00")
        store.append(pullback_id, {index: NewAnnotation({}, "edited")}, reader="simulated", source="x", made=made)
    outcome = finetune_model(trained, max_steps=2, device="cpu")
    assert (outcome.model.n_validation_frames, outcome.model.validation_dice) == (3, None)
    assert outcome.model.verdict == "accepted unseen: no border of a validation frame is annotated"
    assert open_project(trained.root).current_model() == outcome.model


def test_a_model_of_other_structures_cannot_be_finetuned(trained):
    model = trained.get_model("m001")
    write_manifest(trained.layout.model_record("m001"), model.model_copy(update={"structures": ("lumen",)}))
    with pytest.raises(StateError, match="m001 segments lumen, the project lumen, eem"):
        finetune_model(trained, device="cpu")


@pytest.mark.parametrize("changes", [{"image": {"working_size_px": 48}}, {"network": {"widths": [8, 24]}}])
def test_a_model_of_another_network_or_grid_cannot_be_finetuned(trained, changes):
    project = with_settings(trained.root, changes)
    with pytest.raises(StateError) as caught:
        finetune_model(project, device="cpu")
    assert "ivsqa train" in caught.value.hint
    assert [model.model_id for model in trained.models()] == ["m001"], "nothing half-made is left"


def test_changed_or_missing_weights_are_never_used(trained):
    model = trained.get_model("m001")
    path = trained.layout.weights("m001")
    path.write_bytes(path.read_bytes()[:-1] + b"\0\0")
    with pytest.raises(IntegrityError, match="weights"):
        load_weights(trained, model)
    path.unlink()
    with pytest.raises(IntegrityError, match="weights"):
        load_weights(trained, model)


def test_samples_weigh_new_frames_more(started):
    frames = started.annotated_frames("train")
    seen = frozenset(frame.key for frame in frames[:2])
    samples = sample_set(started, frames, seen=seen, new_weight=3.0)
    assert samples.weights.tolist() == [1.0, 1.0, 3.0, 3.0, 3.0, 3.0]
    assert sample_set(started, frames).weights.tolist() == [1.0] * 6
    images, labels = samples.take(np.arange(6))
    assert images.shape == labels.shape == (6, 32, 32)
    assert set(np.unique(labels)) == {0, 1, 2}


def test_unannotated_frames_are_of_training_subjects_and_spread_evenly(started):
    annotated = {frame.key for split in ("train", "validation", "test") for frame in started.annotated_frames(split)}
    everything = started.unread_frames(10**6)
    assert {started.pullback(pullback_id).split for pullback_id, _ in everything} == {"train"}
    assert not annotated & set(everything)
    some = started.unread_frames(5)
    assert len(some) == 5
    assert (some[0], some[-1]) == (everything[0], everything[-1])
    images = frames_on_grid(started, some)
    record = started.pullback(some[1][0])
    np.testing.assert_array_equal(images[1], record.grid.sample(record.frames[some[1][1]]))
    assert frames_on_grid(started, []).shape == (0, 32, 32)


def test_a_border_that_was_not_seen_is_not_trained_on_as_background(started):
    frame = started.annotated_frames("train")[0]
    without_eem = {frame.annotation.frame_index: {"lumen": frame.annotation.contours["lumen"]}}
    partial = replace(frame, annotation=replace(frame.annotation, _drawn=lambda: without_eem))
    _, labels = sample_set(started, [partial]).take(np.array([0]))
    assert set(np.unique(labels)) == {1, 255}


def test_samples_are_made_of_what_their_hash_says(started):
    frames = started.annotated_frames("train")
    again = started.annotated_frames("train")
    weighted = sample_set(started, frames, seen=frozenset({frames[0].key}), new_weight=2.0)
    sets = (*(sample_set(started, some) for some in (frames, again, frames[1:])), weighted)
    assert len({samples.sha256() for samples in sets}) == 3


def test_the_table_of_frames_reads_back_by_role(started, tmp_path):
    frames = started.annotated_frames("train")
    path = tmp_path / "training_frames.csv"
    path.write_text(frames_csv([("train", frames[0]), ("validation", frames[1])]))
    assert read_training_frames(path, "train") == {frames[0].key}
    assert read_training_frames(path, "validation") == {frames[1].key}


def test_finetuning_that_was_killed_when_its_model_was_written_begins_with_the_same_parent_once_more(
    trained, phantoms, stopped_at_its_end
):
    annotate_more(trained, phantoms)
    with doors.command("finetune", "finetune"):
        finetune_model(trained, max_steps=2, device="cpu")
    for _ in range(2):
        with doors.command("finetune", "finetune"):
            assert parent_before(stopped_at_its_end(trained)) == trained.get_model("m001")
    with doors.command("finetune", "finetune"):
        assert parent_before(trained) is None
