"""What is left to score, claimed pullback by pullback: any number of processes share it, on any number of machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

from ivsqa.errors import ProjectLockedError
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord
from ivsqa.workflow.context import Context

BATCH_FRAMES = 32
Chunk: TypeAlias = tuple[int, int]
"""First and last frame."""


@dataclass(frozen=True)
class Batch:
    """Frames start … stop - 1 of a pullback.

    Attributes:
        record: The pullback.
        start: First frame.
        stop: The frame after the last.
        ends_chunk: Whether they are the last of a chunk.
        ends_pullback: Whether they are the last that is to score of the pullback.
    """

    record: Pullback
    start: int
    stop: int
    ends_chunk: bool
    ends_pullback: bool


class Work:
    """The chunks of some pullbacks that are left to score. What is claimed in its block and not given back is so at the end.

    Attributes:
        n_todo: Frames that are left when it begins.
        n_done_by_others: Of these, those that others scored before their pullback could be claimed.
        refused: By pullback, who else is about it.
    """

    def __init__(
        self,
        project: Project,
        model: ModelRecord,
        pullbacks: Sequence[Pullback],
        context: Context,
        *,
        again: bool,
        draws: bool,
    ) -> None:
        self._project, self._model, self._context = project, model, context
        self._store = project.scores(model)
        self._again, self._draws = again, draws
        self._todo = [(record, chunks) for record in pullbacks if (chunks := self._due(record))]
        self.n_todo = sum(_n_frames(chunks) for _, chunks in self._todo)
        self.n_done_by_others = 0
        self.refused: dict[str, ProjectLockedError] = {}
        self._claims: dict[str, ExitStack] = {}

    def __enter__(self) -> Work:
        """Begin; nothing is claimed yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give back what is claimed still."""
        for pullback_id in [*self._claims]:
            self.give_back(pullback_id)

    @property
    def n_refused(self) -> int:
        """The number of frames that others are about."""
        return sum(_n_frames(chunks) for record, chunks in self._todo if record.pullback_id in self.refused)

    def batches(self) -> Iterator[Batch]:
        """Yield batches until all are named or someone asks to stop; what others are about is asked for once more at the end."""
        yield from self._batches_of(self._todo)
        yield from self._batches_of([one for one in self._todo if one[0].pullback_id in self.refused])

    def give_back(self, pullback_id: str) -> None:
        """Give back a pullback of which nothing is left."""
        self._claims.pop(pullback_id).close()

    def _batches_of(self, todo: Sequence[tuple[Pullback, list[Chunk]]]) -> Iterator[Batch]:
        """Yield the batches of the pullbacks that can be claimed."""
        for listed, chunks in todo:
            if self._context.should_stop() or not self._claim(listed.pullback_id):
                continue
            # Asked again: since they were listed, another process may have been about it, and its grid may have been amended.
            record = self._project.pullback(listed.pullback_id)
            due = self._due(record)
            left = [chunk for chunk in chunks if chunk in due]
            self.n_done_by_others += _n_frames(chunks) - _n_frames(left)
            if not left:
                self.give_back(record.pullback_id)
            yield from self._batches_in(record, left)

    def _batches_in(self, record: Pullback, chunks: Sequence[Chunk]) -> Iterator[Batch]:
        """Yield the batches of some chunks of a pullback."""
        for first, last in chunks:
            for start in range(first, last + 1, BATCH_FRAMES):
                if self._context.should_stop():
                    return
                stop = min(start + BATCH_FRAMES, last + 1)
                ends_chunk = stop > last
                yield Batch(record, start, stop, ends_chunk, ends_chunk and (first, last) == chunks[-1])

    def _claim(self, pullback_id: str) -> bool:
        """Claim a pullback; returns whether nobody else is about it."""
        lock = self._project.layout.claim(self._model.model_id, pullback_id)
        claim = ExitStack()
        try:
            claim.enter_context(project_lock(lock, purpose="scoring", started_at=self._context.clock()))
        except ProjectLockedError as error:
            self.refused[pullback_id] = error
            return False
        self.refused.pop(pullback_id, None)
        self._claims[pullback_id] = claim
        return True

    def _due(self, record: Pullback) -> list[Chunk]:
        """Return the chunks of a pullback that are to score."""
        return [
            chunk
            for chunk in self._store.chunks(record.n_frames)
            if self._again or not self._store.has_chunk(record.pullback_id, *chunk, drawn=self._draws)
        ]


def _n_frames(chunks: Sequence[Chunk]) -> int:
    """Return the number of frames in some chunks."""
    return sum(last - first + 1 for first, last in chunks)
