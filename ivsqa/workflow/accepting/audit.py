"""Audit: a round of frames drawn at random, read without sight of the model's contours, to find out how good these are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ivsqa.domain.acceptance.audit import draw_frames
from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import StateError
from ivsqa.io.hashes import sha256_of_file
from ivsqa.io.ledger import doors
from ivsqa.io.project.audits import AuditRecord, write_pool
from ivsqa.io.project.layout import next_id
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import RoundRecord, provenance
from ivsqa.io.project.selections import SelectedFrame, write_selection
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context


@dataclass(frozen=True)
class AuditResult:
    """An audit that was drawn or released, or with `dry_run` would be.

    Attributes:
        round: Its round.
        audit: What makes it an audit; of a dry run without the hash of its pool.
        frames: Its frames, in the order of the draw.
    """

    round: RoundRecord
    audit: AuditRecord
    frames: list[SelectedFrame]


def draw_audit(
    project: Project,
    n: int = 100,
    *,
    is_assisted: bool = False,
    seed: int | None = None,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> AuditResult:
    """Open a round of frames drawn at random from all that are to be finished.

    The pool is every frame of the study, whatever its split, that nobody read and that is not out: all of them are delivered.
    Each is as likely as any other that is left. Its order in the round is that of the draw.

    Writes `rounds/<id>/round.yaml`, `selection.csv`, `audit.yaml` and `pool.csv`. No model learns from its frames until they are
    released, nor is one calibrated on them.

    Args:
        project: The project.
        n: How many frames.
        is_assisted: Show the model's contours to the reader: quicker, but a contour that is shown draws the reader to it.
        seed: Of the draw; None: the number of the round.
        dry_run: Write nothing.
        context: Clock.

    Raises:
        StateError: there is no model to judge, or no frame is left.
    """
    project.get_model(None)  # refuses where there is none
    lock, now = project.layout.lock("rounds"), context.clock()
    with project_lock(lock, purpose="opening a round", started_at=now, dry_run=dry_run):
        if not dry_run and (done := _done_before(project, "round")) is not None:
            return done
        round_id = next_id("r", [record.round_id for record in project.round_records()])
        seed = int(round_id.removeprefix("r")) if seed is None else seed
        pool = list(_iter_pool(project))
        if not pool:
            raise StateError("no frame is left to audit: all are read, or out with a reader")
        rows = draw_frames(len(pool), n, np.random.default_rng(seed))
        frames = [_drawn(project, pool[row], rank) for rank, row in enumerate(rows, start=1)]
        made = provenance(context.clock(), "numpy")
        record = RoundRecord(
            round_id=round_id,
            state="selected",
            strategy="audit",
            split="all",
            seed=seed,
            n_requested=n,
            n=len(frames),
            model_id=None,
            max_per_pullback=None,
            min_gap_frames=0,
            min_gap_mm=0.0,
            control_share=0.0,
            diversity=0.0,
            shortfall="" if len(frames) == n else f"{len(frames)} of {n} frames: no more are left",
            provenance=made,
        )
        audit = AuditRecord(
            round_id=round_id,
            is_assisted=is_assisted,
            models=tuple(model.model_id for model in project.ready_models()),
            n_pool=len(pool),
            n_read=sum(map(len, project.standings(project.pullbacks()).values())),
            pool_sha256="0" * 64,
            provenance=made,
        )
        if not dry_run:
            audit = _write(project, record, audit, frames, pool)
    return AuditResult(record, audit, frames)


def release_audit(
    project: Project, round_id: str | None = None, *, dry_run: bool = False, context: Context = DEFAULT_CONTEXT
) -> AuditResult:
    """Let models learn from the frames of an audit. Models that do are not judged by it: it knows those of the day of its draw.

    Args:
        project: The project.
        round_id: Which; None: the newest that is not released.
        dry_run: Write nothing.
        context: Clock.

    Raises:
        NotFoundError: no such round.
        StateError: it is no audit, or none is left to release.
    """
    lock, now = project.layout.lock("rounds"), context.clock()
    with project_lock(lock, purpose="releasing an audit", started_at=now, dry_run=dry_run):
        if not dry_run and (done := _done_before(project, "audit")) is not None:
            return done
        if round_id is None:
            held = [audit.round_id for audit in project.audits.all() if not audit.is_released]
            if not held:
                raise StateError("no audit is left to release", hint="draw one with: ivsqa audit -n 100")
            round_id = held[-1]
        record, audit = project.get_round(round_id), project.audits.find(round_id)
        if audit is None:
            raise StateError(f"{round_id} is no audit", hint="list rounds with: ivsqa status")
        audit = audit.model_copy(update={"is_released": True})
        if not dry_run:
            write_manifest(project.layout.audit_record(round_id), audit)
        return AuditResult(record, audit, list(record.frames))


def _done_before(project: Project, kind: str) -> AuditResult | None:
    """Return the audit of which the same command wrote `round.yaml` or `audit.yaml` before it was stopped, or None."""
    name = doors.done_before(project.root, rf"rounds/r\d+/{kind}\.yaml")
    if name is None:
        return None
    record = project.get_round(Path(name).parent.name)
    audit = project.audits.find(record.round_id)
    assert audit is not None  # written before the round
    return AuditResult(record, audit, list(record.frames))


def _iter_pool(project: Project) -> Iterator[FrameKey]:
    """Yield the frames that nobody read and that are not out, by pullback and frame."""
    pullbacks = project.pullbacks()
    taken = project.taken_frames(project.standings(pullbacks))
    for pullback in pullbacks:
        for index in range(pullback.n_frames):
            if (key := FrameKey(pullback.pullback_id, index)) not in taken:
                yield key


def _drawn(project: Project, key: FrameKey, rank: int) -> SelectedFrame:
    """Return a frame as the table of the round holds it; what a model says of it is not in it, as its reader sees that table."""
    subject_id = project.pullback(key.pullback_id).subject_id
    return SelectedFrame(rank, key.pullback_id, key.frame_index, subject_id, None, None, "audit, drawn at random")


def _write(
    project: Project, record: RoundRecord, audit: AuditRecord, frames: list[SelectedFrame], pool: list[FrameKey]
) -> AuditRecord:
    """Write an audit and return it with the hash of its pool."""
    layout, round_id = project.layout, record.round_id
    write_selection(layout.selection(round_id), frames)
    write_pool(layout.audit_pool(round_id), pool)
    audit = audit.model_copy(update={"pool_sha256": sha256_of_file(layout.audit_pool(round_id))})
    write_manifest(layout.audit_record(round_id), audit)
    # The manifest of the round comes last: where a round is, all else is.
    write_manifest(layout.round_record(round_id), record)
    return audit
