"""The attack lists in their short form: each kind of file is damaged in a few ways; `benchmarks/attacks.py` does all of it."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivsqa.io.project.project import open_project
from tests.attacks.attack import CHECK, Attacker, run
from tests.attacks.damages import OF_PERMISSION, WAYS
from tests.attacks.denied import can_be_denied
from tests.attacks.study_of_every_kind import KINDS, files_by_kind, linked_copy

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes, links and alarms are those of POSIX")
LINES = ("status --json", "why {frame} --json", "accept --dry-run --json")
"""Of the commands those that read most kinds of file in the least time."""


@pytest.fixture(scope="module")
def attacker(study_of_every_kind: Path, tmp_path_factory: pytest.TempPathFactory) -> Attacker:
    return Attacker(study_of_every_kind, tmp_path_factory.mktemp("attacked"), LINES)


def test_the_study_has_every_kind_of_file_and_no_other(study_of_every_kind):
    assert set(files_by_kind(study_of_every_kind)) == set(KINDS)


def test_a_sound_study_is_answered_by_every_command(attacker):
    assert [(said.code, said.bug) for said in attacker.sound.values()] == [(0, "")] * len(LINES)


def short_list() -> Iterator[tuple[str, str]]:
    """Yield each kind with one way to damage it, so that all ways have their turn."""
    ways = [way for way in WAYS if way not in OF_PERMISSION]
    for number, kind in enumerate(KINDS):
        yield kind, ways[number % len(ways)]


@pytest.mark.parametrize(("kind", "way"), list(short_list()))
def test_a_damaged_file_is_no_traceback_and_no_hang(attacker, study_of_every_kind, kind, way):
    name = files_by_kind(study_of_every_kind)[kind][0]
    broken = [
        attack
        for attack in attacker.attacks(kind, name, way, random.Random(1))
        if attack.verdict in ("traceback", "hang")
    ]
    assert broken == []


@pytest.mark.skipif(not can_be_denied(), reason="modes keep nobody out here")
@pytest.mark.parametrize("line", ["status", "measure"])
@pytest.mark.parametrize(
    "closed", ["annotations", "annotations/S01-P1", "pullbacks", "pullbacks/S01-P1", "models", "scores/m001"]
)
def test_a_folder_that_may_not_be_read_is_never_taken_for_an_empty_one(study_of_every_kind, tmp_path, closed, line):
    root = linked_copy(study_of_every_kind, tmp_path / "study")
    (root / closed).chmod(0)
    try:
        said, checked = run(line, root, deny=True), run(CHECK, root, deny=True)
    finally:
        (root / closed).chmod(0o755)
    assert (said.code, said.bug) == (3, "")
    assert "you may not read or write it" in said.errors
    assert closed in said.errors
    assert (checked.code in (3, 4), checked.bug) == (True, "")


@pytest.mark.skipif(not can_be_denied(), reason="modes keep nobody out here")
def test_a_study_that_may_only_be_read_answers_and_plans_and_says_why_it_writes_nothing(study_of_every_kind, tmp_path):
    root = linked_copy(study_of_every_kind, tmp_path / "study")
    root.chmod(0o555)
    try:
        said = {line: run(line, root, deny=True) for line in ("status", "select -n 2 --dry-run", "select -n 2")}
    finally:
        root.chmod(0o755)
    assert [(one.code, one.bug) for one in said.values()] == [(0, ""), (0, ""), (3, "")]
    assert "you may not read or write it" in said["select -n 2"].errors
    assert len(open_project(root).round_records()) == len(open_project(study_of_every_kind).round_records())
