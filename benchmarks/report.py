"""What every benchmark prints and writes: a table for people, JSON for the record."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
WORK = Path(__file__).parent / "work"
SHARED_DATA = Path(__file__).parents[1].parent / "shared" / "data"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their columns, numbers with four digits."""
    cells = [[f"{value:.4g}" if isinstance(value, float) else str(value) for value in row] for row in rows]
    widths = [max(len(line[index]) for line in [list(columns), *cells]) for index in range(len(columns))]
    for line in [list(columns), *cells]:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def write_json(name: str, result: dict[str, object]) -> Path:
    """Write a result with the machine it was measured on."""
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"benchmark": name, "machine": machine} | result, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(Path(__file__).parents[1])}")
    return path
