"""The report: a study on one page, for whoever pays for it and has to believe it. How it looks is in the templates beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from math import isnan, nan
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ivsqa.domain.acceptance.minutes import CostModel, TimedWork
from ivsqa.domain.agreement.effort import Reading
from ivsqa.domain.agreement.reader_agreement import BetweenReaders
from ivsqa.domain.measures.frame_measures import column
from ivsqa.domain.selection.learning_curve import POOR_DICE, Outlook
from ivsqa.domain.statistics.bootstrap import ENOUGH_SUBJECTS
from ivsqa.drawing.charts import COLORS, Panel, Point, Series, curve_chart, histogram_chart, scatter_chart
from ivsqa.drawing.templates import fill, number, percent
from ivsqa.io.project.certificates import Finishing
from ivsqa.io.project.evaluations import KeptSimulation
from ivsqa.io.project.records import ModelRecord, RoundRecord
from ivsqa.pages.areas import area_views
from ivsqa.pages.few_subjects import sayable

MOST_TICKS = 6
"""Models whose labels are the ticks of a diagram: more would not fit beside each other."""
SHARES = frozenset({"atheroma_volume_fraction", "plaque_burden", "area_stenosis"})


@dataclass(frozen=True, eq=False)
class WorstFrame:
    """A frame of low predicted quality.

    Attributes:
        caption: Which frame, where, and what is expected of it.
        panels: The frame with its contours, and the error map, JPEG.
    """

    caption: str
    panels: tuple[bytes, bytes]


@dataclass(frozen=True, eq=False)
class PullbackPage:
    """One pullback as it is shown.

    Attributes:
        pullback_id: Its id.
        facts: Subject, split, console and frames, in words.
        measures: Its row of the table of pullbacks.
        lesions: Its rows of the table of lesions.
        chart: The diagram along the vessel, SVG; "" where no frame has contours or a score.
        legend: What the diagram shows, in words.
        worst: Frames of the lowest predicted quality.
    """

    pullback_id: str
    facts: str
    measures: Mapping[str, Any]
    lesions: Sequence[Mapping[str, Any]]
    chart: Markup
    legend: str
    worst: Sequence[WorstFrame]

    @property
    def mla_place(self) -> str:
        """Where the minimum lumen area lies, whether it was drawn, and where else it could be, for people."""
        names = ("frame_index", "position_mm", "is_drawn", "n_frames")
        frame, place_mm, is_drawn, n_frames = (self.measures.get(f"mla_{name}") for name in names)
        if frame is None:
            return "not known"
        where = f"frame {frame}" + ("" if place_mm is None else f", {place_mm:.1f} mm")
        others = f"; {n_frames} frames could hold it" if n_frames and n_frames > 1 else ""
        return f"{where}, {'drawn by a person' if is_drawn else 'predicted'}{others}"


@dataclass(frozen=True, eq=False)
class PullbackRow:
    """A pullback that is only listed.

    Attributes:
        pullback_id: Its id.
        subject_id: Its subject.
        split: Its split.
        n_frames: Frames.
        n_annotated: Frames drawn by people.
        quality_left: (n,) predicted Dice of the frames nobody drew; empty where not every frame is scored.
    """

    pullback_id: str
    subject_id: str
    split: str
    n_frames: int
    n_annotated: int
    quality_left: NDArray[np.float64]

    @property
    def quality(self) -> float | None:
        """Mean predicted Dice of the frames left; None where not known."""
        return float(self.quality_left.mean()) if len(self.quality_left) else None

    @property
    def poor_share(self) -> float | None:
        """Share of the frames left that are predicted poor; None where not known."""
        return float((self.quality_left < POOR_DICE).mean()) if len(self.quality_left) else None


@dataclass(frozen=True)
class Work:
    """What readers gave back, summed over rounds or readers.

    Attributes:
        n_rounds: Rounds they worked in.
        n_frames: Frames that came back.
        n_unreadable: Those that could not be judged.
        contours: Contours by what happened to them: untouched, edited, new, deleted.
        moved_mm: Mean distance by which edited contours were moved; None where not known.
        border: Length of the borders as they came back, px of the working grid.
        corrected: As much of it as had to be corrected.
        seconds: How long hands were on each frame of which that is known.
        helped: Of those that came with contours, the time, and the work of drawing them anew.
        returned_at: When the last of it came in, ISO 8601.
    """

    n_rounds: int
    n_frames: int
    n_unreadable: int
    contours: Counter[str]
    moved_mm: float | None
    border: float
    corrected: float
    seconds: Sequence[float]
    helped: Sequence[TimedWork]
    returned_at: str

    @property
    def share_corrected(self) -> float | None:
        """Share of the border that had to be corrected; None where nothing was sent on purpose."""
        return self.corrected / self.border if self.border else None

    @property
    def minutes(self) -> float | None:
        """Minutes that the timed frames took; None where no time is known."""
        return sum(self.seconds) / 60.0 if self.seconds else None

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> Work:
        """Return the sum of readings, at least one."""
        # Contours are pooled, so a reading with few edits weighs little.
        moved_mm = [distance for reading in readings for distance in reading.edit_mm]
        return cls(
            n_rounds=len(readings),
            n_frames=sum(reading.frames.total() for reading in readings),
            n_unreadable=sum(reading.frames["unreadable"] for reading in readings),
            contours=sum((reading.contours for reading in readings), Counter()),
            moved_mm=float(np.mean(moved_mm)) if moved_mm else None,
            border=sum(reading.border for reading in readings),
            corrected=sum(reading.corrected for reading in readings),
            seconds=[seconds for reading in readings for seconds in reading.seconds],
            helped=[timed for reading in readings for timed in reading.helped],
            returned_at=max(reading.returned_at for reading in readings),
        )


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
        reading: What each kind of work is supposed to take.
        readers: How far two readers of one frame agree, by structure.
        again: How far one reader who read a frame twice does.
        colors: "#rrggbb" by structure.
        n_imported: Frames that came with contours.
        outlook: What is left to gain; None before it can be said.
        finishing: What is delivered, and what is left to read; None before a certificate is written.
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
    reading: CostModel
    readers: Mapping[str, BetweenReaders]
    again: Mapping[str, BetweenReaders]
    colors: Mapping[str, str]
    n_imported: int
    outlook: Outlook | None
    finishing: Finishing | None
    pool_quality: NDArray[np.float64]
    next_step: tuple[str, str]
    how_chosen: str
    pullbacks: Sequence[PullbackPage]
    rest: Sequence[PullbackRow]
    failures: Sequence[str]

    @property
    def is_starter(self) -> bool:
        """Whether the model in use is the starter model."""
        return any(model.is_starter for model in self.models if model.model_id == self.current)

    @property
    def evaluation(self) -> Mapping[str, Any] | None:
        """The evaluation of the model in use, else of the newest that was measured."""
        if self.current is not None and self.current in self.evaluations:
            return self.evaluations[self.current]
        # They stand in the order of models, oldest first.
        return self.evaluations[list(self.evaluations)[-1]] if self.evaluations else None

    # A frame is as good as its worst structure: that is the one it has to be corrected for.
    @property
    def judged(self) -> list[tuple[float, float]]:
        """True and predicted Dice of the worst structure of each test frame that has both."""
        frames = [] if self.evaluation is None else self.evaluation["frames"]
        return [
            (min(dice), frame["quality"])
            for frame in frames
            if frame["quality"] is not None
            and (dice := [value for value in frame["dice"].values() if value is not None])
        ]

    @property
    def bias(self) -> float | None:
        """How much too high Dice was predicted on test frames; None where not known."""
        return float(np.mean([predicted - true for true, predicted in self.judged])) if self.judged else None

    @property
    def work(self) -> Work | None:
        """All that readers gave back; None where nothing came back."""
        return self.work_of()

    @property
    def unaided(self) -> list[TimedWork]:
        """The frames of known time that readers drew from nothing."""
        return [timed for reading in self.readings for timed in reading.unaided]

    @property
    def cost(self) -> CostModel:
        """What drawing anew takes: as supposed, moved towards the times of frames that readers did draw from nothing."""
        return self.reading.learned(self.unaided)

    @property
    def corrected_by_round(self) -> list[tuple[str, float]]:
        """Each round of which something came back, and the share of the border that readers had to correct in it."""
        works = ((record.round_id, self.work_of(round_id=record.round_id)) for record in self.rounds)
        return [
            (name, work.share_corrected)
            for name, work in works
            if work is not None and work.share_corrected is not None
        ]

    @property
    def outlook_interval(self) -> list[float] | None:
        """Interval of the quality of the frames left; None where training subjects are too few for one."""
        n_subjects = sum(split.n_subjects for split in self.splits if split.name == "train")
        if self.outlook is None or n_subjects < ENOUGH_SUBJECTS or isnan(self.outlook.quality.low):
            return None
        return [self.outlook.quality.low, self.outlook.quality.high]

    @property
    def tested_structures(self) -> list[str]:
        """Structures for which some model was measured on test subjects."""
        return list(
            dict.fromkeys(name for evaluation in self.evaluations.values() for name in evaluation["segmentation"])
        )

    def tested(self, model_id: str, structure: str) -> Mapping[str, Any] | None:
        """Return the figures of a model for a structure on test subjects; None where there are none."""
        evaluation = self.evaluations.get(model_id)
        return None if evaluation is None else evaluation["segmentation"].get(structure)

    def work_of(self, *, round_id: str | None = None, reader: str | None = None) -> Work | None:
        """Return the work that came back of a round, or from a reader; None where nothing did."""
        readings = [
            reading
            for reading in self.readings
            if round_id in (None, reading.round_id) and reader in (None, reading.reader)
        ]
        return Work.of(readings) if readings else None


def report_page(study: Study) -> Markup:
    """Return the page."""
    study = replace(study, evaluations={name: sayable(one) for name, one in study.evaluations.items()})
    estimate = [] if study.evaluation is None else study.evaluation["estimate"]
    of_frames = {figures["signal"]: figures for figures in estimate if figures["scope"] == "frame"}
    points = [Point(true, predicted) for true, predicted in study.judged]
    return fill(
        "pages/report.html.j2",
        study=study,
        test_heads=[f"Dice test {name}" for name in study.tested_structures],
        curves=_learning_curves(study),
        histogram=_histogram(study),
        scatter=scatter_chart([Series("worst structure", COLORS[0], points)]) if study.evaluation else None,
        own=of_frames.get("error_map"),
        entropy=of_frames.get("entropy"),
        views=area_views(study.evaluation, study.colors, study.readers, study.again),
        figures=_figures,
        poor_dice=POOR_DICE,
        enough_subjects=ENOUGH_SUBJECTS,
    )


def _learning_curves(study: Study) -> Markup | None:
    """Return Dice by labels; None with fewer than two numbers of labels."""
    curves = _curves(study)
    labels = sorted({point.x for curve in curves for point in curve.points})
    if len(labels) < 2:
        return None
    panel = Panel(curves, "annotated training frames", x_ticks=labels if len(labels) <= MOST_TICKS else ())
    return curve_chart(panel, y_label="Dice", title="Dice by number of annotated training frames")


def _curves(study: Study) -> list[Series]:
    """Return the learning curves of the accepted models: on validation subjects, and by structure on test subjects."""
    # A model that was turned down is no step of the way: the one before it stays in use. Without labels there is no place for it.
    ways = (model for model in study.models if model.accepted and model.n_training_frames)
    accepted = sorted(ways, key=lambda model: model.n_training_frames)
    curves = {
        "validation": [
            Point(model.n_training_frames, model.validation_dice)
            for model in accepted
            if model.validation_dice is not None
        ]
    }
    for name in study.tested_structures:
        points = curves[f"test {name}"] = []
        for model in accepted:
            tested = study.tested(model.model_id, name)
            if tested is not None and tested["dice"] is not None:
                # One test subject alone has no interval.
                low, high = tested["interval"]["dice"] or (nan, nan)
                points.append(Point(model.n_training_frames, tested["dice"], low=low, high=high))
    known = {name: points for name, points in curves.items() if points}
    return [Series(name, color, known[name]) for name, color in zip(known, cycle(COLORS), strict=False)]


def _histogram(study: Study) -> Markup | None:
    """Return the predicted Dice of the frames left; None where nothing is expected of them yet."""
    if study.outlook is None:
        return None
    return histogram_chart(study.pool_quality, limit=POOR_DICE, title="Predicted Dice of the frames left")


def _figures(row: Mapping[str, Any], measure: str, digits: int) -> tuple[str, str]:
    """Return a measure and its interval as people read them, "" where not known."""

    def written(value: float) -> str:
        # The ends of the interval of a share may lie beyond what a share can be.
        return percent(min(max(value, 0.0), 1.0), digits) if measure in SHARES else number(value, digits)

    value, low, high = (row.get(name) for name in (column(measure), column(measure, "low"), column(measure, "high")))
    if value is None:
        return "", ""
    return written(value), "" if low is None or high is None else f"{written(low)} to {written(high)}"
