"""`ivsqa report` as it is typed."""

from ivsqa.io.project.new_project import create_project


def test_the_page_is_named_with_its_size(run, scored):
    ran = run("report", "--project", scored.root, "--top", "1")
    assert ran.code == 0
    assert "report.html: 1 of 8 pullbacks shown, 0." in ran.out
    assert scored.layout.report.is_file()


def test_a_new_project_has_a_report_too(run, tmp_path):
    root = create_project(tmp_path / "study", template="lumen-only").root
    ran = run("report", "--project", root, "--out", tmp_path / "page.html")
    assert ran.code == 0
    assert "0 of 0 pullbacks shown" in ran.out
    assert (tmp_path / "page.html").is_file()


def test_what_could_not_be_read_is_listed_and_the_page_is_there_all_the_same(run, scored):
    name = run("report", "--project", scored.root, "--top", "1", "--json").answer["pullbacks"][0]
    scored.layout.frames(name).write_bytes(b"")
    ran = run("report", "--project", scored.root, "--pullback", name)
    assert ran.code == 3
    assert "1 part of the study could not be read" in ran.err
    assert "mend: restore the file from a copy" in ran.err
    assert scored.layout.report.is_file()


def test_a_pullback_that_is_not_there_and_a_number_below_0_are_refused(run, imported):
    assert run("report", "--project", imported.root, "--pullback", "nobody").code == 3
    assert run("report", "--project", imported.root, "--top", "-1").code == 2
