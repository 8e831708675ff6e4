"""The machine's own manifests: pullbacks, models, rounds, packets, scores; those of annotations are in `annotation_records`.

Each records what it was made from (hashes), with what (versions, seed, settings) and when. Ids are pseudonyms; no name, date of
birth or original UID ever stands here.
"""

from __future__ import annotations

import platform
from dataclasses import asdict
from functools import cache
from importlib import metadata
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

import ivsqa
from ivsqa.domain.pullback import FrameKey, PullbackFacts
from ivsqa.io.project.bounds import Count, Index, Interval, Names, Seconds, SidePx, SpacingMm
from ivsqa.io.project.manifest import Manifest, OrNan, Section, Upgrade

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Provenance(Section):
    """The code that made a file, and when (UTC, ISO 8601)."""

    created_at: str
    ivsqa_version: str
    python: str = ""
    packages: dict[str, str] = {}


def provenance(created_at: str, *packages: str) -> Provenance:
    """Return the provenance of now, with the versions of the packages that shaped the result."""
    return Provenance(
        created_at=created_at,
        ivsqa_version=ivsqa.__version__,
        python=platform.python_version(),
        packages={name: _version(name) for name in packages},
    )


@cache
def _version(package: str) -> str:
    """Return the version of a package; looking it up reads a file."""
    return metadata.version(package)


class IdentityRecord(Manifest):
    """`identity.yaml`: the key that turns patient identifiers into pseudonyms, made once a project.

    Whoever holds both the key and a list of identifiers can find who is who: it never leaves the project folder.
    Version 1: ivsqa 0.1.
    """

    KIND = "identity"

    pseudonym_key: Sha256


class PullbackRecord(Manifest):
    """`pullback.yaml`: facts and hashes of one pullback. Unknown is null.

    `text_regions` are boxes (top, left, bottom, right) in px in which text seems to be burned in.

    Version 1: ivsqa 0.1.
    """

    KIND = "pullback"

    pullback_id: str
    subject_id: str
    split: Split
    n_frames: Count
    height_px: SidePx
    width_px: SidePx
    spacing_mm: tuple[SpacingMm, SpacingMm] | None
    spacing_source: str
    frame_interval_s: Interval | None
    frame_time_s: tuple[Seconds, ...] | None
    frame_time_source: str
    pullback_speed_mm_s: Annotated[float, Field(ge=0.0, lt=1e6)] | None
    pullback_speed_source: str
    start_frame_index: Index | None
    stop_frame_index: Index | None
    end_diastolic_frames: tuple[Index, ...] | None = None
    gating_source: str = "unknown"
    manufacturer_model: str
    notes: tuple[str, ...]
    text_regions: tuple[tuple[int, int, int, int], ...] = ()
    text_masked: bool = False
    frames_sha256: Sha256
    source_sha256: Sha256
    provenance: Provenance

    @model_validator(mode="after")
    def _frames_are_its_own(self) -> Self:
        named = (self.start_frame_index, self.stop_frame_index, *(self.end_diastolic_frames or ()))
        if any(index is not None and index >= self.n_frames for index in named):
            raise ValueError(f"frames from 0 to {self.n_frames - 1}")
        if self.frame_time_s is not None and len(self.frame_time_s) != self.n_frames:
            raise ValueError(f"times of {self.n_frames} frames")
        return self

    @classmethod
    def from_facts(cls, facts: PullbackFacts, **others: object) -> Self:
        """Return the record of a pullback: its facts under the names they have there, and the other fields."""
        # Timing takes the place of the facts' own list: even frames are said in one number.
        return cls.model_validate({**asdict(facts), **_timing_fields(facts), **others})

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(height, width) in px."""
        return (self.height_px, self.width_px)

    @property
    def frame_rate_hz(self) -> float | None:
        """Frames a second, the mean where they are uneven; None where timing is unknown."""
        times = self.frame_time_s
        interval = (times[-1] - times[0]) / (len(times) - 1) if times else self.frame_interval_s
        return None if interval is None else 1.0 / interval

    def position_mm(self, frame_index: int) -> float | None:
        """Return the way of the catheter since the first frame; None where speed or timing is unknown."""
        positions = self.positions_mm()
        return None if positions is None else float(positions[frame_index])

    def positions_mm(self) -> NDArray[np.float64] | None:
        """Return the position of every frame, (n_frames,); None where speed or timing is unknown.

        Before the start frame and after the stop frame the catheter stands still.
        """
        if self.pullback_speed_mm_s is None:
            return None
        if self.frame_time_s is not None:
            times_s = np.asarray(self.frame_time_s, dtype=np.float64)
        elif self.frame_interval_s is not None:
            times_s = np.arange(self.n_frames, dtype=np.float64) * self.frame_interval_s
        else:
            return None
        start = self.start_frame_index or 0
        stop = self.n_frames - 1 if self.stop_frame_index is None else self.stop_frame_index
        return np.asarray((np.clip(times_s, times_s[start], times_s[stop]) - times_s[start]) * self.pullback_speed_mm_s)


def _timing_fields(facts: PullbackFacts) -> dict[str, Any]:
    """Return frame timing as one interval where frames are even (to 1 µs), as the list of times where they are not."""
    times = facts.frame_time_s
    if times is None or len(times) < 2:
        return {"frame_interval_s": None, "frame_time_s": None}
    interval = round((times[-1] - times[0]) / (len(times) - 1), 9)
    if all(abs(time - times[0] - index * interval) < 1e-6 for index, time in enumerate(times)):
        return {"frame_interval_s": interval, "frame_time_s": None}
    return {"frame_interval_s": None, "frame_time_s": tuple(round(time, 9) for time in times)}


class ModelRecord(Manifest):
    """`model.yaml`: lineage, settings, data and measured quality of one model.

    `state` is `training` until the weights are written; `accepted` says whether the guard let it become current.
    Version 1: ivsqa 0.1.
    """

    KIND = "model"

    model_id: str
    state: Literal["training", "ready"]
    parent: str | None
    request_sha256: Sha256
    seed: int
    structures: tuple[str, ...]
    network: dict[str, Any]
    training: dict[str, Any]
    image: dict[str, Any]
    n_training_frames: int
    n_validation_frames: int
    n_subjects: int
    weights_sha256: Sha256 | None = None
    best_step: int | None = None
    steps: int | None = None
    validation_dice: OrNan = None
    parent_validation_dice: float | None = None
    accepted: bool = False
    verdict: str = ""
    error_calibration: dict[str, Any] | None = None
    measure_calibration: dict[str, Any] | None = None
    border_priors: dict[str, Any] | None = None
    provenance: Provenance

    @property
    def is_older(self) -> bool:
        """Whether an ivsqa trained it that laid borders otherwise: it was calibrated on other contours than it draws now."""
        return self.border_priors is None

    @property
    def is_starter(self) -> bool:
        """Whether it came with ivsqa and saw no frame of any study."""
        return False

    @property
    def outputs(self) -> tuple[int, ...]:
        """Which of the structures that its network draws are its structures, innermost first."""
        return tuple(range(len(self.structures)))


class StarterRecord(ModelRecord):
    """The card of a starter model, which comes with ivsqa: a `model.yaml` with further keys.

    It was taught by phantoms alone: `n_training_frames` and `n_subjects`, which count those of a study, are 0, and calibrations
    and border priors are those of phantoms. `drawn` is what its network draws, where a study asks for less.
    Version 1: ivsqa 0.2.
    """

    KIND = "starter"

    phantoms: dict[str, Any]
    figures: dict[str, Any]
    limits: tuple[str, ...]
    licence: str
    command: str
    drawn: tuple[str, ...] = ()

    @property
    def is_starter(self) -> bool:
        """Whether it came with ivsqa and saw no frame of any study."""
        return True

    @property
    def outputs(self) -> tuple[int, ...]:
        """Which of the structures that its network draws are its structures, innermost first."""
        return tuple((self.drawn or self.structures).index(name) for name in self.structures)

    def of_structures(self, names: tuple[str, ...]) -> Self | None:
        """Return it as a model of some of its structures, innermost first; None where it does not draw them so."""
        if tuple(name for name in self.structures if name in names) != names:
            return None
        return self.model_copy(update={"structures": names, "drawn": self.structures})


class RoundRecord(Manifest):
    """`round.yaml`: where a round stands and how its frames were chosen. The frames are in `selection.csv`.

    `readers` says of each reader with a packet of their own whether it came back; the round counts as imported when all did.
    Version 1: ivsqa 0.1.
    """

    KIND = "round"

    round_id: str
    state: Literal["selected", "exported", "imported"]
    readers: dict[str, Literal["exported", "imported"]] = {}
    strategy: str
    split: Split | Literal["all"]
    seed: int
    n_requested: int
    n: int
    model_id: str | None
    max_per_pullback: int | None
    min_gap_frames: int
    min_gap_mm: float
    control_share: float
    diversity: float
    gated: bool = False
    every_mm: float | None = None
    shortfall: str
    provenance: Provenance


class PacketFrameRecord(Section):
    """One frame of a packet: its name there, the hash of its pixels, and the readings it is to settle.

    `carried_from` is the frame whose correction is in what was drawn; null where that is the model's.
    """

    name: str
    pullback_id: str
    frame_index: Index
    height_px: SidePx
    width_px: SidePx
    spacing_mm: tuple[SpacingMm, SpacingMm] | None
    image_sha256: Sha256
    carried_from: Index | None = None
    settles: tuple[str, ...] = ()

    @property
    def key(self) -> FrameKey:
        """The frame."""
        return FrameKey(self.pullback_id, self.frame_index)


class PacketRecord(Manifest):
    """`packet.yaml`: what was sent, and to whom. The contours as sent stand in `sent.csv`, which stays in the project.

    `reader` is null where the packet is for whoever works on it; `purpose` says what it is for. `repeats` names the reader who
    reads frames once more, to be compared with themselves.
    Version 1: ivsqa 0.1. Version 2: `repeats`, and the purpose of that name.
    """

    KIND = "packet"
    SCHEMA_VERSION = 2
    UPGRADES: ClassVar[dict[int, Upgrade]] = {1: dict}

    packet_id: str
    round_id: str
    reader: str | None = None
    purpose: Literal["correction", "reading", "repeat", "adjudication"] = "correction"
    repeats: str | None = None
    model_id: str | None
    formats: tuple[str, ...]
    structures: Names
    frames: tuple[PacketFrameRecord, ...]
    provenance: Provenance


class ScoresRecord(Manifest):
    """`scores.yaml`: which model, over which grid, made the scores in this folder.

    Version 1: ivsqa 0.1.
    """

    KIND = "scores"

    model_id: str
    weights_sha256: Sha256
    structures: tuple[str, ...]
    image: dict[str, Any]
    provenance: Provenance
