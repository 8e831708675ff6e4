"""Error maps and heatmaps of scored frames, in frame pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.drawing.pictures import overlay, png_bytes
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback


def heatmap_of_score(project: Project, record: Pullback, score: FrameScore) -> bytes:
    """Return the error picture of one scored frame, PNG."""
    dice = ", ".join(f"{name} {value:.2f}" for name, value in score.dice.items())
    picture = overlay(
        record.frames[score.frame_index],
        score.contours,
        structures=project.structures,
        error_maps=error_maps_on_frame(project, record, score),
        title=f"{record.pullback_id}  frame {score.frame_index}",
        subtitle=f"predicted Dice: {dice}",
        spacing_mm=record.spacing_mm,
    )
    return png_bytes(picture)


def error_maps_on_frame(project: Project, record: Pullback, score: FrameScore) -> dict[str, NDArray[np.float32]]:
    """Return the error map of each structure on the frame's pixels, (height, width) in [0, 1]."""
    grid = record.grid
    return {
        name: grid.to_frame(error_map.astype(np.float32) / 255.0)
        for name, error_map in zip(project.structures.names, score.error_maps, strict=True)
    }
