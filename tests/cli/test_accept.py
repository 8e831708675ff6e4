"""What the command line says of accepting, and of finishing a study."""

import pytest

from ivsqa.domain.acceptance.minutes import FrameWork, TimedWork
from ivsqa.io.project.audits import AuditStore
from ivsqa.workflow.accepting.audit import draw_audit
from ivsqa.workflow.rounds.select import select_frames
from tests.workflow.accepting.audited_study import read, send, study


@pytest.fixture
def audited(tmp_path, inside):
    project = study(tmp_path / "study")
    drawn = draw_audit(project, 120, seed=3)
    read(project, [frame.key for frame in drawn.frames], round_id="r001")
    send(project, "r001")
    inside(project.root)
    return project


def test_a_study_is_finished_step_by_step(run, audited):
    planned = run("accept --dry-run")
    assert "promise: the mean Dice error (1 - Dice) of all frames is at most 0.05, with 90 % confidence" in planned.out
    assert "losses were not looked at, nothing is written: --dry-run" in planned.out
    done = run("accept")
    assert "c001: " in done.out
    assert "assumed: audited frames were read without sight of the model's contours" in done.out
    assert done.out.rstrip().endswith("next: ivsqa select -n 50 --strategy review")
    assert "says the same already" in run("accept").out
    assert "40 frames by review, about 3.3 minutes" in run("select -n 40 --strategy review --dry-run").out
    status = run("status")
    assert "c001: the mean Dice error" in status.out
    assert " accepted, 120 read, " in status.out
    answer = run("status --json").answer["finishing"]
    assert (answer["certificate_id"], answer["is_in_force"], answer["n_read"]) == ("c001", True, 120)
    assert (answer["n_timed"], answer["minutes_spent"]) == (0, None)
    accepted = run("accept --json").answer
    assert accepted["n_accepted"] == answer["n_accepted"]
    assert f"{answer['n_accepted']} accepted," in run("measure").out.replace(",", ",")
    name = next(line for line in (audited.layout.accepted_frames("c001")).read_text().splitlines()[1:])
    assert "accepted as the model drew it by c001" in run(f"why {':'.join(name.split(',')[:2])}").out
    assert "c001 withdrawn" in run("accept --withdraw c001").out
    assert run("status --json").answer["finishing"]["certificate_id"] is None


def test_a_second_promise_is_noted(run, audited):
    run("accept")
    ran = run("accept --at-most 0.03")
    assert "2 promises were tried on this audit; that all of them hold is sure at 80.0 %" in ran.err.replace(
        "\n  ", " "
    )
    failed = run("accept --at-most 0.001")
    assert failed.code == 0
    assert "nothing is accepted: an audit of 120 frames cannot prove 0.001 at 90 %" in failed.out
    assert len(AuditStore(audited.layout).all()[0].tried) == 3


@pytest.mark.parametrize(
    "line", ["--at-most 0", "--at-most 1", "--confidence 1", "--worse-than 1", "--reader-loss -0.1", "--loss hd95"]
)
def test_what_is_no_promise_is_refused(run, audited, line):
    assert run(f"accept {line}").code == 2


def test_a_return_that_is_not_whole_is_one_clear_line(run, tmp_path, inside):
    project = study(tmp_path / "study")
    drawn = draw_audit(project, 120, seed=3)
    read(project, [frame.key for frame in drawn.frames][:-1], round_id="r001")
    inside(project.root)
    ran = run("accept")
    assert ran.code == 3
    assert "1 of 120 audited frames have no reading that counts" in ran.err
    assert "--missing-as-lost" in ran.err
    assert run("accept --missing-as-lost").code == 0


def test_minutes_that_readers_reported_are_counted_and_teach_what_the_rest_takes(run, audited):
    run("accept")
    chosen = select_frames(audited, 30, strategy="review")
    read(audited, [frame.key for frame in chosen.frames], round_id="r002", second=1, timed=TimedWork(FrameWork(), 20.0))
    assert "10.0 minutes spent, by the times reported of 30 readings" in run("status").out
    answer = run("status --json").answer["finishing"]
    assert (answer["n_timed"], answer["minutes_spent"]) == (30, 10.0)
    # 30 looks of 20 s, and 10 as if of 5 s: 16.25 s each.
    assert answer["minutes"] == pytest.approx(answer["n_left"] * 16.25 / 60)
