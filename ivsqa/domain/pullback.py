"""What is known of a pullback besides its pixels. Unknown is None, never a default."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.claims import (
    ASPECT,
    FRAME_STEP,
    SPACING,
    SPEED,
    START,
    STOP,
    UNKNOWN,
    USER,
    Claim,
    Fact,
    Rank,
    Settled,
    plausibility_notes,
    settle,
)


class Frames(Protocol):
    """Frames of one shape one after the other, uint8 (n, height, width): an array, or a file of them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width)."""

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield each frame, (height, width)."""


def frames_sha256(frames: Frames) -> str:
    """Return the hash of the frames of a pullback: over shape and pixels."""
    digest = hashlib.sha256(repr(frames.shape).encode())  # 2 × 6 px are not 3 × 4 px
    for frame in frames:
        digest.update(np.ascontiguousarray(frame).data)
    return digest.hexdigest()


class FrameKey(NamedTuple):
    """The name of a frame in a study; sorts by pullback, then along it.

    Attributes:
        pullback_id: Its pullback.
        frame_index: 0-based.
    """

    pullback_id: str
    frame_index: int

    def __str__(self) -> str:
        """Return the name as people type it."""
        return f"{self.pullback_id}:{self.frame_index}"


def spread_evenly(frames: Mapping[str, NDArray[np.intp]], n: int) -> list[FrameKey]:
    """Return n of the frames of some pullbacks, or all there are, evenly spread over them in their order.

    Example:
        >>> [str(key) for key in spread_evenly({"a": np.array([1, 2, 3]), "b": np.array([7, 9])}, 3)]
        ['a:1', 'a:3', 'b:9']
    """
    ends = np.cumsum([0, *map(len, frames.values())])
    rows = np.linspace(0, ends[-1] - 1, min(n, ends[-1])).round().astype(int)
    return [
        FrameKey(name, int(indices[row - begin]))
        for (name, indices), begin, end in zip(frames.items(), ends, ends[1:], strict=False)
        for row in rows[np.searchsorted(rows, begin) : np.searchsorted(rows, end)]
    ]


class OfFrame:
    """A base of types that belong to one frame and say which."""

    pullback_id: str
    frame_index: int

    @property
    def key(self) -> FrameKey:
        """The frame it belongs to."""
        return FrameKey(self.pullback_id, self.frame_index)


@dataclass(frozen=True)
class PullbackFacts:
    """Geometry and timing of one catheter run, with where each came from.

    Attributes:
        n_frames: Number of frames.
        height_px: Rows.
        width_px: Columns.
        spacing_mm: (x, y) mm per pixel; None where unknown: then nothing in mm is ever printed for this pullback.
        spacing_source: What said so: "ultrasound region", "PixelSpacing", "user" … or why it is unknown.
        frame_time_s: Time from the first frame to each, length n_frames, starting at 0; None where unknown.
        frame_time_source: What said so.
        pullback_speed_mm_s: Catheter speed; None where unknown.
        pullback_speed_source: What said so.
        start_frame_index: First frame of the moving catheter, 0-based; None where unknown.
        stop_frame_index: Last such frame.
        end_diastolic_frames: Frames at end-diastole, 0-based, rising; None where unknown.
        gating_source: What said so.
        manufacturer_model: Console, as "manufacturer model"; "" where unknown.
        notes: What a person should know: burned-in text, doubtful tags. No patient data.
    """

    n_frames: int
    height_px: int
    width_px: int
    spacing_mm: tuple[float, float] | None = None
    spacing_source: str = "unknown"
    frame_time_s: tuple[float, ...] | None = None
    frame_time_source: str = "unknown"
    pullback_speed_mm_s: float | None = None
    pullback_speed_source: str = "unknown"
    start_frame_index: int | None = None
    stop_frame_index: int | None = None
    end_diastolic_frames: tuple[int, ...] | None = None
    gating_source: str = "unknown"
    manufacturer_model: str = ""
    notes: tuple[str, ...] = ()

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(height, width) in px."""
        return (self.height_px, self.width_px)

    @property
    def frame_rate_hz(self) -> float | None:
        """Frames a second, the mean where they are uneven; None where timing is unknown."""
        times = self.frame_time_s
        return None if times is None or len(times) < 2 else (len(times) - 1) / (times[-1] - times[0])


R_WAVES = "RWaveTimeVector"
TAKE_BESIDE = "take it with --spacing-from beside"


@dataclass(frozen=True)
class PullbackClaims:
    """What the files of a pullback say of it, before anything of it is believed.

    Attributes:
        n_frames: Number of frames.
        height_px: Rows.
        width_px: Columns.
        claims: Every claim on spacing, time, speed, start and stop, with its source; of one fact the more exact first.
        no_spacing: Why there is no claim on the spacing, if there is none.
        r_waves_s: When the heart beat, from the first frame; ends of diastole where the times of frames are known.
        end_diastolic_frames: Frames at end-diastole by files beside the frames, 0-based, rising; None where they say nothing.
        gating_source: What said so.
        manufacturer_model: Console; "" where unknown.
        notes: What a person should know besides.
    """

    n_frames: int
    height_px: int
    width_px: int
    claims: tuple[Claim, ...] = ()
    no_spacing: str = UNKNOWN
    r_waves_s: tuple[float, ...] = ()
    end_diastolic_frames: tuple[int, ...] | None = None
    gating_source: str = UNKNOWN
    manufacturer_model: str = ""
    notes: tuple[str, ...] = ()

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(height, width) in px."""
        return (self.height_px, self.width_px)

    def with_claims(self, *claims: Claim, notes: Iterable[str] = ()) -> PullbackClaims:
        """Return these claims and more, which come after them, with notes."""
        return replace(self, claims=(*self.claims, *claims), notes=(*self.notes, *notes))

    def settled(self, chosen: Iterable[Claim] = (), *, spacing_from_beside: bool = False) -> PullbackFacts:
        """Return the facts that are believed, with a note on whatever speaks against them.

        Args:
            chosen: What the user says where the files do not.
            spacing_from_beside: The user asks for the spacing by files of other tools.
        """
        by_user = {claim.fact: claim for claim in chosen}
        claims = self.claims
        if spacing_from_beside:
            asked_for = {Rank.OFFERED: Rank.ASKED_FOR}
            claims = tuple(replace(claim, rank=asked_for.get(claim.rank, claim.rank)) for claim in claims)

        def settled(fact: Fact, silence: str = UNKNOWN) -> Settled:
            return settle(fact, claims, chosen=by_user.get(fact), silence=silence, offer=TAKE_BESIDE)

        spacing = _with_aspect(settled(SPACING, self.no_spacing), claims)
        step, speed, start, stop = map(settled, (FRAME_STEP, SPEED, START, STOP))
        start, stop = _in_order(start, stop)
        times_s = None if step.claim is None else _times_s(step.claim, self.n_frames)
        beats = _nearest_frames(self.r_waves_s, times_s)
        return PullbackFacts(
            n_frames=self.n_frames,
            height_px=self.height_px,
            width_px=self.width_px,
            spacing_mm=None if spacing.claim is None else (spacing.claim.value[0], spacing.claim.value[1]),
            spacing_source=spacing.source,
            frame_time_s=times_s,
            frame_time_source=step.source,
            pullback_speed_mm_s=None if speed.claim is None else speed.claim.value[0],
            pullback_speed_source=speed.source,
            start_frame_index=None if start.claim is None else int(start.claim.value[0]),
            stop_frame_index=None if stop.claim is None else int(stop.claim.value[0]),
            end_diastolic_frames=beats or self.end_diastolic_frames,
            gating_source=R_WAVES if beats else self.gating_source,
            manufacturer_model=self.manufacturer_model,
            notes=(
                *self.notes,
                *(note for one in (spacing, step, speed, start, stop) for note in one.notes),
                *self._implausible(spacing.claim, step.claim, speed.claim),
            ),
        )

    def _implausible(self, spacing: Claim | None, step: Claim | None, speed: Claim | None) -> tuple[str, ...]:
        """Return notes on what no intravascular pullback has."""
        field_px = 0.0 if spacing is None else min(spacing.extent_px or self.width_px, self.width_px)
        return plausibility_notes(
            None if spacing is None else spacing.value[0] * field_px,
            None if step is None or self.n_frames < 2 else 1.0 / step.value[0],
            None if speed is None else speed.value[0],
        )


def _with_aspect(spacing: Settled, claims: Iterable[Claim]) -> Settled:
    """Return the spacing that is believed, held against what is said of the shape of a pixel."""
    for aspect in (claim for claim in claims if claim.fact == ASPECT):
        if spacing.claim is None:
            if not aspect.agrees(replace(aspect, value=(1.0,))):
                note = f"{aspect}: pixels are not square, so give both sides with {ASPECT.option}"
                spacing = replace(spacing, notes=(*spacing.notes, note))
            continue
        x_mm, y_mm = spacing.claim.value
        if not aspect.agrees(replace(aspect, value=(y_mm / x_mm,))):
            against = f"{spacing.claim}, {aspect}"
            if spacing.source == USER:
                spacing = replace(spacing, notes=(*spacing.notes, f"{against}: what the user says counts"))
            else:
                note = f"the spacing is not known: {against}; give it with {SPACING.option}"
                why = f"{UNKNOWN}: {spacing.source} and {aspect.source} disagree"
                spacing = Settled(None, why, (*spacing.notes, note))
    return spacing


def _in_order(start: Settled, stop: Settled) -> tuple[Settled, Settled]:
    """Return start and stop of the moving catheter, both unknown where it would stop before it starts."""
    if start.claim is None or stop.claim is None or start.claim.value <= stop.claim.value:
        return start, stop
    note = f"start and stop of the pullback are not known: {start.claim}, {stop.claim}"
    return Settled(None, UNKNOWN, (*start.notes, note)), Settled(None, UNKNOWN, stop.notes)


def _times_s(step: Claim, n_frames: int) -> tuple[float, ...]:
    """Return the time from the first frame to each."""
    return step.times_s or tuple((np.arange(n_frames) * step.value[0]).tolist())


def _nearest_frames(waves_s: tuple[float, ...], times_s: tuple[float, ...] | None) -> tuple[int, ...] | None:
    """Return the frames nearest to R waves, which end diastole; None where there are none, or times are unknown."""
    waves = np.array(waves_s)
    if times_s is None or not np.isfinite(waves).all():
        return None
    times = np.array(times_s)
    inside = waves[(waves >= times[0]) & (waves <= times[-1])]
    return tuple(sorted({int(np.abs(times - wave).argmin()) for wave in inside})) or None
