"""The demo's summary: one plain page of what happened, with pictures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from pathlib import Path

from ivsqa.pages.html import number, page, table

STYLE = """
figure { margin: 1rem 0 } figure img { max-width: 100%; height: auto; display: block; border-radius: 4px }
"""


@dataclass(frozen=True)
class DemoStage:
    """One model of the demo, measured on the sealed test subjects.

    Attributes:
        name: "start", "round 1" …
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
    names = list(stages[0].dice)
    per_structure = [f"{escape(name)} {measure}" for name in names for measure in ("Dice", "HD95 mm")]
    about_quality = ["error of predicted Dice", "AUROC of bad frames", "error map AUPRC", "entropy AUPRC"]
    heads = ["model", "labels", *per_structure, "not found", *about_quality]
    shown = "".join(_figure(example.picture, example.caption) for example in examples)
    heat = "".join(_figure(path, "") for path in heatmaps)
    body = f"""<h1>The loop on phantoms, {seconds / 60:.1f} minutes</h1>
<p>A network was trained on a few annotated frames, then told which other frames it gets most wrong. A simulated annotator
corrected those in their LabelMe packet, and the network was fine-tuned on what came back, {len(stages) - 1} times.
All figures are on test subjects that were never ranked, selected by score, trained or tuned on.</p>
{table(heads, [[_row(stage, names) for stage in stages]])}
<p>The study on one page, as <code>ivsqa report</code> makes it of any project:
<a href="{escape(report.as_posix())}">{escape(report.name)}</a>.</p>
<p>The project is <code>{escape(study.as_posix())}</code>: go there and try <code>ivsqa status</code>.
The last packet, as the annotator gets it, starts with <a href="{escape(packet.as_posix())}">{escape(packet.name)}</a>.</p>
<h2>Test frames: truth, and what each model draws</h2>
{shown}
<h2>Frames the last model gets most wrong, by its own estimate</h2>
{heat}"""
    return page("ivsqa demo", body, style=STYLE)


def _row(stage: DemoStage, names: Sequence[str]) -> list[str]:
    """Return the cells of one model."""
    per_structure = [cell for name in names for cell in (_known(stage.dice[name]), _known(stage.hd95_mm[name], 2))]
    return [
        f"{escape(stage.name)} ({escape(stage.model_id)})",
        str(stage.n_labels),
        *per_structure,
        str(stage.n_missing),
        _known(stage.quality_error),
        *(_known(value, 2) for value in (stage.quality_auroc, stage.error_map_auprc, stage.entropy_auprc)),
    ]


def _known(value: float, digits: int = 3) -> str:
    """Return a number, or a dash where it is not known."""
    return number(value if isfinite(value) else None, digits)


def _figure(path: Path, caption: str) -> str:
    """Return a picture with its caption."""
    source, words = escape(path.as_posix()), escape(caption or path.stem)
    return f'<figure><img src="{source}" alt="{words}" loading="lazy"><figcaption>{escape(caption)}</figcaption></figure>\n'
