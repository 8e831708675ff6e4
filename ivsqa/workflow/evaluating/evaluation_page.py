"""The page of an evaluation: its diagrams and its pictures, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.quality.judged_estimate import JudgedFrame, reliability
from ivsqa.drawing.charts import Point, Series, reliability_chart, scatter_chart
from ivsqa.drawing.pictures import comparison, jpeg_bytes
from ivsqa.io.project.project import Project
from ivsqa.pages.evaluation import SurprisePicture, evaluation_page
from ivsqa.workflow.evaluating.collector import Surprise
from ivsqa.workflow.predicting.error_maps import error_maps_on_frame
from ivsqa.workflow.predicting.signals import ERROR_MAP


def evaluation_html(
    project: Project,
    answer: Mapping[str, Any],
    frames: Sequence[JudgedFrame],
    counts: Mapping[str, NDArray[np.int64]],
    surprises: Sequence[Surprise],
) -> str:
    """Return the page.

    Args:
        project: The project.
        answer: The evaluation as plain values.
        frames: Every frame that was judged.
        counts: (2, 256) wrong and right pixels by level of the calibrated error map, by structure.
        surprises: What to show, worst first.
    """
    colors = {one.name: one.color for one in project.structures.structures}
    scatter = [
        Series(
            name,
            color,
            [
                Point(frame.true_dice[name], frame.predicted[ERROR_MAP][name])
                for frame in frames
                if name in frame.true_dice
            ],
        )
        for name, color in colors.items()
    ]
    kept = {name: reliability(counts[name]) for name in colors}
    curves = [
        Series(name, color, [Point(one.predicted, one.observed, one.n_pixels) for one in kept[name]])
        for name, color in colors.items()
    ]
    return evaluation_page(
        answer,
        scatter=scatter_chart(scatter),
        reliability=reliability_chart(curves),
        reliability_bins=kept,
        pictures=[_picture(project, one) for one in surprises],
        colors=colors,
    )


def _picture(project: Project, one: Surprise) -> SurprisePicture:
    """Return a surprise drawn: both contours on the frame, and the error map beside it."""
    record = one.frame.pullback
    panels = comparison(
        record.frames[one.score.frame_index],
        one.score.contours,
        one.frame.annotation.contours,
        error_maps_on_frame(project, record, one.score),
        structures=project.structures,
        spacing_mm=record.spacing_mm,
    )
    return SurprisePicture(
        title=f"{record.pullback_id} frame {one.score.frame_index}",
        structure=one.structure,
        predicted_dice=one.predicted_dice,
        dice=one.dice,
        panels=tuple(jpeg_bytes(panel) for panel in panels),
    )
