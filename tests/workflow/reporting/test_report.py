import re
from pathlib import Path

import pytest

from ivsqa.errors import NotFoundError
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project
from ivsqa.workflow.context import DEFAULT_CONTEXT
from ivsqa.workflow.evaluating.evaluate import evaluate_model
from ivsqa.workflow.reporting.report import write_report
from ivsqa.workflow.reporting.report_pullbacks import pullback_pages


def sections(page: Path) -> list[str]:
    return re.findall(r"<h3>(.*?)</h3>", page.read_text(encoding="utf-8"))


def test_the_report_of_a_study_is_one_file_and_changes_nothing_else(scored, bytes_of):
    evaluate_model(scored, device="cpu")
    before = bytes_of(scored.root)
    result = write_report(scored)
    after = bytes_of(scored.root)
    assert set(after) - set(before) == {"reports/report.html"}
    assert {name: after[name] for name in before} == before
    assert result.failed == []
    assert result.n_bytes == result.page.stat().st_size
    text = result.page.read_text(encoding="utf-8")
    assert str(scored.root) not in text
    assert all(re.match(r"data:image/|#", one) for one in re.findall(r'(?:src|href)="([^"]*)"', text))
    for words in (
        "sealed test frames",
        "Is another round worth it?",
        "Rounds and readers",
        "predicted Dice",
        "plaque burden",
        "MLA",
    ):
        assert words in text


def test_the_same_project_gives_the_same_bytes(scored, tmp_path):
    first = write_report(scored, out=tmp_path / "a.html").page.read_bytes()
    assert write_report(scored, out=tmp_path / "b.html").page.read_bytes() == first


def of_training(project: Project) -> set[str]:
    return {one.pullback_id for one in project.pullbacks() if one.split == "train"}


def test_subjects_held_out_are_shown_only_when_they_are_named(scored):
    held_out = set(scored.pullback_ids()) - of_training(scored)
    result = write_report(scored, top=100)
    assert held_out
    assert set(result.shown) == of_training(scored)
    named = sorted(held_out)[0]
    result = write_report(scored, pullback_ids=[named, named])
    assert result.shown == sections(result.page) == [named]


def test_the_worst_pullbacks_come_first_and_the_others_are_listed(scored):
    result = write_report(scored, top=2)
    text = result.page.read_text(encoding="utf-8")
    assert sections(result.page) == result.shown
    assert len(result.shown) == 2
    listed = re.findall(r"<tr><td>(S\d\d-P\d)</td>.*?<td>(0\.\d+)</td><td>[\d]+ %", text.partition("more pullbacks")[2])
    means = [float(dice) for name, dice in listed if name in of_training(scored)]
    assert len(means) == len(of_training(scored)) - 2
    assert means == sorted(means)
    assert f"Those expected to be worst are shown: 2 of the {len(of_training(scored))}" in text
    none = write_report(scored, top=0)
    assert none.shown == []
    assert "None is shown" in none.page.read_text(encoding="utf-8")


def test_a_project_that_was_only_made_says_what_comes_first(tmp_path):
    result = write_report(create_project(tmp_path / "study", template="coronary-ivus"))
    assert (result.model_id, result.n_pullbacks, result.shown, result.failed) == (None, 0, [], [])
    assert "Nothing is imported yet" in result.page.read_text(encoding="utf-8")


def test_without_a_model_the_frames_and_what_was_drawn_are_shown(imported, started):
    text = write_report(imported).page.read_text(encoding="utf-8")
    assert "There is no model yet" in text
    assert text.count("cut along the catheter") == len(of_training(imported))
    result = write_report(started)
    text = result.page.read_text(encoding="utf-8")
    assert "of the border to correct in round r003; by round 100 → " in text
    assert "area, mm²" in text
    assert "Is another round worth it?" not in text
    most = max(of_training(started), key=lambda name: len(started.annotations.annotated_frames(name)))
    n_most = len(started.annotations.annotated_frames(most))
    assert len(started.annotations.annotated_frames(result.shown[0])) == n_most


def test_before_anything_is_scored_nothing_is_called_worst(trained):
    text = write_report(trained, top=1).page.read_text(encoding="utf-8")
    assert f"Those with most frames drawn are shown: 1 of the {len(of_training(trained))}" in text
    assert "once every frame is scored" in text
    assert "it was not measured on sealed test subjects yet" in text


def test_without_spacing_nothing_is_said_in_mm(scored):
    for record in scored.pullbacks():
        write_manifest(
            scored.layout.pullback_record(record.pullback_id),
            record.model_copy(update={"spacing_mm": None, "pullback_speed_mm_s": None}),
        )
    text = write_report(scored, top=1).page.read_text(encoding="utf-8")
    pullback = text.partition("<h3>")[2]
    assert "spacing not known, so nothing in mm" in pullback
    assert "px from its middle" in pullback
    assert "places are frames" in pullback
    assert "plaque burden" in pullback
    assert not re.search(r"mm[²³]|\d mm", pullback)


def test_what_is_broken_is_named_on_the_page_and_the_rest_is_there(scored):
    name = write_report(scored, top=1).shown[0]
    scored.layout.frames(name).write_bytes(b"")
    scored.layout.evaluation("m001", "test").write_text("{", encoding="utf-8")
    result = write_report(scored, top=2)
    assert [error.path for error in result.failed] == [
        scored.layout.evaluation("m001", "test"),
        scored.layout.frames(name),
    ]
    text = result.page.read_text(encoding="utf-8")
    assert f"pullbacks/{name}/frames.npy: frames are missing or unreadable" in text
    assert len(result.shown) == 1


def test_a_pullback_that_is_not_there_is_refused_before_anything_is_written(scored):
    with pytest.raises(NotFoundError):
        write_report(scored, pullback_ids=["nobody"])
    assert not scored.layout.report.exists()


def test_a_band_of_few_validation_subjects_is_not_drawn_but_named(scored):
    model = scored.current_model()
    record = next(one for one in scored.pullbacks("train"))
    factors = dict.fromkeys(("lumen_area", "eem_area", "plaque_burden"), 2.0)
    known = {"factors": factors, "pooled": {}, "n_frames": 20}

    def drawn(n_subjects: int):
        calibrated = model.model_copy(update={"measure_calibration": known | {"n_subjects": n_subjects}})
        (page,) = pullback_pages(scored, [record], calibrated, [], DEFAULT_CONTEXT)
        return str(page.chart).count('fill-opacity=".28"'), page.legend

    bands, legend = drawn(4)
    assert bands == 0
    assert "No bands: of 4 validation subjects, fewer than 5, an interval is only the widest seen" in legend
    bands, legend = drawn(5)
    assert bands > 0
    assert "Bands: 90 % intervals of predicted measures." in legend


def test_of_few_test_subjects_the_report_gives_no_interval(scored):
    evaluate_model(scored, device="cpu")
    text = write_report(scored).page.read_text(encoding="utf-8")
    assert ", too few for intervals." in text
    tile = re.search(r"<small>Dice of lumen([^<]*)</small>", text)
    assert tile is not None
    assert "to" not in tile[1].split()
