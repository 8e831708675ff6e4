"""`project.yaml`: the one file people edit. The program reads it and never rewrites it."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.io.project.manifest import Manifest, Section

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]

PacketFormat = Literal[
    "labelme",
    "page",
    "csv",
    "masks",
    "coco",
    "cvat",
    "label-studio",
    "qupath",
    "svg",
    "itk-snap",
    "slicer",
    "napari",
]
PACKET_FORMATS: tuple[str, ...] = get_args(PacketFormat)


class StructureSettings(Section):
    """One border to annotate."""

    name: Name
    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
    min_area_mm2: Annotated[float, Field(ge=0.0)] = 0.0


class ImageSettings(Section):
    """The square the network sees."""

    working_size_px: Annotated[int, Field(ge=32, le=1024, multiple_of=16)] = 128
    field_of_view_mm: Positive | None = None


class SplitSettings(Section):
    """Shares of subjects; fixed for each subject when its first pullback is imported."""

    train: Fraction = 0.7
    validation: Fraction = 0.15
    test: Fraction = 0.15
    seed: int = 1

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> SplitSettings:
        if abs(self.train + self.validation + self.test - 1.0) > 1e-6:
            raise ValueError("train, validation and test to sum to 1")
        if self.train == 0.0:
            raise ValueError("a train share above 0")
        return self

    @property
    def fractions(self) -> dict[str, float]:
        """Share by split name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class NetworkSettings(Section):
    """Size of the two-branch network and what its error branch sees."""

    widths: Annotated[tuple[Count, ...], Field(min_length=2, max_length=6)] = (16, 32, 64, 96)
    attention: Literal["none", "spatial", "channel", "both"] = "both"
    error_inputs: Literal["image", "probabilities", "features", "both"] = "image"


class AugmentationSettings(Section):
    """How far training frames are varied."""

    rotation_deg: Annotated[float, Field(ge=0.0, le=180.0)] = 180.0
    flip: bool = True
    shift: Fraction = 0.06
    scale: Fraction = 0.15
    grey: Fraction = 0.3
    shadow: Fraction = 0.2
    corruption: Fraction = 0.5


class TrainingSettings(Section):
    """How long and how fast the network learns."""

    max_steps: Count = 2000
    finetune_steps: Count = 800
    batch_size: Count = 16
    learning_rate: Positive = 2e-3
    finetune_learning_rate: Positive = 1e-3
    eval_every: Count = 50
    patience: Count = 10
    seed: int = 1
    committee: Annotated[int, Field(ge=0, le=8)] = 2
    unannotated_frames: Annotated[int, Field(ge=0)] = 1000
    new_frame_weight: Positive = 2.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    augmentation: AugmentationSettings = AugmentationSettings()


class SelectionSettings(Section):
    """How a round's frames are spread."""

    max_per_pullback: Count | None = None
    min_gap_frames: Annotated[int, Field(ge=0)] = 10
    min_gap_mm: Annotated[float, Field(ge=0.0)] = 0.0
    control_share: Fraction = 0.0
    diversity: Fraction = 0.5


class PacketSettings(Section):
    """What annotators get."""

    formats: Annotated[tuple[PacketFormat, ...], Field(min_length=1)] = ("page", "labelme")
    carry: bool = True


class ProjectSettings(Manifest):
    """The whole of `project.yaml`.

    Version 1: ivsqa 0.1.
    """

    KIND = "project"

    name: str
    structures: Annotated[tuple[StructureSettings, ...], Field(min_length=1)]
    image: ImageSettings = ImageSettings()
    split: SplitSettings = SplitSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    selection: SelectionSettings = SelectionSettings()
    packet: PacketSettings = PacketSettings()

    @model_validator(mode="after")
    def _structure_names_differ(self) -> ProjectSettings:
        names = [structure.name for structure in self.structures]
        if len(set(names)) != len(names):
            raise ValueError("structures with different names")
        return self

    @model_validator(mode="after")
    def _levels_fit_the_frame(self) -> ProjectSettings:
        most = (self.image.working_size_px // 2).bit_length() - 1
        if len(self.network.widths) > most:
            raise ValueError(f"at most {most} network.widths with image.working_size_px: {self.image.working_size_px}")
        return self

    @property
    def structure_set(self) -> StructureSet:
        """The structures as the domain knows them, innermost first."""
        return StructureSet(tuple(Structure(s.name, s.color, s.min_area_mm2) for s in self.structures))
