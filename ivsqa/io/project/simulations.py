"""A simulation's folder: one file a rung, and what the next rung of an arm needs; a stop loses one rung at most.

arms/<strategy>-<seed>/00016.json      what the rung of 16 labels came to
arms/<strategy>-<seed>/last.npz        rows and labels of the last rung
arms/<strategy>-<seed>/last.safetensors   its model
seeds/00003.json                       of a study that is finished: what one seed came to
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivsqa.errors import IntegrityError
from ivsqa.io import atomic
from ivsqa.io.outside import entries, opened_file


class StoredRung(NamedTuple):
    """A rung as it is on disk.

    Attributes:
        facts: Its record.
        rows: (n,) rows in the study.
        labels: uint8 (n, s, s).
        weights: The model, safetensors.
    """

    facts: dict[str, Any]
    rows: NDArray[np.intp]
    labels: NDArray[np.uint8]
    weights: bytes


class ArmStore:
    """Reads and writes the rungs of one arm."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder / "arms" / name

    def write(self, rung: StoredRung) -> None:
        """Write a rung; its record comes last, and only then it counts."""
        stream = io.BytesIO()
        np.savez_compressed(stream, rows=rung.rows, labels=rung.labels)
        atomic.write_bytes(self._folder / "last.npz", stream.getvalue())
        atomic.write_bytes(self._folder / "last.safetensors", rung.weights)
        text = json.dumps(rung.facts, indent=1) + "\n"
        atomic.write_text(self._folder / f"{rung.facts['n_labels']:05d}.json", text)

    def facts(self) -> list[dict[str, Any]]:
        """Return the records of the rungs there are, by labels."""
        return [_read_facts(path) for path in entries(self._folder, "*.json")]

    def last(self) -> StoredRung | None:
        """Return the rung to go on from; None where there is none, or a stop came between files of a rung."""
        facts = self.facts()
        if not facts:
            return None
        path = self._folder / "last.npz"
        try:
            with opened_file(path) as stream, np.load(stream, allow_pickle=False) as kept:
                rows, labels = kept["rows"], kept["labels"]
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            raise _damaged(path) from None
        # Then the files are those of a rung whose record was not written any more.
        if len(rows) != facts[-1]["n_labels"]:
            return None
        return StoredRung(facts[-1], rows, labels, (self._folder / "last.safetensors").read_bytes())


def iter_arms(folder: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the name and the records of each arm of a simulation."""
    for path in entries(folder / "arms"):
        yield path.name, ArmStore(folder, path.name).facts()


class SeedStore:
    """Reads and writes what each seed of a study that is finished came to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "seeds"

    def write(self, seed: int, facts: dict[str, Any]) -> None:
        """Write what a seed came to."""
        atomic.write_text(self._folder / f"{seed:05d}.json", json.dumps(facts, indent=1) + "\n")

    def facts(self) -> dict[int, dict[str, Any]]:
        """Return what there is, by seed."""
        return {int(path.stem): _read_facts(path) for path in entries(self._folder, "*.json")}


def _read_facts(path: Path) -> dict[str, Any]:
    """Return what a rung or a seed came to; raises IntegrityError where the file is damaged."""
    try:
        with opened_file(path) as stream:
            facts = json.loads(stream.read().decode("utf-8"))
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    if not isinstance(facts, dict):
        raise _damaged(path)
    return facts


def _damaged(path: Path) -> IntegrityError:
    hint = f"remove the folder {path.parent.name} of it; the same command makes it again"
    return IntegrityError("what a simulation came to is damaged", path=path, hint=hint)
