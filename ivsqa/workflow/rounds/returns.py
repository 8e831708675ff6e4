"""Returns of a round: the changes of borders, the rules they break, and the frames that readers dispute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ivsqa.domain.agreement.edits import ContourChange, classify_contour, find_misplacement
from ivsqa.domain.contour import Contour, Contours
from ivsqa.domain.geometry.topology import Finding, check_contours
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets import ReturnedPacket, SentFrame
from ivsqa.io.project.annotation_status import Standing
from ivsqa.io.project.project import Project
from ivsqa.io.project.rounds import Round

MENDABLE = frozenset({"crosses-outer", "self-crossing"})
"""Findings that `--repair` mends; the others need a person."""
TOLERATED = frozenset({"missing-structure"})
"""A border that cannot be seen is a valid answer."""


def broken_rules(
    contours: Contours,
    structures: StructureSet,
    shape: tuple[int, int],
    *,
    spacing_mm: tuple[float, float] | None,
) -> list[Finding]:
    """Return the findings that keep contours from being an annotation; see `check_contours` for the arguments."""
    findings = check_contours(contours, structures, shape, spacing_mm=spacing_mm)
    return [finding for finding in findings if finding.code not in TOLERATED]


def contour_changes(
    sent: SentFrame, contours: Contours, names: Iterable[str], *, tolerance_px: float
) -> dict[str, ContourChange]:
    """Return the change of each named border of a frame since it was sent."""
    return {
        name: classify_contour(
            sent.contours.get(name), contours.get(name), tolerance_px=tolerance_px, spacing_mm=sent.spacing_mm
        )
        for name in names
    }


def disputed_frames(project: Project, record: Round) -> dict[FrameKey, Standing]:
    """Return the disputed frames of a round with their standings, in the order of the round."""
    pullback_ids = {frame.pullback_id for frame in record.frames}
    standings = {pullback_id: project.annotations.standings(pullback_id) for pullback_id in pullback_ids}
    by_key = {frame.key: standings[frame.pullback_id].get(frame.frame_index) for frame in record.frames}
    return {key: standing for key, standing in by_key.items() if standing is not None and standing.is_disputed}


def find_misplaced(returned: ReturnedPacket, path: Path) -> Iterator[PacketError]:
    """Yield an error where all contours of a return are mirrored, shifted or scaled alike, by size of frame."""
    by_shape: dict[tuple[int, int], list[tuple[Contour, Contour]]] = {}
    for frame in returned.frames:
        for name, contour in frame.contours.items():
            if name in frame.frame.contours:
                by_shape.setdefault(frame.frame.shape, []).append((frame.frame.contours[name], contour))
    # A mirrored or shifted border depends on the size of its image: each size is judged alone.
    for shape, pairs in by_shape.items():
        looks = find_misplacement(pairs, shape)
        if looks is not None:
            yield PacketError(
                f"the returned contours fit what was sent if {looks}",
                path=path,
                hint="export again from the editor without that change; nothing was imported",
            )
