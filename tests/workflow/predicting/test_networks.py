"""From a key in project.yaml to the network that is built."""

import pytest

from ivsqa.errors import StateError
from ivsqa.io.project.new_project import create_project
from ivsqa.workflow.predicting.networks import finetuned_network, project_network
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
