"""What lies around frames in their pullbacks: neighbours, since moving wall and blood tell a border from speckle, and the cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.geometry.longitudinal import columns_along
from ivsqa.io.packets import PacketFrame, Surroundings
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback

SHOWN_BY = "page"
"""The format that shows them."""
MOST_FRAMES, MOST_MM = 5, 1.0
"""To each side; farther along the vessel it is another cross-section."""
CUT_COLUMNS = 400
"""As much as a screen shows, however long the pullback."""
ROUNDING_MM = 1e-6


def with_surroundings(project: Project, frames: Iterable[PacketFrame]) -> Iterator[PacketFrame]:
    """Yield frames of a packet with what lies around each; of the rest of a pullback 400 rows are read, once."""
    cuts: dict[str, NDArray[np.uint8]] = {}
    for frame in frames:
        pullback = project.pullback(frame.pullback_id)
        if frame.pullback_id not in cuts:
            cuts[frame.pullback_id] = _cut(pullback)
        yield replace(frame, surroundings=surroundings_of(pullback, frame.frame_index, cuts[frame.pullback_id]))


def surroundings_of(pullback: Pullback, frame_index: int, cut: NDArray[np.uint8]) -> Surroundings:
    """Return what lies around a frame, given the cut of its pullback: up to 5 frames to each side, none farther than 1 mm."""
    positions = pullback.positions_mm()
    near = np.arange(max(frame_index - MOST_FRAMES, 0), min(frame_index + MOST_FRAMES + 1, pullback.n_frames))
    step_mm = None
    if positions is not None:
        near = near[np.abs(positions[near] - positions[frame_index]) <= MOST_MM + ROUNDING_MM]
        step_mm = float(positions[near[-1]] - positions[near[0]]) / max(len(near) - 1, 1)
    frames, place = pullback.frames, _places(pullback)
    length = place[-1] - place[0]
    return Surroundings(
        neighbours={index - frame_index: frames[index] for index in near.tolist() if index != frame_index},
        step_mm=step_mm,
        cut=cut,
        place=float((place[frame_index] - place[0]) / length) if length else 0.0,
    )


def _cut(pullback: Pullback) -> NDArray[np.uint8]:
    """Return the middle row of frames evenly spaced along the vessel, side by side, the right end of the row on top."""
    shown, column_of = np.unique(columns_along(_places(pullback), CUT_COLUMNS), return_inverse=True)
    rows = pullback.frames.rows(shown, pullback.height_px // 2)
    return np.ascontiguousarray(rows[column_of].T[::-1])


def _places(pullback: Pullback) -> NDArray[np.float64]:
    """Return where each frame lies, in mm, or in frames where that is unknown, (n,)."""
    positions = pullback.positions_mm()
    return np.arange(pullback.n_frames, dtype=np.float64) if positions is None else positions
