"""The starter models that come with ivsqa: each draws before anybody has drawn, and a study's first training begins with it.

A starter is a card, `<name>.yaml`, and its weights, `<name>.safetensors`, in the package. It is named by what it is: another card
that draws or judges otherwise has another id, so scores, rounds and models of a study say for good which one they came from.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ivsqa.io.outside import entries
from ivsqa.io.project.layout import ProjectLayout
from ivsqa.io.project.manifest import ReadManifest
from ivsqa.io.project.records import ModelRecord, StarterRecord
from ivsqa.io.project.settings import ProjectSettings

STARTERS = Path(__file__).parents[2] / "starter"
STARTER = "starter"
"""What the starter of a study is called on the command line; its ids begin so."""

_SHAPES_RESULTS = frozenset(
    {"structures", "network", "image", "weights_sha256", "error_calibration", "measure_calibration", "border_priors"}
)


def find_starter(name: str, read: ReadManifest) -> StarterRecord | None:
    """Return a starter model under its id; None where none of this name comes with this ivsqa.

    Raises:
        ManifestError: its card is broken.
    """
    path = STARTERS / f"{name}.yaml"
    if not path.is_file():
        return None
    card = read(path, StarterRecord)
    facts = json.dumps(card.model_dump(mode="json", include=set(_SHAPES_RESULTS)), sort_keys=True)
    return card.model_copy(update={"model_id": f"{STARTER}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"})


def starter_weights(name: str) -> Path:
    """Return where the weights of a starter model lie."""
    return STARTERS / f"{name}.safetensors"


def earlier_starters(layout: ProjectLayout, now: StarterRecord | None) -> list[str]:
    """Return the ids of starter models that scored in a project and are not that of now: an earlier ivsqa came with them."""
    scored = [path.name for path in entries(layout.all_scores, f"{STARTER}-*")]
    return [model_id for model_id in scored if now is None or model_id != now.model_id]


def changed_image(model: ModelRecord, settings: ProjectSettings) -> tuple[str, str] | None:
    """Return the first image setting that is another than a model's: as the model has it, and its value now; None: none is."""
    now = settings.image.model_dump(mode="json")
    # A starter was shown frames in more ways than one, and its card names what it was shown in one way only.
    asked = model.image.keys() if model.is_starter else now.keys() | model.image.keys()
    for key in sorted(asked):
        if now.get(key) != model.image.get(key):
            return f"image.{key}: {model.image.get(key)}", str(now.get(key))
    return None
