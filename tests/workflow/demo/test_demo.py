from ivsqa.io.project import starter
from ivsqa.io.project.project import open_project
from ivsqa.workflow.demo.demo import DemoPlan, run_demo
from tests.starters import write_starter

TINY = DemoPlan(
    n_pullbacks=4,
    n_frames=24,
    size_px=64,
    reference_every=(("validation", 12), ("test", 12)),
    n_round=2,
    n_rounds=1,
    finetune_steps=1,
)


def test_the_demo_goes_round_the_loop_and_leaves_an_ordinary_project(tmp_path, monkeypatch):
    write_starter(tmp_path / "starter", widths=(24, 48, 96, 144), size_px=96)
    monkeypatch.setattr(starter, "STARTERS", tmp_path / "starter")
    said: list[str] = []
    result = run_demo(tmp_path / "demo", TINY, say=said.append)
    assert [(stage.name, stage.n_labels) for stage in result.stages] == [("starter", 0), ("round 1", 2)]
    project = open_project(result.project)
    assert {one.state for one in project.rounds()} == {"imported"}
    assert len(said) >= 4
    page = result.page.read_text(encoding="utf-8")
    pictures = list(result.page.parent.rglob("pictures/*.png"))
    assert pictures
    assert result.report.relative_to(result.page.parent).as_posix() in page
    assert "sealed test frames" in result.report.read_text(encoding="utf-8")
    assert all(picture.relative_to(result.page.parent).as_posix() in page for picture in pictures)
