"""What the command line says of an audit."""


def test_an_audit_is_drawn_blind_and_held_back_until_it_is_released(run, inside, scored):
    inside(scored.root)
    before = run("status --json").answer
    ran = run("audit -n 4 --dry-run")
    assert "4 frames drawn at random from" in ran.out
    assert "to be read blind (not written: --dry-run)" in ran.out
    assert run("status --json").answer["rounds"] == before["rounds"]
    drawn = run("audit -n 4 --seed 5 --json").answer
    assert [frame["rank"] for frame in drawn["frames"]] == [1, 2, 3, 4]
    assert (drawn["is_assisted"], drawn["is_released"]) == (False, False)
    released = run("audit", "--release", "--round", drawn["round_id"])
    assert f"{drawn['round_id']}: 4 frames released to training" in released.out


def test_an_audit_that_is_not_there_cannot_be_released(run, inside, scored):
    inside(scored.root)
    ran = run("audit --release")
    assert ran.code == 3
    assert "audit" in ran.err
    assert run("audit -n 3 --round r001").code == 2
