"""What the command line says of a starter model."""

import pytest

from ivsqa.io.project import starter
from tests.edited_settings import with_settings
from tests.starters import write_starter


@pytest.fixture(autouse=True)
def come_along(tmp_path, monkeypatch):
    write_starter(tmp_path / "starter")
    monkeypatch.setattr(starter, "STARTERS", tmp_path / "starter")


def words(text: str) -> str:
    return " ".join(text.split())


def test_every_command_of_day_one_says_that_the_starter_model_draws(run, inside, imported):
    inside(imported.root)
    model_id = run("status --json").answer["current_model"]
    assert model_id.startswith("starter-")
    said = words(run("status").out)
    assert f"model {model_id}: starter model, taught by phantoms alone; not yet calibrated on this study" in said
    assert "next: score every frame: ivsqa score" in said
    assert "its qualities are calibrated on phantoms until: ivsqa train" in words(run("score --device cpu").out)
    assert "starter model was" not in words(run("score --device cpu").out)  # nothing was scored
    measured = run("measure --json").answer
    assert (measured["model_id"], measured["calibrated_on"]) == (model_id, "phantoms")
    ran = run("measure")
    assert "intervals are those of phantoms" in words(ran.out + ran.err)


def test_a_new_project_says_whether_a_starter_model_draws(run, tmp_path):
    assert "starter" not in run("init", tmp_path / "other").out  # that of these tests sees another grid
    write_starter(starter.STARTERS, widths=(24, 48, 96, 144), size_px=96)
    assert "the starter model, taught by phantoms alone, draws until" in words(run("init", tmp_path / "study").out)
    assert "starter" not in run("init", tmp_path / "light", "--template", "oct-lumen").out


def test_score_says_that_another_starter_model_came_along(run, inside, imported):
    inside(imported.root)
    first = run("score --device cpu --json").answer["model_id"]
    write_starter(starter.STARTERS, border_priors=None, measure_calibration=None)
    said = words(run("score --device cpu").out)
    assert f"this ivsqa comes with another starter model than {first}: every frame was scored anew" in said


def test_status_says_why_a_starter_model_does_not_draw(run, imported):
    with_settings(imported.root, {"image": {"working_size_px": 64}})
    said = words(run("status", "--project", imported.root).out)
    assert "no model: the starter model was taught with image.working_size_px: 32, project.yaml says 64" in said
    ran = run("score", "--project", imported.root)
    assert ran.code == 3
    assert "there is no model yet: the starter model" in words(ran.err)


def test_train_says_what_it_began_with(run, inside, started):
    inside(started.root)
    assert "against starter-" in words(run("train --steps 1 --device cpu").out)
    assert "trained from scratch" in words(run("train --from-scratch --steps 1 --device cpu").out)
    with_settings(started.root, {"network": {"widths": [4, 8]}})
    said = words(run("train --steps 1 --device cpu").out)
    assert "trained from scratch: the starter model has network.widths [8, 16], project.yaml says [4, 8]" in said
