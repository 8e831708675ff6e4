"""Frames that stand in pullbacks of two subjects: one person under two names, or a copy that was imported as somebody new."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.pullback import FrameKey
from ivsqa.io.project.pullbacks import Pullback

EVERY_PX = 8
"""Frames whose pixels on a grid this wide differ are told apart by these alone; a thousandth of the work of comparing all."""


@dataclass(frozen=True)
class SharedFrames:
    """Frames that two pullbacks of different subjects have in common.

    Attributes:
        first: The pullback that comes first by id.
        second: The other one.
        n_frames: How many of its frames are in the first too.
        example: One of them.
    """

    first: Pullback
    second: Pullback
    n_frames: int
    example: FrameKey


def shared_frames(pullbacks: Iterable[Pullback]) -> list[SharedFrames]:
    """Return what pullbacks of different subjects have in common, in their order; frames of one grey alone do not count."""
    seen: dict[bytes, list[tuple[Pullback, int]]] = {}
    shared: dict[tuple[str, str], SharedFrames] = {}
    for pullback in pullbacks:
        for index, frame in enumerate(pullback.frames):
            coarse = np.ascontiguousarray(frame[::EVERY_PX, ::EVERY_PX])
            if coarse.min() == coarse.max():
                continue
            alike = seen.setdefault(blake2b(coarse.data, digest_size=16).digest(), [])
            for other, at in alike:
                if other.subject_id != pullback.subject_id and _are_equal(other.frames[at], frame):
                    pair = (other.pullback_id, pullback.pullback_id)
                    n_before = shared[pair].n_frames if pair in shared else 0
                    example = FrameKey(pullback.pullback_id, index)
                    shared[pair] = SharedFrames(other, pullback, n_before + 1, example)
            if all(other.pullback_id != pullback.pullback_id for other, _ in alike):
                alike.append((pullback, index))
    return list(shared.values())


def _are_equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return one.shape == other.shape and bool(np.array_equal(one, other))
