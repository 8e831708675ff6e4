"""Parts of the tables of measures: of single pullbacks, kept by processes that share a study until all are there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import ivsqa
from ivsqa.domain.shards import WHOLE, Shard
from ivsqa.io.ledger import doors
from ivsqa.io.project.certificates import CertificateRecord
from ivsqa.io.project.measure_tables import MeasureParts
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord
from ivsqa.workflow.measuring.measures import MeasureOptions, Tables


class KeptParts:
    """The tables of pullbacks that were measured before, as far as all that they rest on is what it was: by the ledger."""

    def __init__(
        self,
        project: Project,
        folder: Path,
        model: ModelRecord | None,
        certificate: CertificateRecord | None,
        options: MeasureOptions,
        shard: Shard,
    ) -> None:
        self._project, self._shard = project, shard
        self._parts = MeasureParts(folder, ("lesions", "pullbacks", "frames"))
        self._models = sorted({one.model_id for one in (model, certificate) if one is not None})
        records = [one and one.model_dump_json() for one in (project.settings, model, certificate)]
        # What every pullback rests on; in which formats tables are written changes nothing in them.
        self._of_all = json.dumps([ivsqa.__version__, *records, asdict(replace(options, formats=()))])
        self._is_needed = shard != WHOLE or self._parts.exist

    def __call__(self, pullback: Pullback, measured: Callable[[], Tables]) -> Tables:
        """Return the tables of a pullback: those that are kept, else what measures it gives; a shard keeps them."""
        if not self._is_needed:
            return measured()
        key = self._key(pullback)
        found = self._parts.find(key)
        if found is not None:
            lesions, total, frames = found
            return frames, lesions, total
        frames, lesions, total = measured()
        # What changed meanwhile is measured again by whoever puts the tables together.
        if self._shard != WHOLE and key == self._key(pullback):
            self._parts.write(key, (lesions, total, frames))
        return frames, lesions, total

    def remove(self) -> None:
        """Remove what is kept: it is in the tables."""
        self._parts.remove()

    def _key(self, pullback: Pullback) -> str:
        """Return the id of a pullback, and a hash of all that its measures rest on."""
        name, layout = pullback.pullback_id, self._project.layout
        folders = [layout.pullbacks / name, layout.annotations / name]
        folders += [layout.scores(model_id) / name for model_id in self._models]
        rests_on = [self._of_all, self._project.annotations.pointer_ids(), doors.digest_of(self._project.root, folders)]
        return f"{name}-{hashlib.sha256(json.dumps(rests_on).encode()).hexdigest()[:32]}"
