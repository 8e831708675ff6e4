"""Packets of strangers: `packet.yaml` with each of its values made into something else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

POISONS: tuple[Any, ...] = (
    None, True, -1, 0, 1, 60_000, 10**30, -0.0, 1e-300, 1e308, "", "\x1b[31m", "../../a", "a\nb", "=1+1", "ü" * 500,
    [], [[]], [1, 1], ["lumen", "lumen"], {}, {"a": 1},
)  # fmt: skip
"""What stands in the place of a value."""


def poisoned(value: Any, *, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a nested value with one part after the other poisoned or gone, and where; of lists the first entry stands for all."""
    if isinstance(value, dict):
        for key in value:
            yield f"{place}.{key} gone", {name: part for name, part in value.items() if name != key}
            for at, changed in poisoned(value[key], place=f"{place}.{key}"):
                yield at, {**value, key: changed}
    elif isinstance(value, list) and value:
        for at, changed in poisoned(value[0], place=f"{place}[0]"):
            yield at, [changed, *value[1:]]
    for poison in POISONS:
        yield f"{place} = {poison!r:.40}", copy.deepcopy(poison)
