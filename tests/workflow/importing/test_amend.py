"""Facts that are amended after the import: who said what, what counts, what follows, and what is refused."""

import numpy as np
import pytest

from ivsqa.errors import IntegrityError, IvsqaError, NotFoundError, ProjectLockedError, StateError
from ivsqa.io.ledger import doors
from ivsqa.io.project.manifest import read_manifest
from ivsqa.io.project.project import open_project
from ivsqa.io.project.records import PullbackRecord
from ivsqa.workflow.context import Context
from ivsqa.workflow.importing.amend import NewFacts
from ivsqa.workflow.importing.amend import amend as amend_by
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.importing.plan import plan_import
from ivsqa.workflow.scoring.work import Work
from tests.workflow.importing.made_files import dicom, frames_of
from tests.workflow.scored_study import study_of


def amend(project, pullback_ids, facts, *, dry_run=False):
    return amend_by(project, pullback_ids, facts, by="reader-1", why="read from the console", dry_run=dry_run)


@pytest.fixture
def study(imported):
    """A study whose models are not trained, opened afresh."""
    return open_project(imported.root)


def test_what_is_amended_counts_and_what_was_imported_stays(study):
    path = study.layout.pullback_record("S01-P1")
    before = path.read_bytes()
    (done,) = amend(study, ["S01-P1"], NewFacts(spacing_mm=(0.05, 0.06), pullback_speed_mm_s=0.5, frame_rate_hz=20.0))
    now = open_project(study.root).pullback("S01-P1")
    assert (done.amendment_id, path.read_bytes()) == ("a001", before)
    assert (now.spacing_mm, now.spacing_source) == ((0.05, 0.06), "amendment a001")
    assert now.position_mm(1) == pytest.approx(0.5 / 20.0)
    assert now.imported.spacing_mm == pytest.approx((0.104, 0.104))
    assert [(one.by, one.why) for one in now.amendments] == [("reader-1", "read from the console")]


def test_an_amendment_is_taken_back_by_another_record(study, bytes_of):
    amend(study, ["S01-P1"], NewFacts(start_frame_index=2))
    amend(study, ["S01-P1"], NewFacts(start_frame_index=4))
    kept = bytes_of(study.layout.pullbacks)
    for start in (2, None):
        amend(study, ["S01-P1"], None)
        assert study.pullback("S01-P1").start_frame_index == start
    assert bytes_of(study.layout.pullbacks).items() >= kept.items()
    with pytest.raises(StateError, match="nothing was amended"):
        amend(study, ["S01-P1"], None)


def test_what_would_change_nothing_writes_nothing_and_a_dry_run_neither(study, bytes_of):
    before = bytes_of(study.root)
    spacing = study.pullback("S01-P1").spacing_mm
    (same,) = amend(study, ["S01-P1"], NewFacts(spacing_mm=spacing))
    (planned,) = amend(study, ["S01-P1"], NewFacts(spacing_mm=(0.2, 0.2)), dry_run=True)
    assert (same.amendment_id, same.changed) == (None, {})
    assert planned.changed["spacing_mm"] == (spacing, (0.2, 0.2))
    assert bytes_of(study.root) == before


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (NewFacts(spacing_mm=(0.0, 0.1)), "above 0"),
        (NewFacts(frame_rate_hz=float("inf")), "above 0"),
        (NewFacts(start_frame_index=99), "has frames 0 to"),
        (NewFacts(start_frame_index=5, stop_frame_index=3), "before it starts"),
    ],
)
def test_facts_that_cannot_be_are_refused_for_all(study, bytes_of, facts, told):
    before = bytes_of(study.root)
    with pytest.raises(IvsqaError, match=told):
        amend(study, ["S02-P1", "S01-P1"], facts)
    assert bytes_of(study.root) == before


def test_nobody_and_nowhere_amend_nothing(study):
    with pytest.raises(IvsqaError, match="who makes it"):
        amend_by(study, ["S01-P1"], NewFacts(start_frame_index=1), by=" ", why="x")
    with pytest.raises(NotFoundError):
        amend(study, ["S77"], NewFacts(start_frame_index=1))


def test_a_number_that_no_run_has_is_noted(study):
    (done,) = amend(study, ["S01-P1"], NewFacts(spacing_mm=(1.0, 1.0)))
    assert "96 mm wide" in done.notes[-1]


def test_a_subject_takes_its_split_along(study):
    split = study.pullback("S02-P1").split
    assert split != study.pullback("S01-P1").split
    (done,) = amend(study, ["S01-P1"], NewFacts(subject_id="S02"))
    assert done.changed["split"][1] == split
    assert (study.pullback("S01-P1").subject_id, study.pullback("S01-P1").split) == ("S02", split)
    amend(study, ["S01-P1"], NewFacts(subject_id="somebody-new"))
    assert study.pullback("S01-P1").split == split


@pytest.fixture
def scored(tmp_path):
    """A study with a model and scores."""
    return study_of(tmp_path / "scored", ["train", "test"], [6, 4], 1)


def test_a_pullback_that_a_model_learnt_from_changes_no_split(scored):
    learnt = scored.layout.training_frames("m001")
    learnt.write_text("role,pullback_id,frame_index,revision_id\ntrain,S000-P1,0,rev-1\n", encoding="utf-8")
    with pytest.raises(StateError, match="S001 is in test, and m001 learnt from S000-P1, which is in train"):
        amend(scored, ["S000-P1"], NewFacts(subject_id="S001"))
    amend(scored, ["S001-P1"], NewFacts(subject_id="S000"))  # the other way round nothing is unsealed
    assert scored.pullback("S001-P1").split == "train"


def test_scores_on_another_grid_go_and_those_on_the_same_stay(scored):
    def scores(pullback_id):
        return sorted((scored.layout.scores("m001") / pullback_id).glob("*.parquet"))

    amend(scored, ["S000-P1"], NewFacts(pullback_speed_mm_s=2.0))
    assert len(scores("S000-P1")) == 2
    (done,) = amend(scored, ["S000-P1"], NewFacts(spacing_mm=(0.2, 0.2)))
    assert (scores("S000-P1"), len(scores("S001-P1"))) == ([], 2)
    assert done.notes[0] == "its scores by m001 were drawn on another grid: ivsqa score draws them anew"
    assert "ivsqa measure" in done.notes[1]


def test_who_waits_to_score_a_pullback_sees_its_new_grid_and_who_scores_it_is_not_disturbed(scored):
    with Work(scored, scored.get_model("m001"), list(scored.pullbacks()), Context(), again=True, draws=False) as work:
        batches = work.batches()
        assert next(batches).record.pullback_id == "S000-P1"
        with pytest.raises(ProjectLockedError, match="scoring is already running"):
            amend(scored, ["S001-P1", "S000-P1"], NewFacts(spacing_mm=(0.2, 0.2)))
        assert scored.pullback("S001-P1").amendments == ()  # all or none
        amend(open_project(scored.root), ["S001-P1"], NewFacts(spacing_mm=(0.2, 0.2)))
        (batch,) = batches
        assert (batch.record.pullback_id, batch.record.spacing_mm) == ("S001-P1", (0.2, 0.2))


def test_a_second_import_says_which_facts_it_did_not_take_and_how_to_amend(study, phantoms):
    pattern = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"
    again = import_pullbacks(study, phantoms.files[:1], ImportOptions(subject_from=pattern))
    assert not any("not taken" in note for note in again.notes.get("S01-P1", ()))
    amend(study, ["S01-P1"], NewFacts(spacing_mm=(0.2, 0.2)))
    again = import_pullbacks(study, phantoms.files[:1], ImportOptions(subject_from=r"(?P<subject>S\d)"))
    (note,) = (note for note in again.notes["S01-P1"] if "not taken" in note)
    assert note == (
        "it is here already, of S01, so the subject S0 (by --subject-from) is not taken: "
        "ivsqa amend S01-P1 --subject S0 --by NAME --why TEXT"
    )
    assert study.pullback("S01-P1").spacing_mm == (0.2, 0.2)  # nor does the header take it back


def test_a_spacing_given_at_a_second_import_is_named_with_the_way_to_take_it(tmp_path):
    from PIL import Image

    from ivsqa.io.project.new_project import create_project

    project = create_project(tmp_path / "study", template="coronary-ivus")
    (tmp_path / "run").mkdir()
    for index in range(3):
        Image.fromarray(np.full((64, 64), 40 * index, dtype=np.uint8)).save(tmp_path / "run" / f"{index}.png")
    (record,) = import_pullbacks(project, [tmp_path / "run"], ImportOptions()).imported
    second = ImportOptions(spacing_mm=(0.1, 0.1), frame_rate_hz=30.0)
    (planned,) = plan_import(project, [tmp_path / "run"], second).pullbacks
    assert any(
        note.endswith(f"ivsqa amend {record.pullback_id} --spacing-mm 0.1 --by NAME --why TEXT")
        for note in planned.facts.notes
    )
    notes = import_pullbacks(project, [tmp_path / "run"], second).notes[record.pullback_id]
    assert any(
        note.endswith(f"ivsqa amend {record.pullback_id} --spacing-mm 0.1 --by NAME --why TEXT") for note in notes
    )
    assert any(
        note.endswith(f"ivsqa amend {record.pullback_id} --frame-rate 30 --by NAME --why TEXT") for note in notes
    )
    amend(project, [record.pullback_id], NewFacts(spacing_mm=(0.1, 0.1), frame_rate_hz=30.0))
    assert not any(
        "not taken" in note
        for note in import_pullbacks(project, [tmp_path / "run"], second).notes.get(record.pullback_id, ())
    )


def test_what_is_found_out_later_is_written_without_what_was_amended(study):
    amend(study, ["S01-P1"], NewFacts(spacing_mm=(0.2, 0.2)))
    written = study.pullback("S01-P1").rewrite(gating_source="images")
    record = read_manifest(study.layout.pullback_record("S01-P1"), PullbackRecord)
    assert written.spacing_mm == (0.2, 0.2)
    assert record.spacing_mm == pytest.approx((0.104, 0.104))


def test_an_amendment_that_is_gone_is_missed(study):
    with doors.command("amend"):
        amend(study, ["S01-P1"], NewFacts(spacing_mm=(0.2, 0.2)))
    study.layout.amendment("S01-P1", "a001").unlink()
    doors.book_of(study.root).refresh()  # as the next command reads it
    with pytest.raises(IntegrityError, match="is gone"):
        open_project(study.root).pullback("S01-P1")


def test_pixels_that_are_here_of_another_person_are_named_with_both_and_the_way_to_amend(tmp_path):
    from ivsqa.io.project.new_project import create_project

    project = create_project(tmp_path / "study", template="coronary-ivus")
    archive = tmp_path / "in"
    archive.mkdir()
    frames = frames_of(1)
    (archive / "a.dcm").write_bytes(dicom(frames, PatientID="somebody", IVUSPullbackStopFrameNumber=1))
    (archive / "b.dcm").write_bytes(dicom(frames, PatientID="else", IVUSPullbackStopFrameNumber=2))
    (archive / "c.dcm").write_bytes(dicom(frames, PatientID="ANONYMOUS"))
    result = import_pullbacks(project, [archive], ImportOptions())
    (record,) = result.imported
    assert result.unchanged == [record.pullback_id] * 2
    stop, subject = result.notes[record.pullback_id]
    assert stop.startswith(f"b.dcm: it is here already, of {record.subject_id}, so a stop at frame 1 (by the files)")
    assert subject.startswith(f"b.dcm: it is here already, of {record.subject_id}, so the subject s-")
    other = subject.split("subject s-")[1][:8]
    assert subject.endswith(
        f"(by its PatientID) is not taken: ivsqa amend {record.pullback_id} --subject s-{other} --by NAME --why TEXT"
    )
    assert (
        import_pullbacks(project, [archive / "a.dcm"], ImportOptions()).notes == {}
    )  # the file itself says nothing new


def test_what_the_user_says_of_a_pullback_that_is_here_is_not_passed_over(study, phantoms):
    """The header says 0.104 mm."""
    pattern = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"
    again = import_pullbacks(study, phantoms.files[:1], ImportOptions(subject_from=pattern, spacing_mm=(0.5, 0.5)))
    assert any("user says 0.5 mm per pixel, but" in note for note in again.notes["S01-P1"])
