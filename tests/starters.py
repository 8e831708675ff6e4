"""A starter model made in no time: a network that learnt nothing, with the card of one that did."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ivsqa.domain.geometry.border_prior import BorderPrior
from ivsqa.domain.quality.predicted_quality import fit_error_calibration
from ivsqa.io import atomic
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.records import Provenance, StarterRecord
from ivsqa.model.config import NetworkConfig
from ivsqa.model.objective import new_network
from ivsqa.model.state import TrainedModel

STRUCTURES = ("lumen", "eem")


def write_starter(folder: Path, *, widths: Sequence[int] = (8, 16), size_px: int = 32, **changes: Any) -> StarterRecord:
    """Write card and weights of a starter model, and return its card; `changes` are of the card."""
    config = NetworkConfig(n_structures=len(STRUCTURES), size_px=size_px, widths=tuple(widths))
    tensors = {name: value.half() for name, value in new_network(config, seed=7).state_dict().items()}
    weights = TrainedModel(config, tensors).to_bytes()
    card = StarterRecord(
        model_id="coronary-ivus",
        state="ready",
        accepted=True,
        parent=None,
        request_sha256="e" * 64,
        seed=7,
        structures=STRUCTURES,
        network=config.to_dict(),
        training={},
        image={"working_size_px": size_px},
        n_training_frames=0,
        n_validation_frames=0,
        n_subjects=0,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        error_calibration=fit_error_calibration([], STRUCTURES).to_dict(),
        measure_calibration={"factors": {"lumen_area": 1.0}, "pooled": {}, "n_frames": 90, "n_subjects": 30},
        border_priors={name: BorderPrior.default().to_dict() for name in STRUCTURES},
        phantoms={"pullbacks": 30},
        figures={},
        limits=("it learnt nothing",),
        licence="MIT",
        command="none",
        provenance=Provenance(created_at="2026-01-01T00:00:00+00:00", ivsqa_version="0"),
    ).model_copy(update=changes)
    atomic.write_bytes(folder / "coronary-ivus.safetensors", weights)
    write_manifest(folder / "coronary-ivus.yaml", card)
    return card
