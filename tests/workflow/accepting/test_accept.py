import dataclasses

import numpy as np
import pytest

from ivsqa.domain.acceptance.accepting import accept as accept_frames
from ivsqa.domain.acceptance.audit import Audit, FramePool
from ivsqa.domain.acceptance.promise import Promise
from ivsqa.domain.contour import Contour
from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import IntegrityError, NotFoundError, StateError
from ivsqa.io.ledger import doors
from ivsqa.io.project.certificates import CertificateRecord, digest
from ivsqa.io.project.manifest import read_manifest, write_manifest
from ivsqa.io.project.project import Project, open_project
from ivsqa.io.project.records import ModelRecord, PullbackRecord, ScoresRecord
from ivsqa.workflow.accepting.accept import accept, withdraw_certificate
from ivsqa.workflow.accepting.audit import draw_audit, release_audit
from ivsqa.workflow.importing.amend import NewFacts, amend
from ivsqa.workflow.readers.undo import undo
from ivsqa.workflow.reporting.check import check_project
from tests.conftest import copied
from tests.workflow.accepting.audited_study import (
    GOOD_TO,
    N_AUDITED,
    as_reader_draws,
    give_up,
    predicted_losses,
    read,
)
from tests.workflow.scored_study import CONTOURS

N_POOL = 400


@pytest.fixture
def project(unread_study, tmp_path):
    return open_project(copied(unread_study, tmp_path))


@pytest.fixture
def audited(audited_study, tmp_path):
    return open_project(copied(audited_study, tmp_path))


def certified(project, **promised) -> CertificateRecord:
    """Return the certificate of what is accepted."""
    certificate = accept(project, **promised).certificate
    assert certificate is not None
    return certificate


def drawn_of(project):
    (audit,) = project.audits.all()
    return project.audits.frames(audit)


def test_what_is_accepted_is_what_the_mathematics_of_the_audit_allows(audited):
    result, certificate = accept(audited), certified(audited)
    predicted = predicted_losses(audited)
    keys = sorted(predicted)
    drawn = drawn_of(audited)
    pool = FramePool(np.array([predicted[key] for key in keys]), np.zeros(N_POOL, dtype=np.intp))
    losses = np.array([0.0 if predicted[key] <= GOOD_TO else 1.0 for key in drawn])
    wanted = accept_frames(pool, Audit(np.array([keys.index(key) for key in drawn]), losses), Promise(0.05, 0.9))

    assert result.is_new
    assert result.reason == ""
    assert certificate.bar == pytest.approx(wanted.bar)
    assert certificate.bound == pytest.approx(wanted.bound)
    accepted = {
        FrameKey(name, index)
        for name in audited.pullback_ids()
        for index in audited.certificates.accepted(certificate, name)
    }
    assert accepted == {keys[row] for row in np.flatnonzero(wanted.accepted)}
    assert len(accepted) > 100
    counted = (
        certificate.n_pool,
        certificate.n_read,
        certificate.n_audited,
        certificate.n_accepted,
        certificate.n_left,
    )
    assert counted == (N_POOL, 0, N_AUDITED, len(accepted), N_POOL - N_AUDITED - len(accepted))
    assert [point.share for point in audited.certificates.curve(certificate)] == [p.share for p in wanted.curve]
    # The promise holds indeed: what is delivered loses, on average, no more.
    truth = np.mean([0.0 if predicted[key] <= GOOD_TO else 1.0 for key in accepted])
    assert truth * len(accepted) / N_POOL <= 0.05


def test_a_share_is_promised_of_the_accepted_frames(audited):
    certificate = certified(audited, at_most=0.1, worse_than=0.1)
    assert certificate.sentence == (
        "at most 10 % of the frames under the bar are worse than 0.1 in Dice error (1 - Dice) as the model drew them, "
        "with 90 % confidence"
    )
    assert certificate.bar < 0.5


def test_a_distance_needs_spacing(audited):
    assert certified(audited, loss="distance").n_accepted > 100
    record = read_manifest(audited.layout.pullback_record("S000-P1"), PullbackRecord)
    write_manifest(audited.layout.pullback_record("S000-P1"), record.model_copy(update={"spacing_mm": None}))
    with pytest.raises(StateError, match="S000-P1 has no spacing, and a distance in mm needs one"):
        accept(audited, loss="distance", at_most=0.06)


def test_the_same_call_gives_the_same_certificate_and_another_promise_is_counted(audited, bytes_of):
    first = accept(audited)
    before = bytes_of(audited.root)
    again = accept(audited)
    assert (again.is_new, again.certificate, again.n_tried) == (False, first.certificate, 1)
    assert bytes_of(audited.root) == before
    audited.layout.certificate_page("c001").unlink()  # a stop before it, or a repair
    assert accept(audited).page == first.page
    assert bytes_of(audited.root) == before
    second = accept(audited, at_most=0.03)
    assert second.n_tried == 2
    assert second.joint_confidence == pytest.approx(0.8)
    assert second.certificate
    assert second.certificate.certificate_id == "c002"
    # One that fails counts as well.
    third = accept(audited, at_most=0.001)
    assert third.certificate is None
    assert "an audit of 120 frames cannot prove 0.001" in third.reason
    assert accept(audited, at_most=0.04).n_tried == 4


def test_a_dry_run_looks_at_no_loss(project, bytes_of):
    draw_audit(project, 120, seed=3)  # nothing came back yet
    before = bytes_of(project.root)
    planned = accept(project, dry_run=True)
    assert bytes_of(project.root) == before
    assert (planned.certificate, planned.n_audited, planned.n_missing, planned.n_needed) == (None, 120, 120, 51)


def test_an_audit_that_is_not_whole_proves_nothing(project, bytes_of):
    drawn = draw_audit(project, N_AUDITED, seed=3)
    keys = [frame.key for frame in drawn.frames]
    read(project, keys[:-7], round_id="r001")
    before = bytes_of(project.root)
    with pytest.raises(StateError, match=r"7 of 120 audited frames have no reading that counts, such as S00"):
        accept(project)
    assert bytes_of(project.root) == before
    counted = certified(project, missing_as_lost=True)
    assert counted.n_lost == 7
    assert [frame.loss for frame in project.certificates.audited(counted)][-7:] == [None] * 7


def test_frames_that_the_reader_gave_up_have_lost_all(project):
    drawn = draw_audit(project, N_AUDITED, seed=3)
    keys = [frame.key for frame in drawn.frames]
    predicted = predicted_losses(project)
    easy = [key for key in keys if predicted[key] <= 0.2]
    read(project, [key for key in keys if key not in easy], round_id="r001")
    for key in easy:
        give_up(project, key, "r001")
    result = accept(project)
    assert len(easy) > 10
    assert result.certificate is None or result.certificate.n_accepted < 25


def test_readers_in_dispute_are_to_be_settled_first(audited):
    read(audited, drawn_of(audited)[:3], round_id="r001", reader="ben")
    with pytest.raises(StateError, match="3 audited frames are in dispute between readers"):
        accept(audited)


def test_a_model_that_came_after_the_draw_is_not_judged_by_it(audited):
    later = audited.get_model("m001").model_copy(update={"model_id": "m002"})
    write_manifest(audited.layout.model_record("m002"), ModelRecord.model_validate(dict(later)))
    with pytest.raises(StateError, match="r001 was drawn before m002 was there, and cannot judge it") as raised:
        accept(audited)
    assert "--model m001" in raised.value.hint
    assert certified(audited, model_id="m001").model_id == "m001"


def test_without_an_audit_nothing_is_accepted(project):
    with pytest.raises(StateError, match="there is no audit yet"):
        accept(project)
    with pytest.raises(NotFoundError, match="no round 'r009'"):
        accept(project, round_id="r009")


def test_a_second_audit_goes_on_with_the_first(project):
    drawn = draw_audit(project, 40, seed=3)
    read(project, [frame.key for frame in drawn.frames], round_id="r001")
    few = accept(project)
    assert few.certificate is None or few.certificate.n_accepted < 60
    more = draw_audit(project, 80, seed=4)
    read(project, [frame.key for frame in more.frames], round_id="r002", second=1)
    result = accept(project)
    assert result.audits == ("r001", "r002")
    assert (result.n_pool, result.n_audited, result.n_tried) == (N_POOL, 120, 1)
    assert result.certificate
    assert result.certificate.n_accepted > 60
    # How many are drawn of a share has to be decided before any is looked at.
    share = accept(project, at_most=0.1, worse_than=0.1)
    assert (share.audits, share.n_pool, share.n_audited) == (("r002",), N_POOL - 40, 80)
    assert accept(project, round_id="r001", at_most=0.2).audits == ("r001",)


def test_an_audit_does_not_go_on_where_other_frames_were_read_between(project):
    drawn = draw_audit(project, 60, seed=3)
    read(project, [frame.key for frame in drawn.frames], round_id="r001")
    other = next(key for key in sorted(predicted_losses(project)) if key not in drawn_of(project))
    read(project, [other], second=1)
    more = draw_audit(project, 60, seed=4)
    read(project, [frame.key for frame in more.frames], round_id="r002", second=2)
    assert accept(project).audits == ("r002",)


def test_accepted_frames_are_delivered_until_somebody_reads_them(audited):
    certificate = certified(audited)
    pullback = audited.pullback("S000-P1")
    accepted = pullback.accepted(certificate)
    index = min(accepted)
    assert accepted[index].contours == digest(pullback.contours("m001")[index])
    assert set(pullback.accepted_contours(certificate)) == set(accepted)
    read(audited, [accepted[index].key], second=5)
    assert index not in audited.pullback("S000-P1").accepted(certificate)


def test_contours_that_changed_since_are_not_delivered(audited):
    certificate = certified(audited)
    store = audited.scores("m001")
    scores = [
        dataclasses.replace(score, contours={**score.contours, "lumen": as_reader_draws(1.0)["lumen"]})
        for score in store.read("S000-P1", range(40))
    ]
    store.write_chunk("a" * 64, scores)
    with pytest.raises(IntegrityError, match="of S000-P1 is drawn otherwise than c001 accepted it"):
        audited.pullback("S000-P1").accepted_contours(certificate)


def test_a_certificate_whose_audit_was_undone_is_in_force_no_more(audited):
    certificate = certified(audited)
    assert audited.certificates.in_force() == certificate
    undo(audited, [str(key) for key in drawn_of(audited)])
    assert len(audited.certificates.changed_audits(certificate)) == N_AUDITED
    assert audited.certificates.in_force() is None
    assert audited.pullback("S000-P1").contours()  # predicted, not accepted
    with pytest.raises(StateError, match="120 of 120 audited frames have no reading that counts"):
        accept(audited)


def test_a_certificate_edited_by_hand_proves_nothing(audited, without_ledger):
    certificate = certified(audited)
    audited = without_ledger(audited)
    path = audited.layout.certificate_record("c001")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f"bound: {certificate.bound}", "bound: 0.001"), encoding="utf-8")
    with pytest.raises(IntegrityError, match="was changed after it was written, so it proves nothing"):
        audited.certificates.in_force()
    assert withdraw_certificate(audited).is_withdrawn
    assert audited.certificates.in_force() is None
    path.write_text(text, encoding="utf-8")
    audited = without_ledger(audited)
    frames = audited.layout.accepted_frames("c001")
    frames.write_text(frames.read_text(encoding="utf-8") + "S009-P1,0,0.1,0123456789abcdef\n", encoding="utf-8")
    with pytest.raises(IntegrityError, match="the list of accepted frames is missing or was changed"):
        audited.pullback("S000-P1").accepted(audited.certificates.in_force())


def test_check_finds_certificates_that_changed_and_contours_that_are_not_those_accepted(audited):
    certificate = certified(audited)

    def messages(*, deep: bool) -> list[str]:
        return [one.message for one in check_project(audited, deep=deep) if one.code == "certificate"]

    assert messages(deep=True) == []
    store = audited.scores("m001")
    scores = [dataclasses.replace(score, contours={}) for score in store.read("S001-P1", range(40))]
    store.write_chunk("a" * 64, scores)
    assert messages(deep=False) == []
    (found,) = messages(deep=True)
    assert "of S001-P1 is drawn otherwise than c001 accepted it" in found
    curve = audited.layout.certificate_curve(certificate.certificate_id)
    curve.write_text(curve.read_text(encoding="utf-8").replace("0.1", "0.2", 1), encoding="utf-8")
    assert messages(deep=False) == ["the curve of the certificate is missing or was changed"]
    audited.layout.accepted_frames("c001").unlink()
    path = audited.layout.certificate_record("c001")
    path.write_text(path.read_text(encoding="utf-8").replace("n_accepted: ", "n_accepted: 9"), encoding="utf-8")
    assert messages(deep=False) == ["was changed after it was written, so it proves nothing"]


def test_the_certificate_before_is_in_force_again_when_one_is_withdrawn(audited, bytes_of):
    accept(audited, at_most=0.05)
    accept(audited, at_most=0.03)
    before = bytes_of(audited.root)
    assert withdraw_certificate(audited, dry_run=True).certificate_id == "c002"
    assert bytes_of(audited.root) == before
    withdraw_certificate(audited)
    assert audited.certificates.in_force().certificate_id == "c001"
    with pytest.raises(StateError, match="c002 was withdrawn before"):
        withdraw_certificate(audited, "c002")
    withdraw_certificate(audited, "c001")
    with pytest.raises(StateError, match="there is no certificate to withdraw"):
        withdraw_certificate(audited)
    with pytest.raises(NotFoundError, match="no certificate 'c009'"):
        withdraw_certificate(audited, "c009")


def test_withdrawing_that_was_killed_at_its_end_withdraws_no_other(audited, stopped_at_its_end):
    accept(audited, at_most=0.05)
    accept(audited, at_most=0.03)
    withdrawn(audited)
    withdrawn(stopped_at_its_end(audited))
    assert audited.certificates.newest_id() == "c001"


def withdrawn(project: Project) -> Project:
    """Withdraw the newest certificate, as the command does."""
    with doors.command("accept", "accept --withdraw"):
        assert withdraw_certificate(project).certificate_id == "c002"
    return project


def test_an_assisted_audit_stands_in_the_certificate(project):
    drawn = draw_audit(project, N_AUDITED, is_assisted=True, seed=3)
    read(project, [frame.key for frame in drawn.frames], round_id="r001")
    certificate = certified(project, reader_loss=0.01)
    assert certificate.is_assisted
    assert any("with the model's contours in sight" in one for one in certificate.assumptions)
    assert any("taken to lose 0.01 in each" in one for one in certificate.assumptions)
    release_audit(project)  # of the models of its day it still tells
    assert accept(project).certificate is not None


def test_scores_of_other_weights_are_refused(audited):
    record = ScoresRecord(
        model_id="m001", weights_sha256="e" * 64, structures=audited.structures.names, image={},
        provenance=audited.get_model("m001").provenance,
    )  # fmt: skip
    write_manifest(audited.layout.scores_record("m001"), record)
    with pytest.raises(IntegrityError, match="the scores of m001 were made by other weights"):
        accept(audited)


def test_a_digest_tells_contours_from_others():
    moved = {**CONTOURS, "lumen": Contour.from_points(CONTOURS["lumen"].points_px + 1e-3)}
    assert digest(CONTOURS) == digest(dict(reversed(list(CONTOURS.items()))))
    assert len({digest(CONTOURS), digest(moved), digest({"lumen": CONTOURS["lumen"]}), digest({})}) == 4


def test_a_spacing_is_not_amended_under_a_certificate_and_is_once_it_is_given_up(audited, bytes_of):
    certificate = certified(audited)
    pullback_id = next(one for one in audited.pullback_ids() if audited.pullback(one).accepted(certificate))
    other = NewFacts(spacing_mm=(0.2, 0.2))
    before = bytes_of(audited.root)
    with pytest.raises(StateError, match=r"accepts .* as they were drawn with the spacing of before") as caught:
        amend(audited, [pullback_id], other, by="anna", why="rings")
    assert (
        caught.value.hint == f"give it up first, and accept anew: ivsqa accept --withdraw {certificate.certificate_id}"
    )
    assert bytes_of(audited.root) == before
    amend(audited, [pullback_id], NewFacts(pullback_speed_mm_s=1.0), by="anna", why="log")  # moves no contour
    assert audited.certificates.in_force() == certificate
    withdraw_certificate(audited)
    amend(audited, [pullback_id], other, by="anna", why="rings")
    assert audited.pullback(pullback_id).spacing_mm == (0.2, 0.2)
