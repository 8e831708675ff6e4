"""A project's labelled frames are finished seed by seed, on subjects that the model did not learn from."""

import dataclasses

import numpy as np
import pytest

from ivsqa.errors import StateError
from ivsqa.io.project.simulations import SeedStore
from ivsqa.workflow.context import Context
from ivsqa.workflow.simulating.finish_study import (
    FinishSimulation,
    facts_of_finish,
    finish_simulation_of,
    run_finish,
    summarize_finish,
    write_finish,
)
from ivsqa.workflow.simulating.finishing import BY_HAND, FinishPlan
from ivsqa.workflow.simulating.labelled_study import deal
from tests.edited_settings import with_settings


@pytest.fixture
def simulation(trained) -> FinishSimulation:
    return finish_simulation_of(trained, n_seeds=2, n_labels=2, plan=FinishPlan(n_audit=2), max_steps=2)


def test_a_simulation_goes_on_where_it_stopped_and_processes_change_nothing(simulation, tmp_path):
    asked = iter([False, True])
    run_finish(simulation, tmp_path / "halves", device="cpu", context=Context(should_stop=lambda: next(asked, True)))
    assert list(SeedStore(tmp_path / "halves").facts()) == [0]
    assert summarize_finish(simulation, tmp_path / "halves").n_missing == 1
    run_finish(simulation, tmp_path / "halves", device="cpu")
    run_finish(simulation, tmp_path / "whole", device="cpu", n_jobs=2)
    assert SeedStore(tmp_path / "halves").facts() == SeedStore(tmp_path / "whole").facts()


def test_before_any_seed_is_complete_there_is_nothing_to_say(simulation, tmp_path):
    with pytest.raises(StateError, match="no seed"):
        summarize_finish(simulation, tmp_path)


def test_other_settings_are_not_mixed_in(simulation, tmp_path):
    run_finish(simulation, tmp_path, device="cpu")
    with pytest.raises(StateError, match="other settings"):
        run_finish(dataclasses.replace(simulation, n_labels=3), tmp_path, device="cpu")


def test_what_is_finished_is_of_subjects_that_taught_nothing(simulation, tmp_path):
    run_finish(simulation, tmp_path, device="cpu")
    study = simulation.base.study
    for seed, facts in SeedStore(tmp_path).facts().items():
        parts = deal(study, seed)
        assert facts["n_labels"] == 2
        assert facts["n_calibration"] == min(2, len(parts.calibration))
        # At least the subjects held back, and at most all but one that taught and those that calibrate.
        assert len(parts.held_back) <= facts["n_labelled"] < len(study) - len(parts.calibration)
        assert {way["n_frames"] for way in facts["arms"]} == {facts["n_labelled"]}


def test_minutes_are_those_of_the_settings_and_teaching_stands_beside_them(trained, tmp_path):
    project = with_settings(trained.root, {"reading": {"drawn_s": 60.0, "look_s": 10.0}})
    simulation = finish_simulation_of(project, n_seeds=1, n_labels=2, plan=FinishPlan(n_audit=2), max_steps=2)
    run_finish(simulation, tmp_path, device="cpu")
    summary = summarize_finish(simulation, tmp_path)
    (seed,) = summary.seeds
    n_taught = seed["n_labels"] + seed["n_calibration"]
    assert summary.teaching_minutes == pytest.approx(n_taught * (2 * 60 + 10) / 60)
    assert summary.arms[0].arm == BY_HAND
    assert summary.arms[0].minutes == pytest.approx(seed["n_labelled"] * (2 * 60 + 10) / 60)


def test_results_are_a_table_and_a_record(simulation, tmp_path):
    run_finish(simulation, tmp_path, device="cpu")
    summary = summarize_finish(simulation, tmp_path)
    write_finish(simulation, tmp_path, summary)
    head, *rows = (tmp_path / "finish.csv").read_text().splitlines()
    assert head == "seed,arm,minutes,low,high,n_frames,n_seen,n_accepted,loss,promised,is_kept"
    assert len(rows) == 2 * 6
    facts = facts_of_finish(simulation, summary)
    assert (facts["n_seeds"], facts["n_audit"], len(facts["arms"])) == (2, 2, 6)
    assert facts["arms"][0]["n_kept"] is None


def test_places_along_the_pullback_come_from_the_project(simulation, trained):
    study = simulation.base.study
    assert study.position_mm is not None
    first = study.pullback_ids[0]
    along = trained.pullback(str(first)).positions_mm()
    assert along is not None
    np.testing.assert_allclose(study.position_mm[0], along[study.frame_index[0]])
