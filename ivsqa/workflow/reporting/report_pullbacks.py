"""The pullbacks of the report: each cut along the catheter, with its measures, its lesions and its worst frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from ivsqa.domain.contour import Contours
from ivsqa.domain.geometry.longitudinal import columns_along, cut_of
from ivsqa.domain.measures.frame_measures import EEM, LUMEN, column
from ivsqa.domain.measures.pullback_measures import LesionRule
from ivsqa.domain.quality.frame_score import FrameScore
from ivsqa.domain.selection.learning_curve import POOR_DICE
from ivsqa.domain.statistics.bootstrap import ENOUGH_SUBJECTS
from ivsqa.drawing.encoded import jpeg_bytes
from ivsqa.drawing.pictures import comparison
from ivsqa.drawing.pullback_chart import Line, PullbackView, pullback_chart
from ivsqa.errors import IvsqaError, StateError
from ivsqa.io.outside import apart
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import Pullback
from ivsqa.io.project.records import ModelRecord
from ivsqa.pages.report import PullbackPage, WorstFrame
from ivsqa.workflow.context import Context
from ivsqa.workflow.measuring.measures import MeasureOptions, Measures, measures_of
from ivsqa.workflow.predicting.doubtful_arcs import expected_error

N_WORST = 3
PANEL_PX = 380
LINE_PX = 4.0
ROOM = 1.7
"""Side of a picture of a frame over that of its contours."""
VIEW_PX = (1000, 256)
"""Width and greatest height of the cut: as much as can be seen, however long the pullback."""
PLAQUE_COLOR = "#009e73"
"""Okabe & Ito's green; their blue and orange are the structures' own."""
BANDS = {
    "study": "Bands: 90 % intervals of predicted measures.",
    "phantoms": "Bands: 90 % intervals of predicted measures, calibrated on phantoms and not yet on this study.",
    None: "No intervals: too few validation subjects.",
}
"""What the legend says of intervals, by what they were calibrated on."""


def pullback_pages(
    project: Project,
    records: Sequence[Pullback],
    model: ModelRecord | None,
    failed: list[IvsqaError],
    context: Context,
) -> list[PullbackPage]:
    """Return the pages of pullbacks; the error of one that cannot be read goes to `failed`.

    Raises:
        StateError: the model was trained for other structures or on another grid.
    """
    options = MeasureOptions()
    measures = measures_of(project, records, model, options, context, certificate=project.certificates.in_force())
    failed += measures.failed
    measured = set(measures.pullbacks["pullback_id"])
    pages = []
    with context.progress("Drawing pullbacks", len(records), "pullback") as advance:
        for record in records:
            # The others could not be measured, and `failed` says why.
            if record.pullback_id in measured:
                with apart(failed):
                    pages.append(_PullbackDrawing(project, record, model, measures, options.rule).page())
            advance(1)
    return pages


class _PullbackDrawing:
    """One pullback, with all that is known of its frames."""

    def __init__(
        self,
        project: Project,
        record: Pullback,
        model: ModelRecord | None,
        measures: Measures,
        rule: LesionRule,
    ) -> None:
        self._project, self._record, self._rule = project, record, rule
        self._store = project.scores(model) if model else None
        positions = record.positions_mm()
        self._place = np.arange(record.n_frames, dtype=np.float64) if positions is None else positions
        self._in_mm = positions is not None
        of_this = pl.col("pullback_id") == record.pullback_id
        self._frames = measures.frames.filter(of_this)
        self._lesions = measures.lesions.filter(of_this).to_dicts()
        self._row = measures.pullbacks.filter(of_this).to_dicts()[0]
        self._calibrated_on, self._n_calibration = measures.calibrated_on, measures.n_calibration_subjects
        # Of fewer subjects an interval is the widest that was seen, see `conformal_factor`: a band of it hides the line.
        self._has_bands = measures.calibrated_on != "study" or self._n_calibration >= ENOUGH_SUBJECTS
        self._drawn = (self._frames["source"] == "annotation").to_numpy()
        self._quality = self._read_quality()

    def page(self) -> PullbackPage:
        """Return the section of the report."""
        worst = self._worst_frames()
        record = self._record
        console = record.manufacturer_model or "console not known"
        return PullbackPage(
            pullback_id=record.pullback_id,
            facts=f"subject {record.subject_id}, {record.split}, {console}, {record.n_frames} frames,"
            f" {int(self._drawn.sum())} drawn by people"
            + ("" if record.spacing_mm else "; spacing not known, so nothing in mm"),
            measures=self._row,
            lesions=self._lesions,
            chart=pullback_chart(self._view(worst)),
            legend=self._legend(has_worst=bool(worst)),
            worst=[self._picture(score) for score in worst],
        )

    def _read_quality(self) -> NDArray[np.float64] | None:
        """Return the predicted Dice of every frame; None where not every frame is scored."""
        if self._store is None:
            return None
        name = self._record.pullback_id
        try:
            return self._store.columns({name: self._record.n_frames}, ["quality"])[name]["quality"]
        except StateError:
            return None

    def _worst_frames(self) -> list[FrameScore]:
        """Return the scores of the worst frames that nobody drew, far enough apart to show different places."""
        if self._store is None or self._quality is None:
            return []
        gap = max(self._project.settings.selection.min_gap_frames, self._record.n_frames // 10)
        chosen: list[int] = []
        for index in np.argsort(self._quality, kind="stable").tolist():
            if not self._drawn[index] and all(abs(index - other) >= gap for other in chosen):
                chosen.append(index)
            if len(chosen) == N_WORST:
                break
        scores = {score.frame_index: score for score in self._store.read(self._record.pullback_id, chosen)}
        return [scores[index] for index in chosen]

    def _view(self, worst: Sequence[FrameScore]) -> PullbackView:
        """Return the contents of the diagram."""
        record, project = self._record, self._project
        size_mm = record.spacing_mm[0] if record.spacing_mm else 1.0
        centre = (record.width_px - 1) / 2.0
        # Centres of pixels lie on whole numbers; the image reaches half a pixel further.
        edge = (centre + 0.5) * size_mm
        colors = {structure.name: structure.color for structure in project.structures.structures}
        areas = [self._line(name, color, f"{name}_area") for name, color in colors.items()]
        has_burden = {LUMEN, EEM} <= set(colors)
        site = self._row.get("mla_frame_index")
        has_minimum = site is not None and record.spacing_mm is not None
        return PullbackView(
            title=f"{record.pullback_id} along the vessel",
            place=self._place,
            in_mm=self._in_mm,
            view=self._cut_picture(),
            unit="mm" if record.spacing_mm else "px",
            extent=(-edge, edge),
            cuts={name: (cut - centre) * size_mm for name, cut in self._cuts().items()},
            colors=colors,
            areas=[line for line in areas if line is not None],
            burden=self._line("plaque burden", PLAQUE_COLOR, "plaque_burden") if has_burden else None,
            burden_limit=self._rule.burden,
            lesions=[
                (float(self._place[lesion["first_frame_index"]]), float(self._place[lesion["last_frame_index"]]))
                for lesion in self._lesions
            ],
            minimum=(float(self._place[site]), self._row["mla_mm2"]) if has_minimum else None,
            quality=self._quality,
            poor=POOR_DICE,
            drawn=self._drawn,
            marked=[float(self._place[score.frame_index]) for score in worst],
        )

    def _line(self, name: str, color: str, measure: str) -> Line | None:
        """Return a measure of every frame with its interval; None where it is not known of any."""
        names = [column(measure), column(measure, "low"), column(measure, "high")]
        values = self._frames.select(pl.col(names).cast(pl.Float64).fill_null(np.nan)).to_numpy(writable=True)
        if not self._has_bands:
            values[:, 1:] = np.nan
        return None if np.isnan(values).all() else Line(name, color, values)

    def _cut_picture(self) -> bytes:
        """Return the middle row of every frame side by side, the right end of the row on top, JPEG."""
        # Each frame is read once, however many columns of the picture it fills.
        shown, column_of = np.unique(columns_along(self._place, VIEW_PX[0]), return_inverse=True)
        rows = self._record.frames.rows(shown, self._record.height_px // 2)
        picture = Image.fromarray(np.ascontiguousarray(rows[column_of].T[::-1]))
        # Made smaller only: enlarged it would take more bytes and show nothing more.
        return jpeg_bytes(picture.resize((VIEW_PX[0], min(VIEW_PX[1], picture.height)), Image.Resampling.BOX))

    def _cuts(self) -> dict[str, NDArray[np.float64]]:
        """Return the places where that row meets each border in every frame, (n, 2) in px."""
        record = self._record
        contours = record.contours()
        y = float(record.height_px // 2)
        return {
            name: np.array([cut_of(contours.get(index, {}).get(name), y) for index in range(record.n_frames)])
            for name in self._project.structures.names
        }

    def _picture(self, score: FrameScore) -> WorstFrame:
        """Return a frame with its predicted contours and its error map."""
        record, project = self._record, self._project
        rows, columns = square_around(score.contours, record.frame_shape)
        corner = (-float(columns.start), -float(rows.start))
        maps = record.error_maps_of(score)
        panels = comparison(
            record.frames[score.frame_index, rows, columns],
            {name: contour.mapped((1.0, 1.0), corner) for name, contour in score.contours.items()},
            {},
            {name: error_map[rows, columns] for name, error_map in maps.items()},
            structures=project.structures,
            line_px=LINE_PX,
        )
        for panel in panels:
            panel.thumbnail((PANEL_PX, PANEL_PX), Image.Resampling.LANCZOS)
        where = f", {self._place[score.frame_index]:.1f} mm" if self._in_mm else ""
        dice = ", ".join(f"{name} {value:.2f}" for name, value in score.dice.items())
        doubt = expected_error(project, record, score)
        size_mm = (columns.stop - columns.start) * record.spacing_mm[0] if record.spacing_mm else 0.0
        field = f"; {size_mm:.1f} mm across" if size_mm else ""
        words = f"frame {score.frame_index}{where}: predicted Dice {dice}" + (f"; {doubt}" if doubt else "") + field
        return WorstFrame(words, (jpeg_bytes(panels[0]), jpeg_bytes(panels[1])))

    def _legend(self, *, has_worst: bool) -> str:
        """Return the legend of the diagram, in words."""
        sentences = ["Distal on the left." if self._in_mm else "Speed or timing is not known: places are frames."]
        if self._drawn.any():
            sentences.append("Ticks at the foot: frames drawn by people, which count as they stand.")
        if not self._drawn.all() and self._store is not None:
            sentences.append(
                BANDS[self._calibrated_on]
                if self._has_bands
                else f"No bands: of {self._n_calibration} validation subjects, fewer than {ENOUGH_SUBJECTS}, an interval is only"
                " the widest seen; figures have it in brackets."
            )
        if self._lesions:
            sentences.append(f"Shaded: lesions, plaque burden of {100.0 * self._rule.burden:.0f} % and more.")
        if has_worst:
            sentences.append("Circled numbers: the frames beneath.")
        return " ".join(sentences)


def square_around(contours: Contours, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns of a square around the contours with room beside them; the whole frame without any."""
    if not contours:
        return slice(0, shape[0]), slice(0, shape[1])
    points = np.vstack([contour.points_px for contour in contours.values()])
    low, high = points.min(axis=0), points.max(axis=0)
    half = ROOM * float((high - low).max()) / 2.0
    (left, top), (right, bottom) = (low + high) / 2.0 - half, (low + high) / 2.0 + half
    return (
        # At least one pixel, also for contours that lie outside the frame.
        slice(max(0, int(top)), max(min(shape[0], int(bottom) + 1), 1)),
        slice(max(0, int(left)), max(min(shape[1], int(right) + 1), 1)),
    )
