"""What is known of a pullback besides its pixels. Unknown is None, never a default."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


def frames_sha256(frames: NDArray[np.uint8]) -> str:
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
