"""`project.yaml`: the one file people edit. The program reads it and never rewrites it.

The classes here are the one table of defaults: what a file leaves out has the value that stands here. Templates say only what
differs from it, `docs/settings.md` lists it for people, and a test compares the two.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from ivsqa.domain.acceptance.minutes import DRAWN_S, CostModel
from ivsqa.domain.structures import Structure, StructureSet
from ivsqa.io.project.bounds import MOST_STRUCTURES, Count, Fraction, Name, Positive, Seed
from ivsqa.io.project.manifest import Manifest, Section, Upgrade, no_effect

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
    min_area_mm2: Annotated[float, Field(ge=0.0, lt=1e6)] = 1.0


class ImageSettings(Section):
    """The square the network sees."""

    working_size_px: Annotated[int, Field(ge=32, le=1024, multiple_of=16)] = 128
    field_of_view_mm: Annotated[float, Field(ge=0.1, le=1000.0)] | None = 10.0


class SplitSettings(Section):
    """Shares of subjects; fixed for each subject when its first pullback is imported."""

    train: Fraction = 0.7
    validation: Fraction = 0.15
    test: Fraction = 0.15
    seed: Seed = 1

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> SplitSettings:
        if abs(self.train + self.validation + self.test - 1.0) > 1e-6:
            raise ValueError("train, validation and test to sum to 1")
        if self.train == 0.0:
            raise ValueError("a train share above 0")
        if self.train == 1.0 and self.seed != 1:
            raise no_effect("seed", self.seed, beside="split.train: 1.0", mend="take it out: nobody is held out")
        return self

    @property
    def fractions(self) -> dict[str, float]:
        """Share by split name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


Width = Annotated[int, Field(ge=1, le=1024)]
"""Channels of a level; at 1024 px, a frame of the widest network takes a gigabyte."""


class NetworkSettings(Section):
    """Size of the two-branch network, and what it begins with."""

    widths: Annotated[tuple[Width, ...], Field(min_length=2, max_length=6)] = (16, 32, 64, 96)
    starter: Literal["coronary-ivus", "none"] = "none"


class AugmentationSettings(Section):
    """Variation of training frames."""

    rotation_deg: Annotated[float, Field(ge=0.0, le=180.0)] = 180.0
    flip: bool = True
    shift: Fraction = 0.06
    scale: Fraction = 0.15
    grey: Fraction = 0.3
    shadow: Fraction = 0.2
    corruption: Fraction = 0.5


class TrainingSettings(Section):
    """Length and pace of a training."""

    max_steps: Count = 2000
    finetune_steps: Count = 800
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    learning_rate: Positive = 2e-3
    finetune_learning_rate: Positive = 1e-3
    eval_every: Count = 50
    patience: Count = 10
    seed: Seed = 1
    self_train: Literal["none", "accepted", "all"] = "none"
    unannotated_frames: Annotated[int, Field(ge=0, le=10**7)] = 1000
    new_frame_weight: Positive = 2.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    augmentation: AugmentationSettings = AugmentationSettings()

    @model_validator(mode="after")
    def _self_training_looks_at_unannotated_frames(self) -> TrainingSettings:
        default = TrainingSettings.model_fields["unannotated_frames"].default
        if self.self_train == "none" and self.unannotated_frames not in (0, default):
            raise no_effect(
                "unannotated_frames",
                self.unannotated_frames,
                beside="training.self_train: none",
                mend="take it out, or set training.self_train to accepted or all",
            )
        return self


class SelectionSettings(Section):
    """Spread of a round's frames."""

    max_per_pullback: Count | None = None
    min_gap_frames: Annotated[int, Field(ge=0, le=10**7)] = 10
    min_gap_mm: Annotated[float, Field(ge=0.0, lt=1e6)] = 0.0
    control_share: Fraction = 0.0
    diversity: Fraction = 0.5


class PacketSettings(Section):
    """Content of packets."""

    formats: Annotated[tuple[PacketFormat, ...], Field(min_length=1)] = ("page", "labelme")
    carry: bool = True


class ReadingSettings(Section):
    """Time that readers take, for plans."""

    drawn_s: Positive = CostModel().drawn_s
    point_s: Positive = CostModel().point_s
    look_s: Positive = CostModel().look_s

    @property
    def cost_model(self) -> CostModel:
        """The time as plans reckon with it; the band of a drawn contour is that of reported ones, and holds the one written."""
        low_s, high_s = min(DRAWN_S[0], self.drawn_s), max(DRAWN_S[1], self.drawn_s)
        return CostModel(self.drawn_s, self.point_s, self.look_s, low_s, high_s)


def _without_error_branch(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of version 1 without the keys of the error branch; the unannotated frames were for its committee."""
    gone = {"network": ("attention", "error_inputs"), "training": ("committee", "unannotated_frames")}
    return fields | {
        section: {key: value for key, value in fields[section].items() if key not in keys}
        for section, keys in gone.items()
        if isinstance(fields.get(section), dict)
    }


class ProjectSettings(Manifest):
    """The whole of `project.yaml`.

    Version 1: ivsqa 0.1. Version 2: no keys of an error branch and its committee, which are gone.
    """

    KIND = "project"
    SCHEMA_VERSION = 2
    UPGRADES: ClassVar[dict[int, Upgrade]] = {1: _without_error_branch}

    name: str
    structures: Annotated[tuple[StructureSettings, ...], Field(min_length=1, max_length=MOST_STRUCTURES)]
    image: ImageSettings = ImageSettings()
    split: SplitSettings = SplitSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    selection: SelectionSettings = SelectionSettings()
    packet: PacketSettings = PacketSettings()
    reading: ReadingSettings = ReadingSettings()

    @model_validator(mode="after")
    def _structure_names_differ(self) -> ProjectSettings:
        names = [structure.name for structure in self.structures]
        if len(set(names)) != len(names):
            raise ValueError("structures with different names")
        return self

    @model_validator(mode="after")
    def _levels_fit_the_frame(self) -> ProjectSettings:
        # Each level halves the resolution, the first that of the image, and two pixels have to be left.
        most = (self.image.working_size_px // 2).bit_length() - 1
        if len(self.network.widths) > most:
            raise ValueError(f"at most {most} network.widths with image.working_size_px: {self.image.working_size_px}")
        return self

    @property
    def structure_set(self) -> StructureSet:
        """The structures as the domain knows them, innermost first."""
        return StructureSet(tuple(Structure(s.name, s.color, self._least_area_mm2(s)) for s in self.structures))

    def _least_area_mm2(self, structure: StructureSettings) -> float:
        """Return the area below which a structure is not credible.

        The default is a coronary artery's. Whole frames show vessels of any size, so there it holds only where it is written.
        """
        is_written = "min_area_mm2" in structure.model_fields_set
        return structure.min_area_mm2 if is_written or self.image.field_of_view_mm is not None else 0.0
