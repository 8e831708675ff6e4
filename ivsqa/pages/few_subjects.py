"""Evaluations as pages may show them: an interval over few subjects tells little of others, and is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ivsqa.domain.statistics.bootstrap import ENOUGH_SUBJECTS


def sayable(evaluation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an evaluation, with None for each of its intervals where its subjects are too few.

    Example:
        >>> dice = {"dice": 0.9, "interval": {"dice": [0.8, 0.95]}}
        >>> sayable({"n_subjects": 2, "segmentation": {"lumen": dice}})["segmentation"]["lumen"]
        {'dice': 0.9, 'interval': {'dice': None}}
    """
    if evaluation["n_subjects"] >= ENOUGH_SUBJECTS:
        return evaluation
    return {key: _without_intervals(part) for key, part in evaluation.items()}


def _without_intervals(value: Any) -> Any:  # noqa: ANN401  whatever JSON holds
    """Return a part of an evaluation with None for each of its intervals."""
    if isinstance(value, dict):
        return {
            key: dict.fromkeys(part) if key == "interval" else _without_intervals(part) for key, part in value.items()
        }
    return [_without_intervals(part) for part in value] if isinstance(value, list) else value
