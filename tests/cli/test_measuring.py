"""`ivsqa measure` as it is typed."""

from ivsqa.io.project.manifest import write_manifest


def test_pullbacks_and_lesions_are_printed_with_their_intervals(run, scored):
    model = scored.get_model(None)
    factors = {"lumen_area": 0.2, "eem_area": 0.2, "plaque_media_area": 0.2, "plaque_burden": 0.2}
    told = {"factors": factors, "pooled": factors, "n_frames": 40, "n_subjects": 12}
    write_manifest(scored.layout.model_record("m001"), model.model_copy(update={"measure_calibration": told}))
    ran = run("measure", "--project", scored.root, "--burden", "0.01", "--lesion-length", "0")
    assert ran.code == 0
    assert "MLA mm²" in ran.out
    assert "lesion of" in ran.out
    assert "…" in ran.out
    assert "80 frames of 8 pullbacks: 12 drawn, 68 predicted, 0 unreadable, 0 without contours" in ran.out
    assert "measures-m001" in ran.out
    assert "no intervals" not in ran.err


def test_what_keeps_intervals_and_frames_away_is_said(run, scored, started):
    ran = run("measure", "--project", scored.root)
    assert ran.code == 0
    assert "note: no intervals: annotate frames of more validation subjects" in ran.err
    ran = run("measure", "--project", started.root)
    assert "12 drawn, 0 predicted, 0 unreadable, 68 without contours" in ran.out
    assert "ivsqa score" in ran.err


def test_only_the_pullbacks_that_were_named_are_measured(run, scored, tmp_path):
    name = scored.pullback_ids()[2]
    answer = run("measure", name, name, "--project", scored.root, "--out", tmp_path / "out", "--json").answer
    assert [row["pullback_id"] for row in answer["pullbacks"]] == [name]
    assert answer["n_frames"] == 10
    assert answer["folder"] == str(tmp_path / "out")


def test_a_broken_pullback_is_listed_and_the_others_are_measured(run, scored):
    annotated = next(path for path in scored.layout.annotations.iterdir() if any(path.glob("*.csv")))
    next(annotated.glob("*.csv")).write_text("changed", encoding="utf-8")
    ran = run("measure", "--project", scored.root)
    assert ran.code == 3
    assert "of 7 pullbacks" in ran.out
    assert "1 pullback could not be measured" in ran.err
    assert annotated.name in ran.err


def test_nothing_to_measure_is_said_with_the_command(run, imported):
    ran = run("measure", "--project", imported.root)
    assert ran.code == 3
    assert "mend: predict them with: ivsqa score" in ran.err


def test_a_length_that_is_no_number_is_not_understood(run, imported):
    for option in ("--every", "--max-gap", "--burden", "--reach"):
        assert run("measure", "--project", imported.root, option, "nan").code == 2
    assert run("measure", "--project", imported.root, "--max-gap", "inf").code == 2
    assert run("measure", "--project", imported.root, "--every", "-1").code == 2
