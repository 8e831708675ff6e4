"""The page of an evaluation: one file that carries its diagrams and pictures inside, for whoever has to believe the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ivsqa.domain.quality.judged_estimate import ReliabilityBin
from ivsqa.pages.html import color_keys, count, in_words, measured, number, page, picture, table

SIGNALS = {"error_map": "error map (ours)", "entropy": "entropy", "mc_dropout": "MC-dropout"}
FIGURES = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "mae": "mean error",
    "auroc": "AUROC of Dice < 0.9",
    "auprc": "AUPRC of wrong pixels",
}
MEASURES = {
    "dice": ("Dice", 3),
    "jaccard": ("Jaccard", 3),
    "hd95_mm": ("HD95 mm", 2),
    "assd_mm": ("ASSD mm", 2),
    "hd95_px": ("HD95 px", 1),
    "assd_px": ("ASSD px", 1),
    "pad": ("PAD", 3),
}

STYLE = """
.surprise { margin: 1.6rem 0; max-width: 52rem }
"""


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
    panels: tuple[bytes, ...]


def evaluation_page(
    answer: Mapping[str, Any],
    *,
    scatter: str,
    reliability: str,
    reliability_bins: Mapping[str, Sequence[ReliabilityBin]],
    pictures: Sequence[SurprisePicture],
    colors: Mapping[str, str],
) -> str:
    """Return the page.

    Args:
        answer: The evaluation as `ivsqa evaluate --json` prints it: what stands here and there is the same.
        scatter: Predicted against true Dice, SVG.
        reliability: Reliability of the error map, SVG.
        reliability_bins: The same as numbers, by structure.
        pictures: The worst surprises first.
        colors: "#rrggbb" by structure.
    """
    model, split = escape(answer["model_id"]), escape(answer["split"])
    body = f"""<h1>{model} on {split} subjects</h1>
<p class="lead">{_headline(answer)}</p>
<p class="note">{_caution(answer)}</p>
<h2>How good are the contours?</h2>
{_segmentation_table(answer["segmentation"])}
{_plaque_burden(answer["plaque_burden_mae"])}
<h2>Does it know its errors?</h2>
<p class="note">Every signal takes the same road: calibrated on {count(answer["n_calibration_frames"], "validation frame")},
then turned into the Dice to expect. A signal is worth something where it beats the others, not where it is merely
above chance. “frame” is the worst structure of a frame. The rows with a minus are differences, on the same draws of
subjects: where their interval leaves out 0, the one is really better on such subjects; of the mean error, less is better.</p>
{estimate_table(answer["estimate"], answer["gain"])}
<div class="pair">
<figure><figcaption>Predicted against true Dice, a marker a frame. On the dashed line the two are equal; above it the model is too
sure of itself.</figcaption>{scatter}</figure>
<figure><figcaption>Reliability of the error map: where it says 0.4, are 40 % of the pixels wrong? Beneath, how many pixels each
point stands for.</figcaption>{reliability}
<details><summary>in numbers</summary>{_reliability_table(reliability_bins)}</details></figure>
</div>
<h2>Where is it better, where worse?</h2>
<p class="note">Figures of the error map by group. Groups are small: read them as a hint of where to look, not as a finding.</p>
{_strata_table(answer["strata"], list(answer["segmentation"]))}
<h2>The {len(pictures)} worst surprises</h2>
<p class="note">Frames whose true Dice was furthest from the predicted one. Beside each the predicted error, from dark (none) to
pale yellow (certain).<br>{color_keys(colors)}<span class="key"><i></i>predicted</span>
<span class="key"><i class="dashed"></i>drawn by a person</span></p>
{"".join(_surprise(rank, one) for rank, one in enumerate(pictures, start=1))}"""
    return page(f"{answer['model_id']} on {answer['split']} subjects", body, style=STYLE)


def _headline(answer: Mapping[str, Any]) -> str:
    """Return in plain words what was found."""
    dice = ", of ".join(
        f"{escape(name)} is {number(one['dice'])}{in_words(one['interval']['dice'])}"
        for name, one in answer["segmentation"].items()
    )
    n_missing = sum(one["n_missing"] for one in answer["segmentation"].values())
    own, other = (
        next(one for one in answer["estimate"] if one["signal"] == signal and one["scope"] == "frame")
        for signal in ("error_map", "entropy")
    )
    missing = f" {count(n_missing, 'contour')} had no counterpart and stand in no mean." if n_missing else ""
    return (
        f"On {count(answer['n_frames'], 'frame')} of {count(answer['n_subjects'], 'subject')} the mean Dice of {dice}.{missing}"
        f" The predicted Dice of a frame is off by {number(own['mae'])} on average. Ranking frames by it agrees with their true"
        f" order to {number(own['spearman'], 2)}{in_words(own['interval']['spearman'], 2)}, where 1 is perfect and 0 is chance;"
        f" entropy reaches {number(other['spearman'], 2)}{in_words(other['interval']['spearman'], 2)}."
    )


def _caution(answer: Mapping[str, Any]) -> str:
    """Return what the reader must know before believing a figure."""
    words = []
    if answer["split"] == "test":
        words.append("Test subjects are sealed: no model was trained, tuned or calibrated on them.")
    else:
        words.append(
            f"These are {escape(answer['split'])} subjects, which took part in making the model: the figures flatter."
        )
    if answer["n_subjects"] > 1:
        words.append(
            "Intervals hold 95 % of what other draws of the same subjects would give, all frames of a subject together."
        )
    else:
        words.append("With one subject there is no interval: it tells nothing about the next.")
    if answer["n_calibration_frames"] == 0:
        words.append(
            "No validation frame is annotated, so nothing is calibrated: orders may be useful, probabilities are not."
        )
    words.append("A dash is what cannot be said.")
    return " ".join(words)


def _segmentation_table(segmentation: Mapping[str, Any]) -> str:
    """Return agreement by structure; measures that no structure has, such as mm without spacing, are left out."""
    shown = [key for key in MEASURES if any(one[key] is not None for one in segmentation.values())]
    rows = [
        [escape(name)]
        + [measured(one[key], one["interval"][key], MEASURES[key][1]) for key in shown]
        + [str(one["n_frames"]), str(one["n_missing"])]
        for name, one in segmentation.items()
    ]
    return table(["structure", *(MEASURES[key][0] for key in shown), "frames", "no counterpart"], [rows])


def estimate_table(estimate: Sequence[Mapping[str, Any]], gain: Sequence[Mapping[str, Any]]) -> str:
    """Return the figures of each signal and what ours gains, grouped by what they are about, the frame first."""
    named = [(SIGNALS[one["signal"]], one) for one in estimate]
    named += [(f"error map − {SIGNALS[one['over']]}", one) for one in gain]
    scopes = sorted(dict.fromkeys(one["scope"] for one in estimate), key=lambda scope: scope != "frame")
    groups = [
        [
            [
                f"{escape(scope)}, {name}",
                *(measured(one[key], one["interval"][key], 3 if key == "mae" else 2) for key in FIGURES),
            ]
            for name, one in named
            if one["scope"] == scope
        ]
        for scope in scopes
    ]
    return table(["", *(escape(name) for name in FIGURES.values())], groups)


def _reliability_table(bins: Mapping[str, Sequence[ReliabilityBin]]) -> str:
    """Return what the reliability diagram shows."""
    groups = [
        [[escape(name), f"{one.predicted:.3f}", f"{one.observed:.3f}", f"{one.n_pixels:,}"] for one in found]
        for name, found in bins.items()
    ]
    return table(["structure", "predicted", "observed", "pixels"], groups)


def _strata_table(strata: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """Return the figures of each stratum, grouped by kind."""
    kinds = dict.fromkeys(one["kind"] for one in strata)
    groups = [
        [
            [
                f"{escape(kind)}: {escape(one['name'])}",
                str(one["n_frames"]),
                str(one["n_subjects"]),
                str(one["n_missing"]),
                *(number(one["dice"][name]) for name in names),
                number(one["mae"]),
                number(one["spearman"], 2),
            ]
            for one in strata
            if one["kind"] == kind
        ]
        for kind in kinds
    ]
    heads = [f"{escape(name)} Dice" for name in names]
    return table(["", "frames", "subjects", "no counterpart", *heads, "mean error", "Spearman"], groups)


def _surprise(rank: int, one: SurprisePicture) -> str:
    """Return one surprise with its pictures inside."""
    words = f"Dice of {escape(one.structure)} predicted {one.predicted_dice:.2f}, true {one.dice:.2f}"
    sides = ("contours", "predicted error")
    images = "".join(picture(panel, f"{one.title}: {side}") for panel, side in zip(one.panels, sides, strict=True))
    return (
        f'<figure class="surprise"><figcaption>{rank}. {escape(one.title)}: {words}</figcaption>'
        f'<div class="panels">{images}</div></figure>\n'
    )


def _plaque_burden(error: float | None) -> str:
    """Return the error of plaque burden, where there is one."""
    return (
        ""
        if error is None
        else f"<p>Plaque burden is off by {100.0 * error:.1f} % of the vessel's area on average.</p>"
    )
