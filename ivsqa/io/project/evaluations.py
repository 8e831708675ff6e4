"""Evaluations and simulations in `reports/`, read back; a file that was changed is an error, never guessed at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivsqa.errors import IntegrityError
from ivsqa.io.ledger import doors
from ivsqa.io.outside import entries, is_file, read_file

EVALUATION_KEYS = frozenset(
    {"model_id", "split", "n_frames", "n_subjects", "segmentation", "estimate", "gain", "frames"}
)


@dataclass(frozen=True)
class KeptSimulation:
    """A simulation as it was summed up.

    Attributes:
        name: Its folder.
        facts: `simulation.json`.
        curves: Its figure, SVG.
    """

    name: str
    facts: dict[str, Any]
    curves: bytes


def find_evaluation(path: Path) -> dict[str, Any] | None:
    """Return an evaluation as `ivsqa evaluate --json` prints it; None where there is none.

    Raises:
        IntegrityError: the file is not as it was written.
    """
    return _read(path, EVALUATION_KEYS, "ivsqa evaluate") if is_file(path) else None


def find_simulations(reports: Path) -> list[KeptSimulation]:
    """Return the simulations of a project, by name.

    Raises:
        IntegrityError: a file is not as it was written.
    """
    simulations = []
    for folder in entries(reports):
        path = folder / "simulation.json"
        figure = path.with_name("learning-curves.svg")
        if is_file(path) and is_file(figure):
            facts = _read(path, frozenset({"full_dice", "strategies"}), "ivsqa simulate")
            simulations.append(KeptSimulation(folder.name, facts, figure.read_bytes()))
    return simulations


def _read(path: Path, keys: frozenset[str], command: str) -> dict[str, Any]:
    """Return a JSON object that has these keys."""
    hint = f"make it again with: {command}"
    try:
        value = json.loads(read_file(path).decode("utf-8"))
    except (ValueError, RecursionError):
        raise IntegrityError("this file is not readable as JSON", path=path, hint=hint) from None
    doors.verify(path)
    if not isinstance(value, dict) or not keys <= value.keys():
        raise IntegrityError("this file was not written by this version of ivsqa", path=path, hint=hint)
    return value
