"""The page of an evaluation: one file that carries its diagrams and pictures inside, for whoever has to believe the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ivsqa.domain.agreement.reader_agreement import BetweenReaders
from ivsqa.domain.quality.judged_estimate import ReliabilityBin
from ivsqa.domain.statistics.bootstrap import ENOUGH_SUBJECTS
from ivsqa.drawing.templates import fill
from ivsqa.pages.areas import area_views

MEASURES = (
    ("Dice", "dice", 3),
    ("Jaccard", "jaccard", 3),
    ("HD95 mm", "hd95_mm", 2),
    ("ASSD mm", "assd_mm", 2),
    ("HD95 px", "hd95_px", 1),
    ("ASSD px", "assd_px", 1),
    ("PAD", "pad", 3),
)
"""Heads of the columns, keys of `ivsqa evaluate --json`, and digits."""


@dataclass(frozen=True, eq=False)
class SurprisePicture:
    """A frame whose true Dice was far from the predicted one, drawn.

    Attributes:
        title: Which frame.
        structure: The structure that surprised.
        predicted_dice: What was predicted of it.
        dice: What it turned out to be.
        panels: The frame with contours, and the error map, JPEG.
    """

    title: str
    structure: str
    predicted_dice: float
    dice: float
    panels: Sequence[bytes]


def evaluation_page(
    answer: Mapping[str, Any],
    *,
    scatter: Markup,
    reliability: Markup,
    reliability_bins: Mapping[str, Sequence[ReliabilityBin]],
    review: Markup,
    pictures: Sequence[SurprisePicture],
    colors: Mapping[str, str],
    readers: Mapping[str, BetweenReaders],
    again: Mapping[str, BetweenReaders],
) -> Markup:
    """Return the page.

    Args:
        answer: The evaluation as `ivsqa evaluate --json` prints it: what stands here and there is the same.
        scatter: Predicted against true Dice, SVG.
        reliability: Reliability of the error map, SVG.
        reliability_bins: The same as numbers, by structure.
        review: Review curves, SVG.
        pictures: The worst surprises first.
        colors: "#rrggbb" by structure.
        readers: How far two readers of one frame agree, by structure.
        again: How far one reader who read a frame twice does.
    """
    segmentation = answer["segmentation"]
    # Entropy is what comes for free with any network, so our figures stand beside its own.
    own, entropy = (
        next(figures for figures in answer["estimate"] if (figures["signal"], figures["scope"]) == (signal, "frame"))
        for signal in ("error_map", "entropy")
    )
    return fill(
        "pages/evaluation.html.j2",
        answer=answer,
        own=own,
        entropy=entropy,
        # Without spacing no structure has a measure in mm.
        measures=[
            measure for measure in MEASURES if any(known[measure[1]] is not None for known in segmentation.values())
        ],
        dice_heads=[f"{name} Dice" for name in segmentation],
        kinds=list(dict.fromkeys(group["kind"] for group in answer["strata"])),
        scatter=scatter,
        reliability=reliability,
        reliability_bins=reliability_bins,
        review=review,
        pictures=pictures,
        colors=colors,
        readers=readers,
        again=again,
        enough_subjects=ENOUGH_SUBJECTS,
        views=area_views(answer, colors, readers, again),
    )
