"""What a packet holds, going out and coming back.

A frame keeps one name from export to return, so that any editor's files can be matched to it. What was sent is remembered by
hash and by contour: a return is always read against it, and a contour nobody moved comes back as the very object that was sent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Contours, Points
from ivsqa.domain.geometry.arcs import DoubtfulArc
from ivsqa.domain.geometry.refinement import Nudge
from ivsqa.domain.grid import WorkingGrid
from ivsqa.domain.pullback import OfFrame
from ivsqa.errors import IvsqaError
from ivsqa.io.formats.shapes import DECIMALS

IMAGES_FOLDER = "images"
"""Where a packet keeps its untouched frames."""

Purpose = Literal["correction", "reading", "repeat", "adjudication"]
"""What a packet is for: to correct what a model drew, the same as one of several readers, or to decide between readers."""

# A dash in front would read as an option, and a dot hide the file.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, eq=False)
class SentFrame(OfFrame):
    """A frame as it went out.

    Attributes:
        name: Its file name without extension, unique in the packet.
        pullback_id: Pseudonymous id.
        frame_index: 0-based.
        height_px: Rows.
        width_px: Columns.
        image_sha256: `frame_sha256` of its pixels.
        contours: What was drawn in it; empty where the model found nothing.
        spacing_mm: (x, y) mm per px; None where unknown.
        carried_from: The frame whose correction is in the contours; None where they are as the model drew them.
    """

    name: str
    pullback_id: str
    frame_index: int
    height_px: int
    width_px: int
    image_sha256: str
    contours: Contours
    spacing_mm: tuple[float, float] | None = None
    carried_from: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in px."""
        return (self.height_px, self.width_px)


@dataclass(frozen=True, eq=False)
class FrameProbabilities:
    """What the model thought of a frame, for editors that lay borders through points themselves.

    Attributes:
        grid: Where its pixels lie in the frame.
        levels: uint8 (K, s, s), probability × 255 of each structure of the study with what it encloses, innermost first.
    """

    grid: WorkingGrid
    levels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What lies around a frame in its pullback, for editors that show it.

    Attributes:
        neighbours: uint8 (height, width) by offset in frames, without 0; ascending.
        step_mm: Mean distance from one of them to the next; None where unknown.
        cut: uint8 (height, columns), the pullback cut along the catheter through the middle of the frames, its first frame on the
            left, the right end of a frame's middle row on top.
        place: How far along the cut the frame lies, 0 to 1.
    """

    neighbours: Mapping[int, NDArray[np.uint8]]
    step_mm: float | None
    cut: NDArray[np.uint8]
    place: float


@dataclass(frozen=True, eq=False)
class PacketFrame(OfFrame):
    """A frame to annotate, with all that the annotator is shown.

    Attributes:
        name: File-safe and unique in the packet: letters, digits, "_" and "-".
        pullback_id: Pseudonymous id.
        frame_index: 0-based.
        image: uint8 (height, width), grey, nothing drawn into it.
        contours: What the model drew, or what was carried to it.
        rank: 1 is the first to look at.
        reason: Why it was chosen, for people.
        spacing_mm: (x, y) mm per px; None where unknown.
        quality: Predicted Dice of the worst structure; None where there is no score.
        dice: Predicted Dice by structure.
        error_maps: float32 (height, width) in [0, 1] by structure; empty where there is no score.
        arcs: Where to look first.
        proposals: Open lines (m, 2), (x, y) px, that are shown along the arcs in place of our mark: what readers drew there.
        probabilities: What the model thought; None where no format of the packet needs it.
        surroundings: What lies around it; None where no format of the packet shows it.
        carried_from: As for `SentFrame`.
    """

    name: str
    pullback_id: str
    frame_index: int
    image: NDArray[np.uint8]
    contours: Contours
    rank: int = 1
    reason: str = ""
    spacing_mm: tuple[float, float] | None = None
    quality: float | None = None
    dice: Mapping[str, float] = field(default_factory=dict)
    error_maps: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    arcs: Sequence[DoubtfulArc] = ()
    proposals: Sequence[Points] = ()
    probabilities: FrameProbabilities | None = None
    surroundings: Surroundings | None = None
    carried_from: int | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a frame's name holds letters, digits, _ and - only, got {self.name!r}")

    def without_pixels(self) -> PacketFrame:
        """Return the frame to keep while others pass: its image is a blank of the same shape that takes no memory."""
        blank = np.broadcast_to(np.uint8(0), self.image.shape)
        return replace(self, image=blank, error_maps={}, probabilities=None, surroundings=None)

    def sent(self) -> SentFrame:
        """Return the frame as it is remembered, to read the return against."""
        height, width = self.image.shape
        sha256, spacing_mm = frame_sha256(self.image), self.spacing_mm
        where = (self.name, self.pullback_id, self.frame_index)
        return SentFrame(*where, height, width, sha256, self.contours, spacing_mm, self.carried_from)


@dataclass(frozen=True)
class PacketOrigin:
    """Which packet a file belongs to.

    Attributes:
        round_id: The round it was made for.
        packet_id: The packet itself.
        purpose: What it is for.
        reader: Whose it is; None: for whoever works on it.
    """

    round_id: str
    packet_id: str
    purpose: Purpose = "correction"
    reader: str | None = None


@dataclass(frozen=True, eq=False)
class ReturnedFrame:
    """A frame as it came back.

    Attributes:
        frame: The same frame as it went out.
        contours: What is drawn now; a structure that is absent was deleted. One that was not moved is the sent object itself.
        checked: Whether the annotator ticked it as right; None where the format cannot say.
        unreadable: Whether the annotator marked it as impossible to judge.
        path: The file it came from; a format whose files are about whole frames need not say it.
        notes: What a person should know, such as a stray shape that was left out.
        nudges: Points that the annotator dropped for the border to pass, in frame px.
        nudges_followed: Whether the contours pass these points already: the editor laid them before the annotator's eyes.
        active_s: Time that the annotator's hands were on the frame; None where the format cannot say.
    """

    frame: SentFrame
    contours: Contours
    checked: bool | None
    unreadable: bool
    path: Path = Path()
    notes: tuple[str, ...] = ()
    nudges: tuple[Nudge, ...] = ()
    nudges_followed: bool = False
    active_s: float | None = None

    @property
    def is_changed(self) -> bool:
        """Whether anything differs from what was sent; contours that were not moved are the same objects."""
        names = set(self.contours) | set(self.frame.contours)
        # By identity: a contour that nobody moved is the very object that was sent.
        moved = any(self.contours.get(name) is not self.frame.contours.get(name) for name in names)
        return moved or bool(self.checked) or self.unreadable or bool(self.nudges)

    @property
    def answer(self) -> object:
        """What the annotator said of the frame, to compare with another answer for it."""
        lines = {name: contour.points_px.tobytes() for name, contour in self.contours.items()}
        return lines, bool(self.checked), self.unreadable, self.nudges


@dataclass(frozen=True, eq=False)
class ReturnedPacket:
    """What came back.

    Attributes:
        format: The adapter that read it.
        frames: In the order they were sent; frames that did not come back are absent.
        rejected: What could not be used, one error a file or frame; the rest stands.
    """

    format: str
    frames: tuple[ReturnedFrame, ...]
    rejected: tuple[IvsqaError, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether somebody worked on it: a frame differs from what was sent, or cannot be used."""
        return bool(self.rejected) or any(frame.is_changed for frame in self.frames)

    @classmethod
    def of(
        cls,
        format_name: str,
        sent: Sequence[SentFrame],
        frames: Iterable[ReturnedFrame],
        rejected: Iterable[IvsqaError],
    ) -> ReturnedPacket:
        """Return a packet with its frames in the order they were sent."""
        by_name = {frame.frame.name: frame for frame in frames}
        ordered = (by_name[frame.name] for frame in sent if frame.name in by_name)
        return cls(format_name, tuple(ordered), tuple(rejected))


def frame_sha256(image: NDArray[np.uint8]) -> str:
    """Return the hex SHA-256 of a grey frame: its height and width in text, then its rows."""
    height, width = image.shape
    # The size goes in first: the same bytes in another shape are another frame.
    digest = hashlib.sha256(f"{height}x{width}:".encode())
    digest.update(np.ascontiguousarray(image, dtype=np.uint8).data)
    return digest.hexdigest()


def names_of(names: Sequence[str]) -> str:
    """Return the first name of some frames and how many follow."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def sent_unless_moved(returned: Contour, sent: Contour | None) -> Contour:
    """Return the sent contour where the returned one differs by rounding only, else the returned one."""
    if sent is None:
        return returned
    rounded = np.round(sent.points_px, DECIMALS)
    # Vertices that fall together when rounded are read back as one.
    rounded = rounded[np.any(rounded != np.roll(rounded, 1, axis=0), axis=1)]
    if rounded.shape != returned.points_px.shape:
        return returned
    # A whole unit of the last decimal: editors round what was rounded once already.
    return sent if np.abs(rounded - returned.points_px).max() <= 10.0**-DECIMALS else returned
