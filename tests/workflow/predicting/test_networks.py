"""From a key in project.yaml to the network that is built."""

import time

import pytest
import torch

from ivsqa.errors import StateError
from ivsqa.io.project.new_project import create_project
from ivsqa.workflow.predicting.networks import finetuned_network, load_predictor, project_network
from tests.edited_settings import with_settings


@pytest.fixture
def study(tmp_path):
    return create_project(tmp_path / "study", template="coronary-ivus", settings={"network": {"widths": [8, 16]}})


def test_widths_reach_the_network(study):
    assert project_network(study.settings).widths == (8, 16)


def test_a_model_of_another_network_is_not_finetuned(trained):
    changed = with_settings(trained.root, {"network": {"widths": [8, 24]}})
    with pytest.raises(StateError, match="m001 is a network of another size"):
        finetuned_network(changed.get_model("m001"), changed.settings)


@pytest.mark.parametrize("by_workers", [False, True])
def test_who_gives_each_worker_a_core_does_not_wait_to_see_which_are_free(trained, monkeypatch, by_workers):
    slept: list[float] = []
    before = torch.get_num_threads()
    monkeypatch.setattr(time, "sleep", slept.append)
    torch.set_num_threads(2)
    try:
        load_predictor(trained, trained.get_model(None), device="cpu", by_workers=by_workers)
    finally:
        torch.set_num_threads(before)
    assert bool(slept) is not by_workers
