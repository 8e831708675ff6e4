"""Undo and redo: a reader's pointer goes one step back, or forward again; no revision is touched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivsqa.domain.pullback import FrameKey
from ivsqa.errors import NotFoundError, StateError
from ivsqa.io.ledger import doors
from ivsqa.io.project.annotation_records import PointerRecord, RevisionRecord
from ivsqa.io.project.annotation_status import History
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import read_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import provenance
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context

_REVISION = re.compile(r"rev-[0-9a-f]+")
_ROUND = re.compile(r"r\d+")


@dataclass(frozen=True)
class Step:
    """One step of a pointer.

    Attributes:
        pullback_id: Whose frame it is.
        frame_index: 0-based.
        reader: Whose pointer.
        before: The revision that counted; None: none did.
        after: The revision that counts now; None: none does.
    """

    pullback_id: str
    frame_index: int
    reader: str
    before: str | None
    after: str | None


def undo(
    project: Project,
    what: Sequence[str],
    *,
    reader: str | None = None,
    redo: bool = False,
    dry_run: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> list[Step]:
    """Take back a reader's last revision of some frames: the one before counts again, or none.

    Writes one move of the reader's pointer, for all frames at once. Of a revision or a round, only frames where it
    counts now are taken back: doing it twice does it once.

    Args:
        project: The project.
        what: Frames, revisions and rounds by name.
        reader: Whose; None where only one reader is concerned.
        redo: Go forward again instead.
        dry_run: Report only.
        context: Clock.

    Raises:
        NotFoundError: no such frame, revision or round.
        StateError: nothing of it can be taken back, or several readers are concerned.
    """
    lock, now = project.layout.lock("rounds"), context.clock()
    with project_lock(lock, purpose="taking annotations back", started_at=now, dry_run=dry_run):
        # Given again after a stop, it takes back what it took back, and not one step more.
        done = None if dry_run else doors.done_before(project.root, r"annotations/ptr-\w+\.yaml")
        if done is not None:
            return _steps_done(project, project.root / done)
        steps = _plan(project, what, reader, redo=redo)
        if not dry_run:
            targets = {FrameKey(step.pullback_id, step.frame_index): step.after for step in steps}
            project.annotations.move(steps[0].reader, targets, made=provenance(now))
        return steps


def _plan(project: Project, what: Sequence[str], reader: str | None, *, redo: bool) -> list[Step]:
    """Return the steps that one reader's pointer is to go; raises as `undo`."""
    # A set: a frame may be named along with its round.
    possible = {step for name in what for step in _steps(project, name, redo=redo)}
    steps = sorted(
        (step for step in possible if reader in (None, step.reader)),
        key=lambda step: (step.pullback_id, step.frame_index, step.reader),
    )
    names = " ".join(what) + (f" by {reader}" if reader else "")
    if not steps:
        hint = "see what was said, and what counts, with: ivsqa why FRAME"
        raise StateError(f"nothing of {names} can be {'done again' if redo else 'taken back'}", hint=hint)
    readers = sorted({step.reader for step in steps})
    if len(readers) > 1:
        raise StateError(f"{names} is what {' and '.join(readers)} said", hint="name one with: --reader NAME")
    return steps


def _steps_done(project: Project, path: Path) -> list[Step]:
    """Return the steps that a move of the pointer was."""
    record = read_manifest(path, PointerRecord)
    steps = []
    for move in record.moves:
        history = project.annotations.history(move.pullback_id)
        others = [other for other in history.pointers if other.pointer_id != record.pointer_id]
        before = History.of(move.pullback_id, history.revisions, others).counting
        for index in move.frames:
            counted = before.get(index, {}).get(record.reader)
            at = counted.revision_id if counted is not None else None
            steps.append(Step(move.pullback_id, index, record.reader, at, move.revision_id))
    return sorted(steps, key=lambda step: (step.pullback_id, step.frame_index))


def _steps(project: Project, name: str, *, redo: bool) -> Iterator[Step]:
    """Yield the possible steps of every reader for the frame, revision or round of that name."""
    if _REVISION.fullmatch(name):
        paths = sorted(project.layout.annotations.glob(f"*/{name}.yaml"))
        if not paths:
            raise NotFoundError(
                f"no revision {name!r} in this project", hint="a frame's are named by: ivsqa why PULLBACK:FRAME"
            )
        for path in paths:
            yield from _steps_in(project, path.parent.name, redo=redo, revision_id=name)
    elif _ROUND.fullmatch(name):
        # Refuses a round that is not there, of which else nothing could be taken back.
        project.get_round(name)
        for pullback_id in project.pullback_ids():
            yield from _steps_in(project, pullback_id, redo=redo, round_id=name)
    else:
        record, index = project.find_frame(name)
        yield from _steps_in(project, record.pullback_id, redo=redo, frame_index=index)


def _steps_in(
    project: Project,
    pullback_id: str,
    *,
    redo: bool,
    frame_index: int | None = None,
    revision_id: str | None = None,
    round_id: str | None = None,
) -> Iterator[Step]:
    """Yield the possible steps in a pullback; where one is named, only those of a frame, revision or round."""
    said = project.annotations.history(pullback_id)
    for index, reader in sorted(
        {(index, record.reader) for record in said.revisions for index in record.frame_indices}
    ):
        if frame_index not in (None, index):
            continue
        history, at = said.steps(index, reader)
        to = at + 1 if redo else at - 1
        if not -1 <= to < len(history):
            continue
        moved: RevisionRecord = history[max(at, to)]  # what is taken back, or brought back
        if revision_id in (None, moved.revision_id) and round_id in (None, moved.round_id):
            before = history[at].revision_id if at >= 0 else None
            yield Step(pullback_id, index, reader, before, history[to].revision_id if to >= 0 else None)
