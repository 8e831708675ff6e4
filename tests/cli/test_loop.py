"""The whole loop, driven as a study engineer drives it: by the command line alone."""

from pathlib import Path

from ivsqa.io.formats.contours_csv import read_contours_csv
from ivsqa.io.project.project import open_project
from tests.conftest import SMALL
from tests.edited_settings import with_settings


def test_the_whole_loop_runs_by_command_line(run, inside, phantoms, tmp_path):
    inside(tmp_path)

    def done(line: str):
        ran = run(line)
        assert ran.code == 0, f"ivsqa {line}\n{ran.out}\n{ran.err}"
        return ran

    done("phantom phantoms --pullbacks 6 --frames 8 --size 96 --seed 5")
    truth = {
        name: frames for path in Path("phantoms/truth").iterdir() for name, frames in read_contours_csv(path).items()
    }
    person = type(phantoms)(Path("phantoms"), [], truth)

    done("init study --template coronary-ivus --name 'Study 007'")
    with_settings(Path("study"), SMALL)
    inside(tmp_path / "study")
    out = done("import ../phantoms --subject-from '(?P<pullback>(?P<subject>S[0-9]+)-P[0-9]+)'").out
    assert "6 pullbacks imported" in out
    assert "next: ivsqa status" in out
    assert "next: choose frames to annotate first: ivsqa select" in done("status").out

    def annotated_round(line: str) -> str:
        round_id: str = done(f"{line} --json").answer["round_id"]
        packet = Path(done("export-for-annotation --json").answer["packet"])
        person.annotate(packet)
        assert "newly annotated" in done(f"import-annotations {packet} --reader anna --round {round_id}").out
        return round_id

    for split, n in (("train", 4), ("validation", 2), ("test", 2)):
        annotated_round(f"select -n {n} --split {split} --strategy stratified")
    assert "next: ivsqa score" in done("train --device cpu").out
    assert "there is nothing to do" in done("train --device cpu").out
    assert "48 frames scored" in done("score --top 3 --heatmaps --device cpu").out
    assert len(list(Path("scores/m001/heatmaps").glob("*.png"))) == 3
    round_id = annotated_round("select -n 3")

    tuned = done("finetune --device cpu --json").answer
    assert (tuned["model_id"], tuned["parent"], tuned["n_new_frames"], tuned["accepted"]) == ("m002", "m001", 3, True)
    measured = done("evaluate --device cpu --json").answer
    assert (measured["model_id"], measured["n_frames"]) == ("m002", 2)
    assert "lumen" in done("evaluate --device cpu").out

    table = done("measure --every 0.1 --format csv").out
    assert "48 frames" not in table  # a frame each 0.1 mm
    assert "6 pullbacks" in table
    assert {path.name for path in Path("reports/measures-m002").iterdir()} == {
        *("frames.csv", "lesions.csv", "pullbacks.csv", "measures.json")
    }

    status = done("status --json").answer
    assert status["n_annotated"] == {"train": 7, "validation": 2, "test": 2}
    assert [one["state"] for one in status["rounds"]] == ["imported"] * 4
    assert "model m002" in done("status").out
    assert done("check").out == "0 findings\n"

    project = open_project(Path.cwd())
    first = project.layout.selection(round_id).read_text().splitlines()[1].split(",")
    chain = done(f"why {first[1]}:{first[2]}")
    assert f"{round_id}" in chain.out
    assert "rank 1 of 3 by sqa" in chain.out
    assert "by anna, labelme" in chain.out
    assert "learnt by m002" in chain.out
    answer = done(f"why {first[1]}:{first[2]} --json").answer
    assert [one["round_id"] for one in answer["selections"]] == [round_id]
    assert answer["trained"] == ["m002"]
