"""The demo's summary: one plain page of what happened, with pictures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ivsqa.drawing.templates import fill


@dataclass(frozen=True)
class DemoStage:
    """One model of the demo, measured on the sealed test subjects.

    Attributes:
        name: "starter", "round 1" …
        model_id: The model.
        n_labels: Annotated training frames it learnt from.
        dice: Mean Dice by structure.
        hd95_mm: Mean HD95 by structure, mm.
        n_missing: Contours the model did not find.
        quality_error: Mean absolute error of the predicted Dice.
        quality_auroc: How well predicted quality finds frames with Dice below 0.9.
        error_map_auprc: Area under precision-recall of the error maps.
        entropy_auprc: The same for plain entropy.
    """

    name: str
    model_id: str
    n_labels: int
    dice: dict[str, float]
    hd95_mm: dict[str, float]
    n_missing: int
    quality_error: float
    quality_auroc: float
    error_map_auprc: float
    entropy_auprc: float


@dataclass(frozen=True)
class Example:
    """A test frame as the truth and each model see it: a caption and a picture, relative to the page."""

    caption: str
    picture: Path


def demo_page(
    stages: Sequence[DemoStage],
    *,
    examples: Sequence[Example],
    heatmaps: Sequence[Path],
    packet: Path,
    study: Path,
    report: Path,
    seconds: float,
) -> str:
    """Return the page; all paths are relative to it."""
    return fill(
        "pages/demo.html.j2",
        stages=stages,
        measures=[f"{name} {measure}" for name in stages[0].dice for measure in ("Dice", "HD95 mm")],
        examples=examples,
        heatmaps=heatmaps,
        packet=packet,
        study=study,
        report=report,
        seconds=seconds,
    )
