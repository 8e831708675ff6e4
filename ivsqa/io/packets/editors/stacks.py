"""Stacks: the frames of a packet one above the other, for editors that open volumes instead of pictures.

One stack holds all frames of one size and one spacing, in the order of the packet: an annotator pages from the worst frame to the
best in one window, and has a second stack to open only where frames could not share a grid. One stack a pullback would be as
regular, but a round takes a few frames from each of many pullbacks, and opening files is work. What a stack is follows from what
was sent, so a return needs nothing but its voxels; a piece of a hash in its name tells it from that of another packet.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.contour import Points
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets.drawing import look_here_lines
from ivsqa.io.packets.packet import PacketFrame, SentFrame
from ivsqa.io.packets.worklist import SLICES_FILE_NAME

IMAGE = "image"
HEATMAP = "heatmap"
LABELS = "labels"

_NAME = re.compile(r"stack-\d+-[0-9a-f]{6}")


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames of one size and spacing.

    Attributes:
        name: File-safe; equal only for the same frames with the same pixels.
        frames: Index 0 is the first slice.
    """

    name: str
    frames: tuple[SentFrame, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, height, width)."""
        return (len(self.frames), *self.frames[0].shape)

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Size of a voxel in x, y, z; frames of a packet have no distance, so 1 in z, and 1 px where spacing is unknown."""
        x, y = self.frames[0].spacing_mm or (1.0, 1.0)
        return (x, y, 1.0)

    def label_maps(self, structures: StructureSet) -> NDArray[np.uint8]:
        """Return what was sent as rings, uint8 (frames, height, width)."""
        return np.stack([structures.label_map(frame.contours, frame.shape) for frame in self.frames])


def stacks_of(frames: Sequence[SentFrame]) -> list[Stack]:
    """Return the stacks of a packet, that of its first frame first."""
    groups: dict[object, list[SentFrame]] = {}
    for frame in frames:
        groups.setdefault((frame.shape, frame.spacing_mm), []).append(frame)
    return [
        Stack(f"stack-{number}-{_digest(group)}", tuple(group)) for number, group in enumerate(groups.values(), start=1)
    ]


def _digest(frames: Sequence[SentFrame]) -> str:
    said = "\n".join(f"{frame.name}:{frame.image_sha256}" for frame in frames)
    return hashlib.sha256(said.encode()).hexdigest()[:6]


def named(frames: Sequence[SentFrame]) -> str:
    """Return the first name and how many follow."""
    return frames[0].name if len(frames) == 1 else f"{frames[0].name} and {len(frames) - 1} more"


def emptied_errors(frames: Sequence[SentFrame], path: Path) -> list[PacketError]:
    """Return one error for frames in which all that was sent is gone, and which nobody ticked.

    A frame that was left out of a crop looks the same as one that was emptied on purpose: deleting is not done on a guess.
    """
    if not frames:
        return []
    return [
        PacketError(
            "nothing is drawn any more where contours were sent",
            hint="where that is meant, tick them checked or unreadable; else they count as not returned",
            path=path,
            where=named(frames),
        )
    ]


def is_of_stack(name: str) -> bool:
    """Return whether a folder is named like a stack."""
    return _NAME.fullmatch(name) is not None


def stack_of_file(path: Path, folder: Path, stacks: Sequence[Stack]) -> Stack:
    """Return the stack a returned file is about, by its name or that of a folder it lies in.

    Raises:
        PacketError: it names a stack of another packet, or none where there are several.
    """
    found = _NAME.findall(path.relative_to(folder).as_posix())
    named = {stack.name: stack for stack in stacks}
    if found and found[-1] in named:
        return named[found[-1]]
    if found:
        raise PacketError("was made for another packet", hint=f"here belong: {', '.join(named)}", path=path)
    if len(stacks) > 1:
        raise PacketError("does not say which stack it is", hint=f"name it as it was: {', '.join(named)}", path=path)
    return stacks[0]


@dataclass(frozen=True, eq=False)
class FilledStack:
    """A stack with what there is to look at.

    Attributes:
        stack: Its frames.
        images: uint8 (frames, height, width).
        heat: Predicted error in per cent, uint8 like `images`; None where no frame has a score.
        look_here: Open lines that show where to look first, a frame each, in edge convention.
    """

    stack: Stack
    images: NDArray[np.uint8]
    heat: NDArray[np.uint8] | None
    look_here: tuple[Sequence[Points], ...]


@dataclass
class StackedFrames:
    """Frames as they pass by, kept until their stacks can be written: a byte a pixel for image and for heat."""

    _kept: list[tuple[SentFrame, NDArray[np.uint8], NDArray[np.uint8] | None, Sequence[Points]]] = field(
        default_factory=list
    )
    _arcs: dict[str, str] = field(default_factory=dict)

    def add(self, frame: PacketFrame) -> None:
        """Keep what stacks need of a frame."""
        self._kept.append((frame.sent(), frame.image, _heat(frame), look_here_lines(frame)))
        self._arcs[frame.name] = "; ".join(map(str, frame.arcs))

    def filled(self) -> Iterator[FilledStack]:
        """Yield the stacks, one in memory beside what is kept."""
        by_name = {kept[0].name: kept for kept in self._kept}
        for stack in stacks_of([kept[0] for kept in self._kept]):
            kept = [by_name[frame.name] for frame in stack.frames]
            heats = [np.zeros_like(image) if heat is None else heat for _, image, heat, _ in kept]
            yield FilledStack(
                stack,
                np.stack([image for _, image, _, _ in kept]),
                np.stack(heats) if any(heat is not None for _, _, heat, _ in kept) else None,
                tuple(lines for *_, lines in kept),
            )

    def slices_csv(self, *, first: int) -> str:
        """Return which frame each slice shows, with a column to tick.

        Args:
            first: The number that the editor gives to the first slice.
        """
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["stack", "slice", "name", "pullback_id", "frame_index", "doubtful_arcs", "checked"])
        for stack in stacks_of([kept[0] for kept in self._kept]):
            for number, frame in enumerate(stack.frames, start=first):
                row = [stack.name, number, frame.name, frame.pullback_id, frame.frame_index, self._arcs[frame.name], ""]
                writer.writerow(row)
        return buffer.getvalue()


def write_stacks(
    frames: Iterable[PacketFrame], folder: Path, write: Callable[[FilledStack], None], *, first: int
) -> Iterator[PacketFrame]:
    """Yield frames as they pass; when they run out, make the folder, write each stack there, and `slices.csv` for all.

    Args:
        frames: Frames of a packet.
        folder: Where an editor's files go.
        write: Writes one stack.
        first: The number that the editor gives to the first slice.
    """
    stacked = StackedFrames()
    for frame in frames:
        stacked.add(frame)
        yield frame
    folder.mkdir()
    for filled in stacked.filled():
        write(filled)
    (folder / SLICES_FILE_NAME).write_text(stacked.slices_csv(first=first), encoding="utf-8", newline="\n")


def _heat(frame: PacketFrame) -> NDArray[np.uint8] | None:
    """Return the greatest predicted error over structures in per cent, uint8 (height, width); None without a score."""
    if not frame.error_maps:
        return None
    worst = np.max([np.nan_to_num(error, nan=0.0) for error in frame.error_maps.values()], axis=0)
    return np.asarray(np.round(100.0 * np.clip(worst, 0.0, 1.0)), dtype=np.uint8)
