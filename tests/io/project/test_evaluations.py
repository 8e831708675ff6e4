import json

import pytest

from ivsqa.errors import IntegrityError
from ivsqa.io.project.evaluations import EVALUATION_KEYS, find_evaluation, find_simulations


def test_what_was_not_measured_is_not_there(tmp_path):
    assert find_evaluation(tmp_path / "evaluation-m001-test.json") is None
    assert find_simulations(tmp_path / "reports") == []


def test_an_evaluation_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "evaluation-m001-test.json"
    told = dict.fromkeys(EVALUATION_KEYS, 1) | {"version": 1}
    path.write_text(json.dumps(told), encoding="utf-8")
    assert find_evaluation(path) == told


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', "\udcff"])
def test_a_broken_evaluation_is_said_with_the_command_that_makes_it_again(tmp_path, text):
    path = tmp_path / "evaluation-m001-test.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(IntegrityError) as caught:
        find_evaluation(path)
    assert "ivsqa evaluate" in caught.value.hint


def test_a_simulation_counts_once_its_curves_are_drawn(tmp_path):
    for name in ("b", "a", "unfinished"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "simulation.json").write_text('{"full_dice": 0.9, "strategies": []}', encoding="utf-8")
    for name in ("b", "a"):
        (tmp_path / name / "learning-curves.svg").write_text("<svg/>", encoding="utf-8")
    assert [one.name for one in find_simulations(tmp_path)] == ["a", "b"]
