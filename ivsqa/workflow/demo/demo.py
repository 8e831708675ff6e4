"""The demo: the whole loop on phantoms, by the same functions that the command line calls; no path of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ivsqa.domain.contour import Contours
from ivsqa.domain.geometry.laid_borders import laid_borders
from ivsqa.domain.pullback import FrameKey
from ivsqa.drawing.encoded import png_bytes
from ivsqa.drawing.pictures import contact_sheet, thumbnail
from ivsqa.io import atomic
from ivsqa.io.formats.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.project.new_project import create_project
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import SPLITS, PullbackRecord, Split, provenance
from ivsqa.io.project.starter import STARTER
from ivsqa.pages.demo import DemoStage, Example, demo_page
from ivsqa.phantom.files import write_phantom
from ivsqa.workflow.context import DEFAULT_CONTEXT, Context
from ivsqa.workflow.demo.demo_folder import make_room, staged, write_mark
from ivsqa.workflow.demo.simulated_annotator import annotate_packet
from ivsqa.workflow.evaluating.evaluate import Evaluation, evaluate_model
from ivsqa.workflow.importing.import_pullbacks import ImportOptions, import_pullbacks
from ivsqa.workflow.predicting.lazy_predictor import LazyPredictor
from ivsqa.workflow.predicting.prediction import border_priors, contours_on_frame
from ivsqa.workflow.reporting.report import write_report
from ivsqa.workflow.reporting.report_pullbacks import square_around
from ivsqa.workflow.rounds.export import export_for_annotation
from ivsqa.workflow.rounds.import_annotations import import_annotations
from ivsqa.workflow.rounds.select import select_frames
from ivsqa.workflow.scoring.score import score_frames, write_heatmaps
from ivsqa.workflow.training.train import finetune_model

SUBJECT_PATTERN = r"(?P<pullback>(?P<subject>S\d+)-P\d+)"
N_EXAMPLES, EXAMPLE_PX = 8, 400

QUICKER = {"training": {"batch_size": 8}}
"""What the demo sets otherwise than the template, to have more steps in a minute on two cores."""


@dataclass(frozen=True)
class DemoPlan:
    """The size of the demo.

    Attributes:
        n_pullbacks: Phantoms.
        n_frames: Frames of each.
        frame_step_mm: Distance between them along the vessel.
        size_px: Side of the frames.
        reference_every: Steps between reference frames of validation and test subjects, which come with their contours.
        n_round: Frames a round.
        n_rounds: Rounds.
        finetune_steps: Steps of each fine-tuning.
        seed: Seed of phantoms and of the annotator's hand.
    """

    n_pullbacks: int = 30
    n_frames: int = 40
    frame_step_mm: float = 0.5
    size_px: int = 256
    reference_every: tuple[tuple[Split, int], ...] = (("validation", 10), ("test", 6))
    n_round: int = 24
    n_rounds: int = 1
    finetune_steps: int = 200
    seed: int = 7


@dataclass(frozen=True)
class DemoResult:
    """The outcome of the demo.

    Attributes:
        page: The summary with pictures.
        report: The study on one page.
        project: The project it made.
        stages: One a model.
        seconds: Wall time.
    """

    page: Path
    report: Path
    project: Path
    stages: list[DemoStage]
    seconds: float


def run_demo(
    folder: Path,
    plan: DemoPlan | None = None,
    *,
    say: Callable[[str], None] = lambda _line: None,
    overwrite: bool = False,
    context: Context = DEFAULT_CONTEXT,
) -> DemoResult:
    """Make phantoms, draw them with the starter model, and take them through a round with a simulated annotator.

    Writes `folder/phantoms`, `folder/study` (a project like any other) and `folder/summary.html` with its pictures, all at once
    when it is done. What is left of a demo that was stopped is removed.

    Args:
        folder: Empty or not there yet, or with a demo in it.
        plan: How large.
        say: Told what happens, line by line.
        overwrite: Remove a demo that is there.
        context: Clock, progress.

    Raises:
        StateError: the folder holds a demo and `overwrite` was not said, or something that no demo wrote.
    """
    plan, folder = plan or DemoPlan(), folder.resolve()
    started = time.perf_counter()
    make_room(folder, overwrite=overwrite)
    with staged(folder) as stage:
        demo = _Demo(stage, plan, say, context)
        demo.prepare()
        stages = [demo.day_one()]
        stages += [demo.round(number) for number in range(1, plan.n_rounds + 1)]
        report = demo.write_report()
        page = demo.write_page(stages, report, time.perf_counter() - started)
        write_mark(stage, provenance(context.clock()))
    page, report, study = (folder / path.relative_to(stage) for path in (page, report, demo.project.root))
    return DemoResult(page, report, study, stages, time.perf_counter() - started)


class _Demo:
    """The steps of the demo, in the order they are called."""

    def __init__(self, folder: Path, plan: DemoPlan, say: Callable[[str], None], context: Context) -> None:
        self._folder = folder
        self._plan = plan
        self._say = say
        self._context = context
        self._rng = np.random.default_rng(plan.seed)
        self._truth: dict[str, dict[int, Contours]] = {}
        self._examples: dict[FrameKey, list[Contours]] = {}
        self.project: Project

    def prepare(self) -> None:
        """Write phantoms, make a project, and import."""
        plan, phantoms = self._plan, self._folder / "phantoms"
        with self._context.progress("Making phantoms", plan.n_pullbacks, "pullback") as advance:
            files = write_phantom(
                phantoms,
                n_pullbacks=plan.n_pullbacks,
                n_frames=plan.n_frames,
                frame_step_mm=plan.frame_step_mm,
                seed=plan.seed,
                size_px=plan.size_px,
                on_progress=lambda _done, _total: advance(1),
            )
        for file in files:
            for pullback_id, frames in read_contours_csv(file.truth_path).items():
                self._truth[pullback_id] = dict(frames)
        self.project = create_project(
            self._folder / "study", template="coronary-ivus", name="ivsqa demo", settings=QUICKER
        )
        options = ImportOptions(subject_from=SUBJECT_PATTERN)
        records = import_pullbacks(self.project, [phantoms], options, self._context).imported
        by_split = {split: sum(record.split == split for record in records) for split in SPLITS}
        self._say(
            f"imported {len(records)} phantom pullbacks: " + ", ".join(f"{n} {split}" for split, n in by_split.items())
        )
        # Contours of held-out subjects come with a second import: only the first says who is held out.
        reference = self._folder / "reference.csv"
        atomic.write_text(reference, self._reference_csv(records))
        options = ImportOptions(subject_from=SUBJECT_PATTERN, annotations=reference)
        n_reference = import_pullbacks(self.project, [phantoms], options, self._context).n_annotations
        self._say(f"{n_reference} reference frames of validation and test subjects")

    def _reference_csv(self, records: Sequence[PullbackRecord]) -> str:
        """Return the true contours of some validation and test frames as a table."""
        every = dict(self._plan.reference_every)
        rows = [
            (record.pullback_id, index, self._truth[record.pullback_id][index])
            for record in records
            for index in range(0, record.n_frames, every.get(record.split, record.n_frames))
            if record.split in every
        ]
        return contours_csv_text(rows, {record.pullback_id: record.spacing_mm for record in records})

    def day_one(self) -> DemoStage:
        """Measure the starter model, which has seen no frame of this study."""
        return self._measure(STARTER, self.project.get_model(STARTER).model_id, 0)

    def round(self, number: int) -> DemoStage:
        """Score, select, send, take back, fine-tune, measure."""
        score_frames(self.project, context=self._context)
        moved = self._annotate_round(self._plan.n_round)
        outcome = finetune_model(self.project, max_steps=self._plan.finetune_steps, context=self._context)
        self._say(f"round {number}: {moved}; {outcome.model.verdict}")
        # Not the outcome's model: where that was not accepted, its parent goes on.
        current = self.project.get_model(None)
        return self._measure(f"round {number}", current.model_id, outcome.model.n_training_frames)

    def write_report(self) -> Path:
        """Score with the last model, and put the study on one page."""
        score_frames(self.project, top=0, context=self._context)
        # Scored again, since the last fine-tuning may have made a model current that knows no frame yet.
        return write_report(self.project, context=self._context).page

    def write_page(self, stages: list[DemoStage], report: Path, seconds: float) -> Path:
        """Write the summary and its pictures."""
        # All is scored by now: this only ranks.
        result = score_frames(self.project, top=6, context=self._context)
        heatmaps = write_heatmaps(self.project, result.model_id, result.frames, self._context)
        worst = [
            heatmaps / self.project.layout.heatmap(result.model_id, frame.pullback_id, frame.frame_index).name
            for frame in result.frames
        ]
        pictures = self._folder / "pictures"
        examples = [self._example(pictures, key, drawn) for key, drawn in self._examples.items()]
        page = self._folder / "summary.html"
        packet = self.project.layout.packet(self.project.rounds()[-1].round_id) / "INSTRUCTIONS.html"
        atomic.write_text(
            page,
            demo_page(
                stages,
                examples=examples,
                heatmaps=[path.relative_to(self._folder) for path in worst],
                packet=packet.relative_to(self._folder),
                study=self.project.root.relative_to(self._folder),
                report=report.relative_to(self._folder),
                seconds=seconds,
            ),
        )
        return page

    def _annotate_round(self, n: int) -> str:
        """Open a round, have its packet annotated, and take it back; returns the annotator's work in words."""
        chosen = select_frames(self.project, n=n, context=self._context)
        packet = export_for_annotation(self.project, round_id=chosen.round.round_id, context=self._context)
        work = annotate_packet(packet.folder, self._truth, rng=self._rng)
        result = import_annotations(
            self.project, packet.folder, reader="simulated", round_id=chosen.round.round_id, context=self._context
        )
        if result.rejected:  # the annotator draws what is true, which breaks no rule
            raise result.rejected[0]
        return f"{work.n_frames} frames, {work.n_moved} contours moved, {work.n_left} left, {work.n_drawn} drawn"

    def _measure(self, name: str, model_id: str, n_labels: int) -> DemoStage:
        """Evaluate a model on the sealed subjects and keep its contours on the examples."""
        evaluation = evaluate_model(self.project, model_id=model_id, context=self._context)
        self._keep_examples(model_id, evaluation)
        stage = DemoStage(
            name=name,
            model_id=model_id,
            n_labels=n_labels,
            dice={key: summary.mean.dice for key, summary in evaluation.segmentation.items()},
            hd95_mm={key: summary.mean.hd95_mm for key, summary in evaluation.segmentation.items()},
            n_missing=sum(summary.n_missing for summary in evaluation.segmentation.values()),
            quality_error=evaluation.sqa.mae,
            quality_auroc=evaluation.sqa.auroc,
            error_map_auprc=evaluation.sqa.error_map_auprc,
            entropy_auprc=evaluation.sqa.entropy_auprc,
        )
        dice = ", ".join(f"{key} {value:.3f}" for key, value in stage.dice.items())
        self._say(f"{name}: {n_labels} labels, sealed test Dice {dice}")
        return stage

    def _keep_examples(self, model_id: str, evaluation: Evaluation) -> None:
        """Keep the contours of a model on some test frames, the same for every model, evenly spread over the split."""
        if not self._examples:
            step = max(1, len(evaluation.frames) // N_EXAMPLES)
            self._examples = {frame.key: [] for frame in evaluation.frames[::step][:N_EXAMPLES]}
        predictor = LazyPredictor(self.project, model_id)
        priors = border_priors(self.project.get_model(model_id))
        for key, drawn in self._examples.items():
            grid, probabilities = predictor.probabilities(*key)
            drawn.append(contours_on_frame(self.project.structures, grid, laid_borders(probabilities, priors)))

    def _example(self, pictures: Path, key: FrameKey, drawn: Iterable[Contours]) -> Example:
        """Write each model's contours on one frame side by side, the truth dashed over each: no eye carries it across."""
        pullback_id, index = key
        record, truth = self.project.pullback(pullback_id), self._truth[pullback_id][index]
        rows, columns = square_around(truth, record.frame_shape)
        frame, corner = record.frames[index][rows, columns], (-float(columns.start), -float(rows.start))

        def cut(contours: Contours) -> Contours:
            return {name: contour.mapped((1.0, 1.0), corner) for name, contour in contours.items()}

        panels = [
            thumbnail(
                frame, cut(contours), structures=self.project.structures, reference=cut(truth), size_px=EXAMPLE_PX
            )
            for contours in drawn
        ]
        names = [STARTER, *(f"round {number}" for number in range(1, len(panels)))]
        path = pictures / f"{pullback_id}_f{index:05d}.png"
        atomic.write_bytes(path, png_bytes(contact_sheet(panels, names, columns=len(panels), cell_px=EXAMPLE_PX)))
        return Example(f"{pullback_id} frame {index}", path.relative_to(self._folder))
