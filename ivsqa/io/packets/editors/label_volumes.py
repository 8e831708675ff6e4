"""Label volumes: from voxels that came back to the contours of each frame, whatever file they were in.

Each slice is compared with what was sent, ring by ring; a contour of the same pixels comes back as the very object that was sent.
What lies outside a crop came back empty, and counts only where it is ticked.

Labels are known by name. Rings may overlap: a structure includes what it encloses. A dab of `checked` or `unreadable` ticks the
slice it is in and leaves what is beneath as it was sent.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray

from ivsqa.domain.contour import Contour, Mask
from ivsqa.domain.structures import StructureSet
from ivsqa.errors import IvsqaError, PacketError, located
from ivsqa.io.formats.label_marks import MARKS, WALL, Tick, structure_named
from ivsqa.io.formats.shapes import outline, stray_note
from ivsqa.io.formats.voxels import SAVE_AS_SENT, Segment, VolumeFile
from ivsqa.io.outside import apart
from ivsqa.io.packets.editors.placed_volumes import Placed, check_image, placed_on
from ivsqa.io.packets.editors.stacks import (
    HEATMAP,
    IMAGE,
    Stack,
    StackAdapter,
    stack_of_file,
    stacks_of,
)
from ivsqa.io.packets.packet import ReturnedFrame, ReturnedPacket, SentFrame, names_of

MARK_COLORS = {"checked": "#3cb44b", "unreadable": "#8c8c8c"}
MOST_LABELS = 16
"""More values than that are a picture, not labels."""
MOST_TIMES_SENT = MOST_LABELS
"""A file with more voxels than the stack in every layer is no answer to it, and is not unpacked."""
Decoder = Callable[[Path, int], VolumeFile]
"""Read a file of at most so many voxels; raises PacketError."""


def segments_of(structures: StructureSet) -> tuple[Segment, ...]:
    """Return the meanings of the values in our label volumes: rings from the inside, then the marks."""
    return tuple(Segment(name, value) for value, name in enumerate((*structures.names, *MARKS), start=1))


def color_of(segment: Segment, structures: StructureSet) -> tuple[int, int, int]:
    """Return red, green, blue in 0 … 255 of one of `segments_of`."""
    hexadecimal = MARK_COLORS.get(segment.name) or structures.color_of(segment.name)
    red, green, blue = bytes.fromhex(hexadecimal.removeprefix("#"))
    return red, green, blue


class LabelVolumeAdapter(StackAdapter):
    """A format in which stacks are painted as label volumes.

    Of several label volumes for one stack, the one that was worked on counts. An image beside them must be the one sent.
    """

    tolerance_px = 0.5

    @abstractmethod
    def decoder(self, folder: Path, structures: StructureSet) -> Decoder:
        """Return the function that reads a file of the format."""

    def read(self, folder: Path, sent: Sequence[SentFrame], structures: StructureSet) -> ReturnedPacket:
        """Return the frames that the volumes below a folder answer."""
        stacks = stacks_of(sent)
        read_volume = self.decoder(folder, structures)
        answers: dict[str, dict[Path, ReturnedPacket]] = {stack.name: {} for stack in stacks}
        refused: set[str] = set()
        rejected: list[IvsqaError] = []
        for path in (path for path in self.files(folder, structures) if f"-{HEATMAP}." not in path.name):
            is_image, stack, is_sound = f"-{IMAGE}." in path.name, None, False
            with apart(rejected, path):
                stack = stack_of_file(path, folder, stacks)
                file = read_volume(path, MOST_TIMES_SENT * int(np.prod(stack.shape)))
                if is_image:
                    check_image(file, stack)
                else:
                    answers[stack.name][path] = _answer(file, stack, structures, path)
                is_sound = True
            # Labels that were drawn on another image fit nothing here.
            if stack is not None and is_image and not is_sound:
                refused.add(stack.name)
        counting = [answer for name in answers if name not in refused for answer in _that_counts(answers[name])]
        frames = [frame for answer in counting for frame in answer.frames]
        rejected += [error for answer in counting for error in answer.rejected]
        return ReturnedPacket.of(self.name, sent, frames, rejected)


def _that_counts(answers: Mapping[Path, ReturnedPacket]) -> list[ReturnedPacket]:
    """Return the one changed answer for a stack, else any; an error where two were changed."""
    worked_on = [path for path, answer in answers.items() if answer.is_changed]
    if len(worked_on) < 2:
        return [answers[path] for path in [*worked_on, *answers][:1]]
    message = f"is a second segmentation beside {worked_on[0].name}"
    error = PacketError(message, hint="keep the one that counts and send again", path=worked_on[1])
    return [ReturnedPacket("", (), (error,))]


def _answer(file: VolumeFile, stack: Stack, structures: StructureSet, path: Path) -> ReturnedPacket:
    """Return the frames of a stack that a label volume answers.

    Raises:
        PacketError: it lies in the wrong place, is no label volume, or has its slices in another order.
    """
    placed = placed_on(file, stack)
    sent = stack.label_maps(structures)
    drawn = _drawn(placed, file, structures, sent)
    _refuse_exchanged(drawn.rings, sent, stack)
    frames: list[ReturnedFrame] = []
    rejected: list[IvsqaError] = []
    for error, is_there in drawn.unknown:
        where = names_of([stack.frames[index].name for index in np.flatnonzero(is_there)])
        rejected.append(PacketError(error.message, hint=error.hint, path=path, where=where))
    for index, frame in enumerate(stack.frames):
        # What lies beneath a label of no meaning is not known, so its slice is not read at all.
        if any(is_there[index] for _, is_there in drawn.unknown):
            continue
        mark = Tick.CHECKED if file.is_done and drawn.marks[index] is None else drawn.marks[index]
        try:
            with located(path=path):
                contours, notes = _contours(drawn.rings[index], sent[index], frame, structures)
        except PacketError as error:
            rejected.append(error)
            continue
        checked = True if mark is Tick.CHECKED else None
        frames.append(ReturnedFrame(frame, contours, checked, mark is Tick.UNREADABLE, path, notes))
    return ReturnedPacket("", tuple(frames), tuple(rejected))


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What is drawn in a stack.

    Attributes:
        rings: Label maps of the structures, uint8 (frames, height, width).
        marks: What is marked in each slice.
        unknown: Labels without a meaning here, and (frames,) where they are.
    """

    rings: NDArray[np.uint8]
    marks: tuple[Tick | None, ...]
    unknown: tuple[tuple[PacketError, Mask], ...]


def _drawn(placed: Placed, file: VolumeFile, structures: StructureSet, sent: NDArray[np.uint8]) -> _Drawn:
    """Return the rings, marks and unknown labels of a volume."""
    inside: dict[str, Mask] = {}
    unknown: list[tuple[PacketError, Mask]] = []
    for label, where in _iter_labels(placed, file, structures):
        try:
            name = _meaning(label, structures)
        except PacketError as error:
            unknown.append((error, np.asarray(where.any(axis=(1, 2)))))
            continue
        inside[name] = inside[name] | where if name in inside else where
    rings = np.zeros_like(sent)
    # From the outside in, so that an inner ring covers the outer one.
    for value, name in reversed(list(enumerate(structures.names, start=1))):
        if name in inside:
            rings[inside[name]] = value
    marks: list[Tick | None] = [None] * len(sent)
    for name in (name for name in MARKS if name in inside):
        beneath = inside[name] & (rings == 0)  # what another layer draws there stands
        rings[beneath] = sent[beneath]
        for index in np.flatnonzero(inside[name].any(axis=(1, 2))):
            marks[index] = MARKS[name]
    return _Drawn(rings, tuple(marks), tuple(unknown))


def _iter_labels(placed: Placed, file: VolumeFile, structures: StructureSet) -> Iterator[tuple[str, Mask]]:
    """Yield each label drawn, by its name or else its number, with its voxels, (frames, height, width).

    Raises:
        PacketError: there are more of them than anybody draws.
    """
    names = {(label.layer, label.value): label.name for label in file.segments or segments_of(structures)}
    for layer, values in enumerate(placed.layers):
        drawn = [int(value) for value in np.unique(values) if value != 0]
        if len(drawn) > MOST_LABELS:
            hint = "send the segmentation, under the name it had"
            raise PacketError(f"holds {len(drawn)} different values, as a picture does", hint=hint)
        for value in drawn:
            yield names.get((layer, value), str(value)), np.asarray(values == value)


def _meaning(label: str, structures: StructureSet) -> str:
    """Return the structure or the mark that a label means; raises PacketError."""
    name = label.strip().lower()
    if name in MARKS:
        return name
    if name == WALL and len(structures) == 2:
        return structures.outermost
    return structure_named(label, structures)


def _refuse_exchanged(rings: NDArray[np.uint8], sent: NDArray[np.uint8], stack: Stack) -> None:
    """Raise where slices came back in another order: the labels sent in one stand, to the pixel, in another."""
    ours = [labels.tobytes() for labels in sent]
    place = {labels: index for index, labels in enumerate(ours)}
    moved = {
        place[labels.tobytes()]: index
        for index, labels in enumerate(rings)
        if labels.any() and labels.tobytes() in place and labels.tobytes() != ours[index]
    }
    moved = {origin: index for origin, index in moved.items() if rings[origin].tobytes() != ours[origin]}
    # A single one may be a border that was copied on to the next slice.
    if len(moved) > 1:
        origin, index = next(iter(moved.items()))
        there, here = stack.frames[origin].name, stack.frames[index].name
        message = f"its slices are in another order: {here} holds what was drawn in {there}"
        raise PacketError(message, hint=SAVE_AS_SENT)


def _contours(
    rings: NDArray[np.uint8], sent: NDArray[np.uint8], frame: SentFrame, structures: StructureSet
) -> tuple[Mapping[str, Contour], tuple[str, ...]]:
    """Return the contours drawn in one slice, and notes on what was left out."""
    if np.array_equal(rings, sent):
        return frame.contours, ()
    contours: dict[str, Contour] = {}
    notes: list[str] = []
    before = structures.masks_from_label_map(sent)
    for index, (name, mask) in enumerate(structures.masks_from_label_map(rings).items()):
        # Erasing an inner ring leaves a hole, but a structure includes what it encloses.
        filled = scipy.ndimage.binary_fill_holes(mask)
        if name in frame.contours and np.array_equal(filled, scipy.ndimage.binary_fill_holes(before[name])):
            contours[name] = frame.contours[name]
        elif (rings == index + 1).any():  # without a ring of its own it is not there: the lumen is no EEM
            with located(where=f"{frame.name}, {name}"):
                contour, n_specks = outline(filled)
            notes += [stray_note(name, n_specks, "speck")] if n_specks else []
            if contour is not None:
                contours[name] = contour
    return contours, tuple(notes)
