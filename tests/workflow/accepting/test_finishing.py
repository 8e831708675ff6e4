"""What is accepted is delivered, what is left is read, and every command says which is which."""

import csv

import pytest

from ivsqa.errors import StateError
from ivsqa.io.project.certificates import CertificateRecord, Finishing
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.records import ModelRecord
from ivsqa.io.project.selections import read_selection
from ivsqa.workflow.accepting.accept import accept
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.readers.undo import undo
from ivsqa.workflow.reporting.export_contours import export_contours
from ivsqa.workflow.reporting.finishing import find_finishing
from ivsqa.workflow.reporting.status import project_status
from ivsqa.workflow.reporting.why import explain_frame
from ivsqa.workflow.rounds.review import frames_to_read, minutes_to_read
from ivsqa.workflow.rounds.select import select_frames
from tests.conftest import copied
from tests.workflow.accepting.audited_study import predicted_losses, read, send, study


@pytest.fixture
def audited(sent_study, tmp_path):
    return open_project(copied(sent_study, tmp_path))


@pytest.fixture
def accepted(accepted_study, tmp_path):
    return open_project(copied(accepted_study, tmp_path))


def finishing_of(project: Project) -> Finishing:
    pullbacks = project.pullbacks()
    finishing = find_finishing(project, pullbacks, project.standings(pullbacks))
    assert finishing is not None
    return finishing


def in_force(project: Project) -> CertificateRecord:
    certificate = project.certificates.in_force()
    assert certificate is not None
    return certificate


def accepted_in(project, pullback_id):
    return project.pullback(pullback_id).accepted(project.certificates.in_force())


def test_a_review_takes_what_is_neither_read_nor_accepted_worst_first(accepted):
    result = select_frames(accepted, 50, strategy="review")
    predicted = predicted_losses(accepted)
    left = {key for key in predicted if key.frame_index not in accepted_in(accepted, key.pullback_id)}
    left -= set(accepted.audits.frames(accepted.audits.all()[0]))
    wanted = sorted(left, key=lambda key: -predicted[key])[:50]
    chosen = [frame.key for frame in result.frames]
    assert set(chosen) == set(wanted)
    assert {accepted.pullback(name).split for name, _ in chosen} == {"test"}  # the model is sure of nothing there
    # Readers meet neighbours together: pullback by pullback, that of the worst frame first.
    names = list(dict.fromkeys(name for name, _ in chosen))
    assert names[0] == wanted[0].pullback_id
    assert chosen == [key for name in names for key in sorted(chosen) if key.pullback_id == name]
    assert [frame.rank for frame in result.frames] == list(range(1, 51))
    assert [frame.key for frame in read_selection(accepted.layout.selection("r002"))] == chosen
    assert (result.round.strategy, result.round.split) == ("review", "all")
    assert result.minutes == minutes_to_read(accepted, accepted.get_model(None), frames_of(chosen))
    assert result.minutes
    assert result.minutes.expected == pytest.approx(50 * 5 / 60)  # no region is doubtful: a look each


def frames_of(keys):
    return {name: [index for other, index in keys if other == name] for name, _ in keys}


def test_a_review_ends(accepted):
    n_left = finishing_of(accepted).n_left
    everything = select_frames(accepted, 1000, strategy="review")
    assert everything.round.n == n_left
    assert everything.round.shortfall == f"{n_left} of 1000 frames: no more are left to read"
    with pytest.raises(StateError, match="no frame is left to read"):
        select_frames(accepted, 5, strategy="review")
    read(accepted, [frame.key for frame in everything.frames], round_id="r002", second=1)
    finishing = finishing_of(accepted)
    assert (finishing.n_left, finishing.n_out, finishing.n_accepted + finishing.n_read) == (0, 0, 400)


def test_a_review_of_some_subjects_or_pullbacks(accepted):
    train = select_frames(accepted, 20, strategy="review", split="train", dry_run=True)
    assert {accepted.pullback(frame.pullback_id).split for frame in train.frames} == {"train"}
    one = select_frames(accepted, 20, strategy="review", pullback_ids=["S009-P1"], dry_run=True)
    assert {frame.pullback_id for frame in one.frames} == {"S009-P1"}


def test_without_a_certificate_a_review_takes_everything_that_nobody_read(audited):
    pullbacks = audited.pullbacks()
    left = frames_to_read(audited, pullbacks, audited.standings(pullbacks))
    assert sum(map(len, left.values())) == 280
    assert select_frames(audited, 1000, strategy="review").round.n == 280


def test_what_a_review_reads_of_sealed_subjects_judges_no_model(accepted):
    before = {split: len(accepted.annotated_frames(split)) for split in ("train", "validation", "test")}
    result = select_frames(accepted, 500, strategy="review")
    read(accepted, [frame.key for frame in result.frames], round_id="r002", second=1)
    n_train = sum(accepted.pullback(frame.pullback_id).split == "train" for frame in result.frames)
    after = {split: len(accepted.annotated_frames(split)) for split in ("train", "validation", "test")}
    assert n_train > 0
    assert after == {**before, "train": before["train"] + n_train}
    assert project_status(accepted).n_annotated["test"] == 80  # it counts as read all the same


def test_status_leads_to_the_end(audited):
    assert project_status(audited).finishing is None
    assert project_status(audited).next_step[1] == "ivsqa accept"
    accept(audited)
    status = project_status(audited)
    assert status.next_step[1] == "ivsqa select -n 50 --strategy review"
    finishing = status.finishing
    assert finishing
    assert (finishing.is_in_force, finishing.stale) == (True, ())
    assert finishing.n_accepted + finishing.n_read + finishing.n_left == 400
    assert finishing.minutes
    assert finishing.minutes.expected == pytest.approx(finishing.n_left * 5 / 60)
    result = select_frames(audited, 500, strategy="review")
    read(audited, [frame.key for frame in result.frames], round_id="r002", second=1)
    assert project_status(audited).next_step == ("send r002 to the annotator", "ivsqa export-for-annotation")
    send(audited, "r002")
    assert project_status(audited).next_step[1] == "ivsqa measure"
    assert finishing_of(audited).n_left == 0


def test_a_certificate_says_when_it_is_stale(accepted):
    later = accepted.get_model("m001").model_copy(update={"model_id": "m002"})
    write_manifest(accepted.layout.model_record("m002"), ModelRecord.model_validate(dict(later)))
    (reason,) = finishing_of(accepted).stale
    assert reason == "it speaks of what m001 drew, and m002 is in use now: ivsqa audit -n 100"
    assert finishing_of(accepted).is_in_force  # of its frames the promise holds as before
    assert accepted_in(accepted, "S000-P1")
    undo(accepted, [str(accepted.audits.frames(accepted.audits.all()[0])[0])])
    finishing = finishing_of(accepted)
    assert (finishing.is_in_force, finishing.n_accepted) == (False, 0)
    assert finishing.stale[0] == "1 audited frames were undone or read anew, so it proves nothing: ivsqa accept"


def test_frames_that_came_later_are_in_no_certificate(accepted, tmp_path):
    other = study(tmp_path / "other")
    folder = accepted.layout.pullback_record("S000-P1").parent
    copy = folder.parent / "S077-P1"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes().replace(b"S000", b"S077"))
    assert len(other.pullbacks()) == 10
    finishing = finishing_of(accepted)
    assert finishing.stale == ("40 frames came after its audit, and it says nothing of them: ivsqa audit -n 100",)
    assert finishing.minutes is None  # the new ones are not scored
    assert finishing.is_in_force


def test_measures_say_what_was_accepted(accepted):
    result = measure_pullbacks(accepted, pullback_ids=["S000-P1"])
    n_accepted = len(accepted_in(accepted, "S000-P1"))
    n_read = len(accepted.pullback("S000-P1").standings)
    counted = [result.n_frames_from(source) for source in ("annotation", "accepted", "prediction", "missing")]
    assert counted == [n_read, n_accepted, 40 - n_read - n_accepted, 0]
    (row,) = result.pullbacks.to_dicts()
    assert (row["n_annotated"], row["n_accepted"], row["n_predicted"]) == (n_read, n_accepted, 40 - n_read)
    # Who asks for a model sees what that model says.
    of_model = measure_pullbacks(accepted, pullback_ids=["S000-P1"], model_id="m001")
    assert of_model.n_frames_from("accepted") == 0
    assert of_model.frames["lumen_area_mm2"].to_list() == result.frames["lumen_area_mm2"].to_list()


def test_accepted_contours_are_measured_though_another_model_is_in_use(accepted):
    later = accepted.get_model("m001").model_copy(update={"model_id": "m002"})
    write_manifest(
        accepted.layout.model_record("m002"), ModelRecord.model_validate(dict(later))
    )  # nothing is scored by it
    result = measure_pullbacks(accepted, pullback_ids=["S000-P1"])
    assert result.model_id == "m002"
    assert result.n_frames_from("accepted") == len(accepted_in(accepted, "S000-P1"))
    assert result.n_frames_from("prediction") == 0


def test_what_is_delivered_can_be_exported_with_its_origin(accepted, tmp_path):
    export = export_contours(accepted, tmp_path / "out", format="echoplaque", source="delivered")
    certificate = in_force(accepted)
    assert sum(export.n_frames.values()) == certificate.n_accepted + certificate.n_audited
    with (tmp_path / "out/origins.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    by_source = {source: [row for row in rows if row["source"] == source] for source in ("accepted", "annotation")}
    assert len(by_source["accepted"]) == certificate.n_accepted
    assert {row["stands_in"] for row in by_source["accepted"]} == {"c001"}
    assert all(row["stands_in"].startswith("rev-") for row in by_source["annotation"])
    assert len(rows) == sum(export.n_frames.values())


def test_nothing_is_delivered_where_nothing_is_drawn_or_accepted(tmp_path):
    project = study(tmp_path / "study")
    with pytest.raises(StateError, match="no frame has contours to deliver"):
        export_contours(project, tmp_path / "out", format="echoplaque", source="delivered")


def test_why_tells_who_accepted_a_frame(accepted):
    index = min(accepted_in(accepted, "S000-P1"))
    assert explain_frame(accepted, f"S000-P1:{index}").accepted_by == "c001"
    audited = accepted.audits.frames(accepted.audits.all()[0])[0]
    assert explain_frame(accepted, str(audited)).accepted_by is None
