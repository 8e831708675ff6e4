"""From a key in project.yaml to the network that is built."""

import pytest

from ivsqa.errors import StateError
from ivsqa.io.project.new_project import create_project
from ivsqa.model.config import NetworkConfig
from ivsqa.workflow.predicting.networks import finetuned_network, project_network
from tests.edited_settings import with_settings


@pytest.fixture
def study(tmp_path):
    return create_project(tmp_path / "study", template="coronary-ivus", settings={"network": {"widths": [8, 16]}})


def test_widths_reach_both_branches(study):
    config = project_network(study.settings)
    assert (config.widths, config.error_widths) == ((8, 16), (8, 16))


def test_attention_is_that_of_the_settings_and_both_where_nothing_is_said(study):
    assert project_network(study.settings).pam == "both"
    network = {"error_inputs": "probabilities", "attention": "channel"}
    assert project_network(with_settings(study.root, {"network": network}).settings).pam == "channel"


def test_a_model_made_before_widths_reached_the_error_branch_is_finetuned_as_it_is(trained):
    wide = NetworkConfig(2, 32, widths=(8, 16), error_widths=(16, 32, 64), pam="spatial", error_inputs="image")
    parent = trained.get_model("m001").model_copy(update={"network": wide.to_dict()})
    assert finetuned_network(parent, trained.settings) == wide


@pytest.mark.parametrize(
    "network", [{"widths": [8, 24]}, {"error_inputs": "both"}, {"error_inputs": "features"}], ids=str
)
def test_a_model_of_another_network_is_not_finetuned(trained, network):
    changed = with_settings(trained.root, {"network": network})
    with pytest.raises(StateError, match="m001 is a network of another size"):
        finetuned_network(changed.get_model("m001"), changed.settings)
