"""The pool of frames to be finished, and the audit: how it is drawn, and what came of it.

Two draws are known. Both make the bounds exact for the pool that they were drawn from, by chance alone:

* *Frames*, each as likely as any other that is left. Whose they are does not matter: that frames of a subject resemble each
  other is a fact of the pool, and the draw does not follow it. A frame tells most this way.
* *Visits* to subjects, with a chance in proportion to their frames, and in each some frames at random: readers like neighbours
  together. A visit is one value, however many frames it draws.

Of subjects that are not in the pool neither speaks, unless the pool is a random draw of theirs; then only visits do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.acceptance.bounds import Floats


@dataclass(frozen=True, eq=False)
class FramePool:
    """The frames to be finished, as they were when the audit was drawn.

    Attributes:
        predicted: (N,) predicted loss of each frame that nobody had read, in [0, 1]; NaN: it is never accepted.
        subjects: (N,) number of each frame's subject.
        n_read: Frames that had been read: delivered as their reader's own.
        reader_loss: What a reader's own frame is taken to lose, as readers differ; it counts for every frame, to be safe.

    Raises:
        ValueError: a predicted loss is not in [0, 1].
    """

    predicted: Floats
    subjects: NDArray[np.intp]
    n_read: int = 0
    reader_loss: float = 0.0

    def __post_init__(self) -> None:
        _check_losses(self.predicted)

    @property
    def n_frames(self) -> int:
        """Frames to be delivered, read ones included."""
        return len(self.predicted) + self.n_read


@dataclass(frozen=True, eq=False)
class Audit:
    """Frames drawn at random from the whole pool, not by what was predicted, and read without sight of the model's contours.

    Attributes:
        frames: (n,) numbers of the frames in the pool, in the order in which they were drawn.
        losses: (n,) their true losses, in [0, 1]; NaN where a reader skipped one, which counts as the worst.
        visits: None: each frame was as likely as any other that was left. Else (n,) the visit in which each frame was drawn,
            counted from 0 in their order. A visit goes to a subject, with a chance in proportion to its frames, and draws some
            of these at random; visits do not know of each other.
        is_whole: All frames of each visited subject were drawn, and no subject was visited twice.

    Raises:
        ValueError: a loss is not in [0, 1], a visit drew no frame, or a frame was drawn twice where none is put back.
    """

    frames: NDArray[np.intp]
    losses: Floats
    visits: NDArray[np.intp] | None = None
    is_whole: bool = False

    def __post_init__(self) -> None:
        _check_losses(self.losses)
        if self.visits is not None and (np.bincount(self.visits) == 0).any():
            raise ValueError("a visit drew no frame")
        in_one = np.zeros_like(self.frames) if self.visits is None or self.is_whole else self.visits
        if len(np.unique(np.column_stack([self.frames, in_one]), axis=0)) < len(self.frames):
            raise ValueError("a frame was drawn twice")

    @property
    def n_units(self) -> int:
        """Frames, or visits to subjects."""
        return len(self.frames) if self.visits is None else int(self.visits.max(initial=-1)) + 1

    @property
    def assumption(self) -> str:
        """What must be true of the draw, in plain words."""
        if self.visits is None:
            return "each audited frame was drawn from all frames alike; whose they are does not matter"
        if self.is_whole:
            return "audited subjects were drawn one after the other, by the number of their frames, and read as a whole"
        return (
            "subjects were drawn by the number of their frames, each time from all, and their audited frames at random"
        )


def _check_losses(losses: Floats) -> None:
    """Raise a ValueError if a loss is neither NaN nor in [0, 1]."""
    if ((losses < 0.0) | (losses > 1.0)).any():
        raise ValueError("a loss is not in [0, 1]")


def draw_frames(n_frames: int, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the frames of an audit, in the order of the draw, (n,): each as likely as any other that is left.

    Args:
        n_frames: Frames of the pool.
        n: Frames to draw; at most all.
        rng: Randomness.

    Example:
        >>> draw_frames(3, 5, np.random.default_rng(0)).tolist()
        [2, 0, 1]
    """
    return rng.permutation(n_frames)[:n]


def draw_visits(
    subjects: NDArray[np.intp], n_visits: int, per_visit: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the frames of an audit by visits, and the visit of each, both (n,).

    Args:
        subjects: (N,) number of each frame's subject.
        n_visits: Visits. A subject may be visited again: then frames are drawn anew, and may be the same.
        per_visit: Frames to draw in a visit; of a subject with fewer, all.
        rng: Randomness.

    Example:
        >>> frames, visits = draw_visits(np.array([0, 0, 0, 1]), 2, 2, np.random.default_rng(0))
        >>> frames.tolist(), visits.tolist()
        ([3, 2, 0], [0, 1, 1])
    """
    visited = subjects[rng.integers(0, len(subjects), n_visits)]  # by a frame drawn at random, so by size
    drawn = [rng.permutation(np.flatnonzero(subjects == subject))[:per_visit] for subject in visited]
    return _numbered(drawn)


def draw_whole_subjects(
    subjects: NDArray[np.intp], n_subjects: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the frames of an audit of whole subjects, none twice, and the visit of each, both (n,).

    Args:
        subjects: (N,) number of each frame's subject.
        n_subjects: Subjects to draw, one after the other, each with a chance in proportion to its frames; at most all.
        rng: Randomness.

    Example:
        >>> frames, visits = draw_whole_subjects(np.array([0, 0, 0, 1]), 2, np.random.default_rng(0))
        >>> frames.tolist(), visits.tolist()
        ([0, 1, 2, 3], [0, 0, 0, 1])
    """
    # The first frame of each subject in a random order of all: by size, among those that are left.
    _, first = np.unique(shuffled := subjects[rng.permutation(len(subjects))], return_index=True)
    return _numbered([np.flatnonzero(subjects == shuffled[at]) for at in np.sort(first)[:n_subjects]])


def _numbered(drawn: Sequence[NDArray[np.intp]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the frames of all visits, and the visit of each."""
    nothing = [np.zeros(0, dtype=np.intp)]
    return np.concatenate([*drawn, *nothing]), np.repeat(np.arange(len(drawn)), [len(frames) for frames in drawn])


def shares_of_visits(pool: FramePool, audit: Audit) -> Floats:
    """Return the share of the pool that each visit takes away, (visits,): 0 where a subject may be visited again.

    Raises:
        ValueError: a visit went to two subjects, or left frames of its subject out where it says that it did not.
    """
    if audit.visits is None:
        raise ValueError("frames were drawn, not visits")
    subjects = pool.subjects[audit.frames]
    visited = np.zeros(audit.n_units, dtype=np.intp)
    visited[audit.visits] = subjects
    if (visited[audit.visits] != subjects).any():
        raise ValueError("a visit went to more than one subject")
    if not audit.is_whole:
        return np.zeros(audit.n_units)
    sizes = np.array([np.count_nonzero(pool.subjects == subject) for subject in visited])
    if (sizes != np.bincount(audit.visits)).any():
        raise ValueError("a visited subject was not read as a whole")
    return sizes / len(pool.predicted)
