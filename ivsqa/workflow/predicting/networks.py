"""From settings and stored weights to a network that predicts."""

from __future__ import annotations

from dataclasses import replace

from ivsqa.errors import StateError
from ivsqa.io.cores import FreeCores
from ivsqa.io.project.project import Project
from ivsqa.io.project.records import ModelRecord
from ivsqa.io.project.settings import AugmentationSettings, NetworkSettings, ProjectSettings, TrainingSettings
from ivsqa.model.augmentation import AugmentationConfig
from ivsqa.model.choices import Engine
from ivsqa.model.config import NetworkConfig, TrainingConfig
from ivsqa.model.device import use_free_cores
from ivsqa.model.inference import Predictor
from ivsqa.model.state import TrainedModel
from ivsqa.model.warm_start import refitted


def network_config(network: NetworkSettings, *, n_structures: int, size_px: int) -> NetworkConfig:
    """Return the network that settings describe."""
    return NetworkConfig(n_structures=n_structures, size_px=size_px, widths=network.widths)


def project_network(settings: ProjectSettings) -> NetworkConfig:
    """Return the network of a project."""
    size_px = settings.image.working_size_px
    return network_config(settings.network, n_structures=len(settings.structures), size_px=size_px)


def finetuned_network(parent: ModelRecord, settings: ProjectSettings) -> NetworkConfig:
    """Return the network of a model that is to be trained further.

    Raises:
        StateError: the settings ask for another one.
    """
    own, wanted = NetworkConfig.from_dict(parent.network), project_network(settings)
    if parent.is_starter:
        # Its weights go with any grid, and with those of its structures that the project has.
        own = replace(wanted, widths=own.widths)
    if own != wanted:
        raise StateError(
            f"{parent.model_id} is a network of another size than project.yaml now asks for",
            hint="set `network` back in project.yaml, or train from scratch with: ivsqa train",
        )
    return own


def starter_to_begin_with(project: Project) -> tuple[ModelRecord | None, str]:
    """Return the starter model that a first training begins with, or None and why it does not; "" where none is named."""
    starter = project.starter()
    if starter is None:
        return None, project.starter_misfit()
    own, wanted = NetworkConfig.from_dict(starter.network).widths, project.settings.network.widths
    if own != wanted:
        return None, f"the starter model has network.widths {list(own)}, project.yaml says {list(wanted)}"
    return starter, ""


def training_config(
    training: TrainingSettings, *, seed: int, finetune: bool = False, max_steps: int | None = None
) -> TrainingConfig:
    """Return the configuration of a training from settings; `max_steps` comes before theirs.

    A first training that begins with the starter model has the length and the rate of one from scratch: consoles and vessels of a
    study look otherwise than phantoms, and it has more to learn than a model of the study from one more round.
    """
    steps = training.finetune_steps if finetune else training.max_steps
    return TrainingConfig(
        max_steps=steps if max_steps is None else max_steps,
        batch_size=training.batch_size,
        learning_rate=training.finetune_learning_rate if finetune else training.learning_rate,
        eval_every=training.eval_every,
        patience=training.patience,
        seed=seed,
        self_train=training.self_train,
        precision=training.precision,
        augmentation=augmentation_config(training.augmentation),
    )


def augmentation_config(augmentation: AugmentationSettings) -> AugmentationConfig:
    """Return the variation of frames from settings."""
    return AugmentationConfig(**augmentation.model_dump())


def load_weights(project: Project, model: ModelRecord) -> TrainedModel:
    """Return the weights of a model.

    Raises:
        IntegrityError: the file is missing or is not what was written.
    """
    return TrainedModel.from_bytes(project.read_weights(model))


def start_weights(project: Project, parent: ModelRecord) -> TrainedModel:
    """Return the weights of a model as a training of the project begins with them; raises as `load_weights`."""
    weights, wanted = load_weights(project, parent), project_network(project.settings)
    return refitted(weights, wanted, parent.outputs) if parent.is_starter else weights


def load_predictor(
    project: Project, model: ModelRecord, *, device: str, engine: Engine = "torch", by_workers: bool = False
) -> Predictor:
    """Return a model ready to predict.

    Args:
        project: Whose frames.
        model: The model.
        device: As for `Predictor`.
        engine: As for `Predictor`.
        by_workers: Whether it predicts by `Predictor.workers` alone, each of which computes on one core; otherwise it takes a
            fifth of a second to see on how many it may.

    Raises:
        IntegrityError: its weights are not what was written.
        StateError: it was trained for other structures or on another grid.
        IvsqaError: the device or the engine cannot be used here.
    """
    project.check_fits(model)
    if not by_workers:
        use_free_cores(FreeCores())
    return Predictor(
        load_weights(project, model),
        NetworkConfig.from_dict(model.network),
        device=device,
        precision=project.settings.training.precision,
        outputs=model.outputs,
        engine=engine,
    )
