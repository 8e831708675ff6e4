from ivsqa.io.project import open_project
from ivsqa.workflow.demo import DemoPlan, run_demo

TINY = DemoPlan(
    n_pullbacks=4,
    n_frames=24,
    size_px=64,
    n_start=(("train", 2), ("validation", 1), ("test", 2)),
    n_round=2,
    n_rounds=1,
    train_steps=2,
    finetune_steps=2,
)


def test_the_demo_goes_round_the_loop_and_leaves_an_ordinary_project(tmp_path):
    said: list[str] = []
    result = run_demo(tmp_path / "demo", TINY, say=said.append)
    assert [(stage.name, stage.n_labels) for stage in result.stages] == [("start", 2), ("round 1", 4)]
    project = open_project(result.project)
    assert [one.state for one in project.rounds()] == ["imported"] * 4
    assert len(said) >= 4
    page = result.page.read_text(encoding="utf-8")
    for picture in [path for path in result.page.parent.rglob("pictures/*.png")]:
        assert picture.relative_to(result.page.parent).as_posix() in page
