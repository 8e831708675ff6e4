"""Error maps and heatmaps of scored frames, in frame pixels."""

from __future__ import annotations

from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.drawing.encoded import png_bytes
from ivsqa.drawing.pictures import overlay
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback


def heatmap_of_score(project: Project, record: Pullback, score: FrameScore) -> bytes:
    """Return the error picture of one scored frame, PNG."""
    dice = ", ".join(f"{name} {value:.2f}" for name, value in score.dice.items())
    picture = overlay(
        record.frames[score.frame_index],
        score.contours,
        structures=project.structures,
        error_maps=record.error_maps_of(score),
        title=f"{record.pullback_id}  frame {score.frame_index}",
        subtitle=f"predicted Dice: {dice}",
        spacing_mm=record.spacing_mm,
    )
    return png_bytes(picture)
