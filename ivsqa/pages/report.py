"""The report: a study on one page, for whoever pays for it and has to believe it. Its pullbacks are in `report_pullbacks`."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle
from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.agreement.effort import Reading
from ivsqa.domain.selection.learning_curve import POOR_DICE, Outlook
from ivsqa.domain.statistics.bootstrap import Measured
from ivsqa.drawing.charts import COLORS, Panel, Point, Series, curve_chart, histogram_chart, scatter_chart
from ivsqa.io.project.evaluations import KeptSimulation
from ivsqa.io.project.records import ModelRecord, RoundRecord
from ivsqa.pages.evaluation import estimate_table
from ivsqa.pages.html import count, in_words, measured, number, page, percent, table
from ivsqa.pages.report_pullbacks import PULLBACK_STYLE, PullbackPage, PullbackRow, pullback_section, rest_section
from ivsqa.pages.report_rounds import ROUNDS_STYLE, rounds_section

STYLE = """
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.4rem 0 }
.tiles > div { flex: 1 1 11rem; background: var(--shade); border-radius: 8px; padding: .7rem .9rem; break-inside: avoid }
.tiles b { display: block; font-size: 1.55rem; line-height: 1.25; font-variant-numeric: tabular-nums }
.tiles small { display: block }
.verdict { border-left: 4px solid var(--faint); padding: .1rem 0 .1rem .9rem; font-size: 1.12rem; max-width: 48rem }
figure { margin: 1rem 0 } .replay { max-width: 100%; height: auto; border-radius: 6px; background: #fff }
nav a { margin-right: 1.1em; white-space: nowrap }
a { color: inherit } @media print { nav { display: none } }
"""

MOST_TICKS = 6
"""Models whose labels are the ticks of a diagram: more would not fit beside each other."""


@dataclass(frozen=True)
class SplitCount:
    """What there is of one split."""

    name: str
    n_subjects: int
    n_pullbacks: int
    n_frames: int
    n_annotated: int


@dataclass(frozen=True, eq=False)
class Study:
    """Everything the page says.

    Attributes:
        name: Of the project.
        as_of: Date of the newest thing in it, ISO 8601; "" for an empty project.
        version: Of ivsqa.
        splits: What there is.
        n_without_spacing: Pullbacks without mm.
        current: Id of the model in use; None before the first.
        models: Ready models, oldest first.
        evaluations: On test subjects, as `ivsqa evaluate --json` prints them, by model.
        simulations: Rounds replayed.
        rounds: Oldest first.
        readings: By round and reader.
        n_imported: Frames that came with contours.
        outlook: What is left to gain; None before it can be said.
        pool_quality: (n,) predicted Dice of the frames nobody drew, of training subjects.
        next_step: What to do now, and the command.
        how_chosen: Which pullbacks are shown, in words.
        pullbacks: Those shown.
        rest: The others.
        failures: What could not be read, in words.
    """

    name: str
    as_of: str
    version: str
    splits: Sequence[SplitCount]
    n_without_spacing: int
    current: str | None
    models: Sequence[ModelRecord]
    evaluations: Mapping[str, Mapping[str, Any]]
    simulations: Sequence[KeptSimulation]
    rounds: Sequence[RoundRecord]
    readings: Sequence[Reading]
    n_imported: int
    outlook: Outlook | None
    pool_quality: NDArray[np.float64]
    next_step: tuple[str, str]
    how_chosen: str
    pullbacks: Sequence[PullbackPage]
    rest: Sequence[PullbackRow]
    failures: Sequence[str]

    @property
    def evaluation(self) -> Mapping[str, Any] | None:
        """The evaluation of the model in use, else of the newest that was measured."""
        if self.current is not None and self.current in self.evaluations:
            return self.evaluations[self.current]
        return self.evaluations[list(self.evaluations)[-1]] if self.evaluations else None

    @property
    def judged(self) -> list[tuple[float, float]]:
        """True and predicted Dice of the worst structure of each test frame that has both."""
        frames = [] if self.evaluation is None else self.evaluation["frames"]
        return [
            (min(dice), frame["quality"])
            for frame in frames
            if frame["quality"] is not None and (dice := [one for one in frame["dice"].values() if one is not None])
        ]

    @property
    def bias(self) -> float | None:
        """How much too high Dice was predicted on test frames; None where not known."""
        return float(np.mean([said - true for true, said in self.judged])) if self.judged else None

    @property
    def share_corrected(self) -> float | None:
        """Share of the border that readers had to correct in frames that came back; None before one did."""
        border = sum(one.border for one in self.readings)
        return sum(one.corrected for one in self.readings) / border if border else None


def report_page(study: Study) -> str:
    """Return the page."""
    sections = [
        ("learning", "Does it get better?", _learning(study)),
        ("outlook", "Is another round worth it?", _outlook(study)),
        ("estimate", "Does it know its errors?", _estimate(study)),
        ("rounds", "Rounds and readers", rounds_section(study.rounds, study.readings, study.n_imported)),
        ("pullbacks", "Pullbacks", _pullbacks(study)),
        ("failures", "What could not be read", _failures(study)),
    ]
    shown = [(anchor, title, html) for anchor, title, html in sections if html]
    links = "".join(f'<a href="#{anchor}">{title}</a>\n' for anchor, title, _ in shown)
    body = f"""<h1>{escape(study.name)}</h1>
<p class="note">{_as_of(study)}</p>
<p class="lead">{" ".join(_lead(study))}</p>
<div class="tiles">{"".join(_tiles(study))}</div>
{_splits(study)}
<p>Next: {escape(study.next_step[0])}, with <code>{escape(study.next_step[1])}</code>.</p>
<nav>{links}</nav>
{"".join(f'<h2 id="{anchor}">{title}</h2>{html}' for anchor, title, html in shown)}
<p class="note">Research only: not a medical device, no basis for a diagnosis. A dash is what cannot be said.</p>"""
    return page(study.name, body, style=STYLE + ROUNDS_STYLE + PULLBACK_STYLE)


def _as_of(study: Study) -> str:
    """Return which state of the project the page shows."""
    state = f"The study as of {escape(study.as_of[:10])}" if study.as_of else "A new study"
    return f"{state}, by ivsqa {escape(study.version)}."


def _lead(study: Study) -> Iterator[str]:
    """Yield sentences that say what there is to know."""
    if not any(split.n_pullbacks for split in study.splits):
        yield "Nothing is imported yet, so there is nothing to report."
        return
    if study.current is None:
        yield "There is no model yet: this page shows what was imported and drawn."
    elif study.evaluation is None:
        yield f"Model {escape(study.current)} draws the borders; it was not measured on sealed test subjects yet."
    else:
        known = study.evaluation
        dice = " and ".join(
            f"{escape(name)} with a Dice of {number(one['dice'])}" for name, one in known["segmentation"].items()
        )
        where = f"{count(known['n_frames'], 'sealed test frame')} of {count(known['n_subjects'], 'subject')}"
        yield f"Model {escape(known['model_id'])} draws {dice} on {where}."
        if known["model_id"] != study.current:
            yield f"Model {escape(study.current)}, now in use, was not measured yet."
    if study.share_corrected is not None:
        yield f"Readers had to correct {percent(study.share_corrected)} of the border in frames they were sent; the rest stood."
    if study.outlook is not None:
        yield f"The frames that nobody drew are expected to have a Dice of {number(study.outlook.quality.value)}."


def _tiles(study: Study) -> Iterator[str]:
    """Yield the figures to look at first."""
    if study.evaluation is not None:
        for name, one in study.evaluation["segmentation"].items():
            yield _tile(
                number(one["dice"]),
                f"Dice of {escape(name)}{in_words(one['interval']['dice'], 2)}, sealed test subjects",
            )
    train = next((split for split in study.splits if split.name == "train"), None)
    if train is not None and train.n_frames:
        yield _tile(
            percent(train.n_annotated / train.n_frames, 1),
            f"of the training frames drawn by people: {train.n_annotated:,} of {train.n_frames:,}",
        )
    if study.share_corrected is not None:
        yield _tile(
            percent(1.0 - study.share_corrected),
            "of the border in frames sent to readers stood as it was: effort saved",
        )
    if study.outlook is not None:
        interval = _interval(study.outlook.quality)
        yield _tile(number(study.outlook.quality.value), f"expected Dice of the frames left{in_words(interval, 2)}")


def _tile(figure: str, words: str) -> str:
    return f"<div><b>{figure}</b><small>{words}</small></div>"


def _splits(study: Study) -> str:
    """Return what there is, by split."""
    rows = [
        [escape(one.name), f"{one.n_subjects:,}", f"{one.n_pullbacks:,}", f"{one.n_frames:,}", f"{one.n_annotated:,}"]
        for one in study.splits
    ]
    n = study.n_without_spacing
    without = (
        f'<p class="note">{count(n, "pullback")} without known spacing: nothing in mm is said of them.</p>' if n else ""
    )
    heads = ["split", "subjects", "pullbacks", "frames", "drawn by people"]
    return table(heads, [rows]) + without


def _learning(study: Study) -> str:
    """Return accuracy by labels, the models, and what replayed rounds came to."""
    if not study.models:
        return ""
    simulations = "".join(_simulation(one) for one in study.simulations)
    curves = _curves(study)
    labels = sorted({point.x for curve in curves for point in curve.points})
    if len(labels) < 2:
        return _model_table(study) + simulations
    title = "Dice by number of annotated training frames"
    panel = Panel(curves, "annotated training frames", x_ticks=labels if len(labels) <= MOST_TICKS else ())
    chart = curve_chart(panel, y_label="Dice", title=title)
    return f"""<div class="pair"><figure><figcaption>Dice against training frames drawn by people, of the models that were
accepted. Bands are 95 % intervals over test subjects.</figcaption>{chart}</figure>
<div>{_model_table(study)}</div></div>{simulations}"""


def _curves(study: Study) -> list[Series]:
    """Return the learning curves of the accepted models: on validation subjects, and by structure on test subjects."""
    accepted = sorted((one for one in study.models if one.accepted), key=lambda one: one.n_training_frames)
    curves = {
        "validation": [
            Point(model.n_training_frames, model.validation_dice)
            for model in accepted
            if model.validation_dice is not None
        ]
    }
    for name in dict.fromkeys(name for one in study.evaluations.values() for name in one["segmentation"]):
        points = curves[f"test {name}"] = []
        for model in accepted:
            told = study.evaluations.get(model.model_id, {"segmentation": {}})["segmentation"].get(name)
            if told is not None and told["dice"] is not None:
                low, high = told["interval"]["dice"] or (nan, nan)
                points.append(Point(model.n_training_frames, told["dice"], low=low, high=high))
    known = {name: points for name, points in curves.items() if points}
    return [Series(name, color, known[name]) for name, color in zip(known, cycle(COLORS), strict=False)]


def _model_table(study: Study) -> str:
    """Return the models, with what was measured of each."""
    names = list(dict.fromkeys(name for one in study.evaluations.values() for name in one["segmentation"]))
    rows = []
    for model in study.models:
        told = study.evaluations.get(model.model_id, {"segmentation": {}})["segmentation"]
        tests = [
            measured(told[name]["dice"], told[name]["interval"]["dice"], 3) if name in told else "–" for name in names
        ]
        state = "in use" if model.model_id == study.current else "" if model.accepted else "refused"
        said = f"<small>{state}</small>" if state else ""
        rows.append(
            [escape(model.model_id) + said, f"{model.n_training_frames:,}", number(model.validation_dice), *tests]
        )
    return table(["model", "labels", "Dice validation", *(f"Dice test {escape(name)}" for name in names)], [rows])


def _simulation(one: KeptSimulation) -> str:
    """Return replayed rounds: the figure as it was drawn, and where each way of choosing reached what all labels reach."""
    source = f"data:image/svg+xml;base64,{base64.b64encode(one.curves).decode()}"
    rows = [
        [
            escape(told["strategy"]),
            str(told["n_seeds"]),
            *(percent(told[key], 1) for key in ("share_95", "share_99")),
            number(told["gain_labels"][0], 4)
            + (
                ""
                if told["gain_labels"][1] is None
                else f"<small>{in_words(told['gain_labels'][1:], 4).strip(' ()')}</small>"
            ),
        ]
        for told in one.facts["strategies"]
    ]
    heads = ["way of choosing", "seeds", "95 % of all labels’ Dice at", "99 % at", "Dice above stratified"]
    return f"""<figure><figcaption>Rounds replayed on annotated frames (<code>{escape(one.name)}</code>): what each way of
choosing would have bought.</figcaption><img class="replay" alt="Learning curves of replayed rounds" src="{source}"></figure>
{table(heads, [rows])}"""


def _outlook(study: Study) -> str:
    """Return how good the frames left are expected to be, with a bound, and what another round would likely bring."""
    if study.current is None:
        return ""
    if study.outlook is None:
        return """<p class="note">This can be said once every frame is scored by the model in use, and some are left that
nobody drew.</p>"""
    left = study.outlook
    at_most = 1.0 - left.quality.low
    bound = "" if isnan(at_most) else f", and at most {number(at_most)} in 97.5 % of other draws of the same subjects"
    return f"""<p class="verdict">{_verdict(left)}</p>
<div class="pair"><div><p>{count(left.n_pool, "frame")} of training subjects were drawn by nobody. Their expected error, 1 − Dice
of the worst structure, is {number(1.0 - left.quality.value)} on average{bound}. {percent(left.poor_share, 1)} of them are
expected below a Dice of {POOR_DICE:g}.</p>
<p class="note">The bound says how much depends on which subjects these are, not whether the estimate itself is right.
{_bias(study)}</p></div>
<figure><figcaption>Predicted Dice of the frames left; strong where it is poor.</figcaption>
{histogram_chart(study.pool_quality, limit=POOR_DICE, title="Predicted Dice of the frames left")}</figure></div>"""


def _verdict(left: Outlook) -> str:
    """Return whether to go on."""
    if left.expected_gain is None:
        return "What another round would bring cannot be said: that takes two models of which the one with more labels is better."
    gain = f"{count(left.n_next, 'label')} more would likely add {number(left.expected_gain, 4)} to the validation Dice"
    return f"{gain}: worth a round." if left.is_worth_a_round else f"{gain}: hardly to be told from chance. Stop here."


def _bias(study: Study) -> str:
    """Return which way the estimate errs, as far as it was measured."""
    if study.bias is None:
        return "That is not measured yet."
    way = "high" if study.bias > 0.0 else "low"
    return f"On {count(len(study.judged), 'sealed test frame')} it was {number(abs(study.bias))} too {way} on average."


def _estimate(study: Study) -> str:
    """Return how good the estimate of quality is, beside what could be had more cheaply."""
    known = study.evaluation
    if known is None:
        return "" if study.current is None else '<p class="note">Measure it with: <code>ivsqa evaluate</code></p>'
    of_frames = [one for one in known["estimate"] if one["scope"] == "frame"]
    gains = [one for one in known["gain"] if one["scope"] == "frame"]
    own, other = (next(one for one in of_frames if one["signal"] == signal) for signal in ("error_map", "entropy"))
    points = [Point(true, said) for true, said in study.judged]
    return f"""<div class="pair"><figure><figcaption>Predicted against true Dice of {escape(known["model_id"])}, a marker a test
frame (its worst structure). On the dashed line the two are equal; above it the model is too sure of itself.</figcaption>
{scatter_chart([Series("worst structure", COLORS[0], points)])}</figure>
<div><p>The predicted Dice of a frame is off by {number(own["mae"])} on average. Ranking frames by it agrees with their true
order to {number(own["spearman"], 2)}{in_words(own["interval"]["spearman"], 2)}, where 1 is perfect and 0 is chance; entropy,
which comes for free, reaches {number(other["spearman"], 2)}{in_words(other["interval"]["spearman"], 2)}.</p>
<p class="note">A prediction of quality is worth having where it beats what comes for free. All signals are calibrated alike.
Rows with a minus are differences: where their interval leaves out 0, one is really better on such subjects.
More, with the frames that surprised most, is on the page that <code>ivsqa evaluate</code> writes.</p></div></div>
{estimate_table(of_frames, gains)}"""


def _pullbacks(study: Study) -> str:
    """Return the pullbacks that are shown, and the table of the others."""
    if not study.pullbacks and not study.rest:
        return ""
    shown = "".join(pullback_section(one) for one in study.pullbacks)
    return f'<p class="note">{escape(study.how_chosen)}</p>{shown}{rest_section(study.rest)}'


def _failures(study: Study) -> str:
    """Return what is missing on this page, and why."""
    if not study.failures:
        return ""
    return "<ul>" + "".join(f"<li>{escape(one)}</li>" for one in study.failures) + "</ul>"


def _interval(one: Measured) -> list[float] | None:
    """Return [low, high], or None where there is none."""
    return None if isnan(one.low) else [one.low, one.high]
