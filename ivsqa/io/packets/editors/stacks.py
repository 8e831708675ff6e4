"""Stacks: the frames of a packet one above the other, for editors that open volumes instead of pictures.

One stack holds all frames of one size and one spacing, in the order of the packet: an annotator pages from the worst frame to the
best in one window, and has a second stack to open only where frames could not share a grid. One stack a pullback would be as
regular, but a round takes a few frames from each of many pullbacks, and opening files is work. What a stack is follows from what
was sent, so a return needs nothing but its voxels; a piece of a hash in its name tells it from that of another packet.
"""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivsqa.domain.structures import StructureSet
from ivsqa.errors import PacketError
from ivsqa.io.packets.adapter import Adapter, write_text
from ivsqa.io.packets.packet import PacketFrame, PacketOrigin, SentFrame
from ivsqa.io.packets.worklist import SLICES_FILE_NAME
from ivsqa.io.tables import csv_text

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
        """Return the rings that were sent, uint8 (frames, height, width)."""
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
    # Names and pixels, so that a stack of the same frames in another version is another stack.
    text = "\n".join(f"{frame.name}:{frame.image_sha256}" for frame in frames)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def is_of_stack(name: str) -> bool:
    """Return whether a folder is named like a stack."""
    return _NAME.fullmatch(name) is not None


def stack_of_file(path: Path, folder: Path, stacks: Sequence[Stack]) -> Stack:
    """Return the stack a returned file is about, by its name or that of a folder it lies in.

    Raises:
        PacketError: it names a stack of another packet, or none where there are several.
    """
    names = _NAME.findall(path.relative_to(folder).as_posix())
    by_name = {stack.name: stack for stack in stacks}
    known = ", ".join(by_name)
    # The innermost name counts: people unpack packets into folders of their own.
    if names and names[-1] not in by_name:
        raise PacketError("was made for another packet", hint=f"here belong: {known}", path=path)
    if not names and len(stacks) > 1:
        raise PacketError("does not say which stack it is", hint=f"name it as it was: {known}", path=path)
    return by_name[names[-1]] if names else stacks[0]


@dataclass(frozen=True, eq=False)
class FilledStack:
    """A stack with what there is to look at.

    Attributes:
        stack: What was sent.
        frames: The same frames with their images.
        heats: Predicted error in per cent, uint8 like the images; None where a frame has no score.
    """

    stack: Stack
    frames: tuple[PacketFrame, ...]
    heats: tuple[NDArray[np.uint8] | None, ...]

    def volumes(self) -> dict[str, NDArray[np.uint8]]:
        """Return images, and predicted error where some frame has a score, as uint8 (frames, height, width)."""
        volumes = {IMAGE: np.stack([frame.image for frame in self.frames])}
        if any(heat is not None for heat in self.heats):
            # A volume has to be whole: frames without a score show no error.
            blank = np.zeros(self.stack.frames[0].shape, dtype=np.uint8)
            volumes[HEATMAP] = np.stack([blank if heat is None else heat for heat in self.heats])
        return volumes


def filled_stacks(frames: Sequence[tuple[PacketFrame, NDArray[np.uint8] | None]]) -> list[FilledStack]:
    """Return the stacks of frames, each given with its predicted error, see `heat_of`."""
    by_name = {frame.name: (frame, heat) for frame, heat in frames}
    stacks = stacks_of([frame.sent() for frame, _ in frames])
    filled = [(stack, [by_name[frame.name] for frame in stack.frames]) for stack in stacks]
    return [FilledStack(stack, *map(tuple, zip(*pairs, strict=True))) for stack, pairs in filled]


class StackAdapter(Adapter):
    """A format that shows the frames of a packet as stacks.

    Attributes:
        folder_name: Where in the packet its files lie.
        first_slice: The number that its editor gives to the first slice.
    """

    folder_name: str
    first_slice: int = 0

    @abstractmethod
    def stack_files(self, filled: FilledStack, structures: StructureSet) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the content of each file of a stack."""

    def write(
        self,
        folder: Path,
        frames: Iterable[PacketFrame],
        structures: StructureSet,
        origin: PacketOrigin,  # noqa: ARG002
    ) -> Iterator[PacketFrame]:
        """Write each stack into a folder, and `slices.csv` for all, when the frames run out.

        Until then a byte a pixel is kept of each image and of its predicted error.
        """
        passed: list[tuple[PacketFrame, NDArray[np.uint8] | None]] = []
        for frame in frames:
            passed.append((replace(frame, error_maps={}, probabilities=None), heat_of(frame)))
            yield frame
        target = folder / self.folder_name
        target.mkdir()
        stacks = filled_stacks(passed)
        for filled in stacks:
            for name, content in self.stack_files(filled, structures):
                # napari gets a folder a stack, the others get files side by side.
                (target / name).parent.mkdir(exist_ok=True)
                (target / name).write_bytes(content)
        write_text(target / SLICES_FILE_NAME, _slices_csv(stacks, self.first_slice))


def heat_of(frame: PacketFrame) -> NDArray[np.uint8] | None:
    """Return the greatest predicted error over structures in per cent, uint8 (height, width); None without a score."""
    if not frame.error_maps:
        return None
    worst = np.max([np.nan_to_num(error, nan=0.0) for error in frame.error_maps.values()], axis=0)
    return np.asarray(np.round(100.0 * np.clip(worst, 0.0, 1.0)), dtype=np.uint8)


def _slices_csv(stacks: Sequence[FilledStack], first_slice: int) -> str:
    """Return a table of the frame in each slice, with a column to tick."""
    return csv_text(
        ("stack", "slice", "name", "pullback_id", "frame_index", "doubtful_arcs", "checked"),
        (
            (filled.stack.name, number, frame.name, *frame.key, "; ".join(map(str, frame.arcs)), "")
            for filled in stacks
            for number, frame in enumerate(filled.frames, start=first_slice)
        ),
    )
