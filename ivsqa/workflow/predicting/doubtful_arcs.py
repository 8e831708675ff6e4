"""The likely errors of a scored frame: the doubtful arcs in its packet, and the reason for its choice."""

from __future__ import annotations

import numpy as np

from ivsqa.domain.geometry.arcs import N_ARCS, DoubtfulArc, ErrorByArc, error_by_arc, worst_arcs
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback

EXPERTS_MM = 0.1
"""Distance between two experts (Brusseau et al., IEEE TMI 2004;23:554)."""

EXPERTS_GRID_PX = 1.25
"""The same where spacing is unknown: about as much on the default grid of 128 px over 10 mm."""

DOUBT = 2.2
"""A border is doubtful where it is expected to be off by this many times as much."""


def arcs_in_doubt(project: Project, pullback: Pullback, score: FrameScore) -> list[DoubtfulArc]:
    """Return the arcs in which a border is likely to be off by more than experts would differ, worst first, three at most."""
    return worst_arcs(_errors(project, pullback, score), threshold_px=DOUBT * tolerance_px(pullback))


def expected_error(project: Project, pullback: Pullback, score: FrameScore) -> str:
    """Return the expected error of the worst border in words, and over which part of the circle; "" if there is none."""
    # A border that is missing is off by no distance, and says more than those that are there.
    missing = [name for name in project.structures.names if name not in score.contours]
    if missing:
        return f"no {' and no '.join(missing)} found"
    threshold_px = DOUBT * tolerance_px(pullback)
    by_arc = {name: error.distance_px for name, error in _errors(project, pullback, score).items()}
    doubtful = {name: distance_px[distance_px > threshold_px] for name, distance_px in by_arc.items()}
    # By sum: a small error over a long arc is as much work as a large one over a short arc.
    name = max(doubtful, key=lambda name: float(doubtful[name].sum()))
    if not len(doubtful[name]):
        return ""
    mean_px = float(doubtful[name].mean()) * pullback.grid.scale[0]
    size = f"{mean_px:.0f} px" if pullback.spacing_mm is None else f"{mean_px * pullback.spacing_mm[0]:.1f} mm"
    return f"expected {name} error {size} over {round(360 / N_ARCS * len(doubtful[name]))}°"


def _errors(project: Project, pullback: Pullback, score: FrameScore) -> dict[str, ErrorByArc]:
    """Return the expected error of each predicted border by arc, in px of the working grid."""
    return {
        name: error_by_arc(error_map.astype(np.float32) / 255.0, pullback.grid.contour_to_grid(score.contours[name]))
        for name, error_map in zip(project.structures.names, score.error_maps, strict=True)
        if name in score.contours
    }


def tolerance_px(pullback: Pullback) -> float:
    """Return the distance between two experts, in px of the working grid."""
    if pullback.spacing_mm is None:
        return EXPERTS_GRID_PX
    return EXPERTS_MM / (pullback.grid.scale[0] * pullback.spacing_mm[0])
