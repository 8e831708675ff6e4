"""The starter model in the package is what its card says, and the way it was made still makes one."""

import hashlib
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ivsqa.io.project.manifest import read_manifest
from ivsqa.io.project.records import StarterRecord
from ivsqa.model.state import TrainedModel
from tests.conftest import PACKAGED_STARTERS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MOST_BYTES = 8_000_000


@pytest.fixture
def module(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    frames, training = (importlib.import_module(name) for name in ("starter_frames", "starter_training"))
    monkeypatch.setattr(frames, "WORK", tmp_path)
    frames.folder.cache_clear()
    yield frames, training
    frames.folder.cache_clear()


def test_the_starter_is_what_its_card_says():
    card = read_manifest(PACKAGED_STARTERS / "coronary-ivus.yaml", StarterRecord)
    weights = (PACKAGED_STARTERS / "coronary-ivus.safetensors").read_bytes()
    assert card.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert len(weights) <= MOST_BYTES
    assert TrainedModel.from_bytes(weights).config.to_dict() == card.network
    assert (card.structures, card.n_training_frames, card.licence) == (("lumen", "eem"), 0, "MIT")
    measured = json.loads((BENCHMARKS / "results" / "starter.json").read_text(encoding="utf-8"))
    for family, figures in measured["figures"].items():
        assert card.figures[family]["dice"] == pytest.approx(figures["dice"], abs=1e-4)


def test_a_chunk_is_a_function_of_its_number(module):
    frames, _ = module
    frames.keep(3, 2)
    kept, again, other = frames.kept(3, 2), frames.rendered(3, pullbacks=2), frames.rendered(4, pullbacks=2)
    np.testing.assert_array_equal(kept.images, again.images)
    np.testing.assert_array_equal(kept.labels, again.labels)
    assert not np.array_equal(kept.images, other.images)
    assert set(np.unique(kept.labels)) <= {0, 1, 2, 255}


def test_a_branch_that_was_stopped_goes_on_as_if_it_had_not_been(module, monkeypatch):
    frames, training = module
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    recipe = training.Recipe(widths=(4, 8), steps=6, batch=2, rate=1e-3, chunks=1, pullbacks=2)
    frames.keep(0, 2)
    training.train_branch(recipe, 0)
    whole = training.state_path(recipe, 0).read_bytes()
    training.state_path(recipe, 0).unlink()
    lesson = training._lesson

    def stopped(recipe, number, step, *rest):
        if step == 3:
            raise KeyboardInterrupt
        return lesson(recipe, number, step, *rest)

    monkeypatch.setattr(training, "_lesson", stopped)
    with pytest.raises(KeyboardInterrupt):
        training.train_branch(recipe, 0)
    monkeypatch.setattr(training, "_lesson", lesson)
    training.train_branch(recipe, 0)
    assert training.is_trained(recipe, 0)
    assert training.state_path(recipe, 0).read_bytes() == whole


def test_a_small_starter_learns_to_draw():
    command = [sys.executable, str(BENCHMARKS / "starter.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
