"""A project that an older version wrote opens in this one, and every command answers as that version did."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ivsqa.cli.main import app
from ivsqa.io.project.manifest import read_manifest
from ivsqa.io.project.new_project import create_project, template_names
from ivsqa.io.project.settings import ProjectSettings
from ivsqa.workflow.predicting.networks import project_network

KEPT = Path(__file__).parent / "data" / "projects" / "5f113b8"
ANSWERS: dict[str, Any] = json.loads((KEPT / "answers.json").read_text(encoding="utf-8"))
TOLERANCE = 1e-6
SIZE_OF_A_PAGE = "n_bytes"
"""The one answer that is not of the study: it follows the wording of the page."""

OUT = "frames that did not come back are out: they and their neighbours cannot be chosen, and are not listed as such"
DRAWN = "both branches draw together, borders are laid with a prior on their shape, and what is drawn is judged"
TOLD = f"{OUT}; reasons tell of errors from 2.2 times the distance between experts on"
REASONS = {
    "status": "a round counts as imported when all its frames came back; the pool leaves out what cannot be chosen",
    "score --top 10": OUT,
    "score --model m001 --top 10": OUT,
    "select -n 4 --dry-run": TOLD,
    "select -n 4 --strategy stratified --dry-run": OUT,
    "select -n 4 --strategy entropy --dry-run": TOLD,
    "evaluate": DRAWN,
    "evaluate --split validation --model m001": DRAWN,
}
"""Why this version answers otherwise on purpose, by command line; what it answers stands in changed_answers.json."""
CHANGED: dict[str, Any] = json.loads((KEPT / "changed_answers.json").read_text(encoding="utf-8"))


def differences(old: Any, new: Any, place: str = "") -> dict[str, tuple[Any, Any]]:
    """Return old and new value by their place in an answer, such as `rounds.1.state`; a number may differ by 1e-6.

    A key that only the new answer has is no difference: programs that read the old one do not look for it (docs/json.md).
    """
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = {str(key): (value, new.get(key)) for key, value in old.items()}
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = {str(index): pair for index, pair in enumerate(zip(old, new, strict=True))}
    else:
        return {} if _are_same(old, new) else {place: (old, new)}
    return {
        where: pair
        for key, (before, now) in pairs.items()
        for where, pair in differences(before, now, f"{place}.{key}" if place else key).items()
    }


def _are_same(old: Any, new: Any) -> bool:
    numbers = (int, float)
    if isinstance(old, numbers) and isinstance(new, numbers) and not isinstance(old, bool):
        return math.isclose(old, new, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(old == new)


def answer(study: Path, command: str) -> Any:
    """Return what a command answers in a project, its paths as they stand in the kept answers."""
    result = CliRunner().invoke(app, [*command.split(), "--project", str(study), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout.replace(str(study), "PROJECT"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    root = shutil.copytree(KEPT / "study", tmp_path / "study")
    (root / "identity.yaml").chmod(0o600)  # that version left it open, which check names; git keeps no such mode
    return root


@pytest.mark.parametrize("command", ANSWERS)
def test_older_project_answers_as_it_did_but_for_what_changed_on_purpose(command: str, study: Path):
    found = differences(CHANGED.get(command, ANSWERS[command]), answer(study, command))
    assert {place: values for place, values in found.items() if place != SIZE_OF_A_PAGE} == {}


def test_score_says_that_an_older_model_is_not_calibrated_for_what_it_draws_now(study: Path):
    said = CliRunner().invoke(app, f"score --all --top 1 --device cpu --project {study}".split()).output
    assert "not calibrated for these contours until: ivsqa finetune" in said.replace("\n", " ")
    assert "older ivsqa" not in CliRunner().invoke(app, f"score --top 1 --project {study}".split()).output


def test_measures_of_an_older_model_have_no_interval_until_it_is_finetuned(study: Path):
    record = study / "models" / "m002" / "model.yaml"
    text = record.read_text()
    told = text.replace("  factors: {}\n  pooled: {}\n", "  factors: {lumen_area: 1.0}\n  pooled: {lumen_area: 1.0}\n")
    assert told != text
    record.write_text(told)
    assert answer(study, "measure")["n_calibration_subjects"] == 0
    said = CliRunner().invoke(app, f"measure --project {study}".split()).output
    assert "not calibrated for these contours until: ivsqa finetune" in " ".join(said.split())


def test_older_model_is_finetuned_and_then_draws_by_both_of_its_branches(study: Path):
    tuned = answer(study, "finetune --model m001 --steps 2 --device cpu")
    assert (tuned["model_id"], tuned["reused"]) == ("m003", False)
    assert answer(study, "score --model m003 --device cpu --top 1")["frames"]


@pytest.mark.parametrize("template", template_names())
def test_older_template_means_what_the_new_one_does_but_for_the_starter_model(template: str, tmp_path: Path):
    old = read_manifest(KEPT.parent / f"{template}-0.1.yaml", ProjectSettings)
    new = create_project(tmp_path / "study", template=template, name=old.name).settings
    assert old.structure_set == new.structure_set
    assert old.network.starter == "none"
    of_starter = {"image", "network"} if new.network.starter != "none" else set()
    assert of_starter or project_network(old) == project_network(new)
    same = set(ProjectSettings.model_fields) - {"structures", "network"} - of_starter
    assert old.model_dump(include=same) == new.model_dump(include=same)


def test_every_change_has_a_reason():
    assert set(CHANGED) == set(REASONS)
    assert set(CHANGED) <= set(ANSWERS)


@pytest.mark.parametrize("command", [command for command, reason in REASONS.items() if reason == OUT])
def test_frame_that_is_listed_before_and_after_a_change_has_the_same_score(command: str):
    before, now = (
        {(frame["pullback_id"], frame["frame_index"]): frame["quality"] for frame in answers[command]["frames"]}
        for answers in (ANSWERS, CHANGED)
    )
    assert {key: now[key] for key in before.keys() & now.keys()} == pytest.approx(
        {key: before[key] for key in before.keys() & now.keys()}
    )
    out = {("S04-P1", 7), ("S04-P2", 5), ("S05-P1", 4)}
    assert not out & now.keys()


def test_a_difference_is_found_wherever_it_stands():
    old = {"a": [1.0, {"b": "x"}], "c": None}
    assert differences(old, {"a": [1.0 + 1e-9, {"b": "x"}], "c": None}) == {}
    assert differences(old, {"a": [1.1, {"b": "y"}]}) == {"a.0": (1.0, 1.1), "a.1.b": ("x", "y")}
    assert differences(old, {"a": [1.0], "c": None, "d": 1}) == {"a": (old["a"], [1.0])}
    assert differences(old, {"a": old["a"], "c": 1}) == {"c": (None, 1)}
    assert differences({"c": 1}, {}) == {"c": (1, None)}
