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
    colors = {structure.name: structure.color for structure in project.structures.structures}
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
    bins = {name: reliability(counts[name]) for name in colors}
    curves = [
        Series(name, color, [Point(bin_.predicted, bin_.observed, bin_.n_pixels) for bin_ in bins[name]])
        for name, color in colors.items()
    ]
    return evaluation_page(
        answer,
        scatter=scatter_chart(scatter),
        reliability=reliability_chart(curves),
        reliability_bins=bins,
        pictures=[_picture(project, surprise) for surprise in surprises],
        colors=colors,
    )


def _picture(project: Project, surprise: Surprise) -> SurprisePicture:
    """Return a surprise drawn: both contours on the frame, and the error map beside it."""
    record = surprise.frame.pullback
    panels = comparison(
        record.frames[surprise.score.frame_index],
        surprise.score.contours,
        surprise.frame.annotation.contours,
        record.error_maps_of(surprise.score),
        structures=project.structures,
        spacing_mm=record.spacing_mm,
    )
    return SurprisePicture(
        title=f"{record.pullback_id} frame {surprise.score.frame_index}",
        structure=surprise.structure,
        predicted_dice=surprise.predicted_dice,
        dice=surprise.dice,
        panels=tuple(jpeg_bytes(panel) for panel in panels),
    )
