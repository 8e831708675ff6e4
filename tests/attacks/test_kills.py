"""Kills in their short form: commands before their last change, after which all their work is done, and before another."""

import random
from pathlib import Path

import pytest

from tests.attacks.kills import KILLED, Killings

LONG = ("train", "finetune", "simulate", "evaluate", "report", "measure", "score")
"""Commands that take seconds; `benchmarks/attacks.py` kills them too."""


@pytest.fixture(scope="module")
def killings(study_of_every_kind: Path, tmp_path_factory: pytest.TempPathFactory) -> Killings:
    return Killings(study_of_every_kind, tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize(
    "line", [line for line in KILLED if not line.startswith(LONG)], ids=lambda line: line.split()[0]
)
def test_the_same_command_after_a_kill_comes_to_the_same_end(killings, line):
    kills = list(killings.of(line, 2, random.Random(line)))
    assert [kill.verdict for kill in kills] == ["same", "same"]
