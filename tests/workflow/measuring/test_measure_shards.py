"""Shards of measures: put together they are the tables of one process, and nothing of a part is believed that changed since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivsqa.domain.shards import Shard
from ivsqa.io.project.project import Project, open_project
from ivsqa.workflow.importing.amend import NewFacts, amend
from ivsqa.workflow.measuring.measure import measure_pullbacks
from ivsqa.workflow.readers.undo import undo

Bytes = Callable[[Path], dict[str, bytes]]


def tables(bytes_of: Bytes, folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in bytes_of(folder).items() if name != "measures.json"}


def shard(project: Project, number: int, of: int = 3) -> int:
    return len(measure_pullbacks(project, shard=Shard(number, of)).pullbacks)


@given(st.lists(st.integers(1, 3), max_size=3), st.permutations([1, 2, 3]))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shards_in_any_order_and_any_number_of_times_give_the_tables_of_one_process(scored, bytes_of, before, order):
    folder = measure_pullbacks(scored).folder
    wanted = tables(bytes_of, folder)
    n_measured = [shard(scored, number) for number in [*before, *order]]
    assert sum(n_measured[len(before) :]) == 8
    assert (folder / ".parts").is_dir()
    measure_pullbacks(scored)
    assert tables(bytes_of, folder) == wanted
    assert not (folder / ".parts").exists()


def test_what_shards_measured_is_not_measured_again(scored, monkeypatch):
    for number in (1, 2, 3):
        shard(scored, number)
    monkeypatch.setattr("ivsqa.workflow.measuring.measures._course", None)
    assert len(measure_pullbacks(scored).frames) == 80


def amended(project: Project) -> None:
    amend(project, ["S05-P1"], NewFacts(pullback_speed_mm_s=0.7), by="anna", why="the rings")


def taken_back(project: Project) -> None:
    undo(project, ["r001"], reader="simulated")


def scored_otherwise(project: Project) -> None:
    store = project.scores("m001")
    nothing = [replace(score, contours={}) for score in store.read("S05-P1", range(10))]
    store.write_chunk(project.pullback("S05-P1").frames_sha256, nothing)


@pytest.mark.parametrize("change", [amended, taken_back, scored_otherwise])
def test_a_part_that_rests_on_what_changed_since_is_measured_again(scored, bytes_of, tmp_path, change):
    for number in (1, 2, 3):
        shard(scored, number)
    change(scored)
    folder = measure_pullbacks(scored).folder
    anew = measure_pullbacks(open_project(scored.root), out=tmp_path / "anew").folder
    assert tables(bytes_of, folder) == tables(bytes_of, anew)


def test_a_part_that_is_damaged_is_measured_again(scored, bytes_of):
    folder = measure_pullbacks(scored).folder
    wanted = tables(bytes_of, folder)
    for number in (1, 2, 3):
        shard(scored, number)
    for path in sorted((folder / ".parts").iterdir())[:9]:
        path.write_bytes(path.read_bytes()[:40])
    measure_pullbacks(scored)
    assert tables(bytes_of, folder) == wanted
