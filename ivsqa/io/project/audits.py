"""Audits: `audit.yaml` and `pool.csv` beside the `round.yaml` of a round whose frames were drawn to judge a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ivsqa.domain.acceptance.promise import LOSS_NOUNS, LossKind, Promise
from ivsqa.domain.pullback import FrameKey
from ivsqa.io import atomic
from ivsqa.io.outside import is_file
from ivsqa.io.project.layout import ProjectLayout, numbered_folders
from ivsqa.io.project.manifest import Manifest, ReadManifest, Section, read_manifest
from ivsqa.io.project.records import Provenance, Sha256
from ivsqa.io.project.selections import read_selection
from ivsqa.io.tables import csv_of_records, read_records


class PromiseRecord(Section):
    """A promise that was to be proved by an audit, whether or not it was: each one more may be the one that chance let through.

    `loss` and `reader_loss` as in `LossKind` and `FramePool`, the others as in `Promise`.
    """

    model_id: str
    loss: LossKind
    at_most: float
    confidence: float
    worse_than: float | None
    reader_loss: float

    @property
    def promise(self) -> Promise:
        """What is promised of the frames that are delivered."""
        return Promise(self.at_most, self.confidence, self.worse_than)

    @property
    def sentence(self) -> str:
        """The promise in plain words."""
        return self.promise.sentence(LOSS_NOUNS[self.loss])


class AuditRecord(Manifest):
    """`audit.yaml`: what makes a round an audit. Its frames are in `selection.csv`, by rank in the order of the draw.

    `models` are those that were ready when it was drawn: it can judge no other. `n_pool` and `pool_sha256` are of `pool.csv`.
    `tried` are the promises that were to be proved by it.
    Version 1: ivsqa 0.2.
    """

    KIND = "audit"

    round_id: str
    is_assisted: bool
    is_released: bool = False
    models: tuple[str, ...]
    n_pool: int
    n_read: int
    pool_sha256: Sha256
    tried: tuple[PromiseRecord, ...] = ()
    provenance: Provenance


class AuditStore:
    """Reads the audits of one project."""

    def __init__(self, layout: ProjectLayout, read: ReadManifest = read_manifest) -> None:
        self._layout = layout
        self._read = read

    def find(self, round_id: str) -> AuditRecord | None:
        """Return what is known of a round as an audit; None where it is none."""
        path = self._layout.audit_record(round_id)
        return self._read(path, AuditRecord) if is_file(path) else None

    def all(self) -> list[AuditRecord]:
        """Return all audits, oldest first."""
        return list(filter(None, map(self.find, numbered_folders(self._layout.rounds, "round.yaml"))))

    def frames(self, audit: AuditRecord) -> list[FrameKey]:
        """Return the frames of an audit, in the order of the draw; raises IntegrityError where their list is missing."""
        return [frame.key for frame in read_selection(self._layout.selection(audit.round_id))]

    def pool(self, audit: AuditRecord) -> list[FrameKey]:
        """Return the frames that an audit was drawn from, by pullback and frame; raises as `read_pool`."""
        return read_pool(self._layout.audit_pool(audit.round_id), audit.pool_sha256)

    def held_frames(self) -> dict[FrameKey, str]:
        """Return the frames that no model may learn from or be calibrated on, and the unreleased audit that holds each."""
        return {key: audit.round_id for audit in self.all() if not audit.is_released for key in self.frames(audit)}


@dataclass(frozen=True)
class PoolStretch:
    """Neighbouring frames of a pool, first and last among them.

    Attributes:
        pullback_id: Their pullback.
        first_frame: 0-based.
        last_frame: 0-based.
    """

    pullback_id: str
    first_frame: int
    last_frame: int


def write_pool(path: Path, keys: Iterable[FrameKey]) -> None:
    """Write the frames that an audit is drawn from, given by pullback and frame: a line for each stretch."""
    stretches = []
    for (pullback_id, _), group in groupby(
        enumerate(keys), lambda one: (one[1].pullback_id, one[1].frame_index - one[0])
    ):
        frames = [key.frame_index for _, key in group]
        stretches.append(PoolStretch(pullback_id, frames[0], frames[-1]))
    atomic.write_text(path, csv_of_records(PoolStretch, stretches))


def read_pool(path: Path, sha256: str) -> list[FrameKey]:
    """Return the frames that an audit was drawn from, by pullback and frame.

    Args:
        path: The file.
        sha256: Its hash as the audit has it.

    Raises:
        IntegrityError: the file is missing or not as it was written.
    """
    stretches = read_records(
        path, PoolStretch, what="the pool of the audit", hint="restore it from a copy", sha256=sha256
    )
    return [
        FrameKey(one.pullback_id, index) for one in stretches for index in range(one.first_frame, one.last_frame + 1)
    ]
