"""Training, from the starter model, from scratch or from the current model.

One request is one model, however often it is stopped and started again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ivsqa.domain.geometry.border_prior import BorderPrior, learnt_priors
from ivsqa.domain.pullback import FrameKey
from ivsqa.domain.quality.predicted_quality import fit_error_calibration
from ivsqa.errors import StateError
from ivsqa.io import atomic
from ivsqa.io.cores import FreeCores
from ivsqa.io.ledger import doors
from ivsqa.io.project.layout import next_id
from ivsqa.io.project.lock import project_lock
from ivsqa.io.project.manifest import write_manifest
from ivsqa.io.project.project import Project
from ivsqa.io.project.pullbacks import AnnotatedFrame, Pullback
from ivsqa.io.project.records import ModelRecord, provenance
from ivsqa.io.project.training_frames_csv import read_training_frames
from ivsqa.model.config import TrainingConfig
from ivsqa.model.data import Samples
from ivsqa.model.ranks import Ranks, joined
from ivsqa.model.state import StepReport, TrainingState
from ivsqa.model.training import TrainResult, train
from ivsqa.workflow.context import DEFAULT_CONTEXT, Advance, Context
from ivsqa.workflow.predicting.networks import (
    finetuned_network,
    project_network,
    start_weights,
    starter_to_begin_with,
    training_config,
)
from ivsqa.workflow.predicting.predicted_measures import PredictedFrame, calibrate_measures
from ivsqa.workflow.predicting.prediction import border_priors
from ivsqa.workflow.predicting.samples import frames_on_grid, sample_set
from ivsqa.workflow.training.judge import judge, known_dice, predict_validation
from ivsqa.workflow.training.request import Request


@dataclass(frozen=True)
class TrainingOutcome:
    """The outcome of a training.

    Attributes:
        model: The model's record.
        resumed_at: The step it went on from; 0 for a fresh start.
        reused: The same request had been trained before; nothing was done.
        finished: False when it was asked to stop; the same command goes on.
        n_new_frames: Annotated frames its parent had not seen.
    """

    model: ModelRecord
    resumed_at: int
    reused: bool
    finished: bool
    n_new_frames: int


def train_model(
    project: Project,
    *,
    from_scratch: bool = False,
    seed: int | None = None,
    max_steps: int | None = None,
    device: str = "auto",
    context: Context = DEFAULT_CONTEXT,
) -> TrainingOutcome:
    """Train a model on the annotated training subjects; it begins with the starter model, where there is one that fits.

    Writes `models/<id>/`. Stopped at any moment, the same call goes on from the last checkpoint; called again once finished, with
    nothing changed, it does nothing. Several processes that torchrun started train it together, and the first alone writes.

    Raises:
        StateError: nothing is annotated.
        ProjectLockedError: another training runs.
    """

    def find_parent() -> ModelRecord | None:
        return None if from_scratch else starter_to_begin_with(project)[0]

    return _train(project, find_parent, seed, max_steps or None, device, context, finetune=False)


def finetune_model(
    project: Project,
    *,
    parent_id: str | None = None,
    seed: int | None = None,
    max_steps: int | None = None,
    device: str = "auto",
    context: Context = DEFAULT_CONTEXT,
) -> TrainingOutcome:
    """Train a model further, on all annotated frames with the new ones weighted up.

    The result becomes current only if it is not worse on the validation subjects; both are kept. With `max_steps` 0 the weights
    stay as they are and only the calibration is learnt anew, on the validation frames there are. Otherwise as `train_model`.

    Raises:
        StateError: there is no model yet, or nothing is annotated.
    """

    def find_parent() -> ModelRecord:
        parent = parent_before(project) or project.get_model(parent_id)
        project.check_fits(parent)
        return parent

    return _train(project, find_parent, seed, max_steps, device, context, finetune=True)


def parent_before(project: Project) -> ModelRecord | None:
    """Return the parent of the model that the same command trained before it was stopped: it goes on from that one again."""
    name = doors.done_before(project.root, r"models/m\d+/model\.yaml")
    made = next((model for model in project.models() if name == f"models/{model.model_id}/model.yaml"), None)
    return project.get_model(made.parent) if made is not None and made.parent is not None else None


def _train(
    project: Project,
    find_parent: Callable[[], ModelRecord | None],
    seed: int | None,
    max_steps: int | None,
    device: str,
    context: Context,
    *,
    finetune: bool,
) -> TrainingOutcome:
    """Find or open the model of a request and bring it to its end.

    What is found or written is so by the first rank, and the others are told: a file system may show them something older.
    """
    settings = project.settings
    config = training_config(
        settings.training, seed=settings.training.seed if seed is None else seed, finetune=finetune, max_steps=max_steps
    )
    with _held(project, device, context) as ranks:
        parent_id = ranks.from_first(lambda: _name_of(find_parent())).decode()
        request = _request(project, project.get_model(parent_id) if parent_id else None, config)
        _check_alike(request.sha256(project), ranks)
        n_new = sum(frame.key not in request.seen for frame in request.training)
        record = _from_first(ranks, lambda: _find_or_open(project, request, context))
        if record.state == "ready":
            return TrainingOutcome(record, resumed_at=0, reused=True, finished=True, n_new_frames=n_new)
        stored = ranks.from_first(lambda: _stored_state(project, record.model_id))
        state = TrainingState.from_bytes(stored) if stored else None
        result, validation = _run(project, request, record.model_id, state, ranks, context)
        if result.finished:
            opened = record
            record = _from_first(ranks, lambda: _finish(project, request, opened, result, validation, ranks.device))
        return TrainingOutcome(
            record, resumed_at=state.step if state else 0, reused=False, finished=result.finished, n_new_frames=n_new
        )


@contextmanager
def _held(project: Project, device: str, context: Context) -> Iterator[Ranks]:
    """Yield the processes that train together while the first holds the lock.

    Held from the search for the model on: two trainings begun at once would open two models of one request.
    """
    rank = context.rank()
    lock = project_lock(
        project.layout.lock("train"), purpose="training", started_at=context.clock(), dry_run=not rank.is_first
    )
    with joined(rank.number, rank.of, on_machine=rank.on_machine, device=device) as ranks, lock:
        yield ranks


def _name_of(model: ModelRecord | None) -> bytes:
    """Return the id of a model, empty where there is none."""
    return b"" if model is None else model.model_id.encode()


def _from_first(ranks: Ranks, make: Callable[[], ModelRecord]) -> ModelRecord:
    """Return to all ranks the record that the first makes."""
    return ModelRecord.model_validate_json(ranks.from_first(lambda: make().model_dump_json().encode()))


def _check_alike(request_sha256: str, ranks: Ranks) -> None:
    """Raise StateError where a rank reads other frames or settings than the first."""
    if ranks.from_first(request_sha256.encode).decode() != request_sha256:
        raise StateError(
            "this process finds other frames or settings in the project than the first one does",
            hint="see that all machines have the same project folder and ivsqa, then start again",
        )


def _request(project: Project, parent: ModelRecord | None, config: TrainingConfig) -> Request:
    """Return all that determines a training."""
    settings = project.settings
    seen, pullbacks = _seen_by(project, parent), project.pullbacks()
    return Request(
        project_network(settings) if parent is None else finetuned_network(parent, settings),
        config,
        parent,
        _lessons(project, pullbacks, config, seen),
        project.annotated_frames("validation", pullbacks),
        # To list them reads every pullback.
        [] if config.self_train == "none" else project.unread_frames(settings.training.unannotated_frames),
        seen,
    )


def _seen_by(project: Project, parent: ModelRecord | None) -> frozenset[FrameKey]:
    """Return the frames of the study that a model was trained on."""
    if parent is None or parent.is_starter:
        return frozenset()
    return read_training_frames(project.layout.training_frames(parent.model_id), "train")


def _lessons(
    project: Project, pullbacks: Sequence[Pullback], config: TrainingConfig, seen: frozenset[FrameKey]
) -> list[AnnotatedFrame]:
    """Return the annotated frames that a model learns from; where no step is taken, those that it has learnt from."""
    if config.max_steps:
        return project.training_frames(pullbacks)
    if not project.annotated_frames("validation", pullbacks):
        raise StateError(
            "no frame of a validation subject is annotated yet: there is nothing to calibrate on",
            hint="choose some with: ivsqa select -n 20 --split validation",
        )
    return [frame for frame in project.annotated_frames("train", pullbacks) if frame.key in seen]


def _find_or_open(project: Project, request: Request, context: Context) -> ModelRecord:
    """Return the model of a request: one that is there, finished or not, or a new one."""
    models = project.models()
    wanted = request.sha256(project)
    model = next((model for model in models if model.request_sha256 == wanted), None)
    if model is not None:
        return model
    record = ModelRecord(
        model_id=next_id("m", [model.model_id for model in models]),
        state="training",
        parent=request.parent.model_id if request.parent else None,
        request_sha256=wanted,
        seed=request.config.seed,
        structures=project.structures.names,
        network=request.network.to_dict(),
        training=request.config.to_dict(),
        image=project.settings.image.model_dump(mode="json"),
        n_training_frames=len(request.training),
        n_validation_frames=len(request.validation),
        n_subjects=len({frame.pullback.subject_id for frame in request.training}),
        provenance=provenance(context.clock(), "torch", "numpy", "safetensors"),
    )
    # The manifest comes last: where a model is, the list of its frames is.
    atomic.write_text(project.layout.training_frames(record.model_id), request.frames_csv())
    write_manifest(project.layout.model_record(record.model_id), record)
    return record


def _stored_state(project: Project, model_id: str) -> bytes:
    """Return the state that a stopped training left; empty where there is none."""
    path = project.layout.checkpoint(model_id)
    if not path.is_file():
        return b""
    data = path.read_bytes()
    doors.verify(path, data)
    return data


def _run(
    project: Project,
    request: Request,
    model_id: str,
    state: TrainingState | None,
    ranks: Ranks,
    context: Context,
) -> tuple[TrainResult, Samples | None]:
    """Run the training loop over the frames of a request, checkpointing as it goes."""
    validation = sample_set(project, request.validation) if request.validation else None
    start = start_weights(project, request.parent) if request.parent else None
    if start is not None and not request.config.max_steps:
        return TrainResult(start, 0, 0, None, (), finished=True), validation
    training = sample_set(
        project, request.training, seen=request.seen, new_weight=project.settings.training.new_frame_weight
    )

    def save(current: TrainingState) -> None:
        atomic.write_bytes(project.layout.checkpoint(model_id), current.to_bytes())

    label = "Fine-tuning" if request.seen else "Training"
    n_steps = request.config.max_steps + (request.config.self_steps if request.unannotated else 0)
    with context.progress(label, n_steps, "step") as advance:
        if state is not None:
            advance(state.step)
        result = train(
            request.network,
            request.config,
            training,
            validation,
            unannotated=frames_on_grid(project, request.unannotated),
            start=start,
            state=state,
            device=ranks.device,
            save=save if ranks.is_first else None,
            should_stop=context.should_stop,
            on_step=lambda report: _show(advance, report),
            free_cores=FreeCores(),
            ranks=ranks,
        )
    return result, validation


def _show(advance: Advance, report: StepReport) -> None:
    """Show a training step as progress."""
    dice = "" if report.validation_dice is None else f", validation Dice {report.validation_dice:.3f}"
    advance(1, f"{report.stage}: loss {report.loss:.3f}{dice}")


def _finish(
    project: Project,
    request: Request,
    record: ModelRecord,
    result: TrainResult,
    validation: Samples | None,
    device: str,
) -> ModelRecord:
    """Calibrate the error maps, judge the model against its parent, and write it down; the manifest comes last."""
    weights = result.model.to_bytes()
    model_id = record.model_id
    atomic.write_bytes(project.layout.weights(model_id), weights)
    atomic.write_text(project.layout.training_log(model_id), _history_csv(result))
    priors = (None if request.training else border_priors(request.parent)) or _learnt_priors(project, request)
    judged: list[PredictedFrame] = []
    dice = None
    if validation is not None:
        judged = predict_validation(project, request, result.model, priors, validation, device)
        dice = known_dice(judged)
    verdict, accepted, parent_dice = judge(project, request, dice, validation, device)
    record = record.model_copy(
        update={
            "state": "ready",
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "best_step": result.best_step,
            "steps": result.steps,
            "validation_dice": None if dice is None else round(float(np.nanmean(dice)), 6),
            "parent_validation_dice": parent_dice,
            "accepted": accepted,
            "verdict": verdict,
            "error_calibration": fit_error_calibration(
                [frame.on_grid for frame in judged], project.structures.names
            ).to_dict(),
            "measure_calibration": calibrate_measures(project, judged).to_dict(),
            "border_priors": {
                name: prior.to_dict() for name, prior in zip(project.structures.names, priors, strict=True)
            },
        }
    )
    write_manifest(project.layout.model_record(model_id), record)
    # Only now: until the manifest says ready, a stop goes on from here.
    atomic.remove(project.layout.checkpoint(model_id))
    return record


def _learnt_priors(project: Project, request: Request) -> tuple[BorderPrior, ...]:
    """Return what the borders of each structure look like in the frames that a model learns from."""
    frames = [
        {name: frame.pullback.grid.contour_to_grid(contour) for name, contour in frame.annotation.contours.items()}
        for frame in request.training
    ]
    names = project.structures.names
    return learnt_priors(
        [[contours.get(name) for name in names] for contours in frames],
        len(names),
        rotation_deg=request.config.augmentation.rotation_deg,
    )


def _history_csv(result: TrainResult) -> str:
    """Return loss and validation Dice by step."""
    lines = ["step,loss,validation_dice"]
    for row in result.history:
        dice = "" if row.validation_dice is None else f"{row.validation_dice:.6f}"
        lines.append(f"{row.step},{row.loss:.6f},{dice}")
    return "\n".join(lines) + "\n"
