"""The starter models in the package are whole: what is shipped can be read, is small, and says where it comes from."""

import hashlib
from pathlib import Path

import pytest

from ivsqa.io.project.manifest import read_manifest
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.records import StarterRecord
from ivsqa.model.config import NetworkConfig
from ivsqa.model.inference import Predictor
from ivsqa.model.state import TrainedModel
from tests.conftest import PACKAGED_STARTERS

MOST_BYTES = 8_000_000


@pytest.mark.parametrize("path", sorted(PACKAGED_STARTERS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_starter_model_of_the_package_can_draw_for_its_template(path: Path, tmp_path: Path):
    card = read_manifest(path, StarterRecord)
    weights = path.with_suffix(".safetensors").read_bytes()
    assert len(weights) <= MOST_BYTES
    assert card.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert (card.state, card.accepted, card.n_training_frames) == ("ready", True, 0)
    assert not card.is_older
    assert card.limits
    config = NetworkConfig.from_dict(card.network)
    Predictor(TrainedModel.from_bytes(weights), config, device="cpu")
    settings = create_project(tmp_path / "study", template=path.stem).settings
    assert settings.network.starter == path.stem
    assert settings.network.widths == config.widths
    assert card.image.items() <= settings.image.model_dump(mode="json").items()
    assert settings.structure_set.names == card.structures
