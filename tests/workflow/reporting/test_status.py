from ivsqa.domain.shards import Shard
from ivsqa.io.project.annotations import NewAnnotation
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.records import Provenance
from ivsqa.workflow.context import Context
from ivsqa.workflow.reporting.status import project_status
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.scoring.score import score_frames
from ivsqa.workflow.training.train import finetune_model, train_model
from tests.workflow.scored_study import CONTOURS, study_of


def next_command(project) -> str:
    return project_status(project).next_step[1]


def test_each_step_leads_to_the_next(tmp_path, imported, phantoms):
    assert next_command(create_project(tmp_path / "empty", template="coronary-ivus")) == "ivsqa import PATH"
    assert next_command(imported) == "ivsqa select -n 50 --strategy stratified"
    select_frames(imported, n=4, strategy="stratified")
    assert next_command(imported) == "ivsqa export-for-annotation"
    packet = export_for_annotation(imported).folder
    assert next_command(imported) == "ivsqa import-annotations PATH"
    phantoms.annotate(packet)
    import_annotations(imported, packet, reader="simulated")
    assert next_command(imported) == "ivsqa train"
    train_model(imported, max_steps=20, device="cpu")
    assert next_command(imported) == "ivsqa score --top 50"
    score_frames(imported, device="cpu")
    assert next_command(imported) == "ivsqa select -n 50"
    select_frames(imported, n=2)
    packet = export_for_annotation(imported).folder
    phantoms.annotate(packet)
    import_annotations(imported, packet, reader="simulated")
    assert next_command(imported) == "ivsqa finetune"
    finetune_model(imported, max_steps=2, device="cpu")
    assert project_status(imported).current_model is not None


def test_status_counts_by_split_and_writes_nothing(scored, bytes_of):
    before = bytes_of(scored.root)
    status = project_status(scored)
    assert bytes_of(scored.root) == before
    assert sum(status.n_subjects.values()) == 7
    assert sum(status.n_pullbacks.values()) == 8
    assert sum(status.n_frames.values()) == 80
    assert status.n_annotated == {"train": 6, "validation": 3, "test": 3}
    assert status.n_without_spacing == 0
    assert status.current_model is not None
    assert status.current_model.model_id == "m001"
    assert status.unfinished_model is None
    assert [(one.round_id, one.state) for one in status.rounds] == [
        ("r001", "imported"),
        ("r002", "imported"),
        ("r003", "imported"),
    ]


def test_a_stopped_training_is_shown(started):
    train_model(started, device="cpu", context=Context(should_stop=lambda: True))
    status = project_status(started)
    assert status.unfinished_model is not None
    assert status.unfinished_model.model_id == "m001"
    assert status.current_model is None


def test_a_step_for_a_round_that_is_not_the_newest_names_it(tmp_path):
    study = study_of(tmp_path / "study", ["train", "train"], [30, 30], 0)
    for _ in range(2):
        select_frames(study, n=2)
    assert next_command(study) == "ivsqa export-for-annotation"
    export_for_annotation(study, round_id="r002", formats=("csv",))
    assert next_command(study) == "ivsqa export-for-annotation --round r001"
    export_for_annotation(study, round_id="r001", formats=("csv",))
    assert next_command(study) == "ivsqa import-annotations PATH"
    frame = study.get_round("r002").frames[0]
    made = Provenance(created_at="2026-02-01T00:00:00+00:00", ivsqa_version="0")
    study.annotations.append(
        frame.pullback_id,
        {frame.frame_index: NewAnnotation({}, "unreadable")},
        reader="anna",
        source="csv",
        made=made,
        round_id="r002",
    )
    assert [record.state for record in project_status(study).rounds] == ["exported", "exported"]
    assert next_command(study) == "ivsqa import-annotations PATH --round r001"


def test_a_study_without_test_subjects_is_not_asked_to_choose_among_them(tmp_path):
    study = study_of(tmp_path / "study", ["train"], [4], 0)
    made = Provenance(created_at="2026-02-01T00:00:00+00:00", ivsqa_version="0")
    pullback = study.pullbacks("train")[0]
    frames = {0: NewAnnotation(CONTOURS, "new")} | {index: NewAnnotation({}, "unreadable") for index in (1, 2, 3)}
    study.annotations.append(pullback.pullback_id, frames, reader="anna", source="csv", made=made)
    assert next_command(study) == "ivsqa measure"


def test_pullbacks_and_shards_that_are_not_scored_are_named(scored):
    assert project_status(scored).unscored == []
    assert project_status(scored, n_shards=4).missing_shards == []
    (path,) = (scored.layout.scores("m001") / "S05-P1").glob("frames-*.parquet")
    path.unlink()
    now = project_status(scored, n_shards=4)
    assert now.unscored == ["S05-P1"]
    n_frames = {record.pullback_id: record.n_frames for record in scored.pullbacks()}
    (missing,) = now.missing_shards or []
    assert "S05-P1" in Shard(missing, 4).share(n_frames)
    assert project_status(scored).missing_shards is None
