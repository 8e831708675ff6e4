"""The package's files of the starter model: weights with half the digits, and a card that says what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from phantoms import NAMES
from starter_frames import FIELD_OF_VIEW_MM, FRAMES_A_PULLBACK, SIZE_PX, TRAINING_SEED
from starter_training import NAME, Recipe

from ivsqa.domain.geometry.border_prior import BorderPrior
from ivsqa.domain.measures.intervals import MeasureCalibration
from ivsqa.domain.quality.predicted_quality import ErrorCalibration
from ivsqa.io.atomic import write_bytes
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.records import StarterRecord, provenance
from ivsqa.io.project.starter import STARTERS, starter_weights
from ivsqa.model.state import TrainedModel

LIMITS = (
    "It has seen phantoms alone, and no frame of a patient: look before you believe it.",
    "Predicted quality and intervals are those of phantoms: too sure, maybe, until validation frames of a study are annotated.",
    "It knows cross-sections with the catheter near the middle, dark outside the field; no polar frames, no longitudinal views.",
    f"Where spacing is known it sees {FIELD_OF_VIEW_MM:g} mm around the middle of the frame; a larger vessel is cut there.",
    "A device for research. It is not cleared for decisions on patients.",
)


def write_package(
    model: TrainedModel,
    recipe: Recipe,
    *,
    priors: Sequence[BorderPrior],
    errors: ErrorCalibration,
    measures: MeasureCalibration,
    figures: Mapping[str, Any],
    command: str,
) -> None:
    """Write weights and card into the package."""
    weights = TrainedModel(model.config, {name: value.half() for name, value in model.weights.items()}).to_bytes()
    taught = {**vars(recipe), "widths": list(recipe.widths)}
    card = StarterRecord(
        model_id=NAME,
        state="ready",
        accepted=True,
        verdict="taught by phantoms alone",
        parent=None,
        request_sha256=hashlib.sha256(json.dumps(taught, sort_keys=True).encode()).hexdigest(),
        seed=TRAINING_SEED,
        structures=NAMES,
        network=model.config.to_dict(),
        training=taught,
        image={"working_size_px": SIZE_PX},
        n_training_frames=0,
        n_validation_frames=0,
        n_subjects=0,
        steps=recipe.steps,
        best_step=recipe.steps,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        error_calibration=errors.to_dict(),
        measure_calibration=measures.to_dict(),
        border_priors={name: prior.to_dict() for name, prior in zip(NAMES, priors, strict=True)},
        phantoms={
            "pullbacks": recipe.chunks * recipe.pullbacks,
            "frames": recipe.chunks * recipe.pullbacks * FRAMES_A_PULLBACK,
            "recipe": "ivsqa.phantom.varied_pullback",
        },
        figures=rounded(figures),
        limits=LIMITS,
        licence="MIT",
        command=command,
        provenance=provenance(datetime.now(UTC).isoformat(timespec="seconds"), "torch", "numpy", "safetensors"),
    )
    write_bytes(starter_weights(NAME), weights)
    write_manifest(STARTERS / f"{NAME}.yaml", card)


def rounded(value: Any) -> Any:
    """Return figures with four digits behind the point."""
    if isinstance(value, Mapping):
        return {key: rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value
