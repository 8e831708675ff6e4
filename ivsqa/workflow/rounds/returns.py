"""Findings about returned contours: which are let through, which can be mended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ivsqa.domain.agreement.edits import find_misplacement
from ivsqa.domain.contour import Contour
from ivsqa.errors import PacketError
from ivsqa.io.packets import ReturnedPacket

MENDABLE = frozenset({"crosses-outer", "self-crossing"})
"""Findings that `--repair` mends; the others need a person."""
TOLERATED = frozenset({"missing-structure"})
"""A border that cannot be seen is a valid answer."""


def find_misplaced(returned: ReturnedPacket, path: Path) -> Iterator[PacketError]:
    """Yield what a return looks like whose contours are all mirrored, shifted or scaled alike, by size of frame."""
    by_shape: dict[tuple[int, int], list[tuple[Contour, Contour]]] = {}
    for frame in returned.frames:
        for name, contour in frame.contours.items():
            if name in frame.frame.contours:
                by_shape.setdefault(frame.frame.shape, []).append((frame.frame.contours[name], contour))
    for shape, pairs in by_shape.items():
        looks = find_misplacement(pairs, shape)
        if looks is not None:
            yield PacketError(
                f"the returned contours fit what was sent if {looks}",
                path=path,
                hint="export again from the editor without that change; nothing was imported",
            )
