"""The demo's summary: one plain page of what happened, with pictures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from pathlib import Path


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
    seconds: float,
) -> str:
    """Return the page; all paths are relative to it."""
    names = list(stages[0].dice)
    head = "".join(f"<th>{escape(name)} Dice<th>{escape(name)} HD95 mm" for name in names)
    rows = "".join(_row(stage, names) for stage in stages)
    shown = "".join(_figure(example.picture, example.caption) for example in examples)
    heat = "".join(_figure(path, "") for path in heatmaps)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ivsqa demo</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; margin: 1rem 0 }}
th, td {{ padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums }}
th:first-child, td:first-child {{ text-align: left }}
figure {{ margin: 1rem 0 }} img {{ max-width: 100%; display: block }}
figcaption {{ color: #666; font-size: .9rem }} code {{ background: #f3f3f3; padding: .1em .3em }}
</style>
<h1>The loop on phantoms, {seconds / 60:.1f} minutes</h1>
<p>A network was trained on a few annotated frames, then told which other frames it gets most wrong. A simulated annotator
corrected those in their LabelMe packet, and the network was fine-tuned on what came back, {len(stages) - 1} times.
All figures are on test subjects that were never ranked, selected by score, trained or tuned on.</p>
<table><tr><th>model<th>labels{head}<th>not found<th>error of predicted Dice<th>AUROC of bad frames
<th>error map AUPRC<th>entropy AUPRC</tr>
{rows}</table>
<p>The project is <code>{escape(study.as_posix())}</code>: go there and try <code>ivsqa status</code>.
The last packet, as the annotator gets it, starts with <a href="{escape(packet.as_posix())}">{escape(packet.name)}</a>.</p>
<h2>Test frames: truth, and what each model draws</h2>
{shown}
<h2>Frames the last model gets most wrong, by its own estimate</h2>
{heat}
</html>
"""


def _row(stage: DemoStage, names: Sequence[str]) -> str:
    """Return one line of the table."""
    values = "".join(f"<td>{_number(stage.dice[name])}<td>{_number(stage.hd95_mm[name], 2)}" for name in names)
    return (
        f"<tr><td>{escape(stage.name)} ({escape(stage.model_id)})<td>{stage.n_labels}{values}<td>{stage.n_missing}"
        f"<td>{_number(stage.quality_error)}<td>{_number(stage.quality_auroc, 2)}<td>{_number(stage.error_map_auprc, 2)}"
        f"<td>{_number(stage.entropy_auprc, 2)}</tr>\n"
    )


def _number(value: float, digits: int = 3) -> str:
    """Return a number, or a dash where it is not known."""
    return f"{value:.{digits}f}" if isfinite(value) else "–"


def _figure(path: Path, caption: str) -> str:
    """Return a picture with its caption."""
    source, words = escape(path.as_posix()), escape(caption or path.stem)
    return f'<figure><img src="{source}" alt="{words}" loading="lazy"><figcaption>{escape(caption)}</figcaption></figure>\n'
