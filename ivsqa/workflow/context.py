"""The outside of a workflow: the time, a way to show progress, a wish to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ivsqa.io.ranks import Rank, this_rank


class Advance(Protocol):
    """Reports progress."""

    def __call__(self, n: int = 1, note: str = "") -> None:
        """Count `n` more as done; `note` is the latest word, such as a loss."""


Progress = Callable[[str, int, str], AbstractContextManager[Advance]]
"""(label, total, unit) → a context that yields an `Advance`."""


@contextmanager
def silent_progress(label: str, total: int, unit: str) -> Iterator[Advance]:  # noqa: ARG001  the shape of Progress
    """Show nothing."""

    def advance(n: int = 1, note: str = "") -> None:
        del n, note

    yield advance


def utc_now() -> str:
    """Return the time in UTC, ISO 8601, to the microsecond so that revisions sort."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Context:
    """The outside of a workflow.

    Attributes:
        clock: Returns now, UTC, ISO 8601.
        progress: Shows how far a long step has come.
        should_stop: Whether someone asked for an orderly end (SIGTERM, SIGUSR1, Ctrl-C).
        rank: Which of several processes this is, where they share out one command.
    """

    clock: Callable[[], str] = utc_now
    progress: Progress = silent_progress
    should_stop: Callable[[], bool] = lambda: False
    rank: Callable[[], Rank] = this_rank


DEFAULT_CONTEXT = Context()
