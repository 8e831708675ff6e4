import numpy as np
import pytest

from ivsqa.errors import IntegrityError, IvsqaError, StateError
from ivsqa.io.ledger import doors
from ivsqa.io.project.audits import read_pool
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.selections import read_selection
from ivsqa.workflow.accepting.audit import draw_audit, release_audit
from ivsqa.workflow.context import DEFAULT_CONTEXT
from ivsqa.workflow.reporting.check import check_project
from ivsqa.workflow.reporting.readings import read_readings
from ivsqa.workflow.reporting.status import project_status
from ivsqa.workflow.reporting.why import explain_frame
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.rounds.sent import read_sent


def pool_of(project, audit):
    return read_pool(project.layout.audit_pool(audit.round_id), audit.pool_sha256)


@pytest.fixture
def audited(scored, phantoms):
    """An audit of 40 frames that came back; 8 pullbacks of 10 frames, 12 of which were read before."""
    result = draw_audit(scored, 40)
    packet = export_for_annotation(scored).folder
    phantoms.annotate(packet)
    import_annotations(scored, packet, reader="blind")
    return result


def test_audit_that_was_killed_at_its_end_is_drawn_and_released_once(scored, stopped_at_its_end):
    for _ in range(2):
        with doors.command("audit", "audit -n 5"):
            drawn = draw_audit(scored, 5)
        assert (drawn.round.round_id, len(drawn.frames)) == ("r004", 5)
        scored = stopped_at_its_end(scored)
    with doors.command("audit", "audit -n 4"):
        draw_audit(scored, 4)
    for _ in range(2):
        with doors.command("audit", "audit --release"):
            assert release_audit(scored).round.round_id == "r005"
        scored = stopped_at_its_end(scored)


def test_an_audit_is_drawn_from_every_frame_that_nobody_read_whatever_its_split(scored):
    result = draw_audit(scored, 68)
    drawn = [frame.key for frame in result.frames]
    read = {(one.pullback_id, index) for one in scored.pullbacks() for index in one.standings}
    assert (result.audit.n_pool, result.audit.n_read, len(read)) == (68, 12, 12)
    assert sorted(drawn) == pool_of(scored, result.audit)
    assert not read & set(drawn)
    assert {scored.pullback(name).split for name, _ in drawn} == {"train", "validation", "test"}


def test_the_rank_of_a_frame_is_its_place_in_the_draw(scored):
    result = draw_audit(scored, 5, seed=7)
    pool = pool_of(scored, result.audit)
    expected = [pool[row] for row in np.random.default_rng(7).permutation(68)[:5]]
    stored = read_selection(scored.layout.selection(result.round.round_id))
    assert [frame.key for frame in stored] == expected
    assert [frame.rank for frame in stored] == [1, 2, 3, 4, 5]


def test_frames_that_are_out_are_in_no_pool(scored):
    out = {frame.key for frame in select_frames(scored, n=5).frames}
    result = draw_audit(scored, 100)
    assert not out & set(pool_of(scored, result.audit))
    assert result.round.shortfall == "63 of 100 frames: no more are left"
    with pytest.raises(StateError, match="no frame is left to audit"):
        draw_audit(scored)


def test_an_audit_is_sent_blind(scored):
    round_id = draw_audit(scored, 6).round.round_id
    packet = export_for_annotation(scored).folder
    _, sent = read_sent(scored, round_id)
    assert [dict(frame.contours) for frame in sent] == [{}] * 6
    assert scored.packets(round_id)[0].model_id is None
    assert "predicted" not in (packet / "worklist.csv").read_text(encoding="utf-8")
    export_for_annotation(scored, reader="second")
    assert not any(frame.contours for frame in read_sent(scored, round_id, "second")[1])


def test_an_assisted_audit_shows_contours_and_says_so(scored):
    result = draw_audit(scored, 6, is_assisted=True)
    export_for_annotation(scored)
    record, sent = read_sent(scored, result.round.round_id)
    assert record.model_id == "m001"
    assert all(frame.contours for frame in sent)
    assert scored.audits.find(result.round.round_id).is_assisted


def test_no_model_learns_from_an_audit_until_it_is_released(scored, audited):
    drawn = {frame.key for frame in audited.frames}
    before = {split: len(scored.annotated_frames(split)) for split in ("train", "validation", "test")}
    assert not drawn & {frame.key for split in ("train", "validation") for frame in scored.annotated_frames(split)}
    assert before["test"] > 3  # they judge models, and teach none
    status = project_status(scored)
    assert status.n_held == 40
    assert status.next_step[1] != "ivsqa finetune"
    one = next(frame for frame in audited.frames if scored.pullback(frame.pullback_id).split == "train")
    assert explain_frame(scored, f"{one.pullback_id}:{one.frame_index}").held_by == audited.round.round_id

    assert release_audit(scored).audit.is_released
    after = {frame.key for split in ("train", "validation", "test") for frame in scored.annotated_frames(split)}
    assert drawn <= after
    assert project_status(scored).n_held == 0
    assert project_status(scored).next_step[1] == "ivsqa finetune"
    assert explain_frame(scored, f"{one.pullback_id}:{one.frame_index}").held_by is None
    with pytest.raises(StateError, match="no audit is left to release"):
        release_audit(scored)


def test_what_is_drawn_in_a_blind_audit_is_no_correction(scored, audited):
    failed: list[IvsqaError] = []
    with DEFAULT_CONTEXT.progress("Comparing", 1, "revision") as advance:
        readings = read_readings(scored, scored.standings(scored.pullbacks()).values(), failed, advance)
    (blind,) = [one for one in readings if one.round_id == audited.round.round_id]
    assert failed == []
    assert (blind.border, blind.corrected) == (0.0, 0.0)
    assert blind.frames["new"] == 40
    assert any(one.border > 0.0 for one in readings if one is not blind)


def test_a_round_that_is_no_audit_cannot_be_released(scored):
    with pytest.raises(StateError, match="r001 is no audit"):
        release_audit(scored, "r001")


def test_dry_runs_write_nothing(scored, bytes_of):
    before = bytes_of(scored.root)
    draw_audit(scored, 3, dry_run=True)
    assert bytes_of(scored.root) == before
    draw_audit(scored, 3)
    drawn = bytes_of(scored.root)
    release_audit(scored, dry_run=True)
    assert bytes_of(scored.root) == drawn


def test_without_a_model_there_is_nothing_to_audit(started):
    with pytest.raises(StateError, match="there is no model yet"):
        draw_audit(started, 3)


def test_check_finds_a_pool_that_was_changed_and_a_model_that_learnt_from_an_audit(scored):
    result = draw_audit(scored, 40)
    assert check_project(scored, deep=False) == []
    lessons = scored.layout.training_frames("m001")
    one = next(frame for frame in result.frames if scored.pullback(frame.pullback_id).split == "train")
    line = f"train,{one.pullback_id},{one.frame_index},rev-0"
    lessons.write_text(f"{lessons.read_text(encoding='utf-8')}{line}\n", encoding="utf-8")
    earlier = result.audit.model_copy(update={"models": ("m000",)})
    write_manifest(scored.layout.audit_record(result.round.round_id), earlier)
    pool = scored.layout.audit_pool(result.round.round_id)
    pool.write_text(pool.read_text(encoding="utf-8") + "S01-P1,0,0\n", encoding="utf-8")
    messages = {finding.code: finding.message for finding in check_project(scored, deep=False)}
    assert messages["leak"] == f"it learnt from {one.pullback_id}:{one.frame_index}, which an audit holds back"
    assert messages["round"] == "the pool of the audit is missing or was changed"
    with pytest.raises(IntegrityError):
        pool_of(scored, result.audit)
